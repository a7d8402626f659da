package indextest

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"nearside/fault"
	"nearside/index"
)

// rec returns a record with an id and values.
func rec(id index.VectorID, values ...float32) index.Record {
	return index.Record{ID: id, Values: values}
}

// with returns a record with metadata.
func with(r index.Record, metadata string) index.Record {
	r.Metadata = json.RawMessage(metadata)
	return r
}

// in returns a record in a namespace.
func in(namespace string, r index.Record) index.Record {
	r.Namespace = namespace
	return r
}

var mutationTests = []test{
	{"insert adds new ids and leaves existing ones as they are", func(r *rig) {
		x := r.create(2, index.Euclidean)
		r.insert(x, rec("a", 1, 1), rec("b", 2, 2))
		m := r.insert(x, rec("b", 9, 9), rec("c", 3, 3))
		r.changed(m, 1)
		r.same(differentRecords(r.get(x, index.Read{}, "a", "b", "c"), []index.Record{rec("a", 1, 1), rec("b", 2, 2), rec("c", 3, 3)}))
	}},
	{"insert takes the first of equal ids in a batch", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.changed(r.insert(x, rec("a", 1), rec("a", 2), rec("a", 3)), 1)
		r.same(differentRecords(r.get(x, index.Read{}, "a"), []index.Record{rec("a", 1)}))
	}},
	{"upsert takes the last of equal ids in a batch", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.changed(r.upsert(x, rec("a", 1), rec("b", 5), rec("a", 2), rec("a", 3)), 2)
		r.same(differentRecords(r.get(x, index.Read{}, "a", "b"), []index.Record{rec("a", 3), rec("b", 5)}))
	}},
	{"upsert replaces a record wholly", func(r *rig) {
		x := r.create(1, index.Euclidean)
		full := with(in("eu", rec("a", 1)), `{"k":1}`)
		full.Title, full.Text = "title", "text"
		r.upsert(x, full)
		r.changed(r.upsert(x, rec("a", 2)), 1)
		r.same(differentRecords(r.get(x, index.Read{}, "a"), []index.Record{rec("a", 2)}))
		if info := r.info(x, index.Read{}); info.Count != 1 || info.Namespaces != 0 {
			r.Errorf("%d records and %d namespaces, want 1 and 0", info.Count, info.Namespaces)
		}
	}},
	{"delete removes records and passes over unknown ids", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, rec("a", 1), rec("b", 2), rec("c", 3))
		r.changed(r.remove(x, "c", "nobody", "a", "a"), 2)
		r.ids(r.all(x, index.Read{}), "b")
		r.changed(r.remove(x, "a"), 0)
	}},
	{"a deleted id can be inserted again", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, rec("a", 1))
		r.remove(x, "a")
		r.changed(r.insert(x, rec("a", 2)), 1)
		r.same(differentRecords(r.get(x, index.Read{}, "a"), []index.Record{rec("a", 2)}))
	}},
	{"every mutation has a receipt, also one that changes nothing", receipts},
	{"the time of mutations never decreases", func(r *rig) {
		x := r.create(1, index.Euclidean)
		first := r.upsert(x, rec("a", 1))
		r.Clock.Advance(-time.Hour)
		second := r.upsert(x, rec("a", 2))
		if second.Time.Before(first.Time) {
			r.Errorf("mutation at %v after one at %v", second.Time, first.Time)
		}
		r.same(differentRecords(r.get(x, index.Read{}, "a"), []index.Record{rec("a", 2)}))
	}},
	{"the caller may reuse its memory", func(r *rig) {
		x := r.create(2, index.Euclidean)
		given := with(rec("a", 1, 2), `{"k":1}`)
		r.upsert(x, given)
		given.Values[0], given.Metadata[5] = 7, '7'
		got := r.get(x, index.Read{}, "a")
		got[0].Values[1], got[0].Metadata[5] = 8, '8'
		r.same(differentRecords(r.get(x, index.Read{}, "a"), []index.Record{with(rec("a", 1, 2), `{"k":1}`)}))
	}},
	{"a batch is refused whole when one record in its middle is bad", badBatches},
	{"a zero vector is only refused under cosine", func(r *rig) {
		for _, m := range []index.Metric{index.Euclidean, index.DotProduct} {
			x := r.create(3, m)
			r.upsert(x, rec("zero", 0, 0, 0))
			if got := r.query(x, index.Query{Vector: []float32{0, 0, 0}, TopK: 1}, index.Read{}).Matches[0].Score; math.Float64bits(got) != 0 {
				r.Errorf("%s: score %v of zero with zero, want 0", m, got)
			}
		}
	}},
	{"a canceled mutation is refused and changes nothing", func(r *rig) {
		x := r.create(1, index.Euclidean)
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		_, err := x.Upsert(ctx, []index.Record{rec("a", 1)}, index.Scope{})
		r.refused(err, fault.Canceled, "")
		if info := r.info(x, index.Read{}); info.Count != 0 {
			r.Errorf("%d records, want none", info.Count)
		}
	}},
}

func (r *rig) changed(m index.Mutation, want int) {
	r.Helper()
	if m.Changed != want {
		r.Fatalf("%d records changed, want %d", m.Changed, want)
	}
}

func receipts(r *rig) {
	x := r.create(1, index.Euclidean)
	if info := r.info(x, index.Read{}); info.Mutation.Sequence != 0 || info.Mutation.ID != "" {
		r.Fatalf("the last mutation of a new index is %+v", info.Mutation)
	}
	seen := map[string]bool{"": true}
	mutations := []func() index.Mutation{
		func() index.Mutation { return r.insert(x, rec("a", 1)) },
		func() index.Mutation { return r.insert(x, rec("a", 1)) },
		func() index.Mutation { return r.upsert(x, rec("a", 2)) },
		func() index.Mutation { return r.upsert(x) },
		func() index.Mutation { return r.remove(x, "nobody") },
		func() index.Mutation { return r.remove(x, "a") },
		func() index.Mutation { return r.indexMetadata(x, "k", "string", false) },
		func() index.Mutation { return r.unindexMetadata(x, "k") },
	}
	for i, mutate := range mutations {
		m := mutate()
		if m.Sequence != index.Sequence(i+1) {
			r.Fatalf("mutation %d has sequence %d", i+1, m.Sequence)
		}
		if seen[m.ID] || len(m.ID) > 36 {
			r.Fatalf("mutation %d has id %q, which is empty, too long or not new", i+1, m.ID)
		}
		seen[m.ID] = true
		if now := r.Clock.Now(); !m.Time.Equal(now) || m.Time.Location() != time.UTC {
			r.Fatalf("mutation %d has time %v, want %v", i+1, m.Time, now)
		}
		if last := r.info(x, index.Read{}).Mutation; last.ID != m.ID || last.Sequence != m.Sequence || !last.Time.Equal(m.Time) {
			r.Fatalf("info says %+v, the receipt was %+v", last, m)
		}
	}
}

func badBatches(r *rig) {
	inf, nan := float32(math.Inf(-1)), float32(math.NaN())
	bad := []struct {
		name   string
		values []float32
		reason fault.Reason
		words  []string
	}{
		{"too short", []float32{1, 2}, index.ReasonDimensions, []string{`id="bad"`, "expected 3 dimensions", "got 2 dimensions"}},
		{"too long", []float32{1, 2, 3, 4}, index.ReasonDimensions, []string{`id="bad"`, "got 4 dimensions"}},
		{"no values", nil, index.ReasonDimensions, []string{`id="bad"`, "got 0 dimensions"}},
		{"NaN", []float32{1, nan, 3}, index.ReasonValue, []string{`id="bad"`, "value 1", "NaN"}},
		{"infinite", []float32{1, 2, inf}, index.ReasonValue, []string{`id="bad"`, "value 2", "-Inf"}},
		{"zero under cosine", []float32{0, 0, 0}, index.ReasonValue, []string{`id="bad"`, "cosine"}},
	}
	x := r.create(3, index.Cosine)
	r.upsert(x, with(rec("r7", 1, 0, 0), `{"first":true}`))
	before := r.info(x, index.Read{})
	for _, b := range bad {
		batch := make([]index.Record, 1000)
		for i := range batch {
			batch[i] = rec(index.VectorID(fmt.Sprintf("r%d", i)), 1, float32(i), 3)
		}
		batch[500] = rec("bad", b.values...)
		for name, mutate := range map[string]func(context.Context, []index.Record, index.Scope) (index.Mutation, error){"insert": x.Insert, "upsert": x.Upsert} {
			_, err := mutate(r.Context(), batch, index.Scope{})
			r.refused(err, fault.Invalid, b.reason, b.words...)
			r.same(differentInfo(r.info(x, index.Read{}), before))
			// The bad one would not count if the batch were deduplicated first.
			_, err = mutate(r.Context(), []index.Record{rec("bad", 1, 1, 1), rec("bad", b.values...), rec("bad", 1, 1, 1)}, index.Scope{})
			if err == nil {
				r.Errorf("%s took a batch with a bad record (%s) among equal ids", name, b.name)
			}
		}
	}
	r.same(differentRecords(r.get(x, index.Read{}, "r7", "r0", "r501", "bad"), []index.Record{with(rec("r7", 1, 0, 0), `{"first":true}`)}))
}
