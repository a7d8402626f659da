package rag

import (
	"context"

	"nearside/catalog"
	"nearside/index"
	"nearside/llm"
	"nearside/llm/neuron"
	"nearside/vectorize"
)

// reusable returns, by the texts' places in the batch, the vectors that need not be made again: those that the index
// has of the same id, title and text. An index belongs to its weights, so they are what embedding would give.
func reusable(ctx context.Context, x *vectorize.Index, texts []Text, within index.Scope) (map[int][]float32, error) {
	at := map[index.VectorID]int{}
	var ids []index.VectorID
	for i, t := range texts {
		if t.Reuse {
			at[t.ID] = i
			ids = append(ids, t.ID)
		}
	}
	if len(ids) == 0 || x.Definition.Fingerprint == "" {
		return nil, nil
	}
	// The limit of get_by_ids is about replies, and there is none.
	stored, err := x.Index.Get(ctx, ids, index.Read{Within: within})
	if err != nil {
		return nil, err
	}
	vectors := map[int][]float32{}
	for _, r := range stored {
		if i := at[r.ID]; r.Title == texts[i].Title && r.Text == texts[i].Text {
			vectors[i] = r.Values
		}
	}
	return vectors, nil
}

// embedMissing embeds the texts that have no vector, and returns the vectors of all. Nothing is asked of a model if all have one.
func (s *Service) embedMissing(ctx context.Context, payer neuron.Payer, d catalog.Index, texts []Text, there map[int][]float32) (llm.Embedded, error) {
	var contents []string
	for i, t := range texts {
		if there[i] == nil {
			contents = append(contents, t.content())
		}
	}
	made := llm.Embedded{By: llm.By{Model: d.Model}}
	if len(contents) > 0 {
		var err error
		if made, err = s.embed(ctx, payer, d, contents); err != nil {
			return made, err
		}
	}
	all, dropped, next := make([][]float32, len(texts)), make([]int, len(texts)), 0
	for i := range texts {
		if all[i] = there[i]; all[i] == nil {
			all[i], dropped[i] = made.Vectors[next], made.Dropped[next]
			next++
		}
	}
	made.Vectors, made.Dropped = all, dropped
	return made, nil
}
