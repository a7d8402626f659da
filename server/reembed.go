package server

import (
	"encoding/json"
	"time"

	"github.com/gofiber/fiber/v2"

	"nearside/catalog"
	"nearside/index"
	"nearside/rag"
)

// Re-embedding: an index gets vectors of another model, made of the texts that it has, while it
// serves. It is a job; what the index was before is kept beside it as "previous".

// estimateObject is what a re-embedding would take.
type estimateObject struct {
	DryRun      bool        `json:"dry_run"`
	Model       string      `json:"model"`
	Fingerprint string      `json:"fingerprint"`
	Config      indexConfig `json:"config"`
	Records     int         `json:"records"`
	VectorsOnly int         `json:"vectors_only"` // records without text
	Tokens      int         `json:"tokens"`       // about
	Neurons     json.Number `json:"neurons"`      // about
	Bytes       int64       `json:"bytes"`        // about, on the disk, beside what there is
	Seconds     *float64    `json:"seconds"`      // about; null = not known before it has begun
}

func newEstimateObject(e rag.Estimate) estimateObject {
	o := estimateObject{
		DryRun: true, Model: e.Weights.Model, Fingerprint: string(e.Weights.Fingerprint),
		Config:  indexConfig{Dimensions: e.Weights.Dimensions, Metric: e.Metric},
		Records: e.Records, VectorsOnly: e.VectorsOnly, Tokens: e.Tokens, Neurons: json.Number(e.Neurons.String()), Bytes: e.Bytes,
	}
	if e.Duration > 0 || e.Tokens == 0 {
		seconds := e.Duration.Round(100 * time.Millisecond).Seconds()
		o.Seconds = &seconds
	}
	return o
}

// reembedIndex answers POST …/nearside/indexes/{index}/reembed: the job that does it, or with dry_run what it would take.
func reembedIndex(s *Server, c *call) error {
	var wanted struct {
		Model           string       `json:"model"`
		Metric          index.Metric `json:"metric"`
		DropVectorsOnly bool         `json:"drop_vectors_only"`
		DryRun          bool         `json:"dry_run"`
	}
	if err := c.bindExactly(&wanted); err != nil {
		return err
	}
	if wanted.Model == "" {
		return badJSON(`model: expected the name of an embedding model, such as "@nearside/all-minilm-l6-v2"`)
	}
	if _, _, err := s.wholeIndex(c); err != nil {
		return err
	}
	r := rag.Reembedding{Index: c.param(indexParam), Model: wanted.Model, Metric: wanted.Metric, DropVectorsOnly: wanted.DropVectorsOnly}
	if wanted.DryRun {
		e, err := s.parts.Texts.EstimateReembedding(c, c.payer(), r)
		if err != nil {
			return err
		}
		return c.reply(newEstimateObject(e))
	}
	j, _, err := s.parts.Reembeddings.Begin(c, c.payer(), r)
	if err != nil {
		return err
	}
	c.status = fiber.StatusAccepted
	return c.reply(newJobObject(j))
}

// otherObject is the second storage of an index.
type otherObject struct {
	State       catalog.TwinState `json:"state"`
	Model       string            `json:"model"`
	Fingerprint string            `json:"fingerprint"`
	Config      indexConfig       `json:"config"`
	Count       int               `json:"vectorCount"`
	Bytes       int64             `json:"bytes"` // on the disk
	Created     string            `json:"created_on"`
	Damaged     string            `json:"damaged,omitempty"` // why it cannot be opened
}

// showReembedding answers GET …/nearside/indexes/{index}/reembed: the last job, the storage that it
// builds (next), and the one that the index had before (previous). What there is not is null.
func showReembedding(s *Server, c *call) error {
	if _, _, err := s.wholeIndex(c); err != nil {
		return err
	}
	name := c.param(indexParam)
	var result struct {
		Job      *jobObject   `json:"job"`
		Next     *otherObject `json:"next"`
		Previous *otherObject `json:"previous"`
	}
	j, found, err := s.parts.Reembeddings.Last(c, c.account, name)
	if err != nil {
		return err
	}
	if found {
		shown := newJobObject(j)
		result.Job = &shown
	}
	other, found, err := s.parts.Reembeddings.Other(c, c.account, name)
	if err != nil {
		return err
	}
	if found {
		shown := &otherObject{
			State: other.State, Model: other.Model, Fingerprint: other.Fingerprint,
			Config: indexConfig{other.Preset, other.Dimensions, index.Metric(other.Metric)},
			Count:  other.Records, Bytes: other.Bytes, Created: other.Created.Format(timeMicros), Damaged: other.Damaged,
		}
		if result.Previous = shown; other.State == catalog.Building {
			result.Next, result.Previous = shown, nil
		}
	}
	return c.reply(result)
}

// cancelReembedding answers DELETE …/nearside/indexes/{index}/reembed. The index serves as it did.
func cancelReembedding(s *Server, c *call) error {
	if _, _, err := s.wholeIndex(c); err != nil {
		return err
	}
	if err := s.parts.Reembeddings.Cancel(c, c.account, c.param(indexParam)); err != nil {
		return err
	}
	return c.reply(nil)
}

// restorePrevious answers POST …/nearside/indexes/{index}/previous/restore: the job that brings back what the
// index was before its last re-embedding, with what was written since. What it is now is then previous.
func restorePrevious(s *Server, c *call) error {
	if _, _, err := s.wholeIndex(c); err != nil {
		return err
	}
	j, err := s.parts.Reembeddings.Undo(c, c.payer(), c.param(indexParam))
	if err != nil {
		return err
	}
	c.status = fiber.StatusAccepted
	return c.reply(newJobObject(j))
}

// dropPrevious answers DELETE …/nearside/indexes/{index}/previous.
func dropPrevious(s *Server, c *call) error {
	if _, _, err := s.wholeIndex(c); err != nil {
		return err
	}
	if err := s.parts.Reembeddings.DropKept(c, c.account, c.param(indexParam)); err != nil {
		return err
	}
	return c.reply(nil)
}
