package ingest

import (
	"context"
	"sync"

	"nearside/fault"
)

// errLost ends a load whose claim is another loader's.
var errLost = fault.New(fault.Conflict, "the claim to the source was lost, and another loader may have it: this one ended. What it had begun the next run goes on with")

// settled is changes of the manifest that wait for company: each Put is made durable, which takes its time.
type settled struct {
	putting sync.Mutex // one Put at a time: whoever flushes knows that all before is durable

	mu     sync.Mutex // guards what follows
	items  []Known
	forget []string
	ids    int
}

// Changes are put when there are so many.
const (
	mostItems = 400
	mostIDs   = 40_000 // 1.4 MB
)

// settle remembers an item, soon. What is not remembered at a kill is found again by the next run.
func (l *load) settle(ctx context.Context, items ...Known) error {
	if l.DryRun {
		return nil
	}
	l.pending.mu.Lock()
	for _, k := range items {
		l.pending.items = append(l.pending.items, k)
		l.pending.ids += len(k.Records)
	}
	many := len(l.pending.items) >= mostItems || l.pending.ids >= mostIDs
	l.pending.mu.Unlock()
	if many {
		return l.flush(ctx)
	}
	return nil
}

// flush puts all that is settled. When it returns, it is durable.
func (l *load) flush(ctx context.Context) error {
	p := &l.pending
	p.putting.Lock()
	defer p.putting.Unlock()
	p.mu.Lock()
	items, forget := p.items, p.forget
	p.items, p.forget, p.ids = nil, nil, 0
	p.mu.Unlock()
	return l.put(ctx, items, forget)
}

// put puts changes of any number.
func (l *load) put(ctx context.Context, items []Known, forget []string) error {
	for len(items) > 0 || len(forget) > 0 {
		n, ids := 0, 0
		for n < len(items) && n < mostItems && (n == 0 || ids+len(items[n].Records) <= 2*mostIDs) {
			ids += len(items[n].Records)
			n++
		}
		m := min(len(forget), mostItems)
		if err := l.Manifest.Put(ctx, items[:n], forget[:m]); err != nil {
			return err
		}
		items, forget = items[n:], forget[m:]
	}
	return nil
}

// remove deletes records, in calls of a bounded size.
func (l *load) remove(ctx context.Context, ids []string) error {
	for len(ids) > 0 {
		n := min(len(ids), mostDeleted)
		if err := l.Target.Delete(ctx, ids[:n]); err != nil {
			return err
		}
		l.count(func(t *Totals) { t.Deleted += int64(n) })
		ids = ids[n:]
	}
	return nil
}

// mostDeleted is how many records one call removes.
const mostDeleted = 1000
