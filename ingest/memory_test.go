package ingest_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nearside/doc/parse"
	"nearside/fault"
	"nearside/ingest"
)

var seed = flag.Uint64("seed", 1, "of the random edits")

// errDead is what everything answers after a crash.
var errDead = errors.New("the process is dead")

// world is an index and a manifest in memory. After crashAt changes nothing works any more: before the change, or after it.
type world struct {
	t *testing.T

	mu       sync.Mutex
	records  map[string]ingest.Record
	items    map[string]ingest.Known
	embedded map[string]int // by id, how often
	batches  int
	changes  int
	crashAt  int // 0 = never
	after    bool
	dead     bool
	poison   string // a text with it is refused
	lost     chan struct{}
	released []bool // complete
	inFlight map[string]bool
}

func newWorld(t *testing.T) *world {
	return &world{t: t, records: map[string]ingest.Record{}, items: map[string]ingest.Known{}, embedded: map[string]int{}, lost: make(chan struct{}), inFlight: map[string]bool{}}
}

// change makes a change, unless the crash comes before.
func (w *world) change(ctx context.Context, make func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.dead {
		return errDead
	}
	w.changes++
	if w.changes == w.crashAt {
		w.dead = true
		if !w.after {
			return errDead
		}
	}
	if err := make(); err != nil {
		return err
	}
	if w.dead {
		return errDead
	}
	return nil
}

// Describe implements ingest.Target.
func (w *world) Describe(context.Context) (ingest.Description, error) {
	return ingest.Description{Model: "test", Window: 64, Dimensions: 8, Neurons: 1000}, nil
}

// Upsert implements ingest.Target.
func (w *world) Upsert(ctx context.Context, records []ingest.Record) (stored ingest.Stored, err error) {
	err = w.change(ctx, func() error {
		w.batches++
		for _, r := range records {
			if w.poison != "" && strings.Contains(r.Text, w.poison) {
				return fault.New(fault.Invalid, "the text with id %q is poison", r.ID)
			}
		}
		for _, r := range records {
			if !w.mayBe(r.ID) {
				w.t.Errorf("the record %s was written before the manifest knew of it", r.ID)
			}
			if was, ok := w.records[r.ID]; !ok || was.Text != r.Text {
				w.embedded[r.ID]++
				stored.Tokens++
				stored.Neurons++
			}
			w.records[r.ID] = r
		}
		return nil
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		for _, r := range records {
			w.inFlight[r.ID] = true
		}
	}
	return stored, err
}

// mayBe reports whether the manifest knows an id.
func (w *world) mayBe(id string) bool {
	for _, k := range w.items {
		if slices.Contains(k.Records, id) {
			return true
		}
	}
	return false
}

// Delete implements ingest.Target.
func (w *world) Delete(ctx context.Context, ids []string) error {
	return w.change(ctx, func() error {
		for _, id := range ids {
			delete(w.records, id)
		}
		return nil
	})
}

// Missing implements ingest.Target.
func (w *world) Missing(_ context.Context, ids []string) (missing []string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		if _, ok := w.records[id]; !ok {
			missing = append(missing, id)
		}
	}
	return missing, nil
}

// Items implements ingest.Manifest.
func (w *world) Items(_ context.Context, after string, limit int) ([]ingest.Known, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return nil, errDead
	}
	var page []ingest.Known
	for _, path := range slices.Sorted(maps.Keys(w.items)) {
		if path > after && len(page) < limit {
			page = append(page, w.items[path])
		}
	}
	return page, nil
}

// Put implements ingest.Manifest.
func (w *world) Put(ctx context.Context, items []ingest.Known, forget []string) error {
	return w.change(ctx, func() error {
		for _, path := range forget {
			delete(w.items, path)
		}
		for _, k := range items {
			w.items[k.Path] = k
		}
		return nil
	})
}

// Lost implements ingest.Manifest.
func (w *world) Lost() <-chan struct{} { return w.lost }

// Release implements ingest.Manifest.
func (w *world) Release(_ context.Context, complete bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errDead
	}
	w.released = append(w.released, complete)
	return nil
}

// revive is a new process on the same index.
func (w *world) revive() { w.dead, w.crashAt, w.changes = false, 0, 0 }

// indexed returns the records as lines, in order.
func (w *world) indexed() []string {
	var lines []string
	for _, id := range slices.Sorted(maps.Keys(w.records)) {
		r := w.records[id]
		lines = append(lines, fmt.Sprintf("%s %q %s %s", id, r.Text, r.Namespace, r.Metadata))
	}
	return lines
}

// remembered returns the manifest as lines, in order, without times.
func (w *world) remembered() []string {
	var lines []string
	for _, path := range slices.Sorted(maps.Keys(w.items)) {
		k := w.items[path]
		lines = append(lines, fmt.Sprintf("%q %s %d %s %s %v %s", path, k.State, k.Size, k.Digest, k.Recipe, k.Records, k.Reason))
	}
	return lines
}

// files is a source in memory.
type files struct {
	name  string
	at    map[string]entry
	fails error // the walk ends with it
}

// entry is a file of a source. Of an archive, members.
type entry struct {
	text     string
	members  []entry
	name     string // of a member
	modified time.Time
	version  string
	problem  error
	folder   bool
	opened   *atomic.Int64
	changing bool // it is another one after it was read
}

var long = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// Name implements ingest.Source.
func (f *files) Name() string { return cmp.Or(f.name, "test") }

// Walk implements ingest.Source.
func (f *files) Walk(_ context.Context, yield func(*ingest.Item) error) error {
	for _, path := range slices.Sorted(maps.Keys(f.at)) {
		e := f.at[path]
		item := &ingest.Item{Path: path, Size: int64(len(e.text)), Modified: e.modified, Version: e.version, Problem: e.problem, Folder: e.folder}
		for _, m := range e.members {
			item.Size += int64(len(m.text))
		}
		if item.Modified.IsZero() {
			item.Modified = long
		}
		if e.problem == nil {
			item.Open = func(context.Context) (ingest.Content, error) {
				if e.opened != nil {
					e.opened.Add(1)
				}
				e.name = path
				return &content{e}, nil
			}
		}
		if err := yield(item); err != nil {
			return err
		}
	}
	return f.fails
}

type content struct{ entry }

func (c *content) Close() error { return nil }

func (c *content) Digest(context.Context) (string, error) {
	h := sha256.New()
	fmt.Fprint(h, c.text)
	for _, m := range c.members {
		fmt.Fprint(h, m.name, m.text, m.problem)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (c *content) Files(_ context.Context, yield func(ingest.File) error) error {
	if c.members == nil {
		return yield(ingest.File{File: parse.File{Name: c.name, Body: strings.NewReader(c.text)}})
	}
	for _, m := range c.members {
		if err := yield(ingest.File{File: parse.File{Name: m.name, Body: strings.NewReader(m.text)}, Member: m.name, Problem: m.problem}); err != nil {
			return err
		}
	}
	return nil
}

func (c *content) Changed() error {
	if c.changing {
		return errors.New("it changed while it was read")
	}
	return nil
}

// options are those of most tests: small batches and parts, so that there are many of each.
func options(w *world, source ingest.Source) ingest.Options {
	return ingest.Options{
		Source: source, Target: w, Manifest: w, BatchRecords: 3, PartRecords: 4, Prune: true, Estimate: true,
		ConfirmPrune: func(int, int) bool { return true },
	}
}

// load loads and expects that it comes to its end.
func load(t *testing.T, o ingest.Options) ingest.Report {
	t.Helper()
	report, err := ingest.Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Complete {
		t.Error("the report says that not all was seen")
	}
	return report
}

// clean returns what one load of a source into an empty index makes.
func clean(t *testing.T, source ingest.Source) *world {
	t.Helper()
	w := newWorld(t)
	load(t, options(w, source))
	return w
}

// same fails the test unless two worlds hold the same.
func same(t *testing.T, what string, got, want *world) {
	t.Helper()
	for _, pair := range [][2][]string{{got.indexed(), want.indexed()}, {got.remembered(), want.remembered()}} {
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s: got\n%s\nwant\n%s", what, strings.Join(pair[0], "\n"), strings.Join(pair[1], "\n"))
			return
		}
	}
}

// paragraphs is a text of n passages that no two texts of other names share.
func paragraphs(name string, n int) string {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "# Section %d of %s\n\nThis is what stands in section number %d of the file %s, and it goes on for a while so that it is a passage of its own and not a part of another one.\n\n", i, name, i, name)
	}
	return b.String()
}

func metadataOf(t *testing.T, r ingest.Record) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.Metadata, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
