package indextest

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"time"

	"nearside/fault"
	"nearside/index"
)

var getTests = []test{
	{"records come in the order asked and unknown ids are left out", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, rec("a", 1), rec("b", 2), rec("c", 3))
		got := r.get(x, index.Read{}, "c", "nobody", "a", "b", "c")
		r.same(differentRecords(got, []index.Record{rec("c", 3), rec("a", 1), rec("b", 2), rec("c", 3)}))
		r.same(differentRecords(r.get(x, index.Read{}), nil))
	}},
	{"every field comes back byte by byte", func(r *rig) {
		x := r.create(6, index.DotProduct)
		record := index.Record{
			ID:        "ünï 🜚\n\"\\",
			Namespace: "näme space",
			Values:    []float32{math.MaxFloat32, -math.SmallestNonzeroFloat32, 32.4, float32(math.Copysign(0, -1)), 1e-38, 16777217},
			Metadata:  []byte(`{"a":"<&>\u2028","b":[1,"x",null],"c":{"d":1.0e2},"e":12345678901234567890}`),
			Title:     "Ein Titel — «quoted»",
			Text:      "line\nline\ttab 漢字 \u0000",
		}
		r.upsert(x, record)
		r.same(differentRecords(r.get(x, index.Read{}, record.ID), []index.Record{record}))
		x = r.restart(x, 1)
		r.same(differentRecords(r.get(x, index.Read{}, record.ID), []index.Record{record}))
		q := index.Query{ID: record.ID, TopK: 1, Values: true, Metadata: index.AllMetadata, Text: true}
		r.same(differentRecord(r.query(x, q, index.Read{}).Matches[0].Record, record))
	}},
	{"a canceled read is refused", func(r *rig) {
		x := r.create(1, index.Euclidean)
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		_, err := x.Get(ctx, []index.VectorID{"a"}, index.Read{})
		r.refused(err, fault.Canceled, "")
		_, err = x.Query(ctx, index.Query{Vector: []float32{1}, TopK: 1}, index.Read{})
		r.refused(err, fault.Canceled, "")
	}},
}

var listTests = []test{
	{"pages are in byte order and end", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, rec("b", 1), rec("a", 1), rec("B", 1), rec("ä", 1), rec("a1", 1), rec("\U0001F71A", 1), rec("\uFFFD", 1))
		want := []index.VectorID{"B", "a", "a1", "b", "ä", "\uFFFD", "\U0001F71A"}
		for count := 1; count <= len(want)+1; count++ {
			r.ids(r.pages(x, count, len(want)), want...)
		}
	}},
	{"an empty index has one empty page", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.same(differentPage(must(x.List(r.Context(), "", 5, index.Read{}))(r), index.Page{}))
	}},
	{"a listing is a snapshot of its first call", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, rec("b", 1), rec("d", 1), rec("f", 1))
		page := must(x.List(r.Context(), "", 1, index.Read{}))(r)
		r.remove(x, "d")
		r.insert(x, rec("c", 1), rec("e", 1))
		r.upsert(x, rec("f", 2))
		r.same(differentPage(page, index.Page{IDs: []index.VectorID{"b"}, Total: 3, Next: "more"}))
		x = r.restart(x, 1)
		page = must(x.List(r.Context(), page.Next, 1, index.Read{}))(r)
		r.same(differentPage(page, index.Page{IDs: []index.VectorID{"d"}, Total: 3, Next: "more"}))
		page = must(x.List(r.Context(), page.Next, 1, index.Read{}))(r)
		r.same(differentPage(page, index.Page{IDs: []index.VectorID{"f"}, Total: 3}))
		r.ids(r.all(x, index.Read{}), "b", "c", "e", "f")
	}},
	{"a cursor works until it expires", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, rec("a", 1), rec("b", 1))
		page := must(x.List(r.Context(), "", 1, index.Read{}))(r)
		life := page.Expires.Sub(r.Clock.Now())
		if life < time.Minute || page.Expires.Location() != time.UTC {
			r.Fatalf("a cursor that expires at %v, %v from now", page.Expires, life)
		}
		r.remove(x, "b")
		r.Clock.Advance(life - tick - time.Second)
		next := must(x.List(r.Context(), page.Next, 1, index.Read{}))(r)
		r.ids(next.IDs, "b")
		r.Clock.Advance(time.Second)
		_, err := x.List(r.Context(), page.Next, 1, index.Read{})
		r.refused(err, fault.Invalid, index.ReasonCursor, "expired", "again")
	}},
	{"a cursor that was not made for the index is refused", foreignCursors},
	{"a page of no ids is refused", func(r *rig) {
		x := r.create(1, index.Euclidean)
		for _, count := range []int{0, -1} {
			_, err := x.List(r.Context(), "", count, index.Read{})
			r.refused(err, fault.Invalid, "", fmt.Sprint(count))
		}
	}},
}

// pages lists everything, count ids a page.
func (r *rig) pages(x index.Index, count, total int) []index.VectorID {
	r.Helper()
	var ids []index.VectorID
	for cursor := ""; ; {
		page := must(x.List(r.Context(), cursor, count, index.Read{}))(r)
		ids = append(ids, page.IDs...)
		more := len(ids) < total
		r.same(differentPage(index.Page{Total: page.Total, Next: page.Next, Expires: page.Expires}, index.Page{Total: total, Next: map[bool]string{true: "more"}[more]}))
		if !more {
			return ids
		}
		if len(page.IDs) != count {
			r.Fatalf("a page in the middle has %d ids, want %d", len(page.IDs), count)
		}
		cursor = page.Next
	}
}

func foreignCursors(r *rig) {
	x, other := r.create(1, index.Euclidean), r.create(1, index.Euclidean)
	for _, y := range []index.Index{x, other} {
		r.upsert(y, rec("a", 1), rec("b", 1), rec("c", 1))
	}
	own := must(x.List(r.Context(), "", 1, index.Read{}))(r).Next
	cursors := []string{
		"x", "%%%", "AAAA", own + "A", own[:len(own)-1], own + "\n",
		must(other.List(r.Context(), "", 1, index.Read{}))(r).Next,
	}
	for i := range own {
		changed := []byte(own)
		changed[i] ^= 1
		cursors = append(cursors, string(changed))
	}
	if raw, err := base64.RawURLEncoding.DecodeString(own); err == nil {
		raw = slices.Concat(raw, raw)
		cursors = append(cursors, base64.RawURLEncoding.EncodeToString(raw))
	}
	for _, c := range cursors {
		_, err := x.List(r.Context(), c, 1, index.Read{})
		r.refused(err, fault.Invalid, index.ReasonCursor, "cursor")
	}
}
