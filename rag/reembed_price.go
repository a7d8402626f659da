package rag

import (
	"context"
	"fmt"
	"time"

	"nearside/catalog"
	"nearside/fault"
	"nearside/index"
	"nearside/llm"
	"nearside/llm/chat"
	"nearside/llm/neuron"
	"nearside/vectorize"
)

// Estimate is what a re-embedding would take.
type Estimate struct {
	Weights     llm.Weights  // that would make the vectors
	Metric      index.Metric // that they would be compared by
	Records     int          // with a text
	VectorsOnly int          // without one
	Tokens      int          // about, of all texts; a model may read less of long ones
	Neurons     neuron.Micro
	Bytes       int64         // about, of the second storage on the disk, beside the one that there is
	Duration    time.Duration // about, as a sample took; 0 = not known: a model with a price is not asked
}

// EstimateReembedding says what a re-embedding would take, and refuses one that could not
// begin. Nothing is charged; texts are sampled only if the model is free.
func (s *Service) EstimateReembedding(ctx context.Context, payer neuron.Payer, r Reembedding) (Estimate, error) {
	x, err := s.indexes.Open(ctx, payer.Account, r.Index)
	if err != nil {
		return Estimate{}, err
	}
	if t, ok := s.indexes.Twin(payer.Account, r.Index); ok && t.State != catalog.Building {
		return Estimate{}, stillKept(t)
	}
	d, err := s.wanted(ctx, x, r)
	if err != nil {
		return Estimate{}, err
	}
	weights, err := s.models.Weights(ctx, payer.Account, r.Model)
	if err != nil {
		return Estimate{}, err
	}
	model, err := s.models.Catalogue().Model(weights.Model)
	if err != nil {
		return Estimate{}, err
	}
	e := Estimate{Weights: weights, Metric: d.Metric}
	copies := d.Fingerprint == x.Definition.Fingerprint
	found, err := s.survey(ctx, x, model.Tokens)
	if err != nil {
		return e, err
	}
	e.Records, e.VectorsOnly, e.Tokens = found.texts, found.vectorsOnly, found.tokens
	if copies {
		e.Records, e.VectorsOnly, e.Tokens = found.texts+found.vectorsOnly, 0, 0
	}
	e.Bytes = found.bytes + int64(e.Records)*int64(d.Dimensions-x.Definition.Dimensions)*bytesPerNumber
	e.Neurons = model.Tariff.Charge(neuron.Tokens(e.Tokens, 0, 0))
	if e.Neurons == 0 && e.Tokens > 0 {
		e.Duration, err = s.sample(ctx, payer, weights, found)
	}
	if e.VectorsOnly > 0 && !r.DropVectorsOnly && err == nil {
		err = found.refuse(r.Index)
	}
	return e, err
}

// bytesPerNumber is what a number of a vector takes on the disk: 4 bytes in records.db, 4 in vectors.rows, 1 in the graph.
const bytesPerNumber = 9

// sampled is how many texts are embedded to see how long it takes.
const sampled = 32

// surveyed is what is in an index.
type surveyed struct {
	texts, vectorsOnly int
	example            index.VectorID // of a record without text
	tokens             int
	bytes              int64    // of the index, on the disk
	some               []string // of the texts, spread over all
}

// refuse is the fault of records that cannot be embedded.
func (f surveyed) refuse(name string) error {
	return fault.For(ReasonVectorsOnly, "%d of the %d records of index %q have a vector and no text, such as %q: there is nothing to embed them from. Write them again with their texts, delete them, or leave them out with drop_vectors_only (--drop-vectors-only)",
		f.vectorsOnly, f.texts+f.vectorsOnly, name, short(string(f.example)))
}

// survey reads all records of an index once. window is how many tokens are read of one; 0 = all.
func (s *Service) survey(ctx context.Context, x *vectorize.Index, window int) (surveyed, error) {
	var f surveyed
	info, err := x.Info(ctx, index.Read{})
	if err != nil {
		return f, err
	}
	f.bytes = info.Bytes
	every := info.Count/sampled + 1
	for cursor := ""; ; {
		page, err := x.Index.Select(ctx, index.Selection{}, cursor, comparedAtOnce, index.Read{})
		if err != nil {
			return f, err
		}
		records, err := x.Index.Get(ctx, page.IDs, index.Read{})
		if err != nil {
			return f, err
		}
		for _, r := range records {
			f.add(r, window, every)
		}
		if cursor = page.Next; cursor == "" {
			return f, nil
		}
	}
}

func (f *surveyed) add(r index.Record, window, every int) {
	if !hasText(r) {
		f.vectorsOnly++
		f.example = r.ID
		return
	}
	content := contentOf(r)
	tokens := chat.EstimateTexts([]string{content})
	if window > 0 {
		tokens = min(tokens, window)
	}
	f.tokens += tokens
	if f.texts%every == 0 {
		f.some = append(f.some, content)
	}
	f.texts++
}

// sample embeds some of the texts and says how long all would take. A word is added to
// each, so that no cache knows them.
func (s *Service) sample(ctx context.Context, payer neuron.Payer, w llm.Weights, f surveyed) (time.Duration, error) {
	texts := make([]string, len(f.some))
	for i, text := range f.some {
		texts[i] = fmt.Sprintf("%d %s", time.Now().UnixNano(), text)
	}
	began := time.Now()
	embedded, err := s.models.EmbedFor(ctx, llm.Call{Payer: payer, Model: w.Model}, llm.Holder{Name: "a sample", Fingerprint: w.Fingerprint}, texts)
	if err != nil {
		return 0, err
	}
	took := time.Since(began)
	return time.Duration(float64(took) * float64(f.tokens) / float64(max(embedded.Tokens, 1))), nil
}
