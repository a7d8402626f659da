package ingest

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"nearside/doc"
	"nearside/doc/chunk"
	"nearside/doc/parse"
	"nearside/fault"
)

// read opens candidates, several at once, and hands on what is to be stored of those that changed.
func (l *load) read(ctx context.Context, from <-chan candidate, to chan<- *segment) error {
	group, ctx := errgroup.WithContext(ctx)
	for range l.Readers {
		group.Go(func() error {
			for c := range from {
				if err := l.open(ctx, c, to); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// settleTime is how old a change must be for its time to stand for the content: file systems
// keep time in steps of up to two seconds, in which a file may change again.
const settleTime = 2 * time.Second

// open looks into one candidate.
func (l *load) open(ctx context.Context, c candidate, to chan<- *segment) (err error) {
	now := Known{Path: c.item.Path, Size: max(0, c.item.Size), Recipe: l.recipe}
	if time.Since(c.item.Modified) > settleTime {
		now.Modified = stamp(c.item.Modified)
	}
	content, err := c.item.Open(ctx)
	if err == nil {
		defer func() { err = errors.Join(err, content.Close()) }()
		if now.Digest = versionDigest(c.item.Version); c.item.Version == "" {
			now.Digest, err = content.Digest(ctx)
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case fault.Is(err, fault.Gone) && c.known != nil:
		l.vanished(c.item.Path)
		return nil
	case err != nil:
		return l.unread(ctx, c, err)
	case c.known != nil && l.sameContent(now, c.known):
		now.State, now.Records, now.Reason = c.known.State, c.known.Records, c.known.Reason
		l.asBefore(c.item, c.known)
		return l.settle(ctx, now)
	}
	w := newWork(l, c, now, to)
	if err := w.files(ctx, content); err != nil {
		return err
	}
	if err := content.Changed(); err != nil {
		w.doubt(err)
	}
	return w.close(ctx)
}

// vanished notes that a known item is gone, as turned out when it was opened.
func (l *load) vanished(path string) {
	l.late.Lock()
	defer l.late.Unlock()
	l.closed = append(l.closed, path)
	l.count(func(t *Totals) { t.Gone++ })
}

// sameContent reports whether an item whose size or time changed is what it was all the same.
func (l *load) sameContent(now Known, known *Known) bool {
	return known.State != Loading && known.Recipe == now.Recipe && known.Digest == now.Digest && (known.State == Loaded || !l.RetryFailed)
}

// fatal is an error that ends the load, on its way through a parser.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

// files parses and cuts what there is in an item. An error of it ends the load; what is
// wrong with the files is noted in the work.
func (w *work) files(ctx context.Context, content Content) error {
	err := content.Files(ctx, func(f File) error {
		w.members++
		err := f.Problem
		if err == nil {
			err = w.file(ctx, f)
		}
		var end fatal
		if errors.As(err, &end) {
			return end
		}
		if err != nil {
			w.fail(f, err)
		}
		return ctx.Err()
	})
	var end fatal
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &end):
		return end.error
	case err != nil:
		w.fail(File{}, err)
	}
	return nil
}

// file parses and cuts one file.
func (w *work) file(ctx context.Context, f File) error {
	options := w.load.Chunk
	options.Source = w.load.Source.Name() + partMark + w.item.Path
	if f.Member != "" {
		options.Source += partMark + f.Member
	}
	cutter, err := chunk.New(options)
	if err != nil {
		return fatal{err}
	}
	limit := newLimit(ctx, w.load.FileTime)
	defer limit.end()
	path := pathOf(w.item.Path, f.Member)
	describe := describer{w.load.Source.Name(), w.item.Path, f.Member, w.load.flags, w.noter(path)}
	err = parse.Parse(limit.ctx, f.File, w.load.Parse, func(d *doc.Document) error {
		limit.pause()
		defer limit.goOn()
		for _, note := range d.Notes {
			describe.note(note)
		}
		chunks, err := cutter.Cut(ctx, d)
		if err != nil {
			return err
		}
		if err := w.load.show(path, d, chunks); err != nil {
			return fatal{err}
		}
		return w.add(ctx, describe, d, chunks)
	})
	if ctx.Err() != nil {
		return fatal{ctx.Err()}
	}
	if cause := context.Cause(limit.ctx); err != nil && fault.As(cause) != nil {
		return cause
	}
	return err
}

func (l *load) show(path string, d *doc.Document, chunks []chunk.Chunk) error {
	l.count(func(t *Totals) { t.Documents++; t.Chunks += int64(len(chunks)) })
	if l.Show == nil {
		return nil
	}
	l.showing.Lock()
	defer l.showing.Unlock()
	return l.Show(path, d, chunks)
}

// pathOf names a file for people: archive!member.
func pathOf(path, member string) string {
	if member == "" {
		return path
	}
	return path + "!" + member
}

// limit bounds the time that a parser takes for one document. The time of those who take its documents does not count.
type limit struct {
	ctx   context.Context
	stop  context.CancelCauseFunc
	timer *time.Timer
	each  time.Duration
}

func newLimit(ctx context.Context, each time.Duration) *limit {
	ctx, stop := context.WithCancelCause(ctx)
	why := fault.New(fault.TooLarge, "reading took more than %v without coming to anything, and was given up", each)
	return &limit{ctx, stop, time.AfterFunc(each, func() { stop(why) }), each}
}

func (l *limit) pause() { l.timer.Stop() }
func (l *limit) goOn()  { l.timer.Reset(l.each) }
func (l *limit) end() {
	l.timer.Stop()
	l.stop(nil)
}

// noter returns what tells notes about a file, each of them once.
func (w *work) noter(path string) func(string) {
	told := map[string]bool{}
	return func(note string) {
		if !told[note] && len(told) < mostNotes {
			told[note] = true
			w.load.tell(Event{Kind: Warning, Path: path, Reason: note}, nil)
		}
	}
}

// mostNotes is how many notes there are about one file: a table has a row for every one of them.
const mostNotes = 20
