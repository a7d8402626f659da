package ingest

import (
	"context"
	"slices"
)

// complete deals with a part whose records are all in: the last part that is completed completes the item.
func (s *segment) complete(ctx context.Context) error {
	w := s.work
	w.load.room.Release(s.weight)
	now := s.stored()
	w.mu.Lock()
	w.chunks += len(now)
	w.counts[s.part] = len(now)
	if s.part == 0 {
		w.first, w.left = now, s.left
	}
	w.mu.Unlock()
	if s.part == 0 && s.last && w.parts == nil {
		return w.finish(ctx)
	}
	w.mu.Lock()
	for _, id := range s.left {
		if w.stale == nil {
			w.stale = map[idKey]bool{}
		}
		w.stale[keyOf(id)] = true
	}
	w.mu.Unlock()
	if s.part > 0 {
		if err := w.load.settle(ctx, s.done(now)); err != nil {
			return err
		}
	}
	s.entries = nil
	w.mu.Lock()
	w.open--
	all := w.open == 0
	w.mu.Unlock()
	if all {
		return w.finishParts(ctx)
	}
	return nil
}

// done returns what is remembered of a part that is in: its records, and after them those that are to go.
func (s *segment) done(now []string) Known {
	k := s.loading()
	k.State, k.Records = Loaded, slices.Concat(now, s.left)
	if len(s.refused) > 0 {
		k.State, k.Reason = Failed, s.work.refusal
	}
	return k
}

// finish ends an item of one part: what it had before goes, and then it is loaded.
func (w *work) finish(ctx context.Context) error {
	k := w.outcome()
	k.Records = w.first
	if w.doubted != "" {
		k.Records = slices.Concat(w.first, w.left)
	} else if err := w.load.remove(ctx, w.left); err != nil {
		return err
	}
	w.tellOutcome(k)
	return w.load.settle(ctx, k)
}

// finishParts ends an item that has parts, or had. A passage may have moved from one part to another:
// only what none of them has now goes.
func (w *work) finishParts(ctx context.Context) error {
	if err := w.load.flush(ctx); err != nil { // what follows reads the parts
		return err
	}
	k := w.outcome()
	k.Records = w.first
	if w.doubted != "" {
		k.Records = slices.Concat(w.first, w.left)
	} else if err := w.sweep(ctx); err != nil {
		return err
	}
	w.tellOutcome(k)
	return w.load.settle(ctx, k)
}

// sweep removes the records that the item has no more, and forgets the parts that it has no more.
func (w *work) sweep(ctx context.Context) error {
	if w.known == nil && w.parts == nil {
		return nil
	}
	if err := w.findStale(ctx); err != nil {
		return err
	}
	if err := w.removeStale(ctx, w.left); err != nil {
		return err
	}
	return w.eachPart(ctx, func(part int, known *Known) error {
		own := w.own(part, known)
		if len(own) == len(known.Records) && part < len(w.counts) {
			return nil
		}
		if err := w.removeStale(ctx, known.Records[len(own):]); err != nil {
			return err
		}
		if part >= len(w.counts) {
			return w.load.put(ctx, nil, []string{known.Path})
		}
		trimmed := *known
		trimmed.Records = own
		return w.load.put(ctx, []Known{trimmed}, nil)
	})
}

// findStale makes stale what the item had, in any part, and has in none now.
func (w *work) findStale(ctx context.Context) error {
	if w.stale == nil {
		w.stale = map[idKey]bool{}
	}
	err := w.eachPart(ctx, func(part int, known *Known) error {
		for _, id := range known.Records[len(w.own(part, known)):] {
			w.stale[keyOf(id)] = true
		}
		return nil
	})
	if err != nil || len(w.stale) == 0 {
		return err
	}
	for _, id := range w.first {
		delete(w.stale, keyOf(id))
	}
	return w.eachPart(ctx, func(part int, known *Known) error {
		for _, id := range w.own(part, known) {
			delete(w.stale, keyOf(id))
		}
		return nil
	})
}

// own returns those of a part's remembered records that belong to it now.
func (w *work) own(part int, known *Known) []string {
	if part >= len(w.counts) {
		return nil
	}
	return known.Records[:w.counts[part]]
}

func (w *work) removeStale(ctx context.Context, ids []string) error {
	return w.load.remove(ctx, slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !w.stale[keyOf(id)] }))
}

// eachPart goes through the remembered parts of the item, but for part 0.
func (w *work) eachPart(ctx context.Context, visit func(part int, known *Known) error) error {
	p := w.load.pages(w.item.Path)
	p.limit = leastPage
	for {
		known, err := p.peek(ctx)
		if err != nil || known == nil || base(known.Path) != w.item.Path {
			return err
		}
		if err := visit(partOf(known.Path), known); err != nil {
			return err
		}
		p.skip()
	}
}
