// Package rows loads records that are made already, texts and vectors, into an index.
//
// It is a client of the public API and nothing more. Load reads files of JSON
// lines, plain or gzipped, in which each line is a text
// ({"id","text","title","metadata","namespace"}) or a vector
// ({"id","values","metadata","namespace"}), sends them in batches, several at
// a time, and reports progress by bytes read.
//
// A batch that the server refuses because of what is in it is split until the
// guilty records are alone; each is reported with its file, line and reason,
// and the rest is loaded. Loading the same file again changes nothing, because
// records are upserted by id. Vectors travel in the binary form of package bulk
// where the server takes it. A failure that is not about a record (no server,
// no such index, a wrong key) ends the load.
package rows

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"nearside/bulk"
	"nearside/client"
	"nearside/fault"
)

// Options say where records go.
type Options struct {
	Client      *client.Client
	Index       string
	BatchBytes  int // a batch is sent when it has this many bytes; 0 = 4 MiB
	BatchLines  int // or this many lines; 0 = 100 texts or 1,000 vectors
	Concurrency int // batches under way at once; 0 = 2

	Progress  func(read, total int64)         // called after each batch, from any goroutine; may be nil
	Refused   func(where Position, err error) // called for each record that was not loaded; may be nil
	Shortened func(id string, dropped int)    // called for each text longer than the model's window; may be nil
}

// Report counts what a load did.
type Report struct {
	Loaded    int64 `json:"loaded"`    // records stored
	Refused   int64 `json:"refused"`   // records not stored, each told to Options.Refused
	Shortened int64 `json:"shortened"` // texts of which the model read only the beginning
}

// Load sends the records of the files at paths to the index.
func Load(ctx context.Context, o Options, paths []string) (Report, error) {
	o = o.withDefaults()
	files, total, err := openAll(paths)
	if err != nil {
		return Report{}, err
	}
	l := &load{Options: o, total: total}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(o.Concurrency)
	for _, f := range files {
		err := f.batches(ctx, o, func(b batch) { group.Go(func() error { return l.send(ctx, b) }) })
		if err != nil {
			failed := group.Wait()
			if failed != nil && errors.Is(err, context.Canceled) {
				return l.report(), failed // which is what ended the reading
			}
			return l.report(), errors.Join(err, failed)
		}
	}
	err = group.Wait()
	return l.report(), err
}

func (o Options) withDefaults() Options {
	if o.BatchBytes == 0 {
		o.BatchBytes = 4 << 20
	}
	if o.Concurrency == 0 {
		o.Concurrency = 2
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	if o.Refused == nil {
		o.Refused = func(Position, error) {}
	}
	if o.Shortened == nil {
		o.Shortened = func(string, int) {}
	}
	return o
}

// load is one call of Load.
type load struct {
	Options
	total                      int64
	read                       atomic.Int64
	loaded, refused, shortened atomic.Int64
	linesOnly                  atomic.Bool // the server takes lines only
}

func (l *load) report() Report {
	return Report{Loaded: l.loaded.Load(), Refused: l.refused.Load(), Shortened: l.shortened.Load()}
}

// send loads a batch and accounts for the bytes it was read from.
func (l *load) send(ctx context.Context, b batch) error {
	if err := l.sendLines(ctx, b.kind, b.lines); err != nil {
		return err
	}
	l.Progress(l.read.Add(b.read), l.total)
	return nil
}

// sendLines loads lines; if the server refuses their content it halves them until the guilty ones stand alone.
func (l *load) sendLines(ctx context.Context, kind kind, lines []line) error {
	err := l.post(ctx, kind, lines)
	switch {
	case err == nil:
		l.loaded.Add(int64(len(lines)))
		return nil
	case !aboutContent(err):
		return err
	case len(lines) == 1:
		l.refused.Add(1)
		l.Refused(lines[0].at, err)
		return nil
	}
	half := len(lines) / 2
	if err := l.sendLines(ctx, kind, lines[:half]); err != nil {
		return err
	}
	return l.sendLines(ctx, kind, lines[half:])
}

// aboutContent reports whether the records themselves are to blame for a refusal.
func aboutContent(err error) bool {
	return fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge)
}

func (l *load) post(ctx context.Context, kind kind, lines []line) error {
	if kind == vectors && !l.linesOnly.Load() {
		if batch, ok := asBatch(lines); ok {
			err := l.Client.Send(ctx, http.MethodPost, kind.path(l.Index), bulk.ContentType, batch, nil)
			if f := fault.As(err); f == nil || f.Reason != client.ReasonContentType {
				return err
			}
			l.linesOnly.Store(true) // a server that does not know the form
		}
	}
	var body bytes.Buffer
	for _, line := range lines {
		body.Write(line.raw)
		body.WriteByte('\n')
	}
	var result struct {
		Truncated []struct {
			ID      string `json:"id"`
			Dropped int    `json:"dropped"`
		} `json:"truncated"`
	}
	err := l.Client.Send(ctx, http.MethodPost, kind.path(l.Index), "application/x-ndjson", body.Bytes(), &result)
	for _, t := range result.Truncated {
		l.shortened.Add(1)
		l.Shortened(t.ID, t.Dropped)
	}
	return err
}

// kind is what the lines of a file are.
type kind uint8

const (
	texts kind = iota
	vectors
)

func (k kind) path(index string) string {
	if k == vectors {
		return "/vectorize/v2/indexes/" + url.PathEscape(index) + "/upsert"
	}
	return "/nearside/indexes/" + url.PathEscape(index) + "/texts"
}

// batchLines is the default size of a batch: an embedding model is slower than a disk.
func (k kind) batchLines() int {
	if k == vectors {
		return 1000
	}
	return 100
}

// Position is a line of a file.
type Position struct {
	Path string
	Line int // from 1
}

// String returns the position as path:line.
func (p Position) String() string { return fmt.Sprintf("%s:%d", p.Path, p.Line) }
