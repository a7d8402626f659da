package indextest

import (
	"slices"
	"time"

	"nearside/fault"
	"nearside/index"
)

var changeTests = []test{
	{"changed names what was written, replaced or removed since, once, sorted", func(r *rig) {
		x := r.create(1, index.Euclidean)
		first := r.upsert(x, rec("c", 1), rec("a", 1), rec("b", 1))
		second := r.upsert(x, rec("b", 2), rec("d", 2))
		r.remove(x, "a")
		r.upsert(x, rec("d", 3))
		last := r.remove(x, "nobody")
		r.changes(x, 0, last.Sequence, "b", "c", "d")
		r.changes(x, first.Sequence, last.Sequence, "a", "b", "d")
		r.changes(x, second.Sequence, last.Sequence, "a", "d")
		r.changes(x, last.Sequence, last.Sequence)
	}},
	{"changed names a record that was removed and made again", func(r *rig) {
		x := r.create(1, index.Euclidean)
		first := r.upsert(x, rec("a", 1))
		r.remove(x, "a")
		last := r.upsert(x, rec("a", 1))
		r.changes(x, first.Sequence, last.Sequence, "a")
	}},
	{"changed names records whose metadata were updated", func(r *rig) {
		x := r.create(1, index.Euclidean)
		first := r.upsert(x, rec("a", 1), rec("b", 1))
		last := must(x.UpdateMetadata(r.Context(), index.Selection{IDs: []index.VectorID{"b"}}, index.MetadataUpdate{Set: []byte(`{"k":1}`)}, index.Scope{}))(r)
		r.changes(x, first.Sequence, last.Sequence, "b")
	}},
	{"changed refuses a mutation that never was", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, rec("a", 1))
		_, _, err := x.Changed(r.Context(), 2)
		r.refused(err, fault.Invalid, index.ReasonForgotten, "mutation 2")
	}},
	{"mark is the newest mutation, under the id that it is given, and changes nothing", func(r *rig) {
		x := r.create(1, index.Euclidean)
		before := r.upsert(x, rec("a", 1))
		m := must(x.Mark(r.Context(), "elsewhere"))(r)
		if m.ID != "elsewhere" || m.Sequence != before.Sequence+1 || m.Changed != 0 {
			r.Errorf("got %+v after %+v", m, before)
		}
		if info := r.info(x, index.Read{}); info.Mutation.ID != "elsewhere" || info.Count != 1 {
			r.Errorf("got %+v", info)
		}
		r.changes(x, before.Sequence, m.Sequence)
	}},
	{"mark outlives a restart", func(r *rig) {
		if r.Restart == nil {
			return
		}
		x := r.create(1, index.Euclidean)
		r.upsert(x, rec("a", 1))
		must(x.Mark(r.Context(), "elsewhere"))(r)
		x = r.restart(x, 1)
		if info := r.info(x, index.Read{}); info.Mutation.ID != "elsewhere" || info.Mutation.Sequence != 2 {
			r.Errorf("got %+v", info)
		}
	}},
}

// changes checks what changed since a mutation.
func (r *rig) changes(x index.Index, since, newest index.Sequence, want ...index.VectorID) {
	r.Helper()
	ids, upTo, err := x.Changed(r.Context(), since)
	if err != nil || upTo != newest {
		r.Errorf("changed since %d: up to %d, want %d, %v", since, upTo, newest, err)
	}
	r.ids(ids, want...)
}

// compareChanged compares what changed since some state. What was removed long ago may be forgotten.
func (s *session) compareChanged() {
	s.Helper()
	info := s.info(s.truth, index.Read{})
	newest := info.Mutation.Sequence
	since := newest - min(newest, index.Sequence(s.IntN(12)))
	s.did("changed since %d of %d", since, newest)
	want, _, err := s.truth.Changed(s.Context(), since)
	if err != nil {
		return // a restored oracle does not know what was before
	}
	got, upTo, err := s.tested.Changed(s.Context(), since)
	if f := fault.As(err); f != nil && f.Reason == index.ReasonForgotten && since < newest && s.purgeable(since) {
		return
	}
	if err != nil || upTo != newest || !slices.Equal(got, want) {
		s.Fatalf("changed since %d: %v up to %d, want %v up to %d, %v", since, got, upTo, want, newest, err)
	}
}

// purgeable reports whether what was removed after a state may be forgotten.
func (s *session) purgeable(since index.Sequence) bool {
	when, known := s.times[since]
	return !known || when.Before(s.Clock.Now().Add(-time.Minute))
}
