package measure

import (
	"context"

	"nearside/embed"
	"nearside/fault"
	"nearside/index"
)

// batch is how many documents are embedded and stored at a time: enough for an
// embedder to group texts of like length, few enough to show progress.
const batch = 256

// Load embeds the documents and stores their vectors in ix, which must be
// empty and of e's dimensions. A document in which e sees nothing (its vector
// is zero) is not stored: no question can find it.
func Load(ctx context.Context, ix index.Index, documents []Document, e embed.Embedder, progress func(done, total int)) error {
	counter := newCounter(len(documents), progress)
	for len(documents) > 0 {
		part := documents[:min(batch, len(documents))]
		documents = documents[len(part):]
		records, err := records(ctx, part, e)
		if err != nil {
			return err
		}
		if len(records) > 0 {
			if _, err := ix.Upsert(ctx, records, index.Scope{}); err != nil {
				return err
			}
		}
		counter.add(len(part))
	}
	return nil
}

func records(ctx context.Context, documents []Document, e embed.Embedder) ([]index.Record, error) {
	texts := make([]string, len(documents))
	for i, d := range documents {
		texts[i] = d.Content()
	}
	embeddings, err := e.Embed(ctx, texts)
	if err != nil {
		return nil, err
	}
	if len(embeddings) != len(texts) {
		return nil, fault.New(fault.Internal, "%s returned %d vectors for %d texts", e.Model(), len(embeddings), len(texts))
	}
	records := make([]index.Record, 0, len(documents))
	for i, d := range documents {
		if !isZero(embeddings[i].Values) {
			records = append(records, index.Record{ID: index.VectorID(d.ID), Values: embeddings[i].Values})
		}
	}
	return records, nil
}

// Vectors is the search of an index by meaning: the question is embedded by e,
// which must be what Load used.
func Vectors(ix index.Index, e embed.Embedder) Search {
	return func(ctx context.Context, q Query) ([]Hit, error) {
		embeddings, err := e.Embed(ctx, []string{q.Text})
		if err != nil {
			return nil, err
		}
		if len(embeddings) != 1 {
			return nil, fault.New(fault.Internal, "%s returned %d vectors for one text", e.Model(), len(embeddings))
		}
		if isZero(embeddings[0].Values) {
			return nil, nil
		}
		result, err := ix.Query(ctx, index.Query{Vector: embeddings[0].Values, TopK: Depth}, index.Read{})
		if err != nil {
			return nil, err
		}
		return hits(ctx, ix, result.Matches)
	}
}

// hits turns matches into hits, the better the higher.
func hits(ctx context.Context, ix index.Index, matches []index.Match) ([]Hit, error) {
	info, err := ix.Info(ctx, index.Read{})
	if err != nil {
		return nil, err
	}
	sign := 1.0
	if info.Metric.Ascending() {
		sign = -1
	}
	hits := make([]Hit, len(matches))
	for i, m := range matches {
		hits[i] = Hit{Document: DocumentID(m.ID), Score: sign * m.Score}
	}
	return hits, nil
}

func isZero(values []float32) bool {
	for _, v := range values {
		if v != 0 {
			return false
		}
	}
	return true
}
