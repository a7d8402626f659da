package rag

import (
	"context"
	"time"

	"nearside/index"
)

const (
	// fewChanges is how many changed records are left to the moment in which writers wait: a fraction of a second's work.
	fewChanges = 16
	// passes is how often the rest is made smaller before writers are held, if it gets smaller.
	passes = 10
	// Writers are held for heldAtFirst at most; if that was not enough for the rest, twice as long the
	// next time, up to heldAtMost. In between they go on.
	heldAtFirst = 2 * time.Second
	heldAtMost  = 32 * time.Second
)

// finish catches up with the index until little is left, and swaps.
func (b *builder) finish(ctx context.Context) error {
	for limit := heldAtFirst; ; limit = min(2*limit, heldAtMost) {
		if err := b.approach(ctx); err != nil {
			return err
		}
		swapped, err := b.swap(ctx, limit)
		if swapped || err != nil {
			return err
		}
	}
}

// approach catches up, again and again, as long as the rest gets smaller.
func (b *builder) approach(ctx context.Context) error {
	before := 0
	for pass := range passes {
		left, err := b.catchUp(ctx)
		if err != nil {
			return err
		}
		if left <= fewChanges || pass > 1 && left >= before {
			return nil
		}
		before = left
	}
	return nil
}

// swap holds writers back, takes in what they wrote last, and puts the twin in the index's
// place. When that takes longer than the limit, writers go on and nothing is swapped.
func (b *builder) swap(ctx context.Context, limit time.Duration) (swapped bool, err error) {
	began := time.Now()
	release, err := b.service.indexes.HoldWriters(ctx, b.x)
	if err != nil {
		return false, err
	}
	defer release()
	defer func() { b.done.Held = max(b.done.Held, time.Since(began)) }()
	short, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if _, err := b.catchUp(short); err != nil {
		if short.Err() != nil && ctx.Err() == nil {
			return false, nil // what was embedded stays, so that less is left the next time
		}
		return false, err
	}
	seen, err := b.mark(ctx)
	if err != nil {
		return false, err
	}
	if _, err := b.service.indexes.SwapTwin(ctx, b.twin.Account, b.twin.Name, b.twin.Source, seen); err != nil {
		return false, err
	}
	return true, nil
}

// mark has the twin say that it has all up to the newest mutation of the index, for those who
// wait for that one. It returns the newest mutation of the twin.
func (b *builder) mark(ctx context.Context) (index.Sequence, error) {
	info, err := b.x.Info(ctx, index.Read{})
	if err != nil {
		return 0, err
	}
	if info.Mutation.ID == "" { // nothing was ever written
		now, err := b.into.Info(ctx, index.Read{})
		return now.Mutation.Sequence, err
	}
	m, err := b.into.Mark(ctx, info.Mutation.ID)
	return m.Sequence, err
}
