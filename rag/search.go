package rag

import (
	"context"
	"strings"

	"nearside/catalog"
	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
	"nearside/llm"
	"nearside/llm/neuron"
)

// Query is a question in somebody's own words.
type Query struct {
	Text      string
	TopK      int
	Namespace string // "" = all
	Filter    filter.Filter
	Metadata  index.MetadataLevel
}

// Answer is the passages nearest to a question, best first.
type Answer struct {
	index.Result
	Index    catalog.Index
	Dropped  int // tokens of the question that were not read
	Embedded llm.Embedded
}

// Search finds the passages nearest in meaning to a question, which is embedded on the payer's bill.
func (s *Service) Search(ctx context.Context, payer neuron.Payer, name string, q Query, r index.Read) (Answer, error) {
	if strings.TrimSpace(q.Text) == "" {
		return Answer{}, fault.For(ReasonText, "the query is empty; ask something")
	}
	if len(q.Text) > MaxQueryBytes {
		return Answer{}, fault.For(ReasonText, "the query has %d bytes; at most %d are allowed", len(q.Text), MaxQueryBytes)
	}
	x, err := s.open(ctx, payer.Account, name)
	if err != nil {
		return Answer{}, err
	}
	embedded, err := s.embed(ctx, payer, x.Definition, []string{q.Text})
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Index: x.Definition, Dropped: embedded.Dropped[0], Embedded: embedded}
	answer.Result, err = x.Query(ctx, index.Query{
		Vector: embedded.Vectors[0], TopK: q.TopK, Namespace: q.Namespace, Filter: q.Filter, Metadata: q.Metadata, Text: true,
	}, r)
	return answer, err
}
