package rag

import (
	"context"
	"encoding/json"
	"strings"

	"nearside/fault"
	"nearside/index"
	"nearside/llm"
	"nearside/llm/neuron"
)

// Text is one passage to be stored.
type Text struct {
	ID        index.VectorID
	Text      string
	Title     string
	Namespace string
	Metadata  json.RawMessage // a compact JSON object, or nil
	Reuse     bool            // if the index has the same text under the id, its vector is kept, and nothing embedded
}

// content is what is embedded.
func (t Text) content() string { return strings.TrimSpace(t.Title + " " + t.Text) }

// Truncated names a text of which the model read only the beginning.
type Truncated struct {
	ID      index.VectorID
	Dropped int // tokens that were not read
}

// Receipt says what became of a batch.
type Receipt struct {
	Mutation  index.Mutation
	Truncated []Truncated
	Embedded  llm.Embedded
}

// Upsert embeds the texts, on the payer's bill, and adds or replaces their records wholly.
func (s *Service) Upsert(ctx context.Context, payer neuron.Payer, name string, texts []Text, within index.Scope) (Receipt, error) {
	if err := checkTexts(texts); err != nil {
		return Receipt{}, err
	}
	receipt, err := s.upsert(ctx, payer, name, texts, within)
	for reembeds(err) { // between embedding and writing: the vectors are of weights that the index had until then
		receipt, err = s.upsert(ctx, payer, name, texts, within)
	}
	return receipt, err
}

// upsert is Upsert by the weights that the index has when it is called.
func (s *Service) upsert(ctx context.Context, payer neuron.Payer, name string, texts []Text, within index.Scope) (Receipt, error) {
	x, err := s.open(ctx, payer.Account, name)
	if err != nil {
		return Receipt{}, err
	}
	if err := s.bind(ctx, payer.Account, x); err != nil {
		return Receipt{}, err
	}
	there, err := reusable(ctx, x, texts, within)
	if err != nil {
		return Receipt{}, err
	}
	embedded, err := s.embedMissing(ctx, payer, x.Definition, texts, there)
	if err != nil {
		return Receipt{}, err
	}
	receipt := Receipt{Embedded: embedded}
	records := make([]index.Record, len(texts))
	for i, t := range texts {
		records[i] = index.Record{
			ID: t.ID, Namespace: t.Namespace, Values: embedded.Vectors[i], Metadata: t.Metadata, Title: t.Title, Text: t.Text,
		}
		if dropped := embedded.Dropped[i]; dropped > 0 {
			receipt.Truncated = append(receipt.Truncated, Truncated{t.ID, dropped})
		}
	}
	receipt.Mutation, err = x.Upsert(ctx, records, within)
	return receipt, err
}

// checkTexts refuses what would be embedded in vain.
func checkTexts(texts []Text) error {
	if len(texts) == 0 {
		return fault.For(ReasonTexts, "the batch is empty; send at least one text")
	}
	if len(texts) > MaxTexts {
		return fault.For(ReasonTexts, "too many texts in payload; max batch size is %d, got at least %d; send the rest in another call", MaxTexts, len(texts))
	}
	for i, t := range texts {
		switch {
		case t.ID == "":
			return fault.For(ReasonText, "texts[%d] has no id", i)
		case strings.TrimSpace(t.Text) == "":
			return fault.For(ReasonText, "the text with id %q is empty", short(string(t.ID)))
		case len(t.Text) > MaxTextBytes:
			return fault.For(ReasonText, "the text with id %q has %d bytes; at most %d are allowed. Cut it into passages", short(string(t.ID)), len(t.Text), MaxTextBytes)
		case len(t.Title) > MaxTitleBytes:
			return fault.For(ReasonText, "the title of the text with id %q has %d bytes; at most %d are allowed", short(string(t.ID)), len(t.Title), MaxTitleBytes)
		}
	}
	return nil
}

// short is the beginning of an id that may be of any length.
func short(id string) string { return strings.ToValidUTF8(id[:min(len(id), 64)], "") }
