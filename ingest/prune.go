package ingest

import (
	"context"
	"slices"
)

// prune removes the records of items that are gone, and forgets the items.
func (l *load) prune(ctx context.Context) error {
	l.gone = append(l.gone, l.closed...)
	slices.Sort(l.gone)
	if !l.Prune || l.DryRun || len(l.gone) == 0 {
		return nil
	}
	if float64(len(l.gone)) > PruneShare*float64(l.known) && (l.ConfirmPrune == nil || !l.ConfirmPrune(len(l.gone), l.known)) {
		l.report.PruneRefused = true
		return nil
	}
	if err := l.flush(ctx); err != nil {
		return err
	}
	var some []Known
	ids := 0
	for p := l.pages(""); ; p.skip() {
		known, err := p.peek(ctx)
		if err != nil {
			return err
		}
		if known == nil {
			return l.pruneSome(ctx, some)
		}
		if !l.isGone(base(known.Path)) {
			continue
		}
		some, ids = append(some, *known), ids+len(known.Records)
		if len(some) >= mostItems || ids >= mostIDs {
			if err := l.pruneSome(ctx, some); err != nil {
				return err
			}
			some, ids = nil, 0
		}
	}
}

func (l *load) isGone(path string) bool {
	_, found := slices.BinarySearch(l.gone, path)
	return found
}

// pruneSome removes items. Until their records are gone they count as on their way: what comes back
// meanwhile is loaded anew.
func (l *load) pruneSome(ctx context.Context, items []Known) error {
	var ids, paths []string
	for i := range items {
		items[i].State = Loading
		ids = append(ids, items[i].Records...)
		paths = append(paths, items[i].Path)
	}
	if err := l.put(ctx, items, nil); err != nil {
		return err
	}
	if err := l.remove(ctx, ids); err != nil {
		return err
	}
	if err := l.put(ctx, nil, paths); err != nil {
		return err
	}
	for _, path := range paths {
		if path == base(path) {
			l.tell(Event{Kind: ItemPruned, Path: path}, func(t *Totals) { t.Pruned++ })
		}
	}
	return nil
}
