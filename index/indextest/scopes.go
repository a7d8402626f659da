package indextest

import (
	"context"
	"time"

	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
)

// The scope tests write records a (eu, mine), b (eu, not mine), c (us, mine), d (no
// namespace, mine), e (eu, written before the metadata index on "owner").
func (r *rig) scoped() index.Index {
	r.Helper()
	x := r.create(1, index.Euclidean)
	r.upsert(x, with(in("eu", rec("e", 5)), `{"owner":"me"}`))
	r.indexMetadata(x, "owner", filter.String, false)
	r.upsert(x,
		with(in("eu", rec("a", 1)), `{"owner":"me"}`),
		with(in("eu", rec("b", 2)), `{"owner":"you"}`),
		with(in("us", rec("c", 3)), `{"owner":"me"}`),
		with(rec("d", 4), `{"owner":"me"}`))
	return x
}

var scopeTests = []test{
	{"records outside a scope do not exist for reads", func(r *rig) {
		x := r.scoped()
		cases := []struct {
			scope      index.Scope
			want       []index.VectorID
			namespaces int
		}{
			{index.Scope{}, []index.VectorID{"a", "b", "c", "d", "e"}, 2},
			{index.Scope{Namespaces: []string{"eu"}}, []index.VectorID{"a", "b", "e"}, 1},
			{index.Scope{Namespaces: []string{"eu", "us", "eu"}}, []index.VectorID{"a", "b", "c", "e"}, 2},
			{index.Scope{Namespaces: []string{""}}, []index.VectorID{"d"}, 0},
			{index.Scope{Namespaces: []string{"nowhere"}}, nil, 0},
			{index.Scope{Namespaces: []string{}}, nil, 0},
			{index.Scope{Filter: r.parse(`{"owner":"me"}`)}, []index.VectorID{"a", "c", "d"}, 2},
			{index.Scope{Namespaces: []string{"eu", ""}, Filter: r.parse(`{"owner":"me"}`)}, []index.VectorID{"a", "d"}, 1},
			{index.Scope{Filter: r.parse(`{"owner":null}`)}, []index.VectorID{"e"}, 1},
		}
		for range 2 {
			for _, c := range cases {
				r.sees(x, c.scope, c.want, c.namespaces)
			}
			x = r.restart(x, 1)
		}
	}},
	{"a query within a scope starts and ends inside it", func(r *rig) {
		x := r.scoped()
		mine := index.Read{Within: index.Scope{Namespaces: []string{"eu", "us"}, Filter: r.parse(`{"owner":"me"}`)}}
		r.ids(matched(r.query(x, index.Query{ID: "a", TopK: 9}, mine)), "a", "c")
		r.ids(matched(r.query(x, index.Query{ID: "a", TopK: 9, Namespace: "us"}, mine)), "c")
		r.ids(matched(r.query(x, index.Query{ID: "a", TopK: 9, Filter: r.parse(`{"owner":{"$ne":"me"}}`)}, mine)))
		for _, id := range []index.VectorID{"b", "d", "e"} {
			r.nothing(r.query(x, index.Query{ID: id, TopK: 9}, mine), 3)
		}
	}},
	{"a scope's filter needs a metadata index", unindexedScope},
	{"a mutation that would touch a record outside is refused whole", refusedMutations},
	{"a mutation that stays inside is applied", func(r *rig) {
		x := r.scoped()
		eu := index.Scope{Namespaces: []string{"eu"}, Filter: r.parse(`{"owner":"me"}`)}
		r.Clock.Advance(tick)
		r.changed(must(x.Upsert(r.Context(), []index.Record{with(in("eu", rec("a", 7)), `{"owner":"me"}`), with(in("eu", rec("f", 8)), `{"owner":"me"}`)}, eu))(r), 2)
		r.Clock.Advance(tick)
		r.changed(must(x.Delete(r.Context(), []index.VectorID{"f", "nobody"}, eu))(r), 1)
		r.ids(r.all(x, index.Read{Within: eu}), "a")
	}},
}

// sees fails the test unless every kind of read within a scope shows these records.
func (r *rig) sees(x index.Index, s index.Scope, want []index.VectorID, namespaces int) {
	r.Helper()
	read := index.Read{Within: s}
	r.ids(r.all(x, read), want...)
	r.ids(idsOf(r.get(x, read, "a", "b", "c", "d", "e")), want...)
	r.ids(matched(r.query(x, index.Query{Vector: []float32{0}, TopK: 9}, read)), want...)
	if info := r.info(x, read); info.Count != len(want) || info.Namespaces != namespaces {
		r.Fatalf("info counts %d records and %d namespaces, want %d and %d", info.Count, info.Namespaces, len(want), namespaces)
	}
}

func unindexedScope(r *rig) {
	x := r.scoped()
	before := r.info(x, index.Read{})
	s := index.Scope{Filter: r.parse(`{"owner":"me","team.name":"x"}`)}
	read := index.Read{Within: s}
	calls := map[string]func() error{
		"get":    func() error { _, err := x.Get(r.Context(), []index.VectorID{"a"}, read); return err },
		"list":   func() error { _, err := x.List(r.Context(), "", 5, read); return err },
		"query":  func() error { _, err := x.Query(r.Context(), index.Query{ID: "a", TopK: 1}, read); return err },
		"info":   func() error { _, err := x.Info(r.Context(), read); return err },
		"insert": func() error { _, err := x.Insert(r.Context(), []index.Record{rec("n", 1)}, s); return err },
		"upsert": func() error { _, err := x.Upsert(r.Context(), []index.Record{rec("n", 1)}, s); return err },
		"delete": func() error { _, err := x.Delete(r.Context(), []index.VectorID{"a"}, s); return err },
		"select": func() error { _, err := x.Select(r.Context(), index.Selection{}, "", 5, read); return err },
		"erase":  func() error { _, err := x.DeleteSelected(r.Context(), index.Selection{All: true}, s); return err },
		"facets": func() error { _, err := x.Facets(r.Context(), "k", index.Selection{}, 1, read); return err },
		"update": func() error {
			_, err := x.UpdateMetadata(r.Context(), index.Selection{All: true}, index.MetadataUpdate{Replace: true}, s)
			return err
		},
	}
	for name, call := range calls {
		r.T.Log(name)
		r.refused(call(), fault.Forbidden, index.ReasonScope, `"team.name"`)
	}
	r.same(differentInfo(r.info(x, index.Read{}), before))
}

func refusedMutations(r *rig) {
	x := r.scoped()
	before := r.info(x, index.Read{})
	s := index.Scope{Namespaces: []string{"eu"}, Filter: r.parse(`{"owner":"me"}`)}
	mine := func(id index.VectorID) index.Record { return with(in("eu", rec(id, 9)), `{"owner":"me"}`) }
	writes := map[string][]index.Record{
		"new in another namespace":     {mine("n"), with(in("us", rec("x", 1)), `{"owner":"me"}`)},
		"new without namespace":        {mine("n"), with(rec("x", 1), `{"owner":"me"}`)},
		"new that fails the filter":    {mine("n"), with(in("eu", rec("x", 1)), `{"owner":"you"}`)},
		"new without the property":     {mine("n"), in("eu", rec("x", 1))},
		"new of another type":          {mine("n"), with(in("eu", rec("x", 1)), `{"owner":["me"]}`)},
		"takes mine out of the scope":  {mine("n"), with(in("eu", rec("a", 1)), `{"owner":"you"}`)},
		"takes over another's":         {mine("n"), mine("b")},
		"takes over another namespace": {mine("n"), mine("c")},
		"takes over one of no value":   {mine("n"), mine("e")},
	}
	for name, batch := range writes {
		r.T.Log(name)
		_, err := x.Upsert(r.Context(), batch, s)
		r.refused(err, fault.Forbidden, index.ReasonScope, string(batch[1].ID))
	}
	_, err := x.Insert(r.Context(), []index.Record{mine("n"), in("eu", rec("x", 1))}, s)
	r.refused(err, fault.Forbidden, index.ReasonScope, `"x"`)
	for _, id := range []index.VectorID{"b", "c", "d", "e"} {
		_, err := x.Delete(r.Context(), []index.VectorID{"a", "nobody", id}, s)
		r.refused(err, fault.Forbidden, index.ReasonScope, string(id))
	}
	r.same(differentInfo(r.info(x, index.Read{}), before))
	r.ids(r.all(x, index.Read{}), "a", "b", "c", "d", "e")
}

var ageTests = []test{
	{"an age reads the state that was the newest that long ago", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, in("eu", rec("a", 1)), rec("b", 2))
		r.upsert(x, rec("a", 3))
		r.remove(x, "b")
		r.insert(x, rec("c", 5))
		r.Clock.Advance(time.Second)
		// States 1 to 4 are 7, 5, 3 and 1 seconds old.
		for _, c := range []struct {
			age      time.Duration
			sequence index.Sequence
			ids      []index.VectorID
			value    float32
		}{
			{0, 4, []index.VectorID{"a", "c"}, 3},
			{time.Second, 4, []index.VectorID{"a", "c"}, 3},
			{2 * time.Second, 3, []index.VectorID{"a"}, 3},
			{3 * time.Second, 3, []index.VectorID{"a"}, 3},
			{3*time.Second + 1, 2, []index.VectorID{"a", "b"}, 3},
			{5 * time.Second, 2, []index.VectorID{"a", "b"}, 3},
			{6 * time.Second, 1, []index.VectorID{"a", "b"}, 1},
			{7 * time.Second, 1, []index.VectorID{"a", "b"}, 1},
			{8 * time.Second, 0, nil, 0},
		} {
			r.showsAt(x, c.age, c.sequence, c.ids, c.value)
		}
	}},
	{"an age covers metadata indexes", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.indexMetadata(x, "k", filter.String, false)
		r.upsert(x, with(rec("a", 1), `{"k":"v"}`))
		r.unindexMetadata(x, "k")
		r.indexMetadata(x, "k", filter.String, false)
		for age, want := range []int{1, 0, 1, 1, 0} {
			read := index.Read{Age: time.Duration(age) * tick}
			if got := must(x.MetadataIndexes(r.Context(), read))(r); len(got) != want {
				r.Errorf("%v ago there were metadata indexes %v, want %d", read.Age, got, want)
			}
		}
		q := index.Query{Vector: []float32{0}, TopK: 9, Filter: r.parse(`{"k":"v"}`)}
		for age, want := range [][]index.VectorID{nil, nil, {"a"}, nil} {
			r.ids(matched(r.query(x, q, index.Read{Age: time.Duration(age) * tick})), want...)
		}
		q = index.Query{ID: "a", TopK: 1, Metadata: index.IndexedMetadata}
		for age, want := range []string{`{"k":"v"}`, "", `{"k":"v"}`} {
			if got := r.query(x, q, index.Read{Age: time.Duration(age) * tick}).Matches[0].Metadata; string(got) != want {
				r.Errorf("%d mutations ago the indexed metadata was %s, want %s", age, got, want)
			}
		}
	}},
	{"a listing of an old state goes on as it began", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, rec("a", 1), rec("b", 2))
		r.remove(x, "b")
		read := index.Read{Age: tick}
		page := must(x.List(r.Context(), "", 1, read))(r)
		r.insert(x, rec("c", 3))
		r.ids(must(x.List(r.Context(), page.Next, 1, read))(r).IDs, "b")
	}},
	{"an age within a scope shows the scope of then", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, in("eu", rec("a", 1)))
		r.upsert(x, in("us", rec("a", 1)))
		eu := index.Scope{Namespaces: []string{"eu"}}
		r.ids(r.all(x, index.Read{Within: eu}))
		r.ids(r.all(x, index.Read{Within: eu, Age: tick}), "a")
	}},
	{"a canceled context ends a read of any age", func(r *rig) {
		x := r.create(1, index.Euclidean)
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		_, err := x.Info(ctx, index.Read{Age: time.Second})
		r.refused(err, fault.Canceled, "")
	}},
}

// showsAt fails the test unless every kind of read of an age answers from the same old state.
func (r *rig) showsAt(x index.Index, age time.Duration, sequence index.Sequence, ids []index.VectorID, a float32) {
	r.Helper()
	if age > r.Remembers {
		return
	}
	read := index.Read{Age: age}
	if info := r.info(x, read); info.Mutation.Sequence != sequence || info.Count != len(ids) {
		r.Fatalf("%v ago: sequence %d and %d records, want %d and %d", age, info.Mutation.Sequence, info.Count, sequence, len(ids))
	}
	r.ids(r.all(x, read), ids...)
	records := r.get(x, read, "a", "b", "c")
	r.ids(idsOf(records), ids...)
	if len(records) > 0 && records[0].Values[0] != a {
		r.Fatalf("%v ago record a had value %v, want %v", age, records[0].Values, a)
	}
	result := r.query(x, index.Query{Vector: []float32{0}, TopK: 9}, read)
	if result.Explain.Sequence != sequence || len(result.Matches) != len(ids) {
		r.Fatalf("%v ago a query answers from sequence %d with %q", age, result.Explain.Sequence, matched(result))
	}
}
