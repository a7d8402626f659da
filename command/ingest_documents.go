package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"nearside/doc"
	"nearside/doc/chunk"
	"nearside/fault"
	"nearside/ingest"
	"nearside/ingest/remote"
	"nearside/ingest/source"
)

// documentLoad is sources that are loaded once, or with --watch again and again.
type documentLoad struct {
	*ingestFlags
	cmd    *cobra.Command
	out    *ingestPrinter
	target *remote.Target
	from   []ingest.Source
}

// loadDocuments loads what the arguments and the flags name.
func (f *ingestFlags) loadDocuments(cmd *cobra.Command, server *connection, args []string) error {
	out, err := newIngestPrinter(cmd, f)
	if err != nil {
		return err
	}
	server.say = out.remark // above the progress line
	l := &documentLoad{ingestFlags: f, cmd: cmd, out: out}
	if l.from, err = f.sources.sources(cmd, args, out.remark); err != nil {
		return err
	}
	if l.options.Metadata, err = f.allMetadata(); err != nil {
		return err
	}
	if err := f.ensureIndex(cmd, server); err != nil {
		return err
	}
	l.target = remote.Open(server.client(), f.index, remote.Options{Vocabulary: f.reading.vocabulary, Log: out.remark})
	if f.watch {
		return l.follow(args)
	}
	return l.all()
}

// follow loads, and loads again whenever something changes, until it is interrupted. A load that
// fails is told of, and the next change is another chance; only the first one must succeed.
func (l *documentLoad) follow(args []string) error {
	paths, err := l.sources.watched(args)
	if err != nil {
		return err
	}
	ctx := l.cmd.Context()
	w, err := source.Watch(ctx, paths, source.WatchOptions{Options: l.sources.Options, Remarked: l.out.remark})
	if err != nil {
		return err
	}
	defer w.Close()
	var partly partlyDone
	if err := l.all(); err != nil && !errors.As(err, &partly) {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.Changed:
		}
		if err := l.all(); err != nil && !errors.As(err, &partly) && ctx.Err() == nil {
			l.out.remark(err.Error())
		}
	}
}

// all loads the sources one after the other, and reports of all together.
func (l *documentLoad) all() error {
	total := ingest.Report{Complete: true}
	l.out.start()
	for _, s := range l.from {
		report, err := l.one(s)
		addReport(&total, report)
		if err != nil {
			total.Error = err.Error()
			l.out.finish(total)
			return err
		}
	}
	l.out.finish(total)
	return partlyLoaded(total)
}

// one loads one source.
func (l *documentLoad) one(s ingest.Source) (report ingest.Report, err error) {
	o := l.options
	o.Source, o.Target, o.Event = s, l.target, l.out.event
	o.Parse, o.Chunk, o.Estimate = l.reading.parse(), l.reading.cut, l.reading.estimate
	o.ConfirmPrune = func(gone, known int) bool { return l.confirmPrune(l.cmd, l.out, s.Name(), gone, known) }
	if l.show {
		o.Show = l.out.show
	}
	ctx := l.cmd.Context()
	if o.Manifest, err = l.manifest(ctx, s.Name()); err != nil {
		return report, err
	}
	l.out.begin(ctx, s)
	defer l.out.end()
	return ingest.Load(ctx, o)
}

// manifest returns what is remembered of a source. Of standard input without a name nothing is.
func (l *documentLoad) manifest(ctx context.Context, name string) (ingest.Manifest, error) {
	var m *remote.Manifest
	var err error
	switch {
	case name == standardInput:
		return nil, nil
	case l.options.DryRun:
		m, err = remote.Look(ctx, l.target, name)
	default:
		m, err = claim(ctx, l.target, name, l.out.remark)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// ensureIndex sees to it that there is an index: with --create it makes one.
func (f *ingestFlags) ensureIndex(cmd *cobra.Command, server *connection) error {
	api := server.client()
	err := api.Do(cmd.Context(), http.MethodGet, indexPath(f.index), nil, nil)
	switch {
	case !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Gone):
		return err
	case !f.create:
		return fault.New(fault.NotFound, "there is no index %q; make it with --create, or with: nearside index create %s", f.index, f.index)
	case f.options.DryRun:
		return fault.New(fault.NotFound, "there is no index %q, and a dry run makes none; make it with: nearside index create %s --model %s", f.index, f.index, f.model)
	}
	return api.Do(cmd.Context(), http.MethodPost, "/nearside/indexes", map[string]any{"name": f.index, "model": f.model}, nil)
}

// confirmPrune asks whether so much is to be removed.
func (f *ingestFlags) confirmPrune(cmd *cobra.Command, out *ingestPrinter, source string, gone, known int) bool {
	if f.yes {
		return true
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if ok && terminal(in) && confirm(cmd, fmt.Sprintf("%d of the %d known files of %s are gone. Remove their passages? [y/N] ", gone, known, source)) {
		return true
	}
	out.remark(fmt.Sprintf("%d of the %d known files of %s are gone, more than a fifth: nothing was pruned. If that is right, give --yes", gone, known, source))
	return false
}

// addReport adds the report of one source to that of all.
func addReport(total *ingest.Report, r ingest.Report) {
	if total.Source == "" {
		total.Source = r.Source
	}
	total.Add(r.Totals)
	total.Complete = total.Complete && r.Complete
	total.PruneRefused = total.PruneRefused || r.PruneRefused
	total.Took += r.Took
	total.Seconds += r.Seconds
	room := ingest.MaxFailures - len(total.Failures)
	total.Failures = append(total.Failures, r.Failures[:min(room, len(r.Failures))]...)
	if r.DryRun != nil {
		if total.DryRun == nil {
			total.DryRun = &ingest.Estimate{}
		}
		total.DryRun.Add(*r.DryRun)
	}
}

// partlyLoaded is the error of a load that did not do all.
func partlyLoaded(r ingest.Report) error {
	if r.Failed == 0 && !r.PruneRefused {
		return nil
	}
	return partlyDone{int(r.Loaded + r.Unchanged), int(r.Failed)}
}

// show prints the passages of a document.
func (p *ingestPrinter) show(path string, d *doc.Document, chunks []chunk.Chunk) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	out := bufio.NewWriter(p.out)
	if p.json != nil {
		for _, c := range chunks {
			if err := p.json.Encode(struct {
				Event string `json:"event"`
				Path  string `json:"path"`
				chunkJSON
			}{"chunk", path, chunkJSON{c.ID, d.Key, c.Tokens, c.Headings, placeJSON(c.Place), c.Context(), c.Repeats, c.Text}}); err != nil {
				return err
			}
		}
		return nil
	}
	fmt.Fprintf(out, "%s\n", path)
	if err := chunk.Print(out, chunks, p.shown+1); err != nil {
		return err
	}
	p.shown += len(chunks)
	return out.Flush()
}

// begin counts what there is while it is loaded, so that the time left can be told.
func (p *ingestPrinter) begin(ctx context.Context, s ingest.Source) {
	ctx, p.stop = context.WithCancel(ctx)
	if !p.live || !source.Local(s) {
		return
	}
	p.counting.Go(func() {
		var bytes int64
		err := s.Walk(ctx, func(item *ingest.Item) error {
			bytes += max(0, item.Size)
			return nil
		})
		p.mu.Lock()
		defer p.mu.Unlock()
		if err == nil {
			p.bytes = bytes
		}
	})
}

// end takes the line away.
func (p *ingestPrinter) end() {
	p.stop()
	p.counting.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.bytes = 0
}
