package server

import (
	"encoding/json"
	"strconv"

	"nearside/fault"
	"nearside/jobs"
)

// What takes longer than a call: package jobs keeps it and has it done.

// progressObject is how far a job is, on the wire.
type progressObject struct {
	Documents int64       `json:"documents"`
	Unchanged int64       `json:"unchanged"`
	Failed    int64       `json:"failed"`
	Total     int64       `json:"total"`
	Chunks    int64       `json:"chunks"`
	Tokens    int64       `json:"tokens"`
	Neurons   json.Number `json:"neurons"`
	Note      string      `json:"note,omitempty"`
}

// failureObject is a part of a job that could not be done.
type failureObject struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// jobObject is a job on the wire.
type jobObject struct {
	ID       int64           `json:"id"`
	Kind     string          `json:"kind"`
	Index    string          `json:"index"`
	State    jobs.State      `json:"state"`
	Reason   string          `json:"reason,omitempty"` // why it failed, or waits
	Due      string          `json:"due_on,omitempty"` // when a job that waits is tried again
	Created  string          `json:"created_on"`
	Started  *string         `json:"started_on"`
	Ended    *string         `json:"ended_on"`
	Progress progressObject  `json:"progress"`
	Failures []failureObject `json:"failures,omitempty"` // of one job, not in lists
}

func newJobObject(j jobs.Job) jobObject {
	p := j.Progress
	o := jobObject{
		ID: j.Number, Kind: j.Kind, Index: j.Index, State: j.State, Reason: j.Reason, Due: wireTime(j.Due),
		Created: wireTime(j.Created), Started: orNull(wireTime(j.Started)), Ended: orNull(wireTime(j.Ended)),
		Progress: progressObject{p.Documents, p.Unchanged, p.Failed, p.Total, p.Chunks, p.Tokens, json.Number(p.Neurons.String()), p.Note},
	}
	for _, f := range j.Failures {
		o.Failures = append(o.Failures, failureObject(f))
	}
	return o
}

// ownJobs reports whether the caller sees only the jobs that it ordered itself: a key that is limited to some records
// must not read the names of others' files.
func (c *call) ownJobs() bool {
	return !c.key.anybody() && (c.key.Namespaces != nil || c.key.Filter != nil)
}

// listJobs answers GET …/nearside/jobs: a page of them, the newest first.
func listJobs(s *Server, c *call) error {
	look := jobs.Look{Index: c.queryParam("index"), Kind: c.queryParam("kind"), State: jobs.State(c.queryParam("state")), Indexes: c.key.Indexes}
	if c.ownJobs() {
		look.Key = c.key.ID
	}
	var err error
	if look.Limit, err = c.queryInt("limit", 100, 1, jobs.MaxPage); err != nil {
		return err
	}
	if before := c.queryParam("before"); before != "" {
		if look.Before, err = jobNumber(before); err != nil {
			return err
		}
	}
	list, err := s.parts.Jobs.Jobs(c, c.account, look)
	if err != nil {
		return err
	}
	objects := make([]jobObject, len(list))
	for i, j := range list {
		objects[i] = newJobObject(j)
	}
	return c.reply(objects)
}

// jobNumber reads the number of a job.
func jobNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, fault.For(reasonPath, "%s is not the number of a job; GET …/nearside/jobs lists them", quoteShort(text))
	}
	return n, nil
}

// jobOf is the job that a path names, if the caller may see it. Another's does not exist to the caller.
func (s *Server) jobOf(c *call) (jobs.Job, error) {
	number, err := jobNumber(c.param("job"))
	if err != nil {
		return jobs.Job{}, err
	}
	j, err := s.parts.Jobs.Job(c, c.account, number)
	if err != nil {
		return j, err
	}
	if !c.key.anybody() && !c.key.AllowsIndex(j.Index) || c.ownJobs() && j.Key != c.key.ID {
		return jobs.Job{}, jobs.Unknown(number)
	}
	return j, nil
}

// showJob answers GET …/nearside/jobs/{job}.
func showJob(s *Server, c *call) error {
	j, err := s.jobOf(c)
	if err != nil {
		return err
	}
	return c.reply(newJobObject(j))
}

// cancelJob answers POST …/nearside/jobs/{job}/cancel.
func cancelJob(s *Server, c *call) error {
	j, err := s.jobOf(c)
	if err != nil {
		return err
	}
	if j, err = s.parts.Jobs.Cancel(c, c.account, j.Number); err != nil {
		return err
	}
	return c.reply(newJobObject(j))
}
