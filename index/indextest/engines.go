package indextest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
)

var engineTests = []test{
	{"a new index is empty and has its configuration", func(r *rig) {
		for _, c := range []index.Config{{Dimensions: 1, Metric: index.Cosine}, {Dimensions: index.MaxDimensions, Metric: index.Euclidean}, {Dimensions: 5, Metric: index.DotProduct}} {
			r.same(differentInfo(r.info(r.create(c.Dimensions, c.Metric), index.Read{}), index.Info{Config: c}))
		}
	}},
	{"a configuration out of range is refused", func(r *rig) {
		for _, c := range []struct {
			dimensions int
			metric     index.Metric
			word       string
		}{
			{0, index.Cosine, "0"}, {-1, index.Cosine, "-1"}, {index.MaxDimensions + 1, index.Cosine, "1537"},
			{3, "", `""`}, {3, "manhattan", "manhattan"}, {3, "Cosine", "Cosine"},
		} {
			_, err := r.Engine.Create(r.Context(), 1, index.Config{Dimensions: c.dimensions, Metric: c.metric})
			r.refused(err, fault.Invalid, index.ReasonConfig, c.word)
		}
		r.numbersAre()
	}},
	{"a number can be taken once", func(r *rig) {
		r.upsert(r.create(1, index.Cosine), rec("a", 1))
		_, err := r.Engine.Create(r.Context(), 1, index.Config{Dimensions: 2, Metric: index.Cosine})
		r.refused(err, fault.Conflict, "", "1")
		r.ids(r.all(must(r.Engine.Open(r.Context(), 1))(r), index.Read{}), "a")
	}},
	{"numbers are listed ascending", func(r *rig) {
		for _, n := range []index.Number{30, 4, 1 << 40, 100} {
			r.numbers = n - 1
			r.create(1, index.Cosine)
		}
		r.numbersAre(4, 30, 100, 1<<40)
		must(0, r.Engine.Drop(r.Context(), 30))(r)
		if r.Restart != nil {
			r.Engine = r.Restart(r.T)
		}
		if r.Restart != nil {
			r.numbersAre(4, 100, 1<<40)
		}
	}},
	{"opening an open index returns the same index", func(r *rig) {
		x := r.create(1, index.Cosine)
		for range 2 {
			if y := must(r.Engine.Open(r.Context(), 1))(r); y != x {
				r.Error("another index came back")
			}
		}
	}},
	{"an unknown number cannot be opened, but dropped", func(r *rig) {
		_, err := r.Engine.Open(r.Context(), 7)
		r.refused(err, fault.NotFound, "", "7")
		must(0, r.Engine.Drop(r.Context(), 7))(r)
		r.numbersAre()
	}},
	{"a dropped index is gone", func(r *rig) {
		x, other := r.create(1, index.Cosine), r.create(1, index.Cosine)
		r.upsert(x, rec("a", 1))
		r.upsert(other, rec("b", 1))
		must(0, r.Engine.Drop(r.Context(), 1))(r)
		r.fails(x)
		r.numbersAre(2)
		_, err := r.Engine.Open(r.Context(), 1)
		r.refused(err, fault.NotFound, "", "1")
		r.ids(r.all(other, index.Read{}), "b")
	}},
	{"a closed index fails until it is opened again", func(r *rig) {
		x := r.create(1, index.Cosine)
		r.upsert(x, rec("a", 1))
		must(0, x.Close())(r)
		must(0, x.Close())(r)
		r.fails(x)
		r.ids(r.all(must(r.Engine.Open(r.Context(), 1))(r), index.Read{}), "a")
	}},
	{"a closed engine fails", func(r *rig) {
		x := r.create(1, index.Cosine)
		must(0, r.Engine.Close())(r)
		r.fails(x)
		_, err := r.Engine.Open(r.Context(), 1)
		if err == nil {
			r.Error("a closed engine opened an index")
		}
		_, err = r.Engine.Create(r.Context(), 2, index.Config{Dimensions: 1, Metric: index.Cosine})
		if err == nil {
			r.Error("a closed engine made an index")
		}
	}},
	{"everything is there after a restart", func(r *rig) {
		x := r.scoped()
		r.remove(x, "d")
		before := r.info(x, index.Read{})
		records := r.get(x, index.Read{}, "a", "b", "c", "d", "e")
		for range 3 {
			x = r.restart(x, 1)
			after := r.info(x, index.Read{})
			r.same(differentInfo(after, before))
			if after.Mutation.ID != before.Mutation.ID {
				r.Errorf("the last mutation is %q, want %q", after.Mutation.ID, before.Mutation.ID)
			}
			r.same(differentRecords(r.get(x, index.Read{}, "a", "b", "c", "d", "e"), records))
		}
		if m := r.upsert(x, rec("d", 1)); m.Sequence != before.Mutation.Sequence+1 {
			r.Errorf("the next mutation has sequence %d after %d", m.Sequence, before.Mutation.Sequence)
		}
	}},
}

func (r *rig) numbersAre(want ...index.Number) {
	r.Helper()
	if got := must(r.Engine.Numbers(r.Context()))(r); !slices.Equal(got, want) {
		r.Fatalf("numbers %v, want %v", got, want)
	}
}

// fails fails the test if a call of an index that was released succeeds.
func (r *rig) fails(x index.Index) {
	r.Helper()
	ctx := r.Context()
	calls := map[string]func() error{
		"insert":   func() error { _, err := x.Insert(ctx, []index.Record{rec("a", 1)}, index.Scope{}); return err },
		"upsert":   func() error { _, err := x.Upsert(ctx, []index.Record{rec("a", 1)}, index.Scope{}); return err },
		"delete":   func() error { _, err := x.Delete(ctx, []index.VectorID{"a"}, index.Scope{}); return err },
		"get":      func() error { _, err := x.Get(ctx, []index.VectorID{"a"}, index.Read{}); return err },
		"list":     func() error { _, err := x.List(ctx, "", 1, index.Read{}); return err },
		"query":    func() error { _, err := x.Query(ctx, index.Query{ID: "a", TopK: 1}, index.Read{}); return err },
		"info":     func() error { _, err := x.Info(ctx, index.Read{}); return err },
		"indexes":  func() error { _, err := x.MetadataIndexes(ctx, index.Read{}); return err },
		"unindex":  func() error { _, err := x.DeleteMetadataIndex(ctx, "k"); return err },
		"snapshot": func() error { _, err := x.Snapshot(ctx, io.Discard); return err },
		"select":   func() error { _, err := x.Select(ctx, index.Selection{}, "", 1, index.Read{}); return err },
		"erase":    func() error { _, err := x.DeleteSelected(ctx, index.Selection{All: true}, index.Scope{}); return err },
		"facets":   func() error { _, err := x.Facets(ctx, "k", index.Selection{}, 1, index.Read{}); return err },
		"update": func() error {
			_, err := x.UpdateMetadata(ctx, index.Selection{All: true}, index.MetadataUpdate{Replace: true}, index.Scope{})
			return err
		},
		"index": func() error {
			_, err := x.CreateMetadataIndex(ctx, index.MetadataIndex{Property: "k", Type: filter.String}, false)
			return err
		},
	}
	for name, call := range calls {
		if f := fault.As(call()); f == nil || f.Kind != fault.Unavailable && f.Kind != fault.Gone {
			r.Errorf("%s after the end of the index: %v", name, f)
		}
	}
}

var snapshotTests = []test{
	{"a restored index answers like the one it was taken of", func(r *rig) {
		x := r.scoped()
		r.upsert(x, index.Record{ID: "t", Namespace: "eu", Values: []float32{6}, Metadata: []byte(`{"owner":"<&>"}`), Title: "T", Text: "passage"})
		r.remove(x, "b")
		r.indexMetadata(x, "gone", filter.Number, false)
		r.unindexMetadata(x, "gone")
		before := r.info(x, index.Read{})
		var file bytes.Buffer
		if got := must(x.Snapshot(r.Context(), &file))(r); got != before.Mutation.Sequence {
			r.Fatalf("snapshot of sequence %d, want %d", got, before.Mutation.Sequence)
		}
		r.upsert(x, rec("later", 1))
		y := must(r.Engine.Restore(r.Context(), 9, &file))(r)
		for range 2 {
			after := r.info(y, index.Read{})
			r.same(differentInfo(after, before))
			if after.Mutation.ID != before.Mutation.ID {
				r.Errorf("the last mutation is %q, want %q", after.Mutation.ID, before.Mutation.ID)
			}
			ids := []index.VectorID{"a", "b", "c", "d", "e", "t"}
			r.same(differentRecords(r.get(y, index.Read{}, ids...), r.get(x, index.Read{}, ids...)))
			r.finds(y, `{"owner":"me"}`, nil, "a", "c", "d")
			r.finds(y, `{"gone":1}`, []string{"gone"})
			y = r.restart(y, 9)
			x = r.reopened(x)
		}
		r.changed(r.upsert(y, rec("u", 1)), 1)
		r.ids(r.all(x, index.Read{}), "a", "c", "d", "e", "later", "t")
		r.numbersAre(1, 9)
	}},
	{"an empty index can be restored", func(r *rig) {
		x := r.create(3, index.DotProduct)
		var file bytes.Buffer
		must(x.Snapshot(r.Context(), &file))(r)
		y := must(r.Engine.Restore(r.Context(), 2, &file))(r)
		r.same(differentInfo(r.info(y, index.Read{}), index.Info{Config: index.Config{Dimensions: 3, Metric: index.DotProduct}}))
	}},
	{"an index is not restored over another", func(r *rig) {
		x := r.create(1, index.Cosine)
		r.upsert(x, rec("a", 1))
		var file bytes.Buffer
		must(x.Snapshot(r.Context(), &file))(r)
		r.upsert(x, rec("b", 1))
		_, err := r.Engine.Restore(r.Context(), 1, &file)
		r.refused(err, fault.Conflict, "", "1")
		r.ids(r.all(x, index.Read{}), "a", "b")
	}},
	{"a damaged snapshot is refused and leaves nothing", damagedSnapshots},
	{"a snapshot that cannot be written is an error", func(r *rig) {
		x := r.create(1, index.Cosine)
		r.upsert(x, rec("a", 1))
		full := errors.New("the disk is full")
		if _, err := x.Snapshot(r.Context(), failingWriter{full}); !errors.Is(err, full) {
			r.Errorf("got %v, want %v", err, full)
		}
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		if _, err := x.Snapshot(ctx, io.Discard); err == nil {
			r.Error("a canceled snapshot succeeded")
		}
		r.ids(r.all(x, index.Read{}), "a")
	}},
}

// reopened returns index 1, which a restart has closed.
func (r *rig) reopened(x index.Index) index.Index {
	if r.Restart == nil {
		return x
	}
	return must(r.Engine.Open(r.Context(), 1))(r)
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func damagedSnapshots(r *rig) {
	x := r.create(2, index.Cosine)
	r.upsert(x, with(rec("a", 1, 2), `{"k":"v"}`), rec("b", 3, 4))
	var file bytes.Buffer
	must(x.Snapshot(r.Context(), &file))(r)
	whole := file.Bytes()
	damaged := [][]byte{nil, []byte("not a snapshot"), whole[:len(whole)/2], whole[:len(whole)-1], whole[1:], slices.Concat(whole, []byte("x")), []byte(strings.Repeat("\x00", len(whole)))}
	for step, at := max(1, len(whole)/200), 0; at < len(whole); at += step {
		flipped := slices.Clone(whole)
		flipped[at] ^= 1
		damaged = append(damaged, flipped)
	}
	for i, b := range damaged {
		if _, err := r.Engine.Restore(r.Context(), 2, bytes.NewReader(b)); err == nil {
			r.Fatalf("damaged snapshot %d of %d was restored", i, len(damaged))
		}
		r.numbersAre(1)
	}
	broken := errors.New("the line broke")
	if _, err := r.Engine.Restore(r.Context(), 2, io.MultiReader(bytes.NewReader(whole[:20]), failingReader{broken})); !errors.Is(err, broken) {
		r.Errorf("got %v, want %v", err, broken)
	}
	r.numbersAre(1)
	r.ids(r.all(must(r.Engine.Restore(r.Context(), 2, bytes.NewReader(whole)))(r), index.Read{}), "a", "b")
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }
