package ingest

import (
	"context"
	"strings"
	"time"

	"nearside/fault"
)

// candidate is an item that may have changed.
type candidate struct {
	item  *Item
	known *Known // nil = it is new
	parts bool   // it was remembered in parts
}

// walker compares what the source has with what is known, both in the order of paths.
type walker struct {
	*load
	pages    *pages
	last     string          // the path that came last
	any      bool            // there was one
	problems map[string]bool // folders that could not be looked into
	to       chan<- candidate
}

// walk hands on every item that may have changed, deals with those that did not, and notes which are gone.
func (l *load) walk(ctx context.Context, to chan<- candidate) error {
	w := &walker{load: l, pages: l.pages(""), problems: map[string]bool{}, to: to}
	if err := l.Source.Walk(ctx, func(item *Item) error { return w.item(ctx, item) }); err != nil {
		return err
	}
	for {
		known, err := w.pages.peek(ctx)
		if err != nil {
			return err
		}
		if known == nil {
			break
		}
		w.missed(known)
	}
	l.complete = true
	return nil
}

// item deals with one item of the source.
func (w *walker) item(ctx context.Context, item *Item) error {
	if w.any && item.Path <= w.last {
		return fault.New(fault.Internal, "the source %s handed out %q after %q; items must come in the order of their paths", w.Source.Name(), item.Path, w.last)
	}
	w.last, w.any = item.Path, true
	for {
		known, err := w.pages.peek(ctx)
		if err != nil {
			return err
		}
		if known == nil || base(known.Path) >= item.Path {
			break
		}
		w.missed(known)
	}
	c, err := w.remembered(ctx, item)
	if err != nil {
		return err
	}
	if c.known != nil {
		w.known++
	}
	w.count(func(t *Totals) { t.Items++ })
	switch {
	case item.Problem != nil:
		return w.problem(ctx, c)
	case c.known != nil && w.same(item, c.known):
		w.asBefore(item, c.known)
		return nil
	}
	return send(ctx, w.to, c)
}

// remembered returns an item with what is known of it. Its parts are passed over.
func (w *walker) remembered(ctx context.Context, item *Item) (candidate, error) {
	c := candidate{item: item}
	for {
		known, err := w.pages.peek(ctx)
		if err != nil || known == nil || base(known.Path) != item.Path {
			return c, err
		}
		if known.Path == item.Path {
			c.known = known
		} else {
			c.parts = true
		}
		w.pages.skip()
	}
}

// missed deals with a known item that the source did not hand out.
func (w *walker) missed(known *Known) {
	defer w.pages.skip()
	path := base(known.Path)
	if n := len(w.gone); path == w.last && w.any || n > 0 && w.gone[n-1] == path {
		return // a part
	}
	w.known++
	if !w.hidden(path) {
		w.gone = append(w.gone, path)
		w.count(func(t *Totals) { t.Gone++ })
	}
}

// hidden reports whether an item lies in a folder that could not be looked into.
func (w *walker) hidden(path string) bool {
	if len(w.problems) == 0 {
		return false
	}
	for i := range len(path) {
		if path[i] == '/' && w.problems[path[:i]] {
			return true
		}
	}
	return w.problems[""]
}

// problem deals with an item that cannot be read. What is in the index of it stays.
func (w *walker) problem(ctx context.Context, c candidate) error {
	if c.item.Folder {
		w.problems[strings.TrimSuffix(c.item.Path, "/")] = true
		w.tell(Event{Kind: ItemFailed, Path: c.item.Path, Reason: c.item.Problem.Error()}, func(t *Totals) { t.Failed++ })
		return nil
	}
	return w.unread(ctx, c, c.item.Problem)
}

// unread deals with an item of which nothing is known now: what is in the index of it stays, and the next
// run tries again.
func (l *load) unread(ctx context.Context, c candidate, why error) error {
	reason := why.Error()
	l.tell(Event{Kind: ItemFailed, Path: c.item.Path, Reason: reason}, func(t *Totals) { t.Failed++ })
	k := Known{Path: c.item.Path, State: Failed, Reason: reason}
	if c.known != nil {
		k.Records = c.known.Records
		if c.known.State == Loading {
			k.State = Loading // the records are not all there
		}
	}
	return l.settle(ctx, k)
}

// same reports whether an item is what it was when it was dealt with, as far as can be told without opening it.
func (l *load) same(item *Item, known *Known) bool {
	switch {
	case known.State == Loading || known.Recipe != l.recipe:
		return false
	case known.State == Failed && l.RetryFailed:
		return false
	case item.Version != "":
		return known.Digest == versionDigest(item.Version)
	}
	return item.Size >= 0 && item.Size == known.Size && !item.Modified.IsZero() && stamp(item.Modified).Equal(known.Modified)
}

// stamp is a time as a manifest keeps it.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// asBefore tells of an item that did not change.
func (l *load) asBefore(item *Item, known *Known) {
	if known.State == Failed {
		l.tell(Event{Kind: ItemFailed, Path: item.Path, Reason: known.Reason}, func(t *Totals) { t.Failed++; t.Bytes += max(0, item.Size) })
		return
	}
	l.tell(Event{Kind: ItemUnchanged, Path: item.Path}, func(t *Totals) { t.Unchanged++; t.Bytes += max(0, item.Size) })
}
