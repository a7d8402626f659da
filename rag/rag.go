// Package rag is text in, text out: it stores texts in an index by their
// meaning and finds passages for a question.
//
// Service joins package llm, which makes vectors of texts, to package
// vectorize, which keeps them. What is embedded of a record is its title, a
// space, and its text; both are stored beside the vector and come back in answers.
//
// What it promises:
//
//   - An index and its weights belong together. The fingerprint that made an
//     index's first vector from text is recorded in its definition, and from then
//     on texts and questions are embedded by those weights or refused with both names.
//   - A batch is stored whole or not at all; embedding is finished before
//     anything is written.
//   - A text longer than the model reads is stored whole, and reported with the
//     number of tokens its vector knows nothing of.
//
// What it does not do yet: cut documents into passages, search by keywords,
// write answers.
package rag

import (
	"context"
	"errors"
	"fmt"

	"nearside/catalog"
	"nearside/fault"
	"nearside/index"
	"nearside/llm"
	"nearside/llm/neuron"
	"nearside/vectorize"
)

// Limits of our own; what Vectorize limits is checked there too.
const (
	MaxTexts      = 1_000    // texts in one batch: embedding more takes longer than clients wait
	MaxTextBytes  = 1 << 20  // one text; models read a few KB of it
	MaxTitleBytes = 4 << 10  // one title
	MaxQueryBytes = 64 << 10 // one question
)

// Reasons of the faults about texts.
const (
	ReasonText    fault.Reason = "text"           // an empty or too long text, title or question
	ReasonTexts   fault.Reason = "texts_size"     // an empty batch, or too many texts in it
	ReasonNoModel fault.Reason = "index_no_model" // the index takes vectors only
)

// Binder records, durably, which weights an index belongs to; *catalog.Catalog is one.
type Binder interface {
	BindModel(ctx context.Context, account, name string, n catalog.Number, model, fingerprint string) (catalog.Index, error)
}

// Service stores and finds texts. It may be used from any goroutine.
type Service struct {
	indexes *vectorize.Service
	models  *llm.Router
	binder  Binder
}

// New joins the parts.
func New(indexes *vectorize.Service, models *llm.Router, binder Binder) *Service {
	return &Service{indexes, models, binder}
}

// Definition describes an index for texts.
type Definition struct {
	Name        string
	Description string
	Model       string       // an embedding model of the catalogue
	Metric      index.Metric // "" = cosine
}

// Create makes an empty index that takes texts, bound to the weights that serve
// the model in the account.
func (s *Service) Create(ctx context.Context, account string, d Definition) (catalog.Index, llm.Weights, error) {
	weights, err := s.models.Weights(ctx, account, d.Model)
	if err != nil {
		return catalog.Index{}, llm.Weights{}, err
	}
	if d.Metric == "" {
		d.Metric = index.Cosine
	}
	x, err := s.indexes.Create(ctx, account, vectorize.Definition{
		Name: d.Name, Description: d.Description, Dimensions: weights.Dimensions, Metric: d.Metric,
		Model: weights.Model, Fingerprint: string(weights.Fingerprint),
	})
	return x, weights, err
}

// open returns an index that takes texts. Its Definition.Model is set; its
// Fingerprint is not, as long as an index made from a text preset has no text.
func (s *Service) open(ctx context.Context, account, name string) (*vectorize.Index, error) {
	x, err := s.indexes.Open(ctx, account, name)
	if err != nil {
		return nil, err
	}
	d := &x.Definition
	if d.Model == "" {
		if d.Model, err = s.presetModel(d.Preset); err != nil {
			return nil, fault.For(ReasonNoModel, "the index %q takes vectors only, because %s. Make one that takes texts with: nearside index create NAME --model @nearside/all-minilm-l6-v2", name, err)
		}
	}
	return x, nil
}

// presetModel returns the model of a text preset.
func (s *Service) presetModel(preset string) (string, error) {
	if preset == "" {
		return "", errors.New("it was created with dimensions, not with a model")
	}
	m, err := s.models.Catalogue().Model(preset)
	if err != nil {
		return "", fmt.Errorf("it was created for %s, a model that nearside does not have", preset)
	}
	return m.ID, nil
}

// bind gives an index without weights to those that serve its model in the account.
func (s *Service) bind(ctx context.Context, account string, x *vectorize.Index) error {
	if x.Definition.Fingerprint != "" {
		return nil
	}
	weights, err := s.models.Weights(ctx, account, x.Definition.Model)
	if err != nil {
		return err
	}
	x.Definition, err = s.binder.BindModel(ctx, account, x.Definition.Name, x.Definition.Number, weights.Model, string(weights.Fingerprint))
	return err
}

// embed makes vectors for the index: by its own weights, or, if it has none yet, by the account's.
func (s *Service) embed(ctx context.Context, payer neuron.Payer, d catalog.Index, texts []string) (llm.Embedded, error) {
	call := llm.Call{Payer: payer, Model: d.Model, Once: onceFor(ctx, d.Fingerprint, texts)}
	return s.models.EmbedFor(ctx, call, indexHolder(d), texts)
}
