package command

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/dustin/go-humanize"

	"nearside/fault"
)

// reembedJob is the job of a re-embedding, as the server shows it.
type reembedJob struct {
	ID       int64  `json:"id"`
	State    string `json:"state"`
	Reason   string `json:"reason,omitempty"`
	Progress struct {
		Documents int64       `json:"documents"`
		Total     int64       `json:"total"`
		Chunks    int64       `json:"chunks"`
		Tokens    int64       `json:"tokens"`
		Neurons   json.Number `json:"neurons"`
		Note      string      `json:"note,omitempty"`
	} `json:"progress"`
}

// ended reports whether nothing more will happen.
func (j reembedJob) ended() bool {
	return j.State == "done" || j.State == "failed" || j.State == "cancelled"
}

// reembedStorage is the second storage of an index, as the server shows it.
type reembedStorage struct {
	State  string `json:"state"`
	Model  string `json:"model"`
	Config struct {
		Dimensions int    `json:"dimensions"`
		Metric     string `json:"metric"`
	} `json:"config"`
	Count int   `json:"vectorCount"`
	Bytes int64 `json:"bytes"`
}

// String says what it is.
func (s *reembedStorage) String() string {
	model := s.Model
	if model == "" {
		model = "vectors of its own"
	}
	return fmt.Sprintf("%s by %s (%d dimensions, %s), %s", records(s.Count), model, s.Config.Dimensions, s.Config.Metric, humanize.IBytes(uint64(s.Bytes)))
}

// reembedStatus is how a re-embedding stands.
type reembedStatus struct {
	Job      *reembedJob     `json:"job"`
	Next     *reembedStorage `json:"next"`
	Previous *reembedStorage `json:"previous"`
}

func (r *reembedder) readStatus() (s reembedStatus, err error) {
	return s, r.do(http.MethodGet, r.path("/reembed"), nil, &s)
}

func (r *reembedder) showStatus() error {
	s, err := r.readStatus()
	if err != nil {
		return err
	}
	return printResult(r.cmd, s, func(w io.Writer) {
		if j := s.Job; j != nil {
			fmt.Fprintf(w, "job %d: %s, %s of %s, %s neurons", j.ID, j.State, humanize.Comma(j.Progress.Documents), records(int(j.Progress.Total)), j.Progress.Neurons)
			for _, more := range []string{j.Progress.Note, j.Reason} {
				if more != "" {
					fmt.Fprintf(w, "; %s", more)
				}
			}
			fmt.Fprintln(w)
		}
		if s.Next != nil {
			fmt.Fprintf(w, "being built: %s\n", s.Next)
		}
		if s.Previous != nil {
			fmt.Fprintf(w, "kept from before: %s\n", s.Previous)
		}
		if s == (reembedStatus{}) {
			fmt.Fprintf(w, "%s was not re-embedded lately, and nothing is kept from before\n", r.index)
		}
	})
}

// lookEvery is how often the server is asked how far a job is.
const lookEvery = 500 * time.Millisecond

// follow shows the progress of a job until it has ended, unless that is not wanted.
func (r *reembedder) follow(j reembedJob) error {
	if !r.flags.wait {
		return printResult(r.cmd, j, func(w io.Writer) {
			fmt.Fprintf(w, "job %d re-embeds %s; see how far it is with: nearside reembed %s --status\n", j.ID, r.index, r.index)
		})
	}
	bar := newProgress(r.cmd.ErrOrStderr(), "re-embedding", false)
	again := time.NewTicker(lookEvery)
	defer again.Stop()
	waiting := ""
	for !j.ended() {
		bar.set(j.Progress.Documents, j.Progress.Total)
		select {
		case <-again.C:
		case <-r.cmd.Context().Done():
			bar.finish()
			return r.interrupted(j, r.cmd.Context().Err())
		}
		if err := r.do(http.MethodGet, fmt.Sprintf("/nearside/jobs/%d", j.ID), nil, &j); err != nil && r.cmd.Context().Err() == nil {
			bar.finish()
			return fmt.Errorf("job %d goes on, but the server does not say how far it is: %w", j.ID, err)
		}
		if j.State == "queued" && j.Reason != waiting {
			waiting = j.Reason
			fmt.Fprintf(r.cmd.ErrOrStderr(), "waiting: %s\n", waiting)
		}
	}
	bar.finish()
	return r.ended(j)
}

// ended reports the end of a job.
func (r *reembedder) ended(j reembedJob) error {
	switch j.State {
	case "failed":
		return fault.New(fault.Unavailable, "%s; the index serves as before. What was done is kept: give the command again to go on, or --cancel to delete it", j.Reason)
	case "cancelled":
		return fault.New(fault.Canceled, "job %d was cancelled; %s serves as before", j.ID, r.index)
	}
	s, err := r.readStatus()
	if err != nil {
		return err
	}
	return printResult(r.cmd, s, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s, %s tokens, %s neurons", r.index, records(int(j.Progress.Documents)), humanize.Comma(j.Progress.Tokens), j.Progress.Neurons)
		if j.Progress.Note != "" {
			fmt.Fprintf(w, "; %s", j.Progress.Note)
		}
		fmt.Fprintln(w)
		if s.Previous != nil {
			fmt.Fprintf(w, "kept from before: %s. Delete it with --drop-old, go back to it with --undo\n", s.Previous)
		}
	})
}
