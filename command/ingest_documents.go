package command

import (
	"bufio"
	"context"
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

// loadDocuments loads sources one after the other, and reports of all together.
func (f *ingestFlags) loadDocuments(cmd *cobra.Command, server *connection, args []string) error {
	var sources []ingest.Source
	for _, path := range args {
		s, err := source.Path(path, source.Options{})
		if err != nil {
			return err
		}
		sources = append(sources, s)
	}
	if f.create && !f.options.DryRun {
		if err := f.createIndex(cmd, server); err != nil {
			return err
		}
	}
	out, err := newIngestPrinter(cmd, f)
	if err != nil {
		return err
	}
	target := remote.Open(server.client(), f.index, remote.Options{Vocabulary: f.reading.vocabulary, Log: out.remark})
	total := ingest.Report{Complete: true}
	for _, s := range sources {
		report, err := f.load(cmd, out, target, s)
		addReport(&total, report)
		if err != nil {
			total.Error = err.Error()
			out.finish(total)
			return err
		}
	}
	out.finish(total)
	return partlyLoaded(total)
}

// load loads one source.
func (f *ingestFlags) load(cmd *cobra.Command, out *ingestPrinter, target *remote.Target, s ingest.Source) (report ingest.Report, err error) {
	o := f.options
	o.Source, o.Target, o.Event = s, target, out.event
	o.Parse, o.Chunk, o.Estimate = f.reading.parse(), f.reading.cut, f.reading.estimate
	if o.Metadata, err = f.allMetadata(); err != nil {
		return report, err
	}
	o.ConfirmPrune = func(gone, known int) bool { return f.confirmPrune(cmd, out, s.Name(), gone, known) }
	if f.show {
		o.Show = out.show
	}
	if o.DryRun {
		o.Manifest, err = remote.Look(cmd.Context(), target, s.Name())
	} else {
		o.Manifest, err = claim(cmd.Context(), target, s.Name(), out.remark)
	}
	if err != nil {
		return report, err
	}
	out.begin(cmd.Context(), s)
	defer out.end()
	return ingest.Load(cmd.Context(), o)
}

// createIndex makes the index unless it is there.
func (f *ingestFlags) createIndex(cmd *cobra.Command, server *connection) error {
	api := server.client()
	err := api.Do(cmd.Context(), http.MethodGet, indexPath(f.index), nil, nil)
	if !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Gone) {
		return err
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
