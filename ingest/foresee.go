package ingest

import (
	"context"
	"time"
)

// foresee counts what a part would cost, of a dry run.
func (w *work) foresee(ctx context.Context, s *segment) error {
	ids := make([]string, len(s.entries))
	for i, e := range s.entries {
		ids[i] = e.ID
	}
	missing := ids
	if w.known != nil && w.known.Recipe != "" || w.parts != nil {
		var err error
		if missing, err = w.load.missing(ctx, ids); err != nil {
			return err
		}
	}
	w.load.estimated(s.entries, missing)
	w.chunks += len(ids)
	if s.last {
		w.tellOutcome(w.outcome())
	}
	return nil
}

// missing asks the index which records it does not have, in calls of a bounded size.
func (l *load) missing(ctx context.Context, ids []string) (missing []string, err error) {
	for len(ids) > 0 {
		n := min(len(ids), mostDeleted)
		some, err := l.Target.Missing(ctx, ids[:n])
		if err != nil {
			return nil, err
		}
		missing, ids = append(missing, some...), ids[n:]
	}
	return missing, nil
}

// recordOverhead is what a record takes on the disk beside its vector, text and metadata, in bytes: its
// id, its place in tables, and the free space in their pages.
const recordOverhead = 160

// Timer is a Target that can say how long its model takes, without storing anything.
type Timer interface {
	// Time embeds texts, none of which it has seen before, and returns how long that took.
	Time(ctx context.Context, texts []string) (time.Duration, error)
}

// sampled is how many passages of a dry run are embedded to see how long the others would take.
const sampled = 32

// time estimates how long embedding would take. Where it has a price nothing is embedded, and the time is not known.
func (l *load) time(ctx context.Context) error {
	timer, ok := l.Target.(Timer)
	if !ok || !l.DryRun || l.index.Neurons > 0 || len(l.sample) == 0 {
		return nil
	}
	took, err := timer.Time(ctx, l.sample)
	l.estimate.Seconds = took.Seconds() * float64(l.estimate.Tokens) / float64(l.sampleTokens)
	return err
}

// estimated adds passages to the estimate.
func (l *load) estimated(entries []entry, missing []string) {
	wanted := make(map[string]bool, len(missing))
	for _, id := range missing {
		wanted[id] = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &l.estimate
	e.Chunks += int64(len(entries))
	e.Documents = l.totals.Documents
	for i := range entries {
		if !wanted[entries[i].ID] {
			continue
		}
		if len(l.sample) < sampled {
			l.sample = append(l.sample, entries[i].Text)
			l.sampleTokens += entries[i].tokens
		}
		e.New++
		e.Tokens += int64(entries[i].tokens)
		e.Neurons += float64(entries[i].tokens) * l.index.Neurons / 1e6
		e.Disk += int64(4*l.index.Dimensions+len(entries[i].Text)+len(entries[i].Metadata)) + recordOverhead
	}
}
