package command

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"nearside/client"
	"nearside/fault"
)

const jobsPath = "/nearside/jobs"

// jobProgress is how far a job is.
type jobProgress struct {
	Documents int64   `json:"documents"`
	Unchanged int64   `json:"unchanged"`
	Failed    int64   `json:"failed"`
	Total     int64   `json:"total"`
	Chunks    int64   `json:"chunks"`
	Tokens    int64   `json:"tokens"`
	Neurons   float64 `json:"neurons"`
	Note      string  `json:"note,omitempty"`
}

// done is how many documents are dealt with.
func (p jobProgress) done() int64 { return p.Documents + p.Unchanged + p.Failed }

// job is a job as the server tells of it.
type job struct {
	ID       int64       `json:"id"`
	Kind     string      `json:"kind"`
	Index    string      `json:"index"`
	State    string      `json:"state"`
	Reason   string      `json:"reason,omitempty"`
	Due      string      `json:"due_on,omitempty"`
	Created  string      `json:"created_on"`
	Started  string      `json:"started_on"`
	Ended    string      `json:"ended_on"`
	Progress jobProgress `json:"progress"`
	Failures []struct {
		Path   string `json:"path"`
		Reason string `json:"reason"`
	} `json:"failures,omitempty"`
}

// ended reports whether nothing more will happen.
func (j job) ended() bool { return j.State == "done" || j.State == "failed" || j.State == "cancelled" }

// print says all that is known of a job.
func (j job) print(w io.Writer) {
	fmt.Fprintf(w, "job %d: %s of index %s, %s", j.ID, j.Kind, j.Index, j.State)
	if j.Reason != "" {
		fmt.Fprintf(w, ": %s", j.Reason)
	}
	if j.Due != "" {
		fmt.Fprintf(w, " (tried again at %s)", j.Due)
	}
	p := j.Progress
	fmt.Fprintf(w, "\n%s of %s documents loaded, %s unchanged, %s failed; %s passages, %s tokens, %.3f neurons\n", humanize.Comma(p.Documents), humanize.Comma(p.Total),
		humanize.Comma(p.Unchanged), humanize.Comma(p.Failed), humanize.Comma(p.Chunks), humanize.Comma(p.Tokens), p.Neurons)
	if p.Note != "" && !j.ended() {
		fmt.Fprintln(w, p.Note)
	}
	for _, f := range j.Failures {
		fmt.Fprintf(w, "%s: %s\n", f.Path, f.Reason)
	}
	if more := p.Failed - int64(len(j.Failures)); more > 0 && len(j.Failures) > 0 {
		fmt.Fprintf(w, "and %s more\n", humanize.Comma(more))
	}
}

// outcome is the error of a job that has ended; nil if all of it is done.
func (j job) outcome() error {
	switch {
	case j.State == "done" && j.Progress.Failed > 0:
		return partlyDone{int(j.Progress.Documents + j.Progress.Unchanged), int(j.Progress.Failed)}
	case j.State == "done":
		return nil
	}
	return fault.New(fault.Invalid, "job %d is %s: %s", j.ID, j.State, cmp.Or(j.Reason, "nothing more will happen"))
}

func newJobs() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "List, show, cancel and await what the server does that takes longer than a call",
	}
	server := connectFlags(cmd)
	cmd.AddCommand(newJobsList(server), newJobsShow(server), newJobsCancel(server), newJobsWait(server))
	return cmd
}

func newJobsList(server *connection) *cobra.Command {
	var index, kind, state string
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List jobs, the newest first",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			for name, value := range map[string]string{"index": index, "kind": kind, "state": state} {
				if value != "" {
					query.Set(name, value)
				}
			}
			var list []job
			if err := server.client().Do(cmd.Context(), http.MethodGet, jobsPath+"?"+query.Encode(), nil, &list); err != nil {
				return err
			}
			return printResult(cmd, list, func(w io.Writer) {
				table(w, "ID\tKIND\tINDEX\tSTATE\tDOCUMENTS\tFAILED\tCREATED", func(row func(string, ...any)) {
					for _, j := range list {
						row("%d\t%s\t%s\t%s\t%d of %d\t%d\t%s", j.ID, j.Kind, j.Index, j.State, j.Progress.done(), j.Progress.Total, j.Progress.Failed, j.Created)
					}
				})
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&index, "index", "", "only jobs of this index")
	flags.StringVar(&kind, "kind", "", "only jobs of this kind: files, reembed")
	flags.StringVar(&state, "state", "", "only jobs in this state: queued, running, done, failed, cancelled")
	flags.IntVar(&limit, "limit", 100, "how many at most, up to 1,000")
	return cmd
}

func newJobsShow(server *connection) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Tell how far a job is, and what failed in it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			j, err := getJob(cmd.Context(), server.client(), args[0])
			if err != nil {
				return err
			}
			return printResult(cmd, j, j.print)
		},
	}
}

func newJobsCancel(server *connection) *cobra.Command {
	return &cobra.Command{
		Use:   "cancel ID",
		Short: "End a job; what it has done stays",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var j job
			if err := server.client().Do(cmd.Context(), http.MethodPost, jobPath(args[0])+"/cancel", nil, &j); err != nil {
				return err
			}
			return printResult(cmd, j, func(w io.Writer) {
				if j.ended() {
					fmt.Fprintf(w, "job %d is %s\n", j.ID, j.State)
					return
				}
				fmt.Fprintf(w, "job %d ends as soon as what it is writing is written\n", j.ID)
			})
		},
	}
}

func newJobsWait(server *connection) *cobra.Command {
	return &cobra.Command{
		Use:   "wait ID",
		Short: "Wait until a job has ended",
		Long: `Wait until a job has ended. The exit code is 0 if all of it is done, 3 if parts of it
failed, and 1 if it failed or was cancelled. Ctrl-C ends the waiting, not the job.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return awaitJob(cmd, server.client(), args[0])
		},
	}
}

func jobPath(id string) string { return jobsPath + "/" + url.PathEscape(id) }

func getJob(ctx context.Context, api *client.Client, id string) (j job, err error) {
	return j, api.Do(ctx, http.MethodGet, jobPath(id), nil, &j)
}

// awaitEvery is how often a job is asked about that is waited for.
const awaitEvery = 500 * time.Millisecond

// awaitJob waits until a job has ended, prints it, and returns what came of it as an error.
func awaitJob(cmd *cobra.Command, api *client.Client, id string) error {
	bar := newProgress(cmd.ErrOrStderr(), "job "+id, false)
	defer bar.finish()
	every := time.NewTicker(awaitEvery)
	defer every.Stop()
	said := ""
	for {
		j, err := getJob(cmd.Context(), api, id)
		if err != nil {
			return err
		}
		if j.ended() {
			bar.finish()
			if err := printResult(cmd, j, j.print); err != nil {
				return err
			}
			return j.outcome()
		}
		bar.set(j.Progress.done(), j.Progress.Total)
		if j.Reason != "" && j.Reason != said {
			said = j.Reason
			fmt.Fprintf(cmd.ErrOrStderr(), "job %s waits: %s\n", id, strings.TrimSuffix(said, "."))
		}
		select {
		case <-cmd.Context().Done():
			return cmd.Context().Err()
		case <-every.C:
		}
	}
}
