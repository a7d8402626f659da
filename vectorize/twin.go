package vectorize

import (
	"context"
	"fmt"

	"nearside/catalog"
	"nearside/index"
)

// The twin of an index is its other storage: one that is being made from it by other
// weights, or the one whose place that took (catalog.Twin). What is in it is the
// business of package rag; here it is made, opened, swapped and dropped.

// Twin returns the twin of an index, if it has one.
func (s *Service) Twin(account, name string) (catalog.Twin, bool) {
	return s.catalog.Twin(account, name)
}

// MakeTwin makes the empty twin of an index, to be built for a job.
func (s *Service) MakeTwin(ctx context.Context, x catalog.Index, d Definition, job int64) (catalog.Twin, error) {
	d.Name = x.Name
	d, err := d.resolve()
	if err != nil {
		return catalog.Twin{}, err
	}
	n, err := s.catalog.AllocateNumber(ctx)
	if err != nil {
		return catalog.Twin{}, err
	}
	if _, err := s.engine.Create(ctx, index.Number(n), index.Config{Dimensions: d.Dimensions, Metric: d.Metric}); err != nil {
		return catalog.Twin{}, fmt.Errorf("create the new storage of index %q: %w", x.Name, err)
	}
	t, err := s.catalog.AddTwin(ctx, catalog.Twin{
		Account: x.Account, Name: x.Name, Number: n, State: catalog.Building, Dimensions: d.Dimensions, Metric: string(d.Metric),
		Preset: d.Preset, Model: d.Model, Fingerprint: d.Fingerprint, Source: x.Number, Job: job,
	})
	if err != nil {
		s.discard(ctx, index.Number(n), err)
	}
	return t, err
}

// OpenTwin opens the storage of a twin. No limit is checked there: what goes into it was let into its index.
func (s *Service) OpenTwin(ctx context.Context, t catalog.Twin) (index.Index, error) {
	inner, err := s.engine.Open(ctx, index.Number(t.Number))
	if err != nil {
		return nil, fmt.Errorf("open the second storage of index %q: %w", t.Name, err)
	}
	return inner, nil
}

// SaveTwin writes how far a twin is.
func (s *Service) SaveTwin(ctx context.Context, t catalog.Twin) error {
	return s.catalog.SaveTwin(ctx, t)
}

// SwapTwin puts the twin in its index's place, and keeps what was there as the twin. The
// caller holds the writers of the index back; seen is the newest mutation of the twin.
func (s *Service) SwapTwin(ctx context.Context, account, name string, from catalog.Number, seen index.Sequence) (catalog.Index, error) {
	return s.catalog.SwapTwin(ctx, account, name, from, uint64(seen))
}

// DropTwin deletes the twin of an index.
func (s *Service) DropTwin(ctx context.Context, t catalog.Twin) error {
	if err := s.catalog.RemoveTwin(ctx, t.Account, t.Name, t.Number); err != nil {
		return err
	}
	s.drop(ctx, index.Number(t.Number))
	return nil
}

// Twins returns all twins, of whatever account.
func (s *Service) Twins() []catalog.Twin { return s.catalog.Twins() }
