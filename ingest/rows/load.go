// Package rows loads records that are made already, texts and vectors, into an index.
//
// It is a client of the public API and nothing more. Load reads files of JSON
// lines, plain or gzipped, in which each line is a text
// ({"id","text","title","metadata","namespace"}), a vector
// ({"id","values","metadata","namespace"}) or both, and the files of vectors that
// package vecfile knows. Copy takes records from anywhere else. Both send them in
// batches, several at a time, and report progress by bytes read.
//
// A batch that the server refuses because of what is in it is split until the
// guilty records are alone; each is reported with its file, line or row, and reason,
// and the rest is loaded. Loading the same file again changes nothing, because
// records are upserted by id. Vectors travel in the binary form of package bulk
// where the server takes it. A failure that is not about a record (no server,
// no such index, a wrong key) ends the load; with a bookmark the next one goes on
// where all before is done.
//
// The index may be Cloudflare's. Then records are held to its limits before they are
// sent, texts that come with their vectors stay behind or go into the metadata, and a
// service that is busy or away is waited for.
package rows

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nearside/client"
	"nearside/fault"
	"nearside/ingest/bookmark"
	"nearside/ingest/vecfile"
)

// Options say where records go.
type Options struct {
	Client      *client.Client
	Index       string
	BatchBytes  int // a batch is sent when it has this many bytes; 0 = 4 MiB, 16 MiB to Cloudflare
	BatchLines  int // or this many records; 0 = 100 texts or 1,000 vectors, 5,000 to Cloudflare
	Concurrency int // batches under way at once; 0 = 2

	Cloudflare *Cloudflare // the index is Cloudflare's; nil = nearside's

	IDs          string    // a file with the id of each row of a file of vectors, a line each; "" = none
	IDPrefix     string    // what goes before the row's number where nothing says what its id is
	MetadataFile string    // a file with more of each row, a JSON object a line; "" = none
	Stdin        io.Reader // what the path "-" stands for

	Bookmark func(path string) *bookmark.Bookmark // where the mark of a file is kept; nil = nowhere
	Version  string                               // of the index, for marks: another one of the same name has another

	Pause     time.Duration                   // before a call that failed is first made again; 0 = a second
	Waiting   func(why error)                 // called, from any goroutine, before such a pause; may be nil
	Progress  func(read, total int64)         // called after each batch, from any goroutine; may be nil
	Refused   func(where Position, err error) // called for each record that was not loaded; may be nil
	Shortened func(id string, dropped int)    // called for each text longer than the model's window; may be nil
	Resumed   func(path string, rows int64)   // called for each file of which the first rows were done before; may be nil
}

// Report counts what a load did.
type Report struct {
	Loaded    int64 `json:"loaded"`              // records stored
	Refused   int64 `json:"refused"`             // records not stored, each told to Options.Refused, now or by an earlier load that this one goes on with
	Shortened int64 `json:"shortened"`           // texts of which the model read only the beginning
	Before    int64 `json:"before,omitempty"`    // records that an earlier load had stored, and this one passed over
	TextsLeft int64 `json:"textsLeft,omitempty"` // texts that stayed behind: Cloudflare's index has no place for them
}

// standardInput is the path that stands for it.
const standardInput = "-"

// source is where records come from. It is for one goroutine.
type source interface {
	next() (record, error) // io.EOF after the last
	done() int64           // of the source's size, what the records so far account for
}

// file is a source on the disk.
type file interface {
	source
	io.Closer
	skip(rows int64) error // passes over the first rows, before the first next
}

// record is one record as it was read: a line, or a vector in parts.
type record struct {
	at      Position
	rows    int64 // records of the source up to this one
	after   string
	kind    kind
	raw     []byte         // the line; nil = parts has it
	parts   vecfile.Record // if raw is nil
	refused error          // why it cannot be loaded
}

// made gives a record its parts.
func (r *record) made(v vecfile.Record) {
	r.parts = v
	switch {
	case v.Values == nil:
		r.kind, r.raw = texts, vecfile.AppendLine(nil, &v)
	case v.Text != "" || v.Title != "":
		r.kind, r.raw = whole, vecfile.AppendLine(nil, &v)
	default:
		r.kind = vectors
	}
}

// bytes is about how many a record has on its way.
func (r *record) bytes() int {
	return len(r.raw) + 4*len(r.parts.Values) + len(r.parts.ID) + len(r.parts.Namespace) + len(r.parts.Metadata)
}

// Load sends the records of the files at paths to the index.
func Load(ctx context.Context, o Options, paths []string) (Report, error) {
	total, err := checkAll(o, paths)
	if err != nil {
		return Report{}, err
	}
	l := &load{Options: o.withDefaults(), total: total}
	for _, path := range paths {
		if err := l.file(ctx, path); err != nil {
			return l.report(), err
		}
	}
	return l.report(), nil
}

// checkAll checks that every path is a file that can be read, so that a typing error in the last one costs nothing.
func checkAll(o Options, paths []string) (total int64, err error) {
	var wrong []error
	for _, path := range paths {
		if path == standardInput {
			continue
		}
		info, err := os.Stat(path)
		switch {
		case err != nil:
			wrong = append(wrong, fault.New(fault.Invalid, "cannot read %s", path).Because(err))
		case info.IsDir():
			wrong = append(wrong, fault.New(fault.Invalid, "%s is a directory; name files of JSON lines (.jsonl, .ndjson, also .gz) or of vectors", path))
		default:
			total += info.Size()
		}
	}
	if (o.IDs != "" || o.MetadataFile != "") && (len(paths) != 1 || !vecfile.Known(paths[0])) {
		wrong = append(wrong, fault.New(fault.Invalid, "a file of ids or metadata belongs to one file of vectors (.npy, .fvecs, .parquet); name one such file"))
	}
	return total, errors.Join(wrong...)
}

func (o Options) withDefaults() Options {
	if o.BatchBytes == 0 {
		o.BatchBytes = 4 << 20
		if o.Cloudflare != nil {
			o.BatchBytes = 16 << 20
		}
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
	if o.Resumed == nil {
		o.Resumed = func(string, int64) {}
	}
	return o
}

// load is one call of Load or Copy.
type load struct {
	Options
	total                                 int64
	read                                  atomic.Int64
	loaded, refused, shortened, textsLeft atomic.Int64
	before                                int64
	linesOnly                             atomic.Bool // the server takes lines only
	reached                               atomic.Bool // the server has stored something
}

func (l *load) report() Report {
	return Report{Loaded: l.loaded.Load(), Refused: l.refused.Load(), Shortened: l.shortened.Load(), Before: l.before, TextsLeft: l.textsLeft.Load()}
}

// file loads one file.
func (l *load) file(ctx context.Context, path string) (err error) {
	src, err := open(l.Options, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	m := &marker{}
	if l.Bookmark != nil && path != standardInput {
		version, err := versionOf(path, l.IDs, l.MetadataFile)
		if err != nil {
			return err
		}
		m.keep = l.Bookmark(path)
		m.mark = m.keep.Read(l.Version + " " + version)
	}
	if rows := m.mark.Rows; rows > 0 {
		if err := src.skip(rows); err != nil {
			return err
		}
		l.Resumed(path, rows)
		l.doneBefore(m.mark)
	}
	return l.all(ctx, src, m)
}

// doneBefore counts what an earlier load did.
func (l *load) doneBefore(m bookmark.Mark) {
	l.before += m.Rows - m.Refused
	l.refused.Add(m.Refused)
}

// versionOf stands for what files hold: another size or time of change is another file. "" is none.
func versionOf(paths ...string) (version string, err error) {
	for _, path := range paths {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		version += fmt.Sprintf("%d %s ", info.Size(), info.ModTime().UTC())
	}
	return version, nil
}

func open(o Options, path string) (file, error) {
	if vecfile.Known(path) {
		return openVectors(o, path)
	}
	return openLines(path, o.Stdin)
}

// all sends what a source has, and forgets its mark when all is done.
func (l *load) all(ctx context.Context, src source, m *marker) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(l.Concurrency)
	c := collector{o: l.Options, src: src, marker: m, hand: func(b batch) { group.Go(func() error { return l.send(ctx, b) }) }}
	err := c.run(ctx)
	failed := group.Wait()
	if failed != nil && errors.Is(err, context.Canceled) {
		return failed // which is what ended the reading
	}
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	return m.finish()
}

// Position is a record of a file, or of an index.
type Position struct {
	Path string
	Line int64  // from 1
	Row  bool   // of a file that has no lines
	ID   string // of a record of an index, which has neither
}

// String returns the position as path:line, or in words.
func (p Position) String() string {
	switch {
	case p.ID != "":
		return fmt.Sprintf("%s: id %q", p.Path, p.ID)
	case p.Row:
		return fmt.Sprintf("%s row %d", p.Path, p.Line)
	}
	return fmt.Sprintf("%s:%d", p.Path, p.Line)
}
