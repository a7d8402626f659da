package indextest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
)

// shelves makes an index of nine records: ids a1 to c3, namespace eu for those
// that end in 1, "kind" as its id begins for those that end in 2 or 3. "kind" has
// a metadata index, "nr" has none.
func (r *rig) shelves() index.Index {
	r.Helper()
	x := r.create(1, index.Euclidean)
	r.indexMetadata(x, "kind", filter.String, false)
	var records []index.Record
	for _, shelf := range []string{"a", "b", "c"} {
		for nr := 1; nr <= 3; nr++ {
			record := rec(index.VectorID(fmt.Sprint(shelf, nr)), float32(nr))
			switch nr {
			case 1:
				record.Namespace = "eu"
			case 2:
				record = with(record, fmt.Sprintf(`{"kind":%q,"nr":2}`, shelf))
			default:
				record = with(record, fmt.Sprintf(`{"nr":3,"kind":%q}`, shelf))
				record.Title, record.Text = "title", "text of "+shelf
			}
			records = append(records, record)
		}
	}
	r.upsert(x, records...)
	return x
}

// selections are what can be selected of the shelves.
var selections = []struct {
	name, filter string
	selection    index.Selection
	want         string
}{
	{name: "all", selection: index.Selection{All: true}, want: "a1 a2 a3 b1 b2 b3 c1 c2 c3"},
	{name: "a prefix", selection: index.Selection{Prefix: "b"}, want: "b1 b2 b3"},
	{name: "a prefix that is an id", selection: index.Selection{Prefix: "b2"}, want: "b2"},
	{name: "a prefix of nothing", selection: index.Selection{Prefix: "b22"}},
	{name: "ids", selection: index.Selection{IDs: []index.VectorID{"c1", "nobody", "a2", "c1"}}, want: "a2 c1"},
	{name: "no ids", selection: index.Selection{IDs: []index.VectorID{}}},
	{name: "a namespace", selection: index.Selection{Namespace: "eu"}, want: "a1 b1 c1"},
	{name: "a filter", filter: `{"kind":"a"}`, want: "a2 a3"},
	{name: "a filter that absent values pass", filter: `{"kind":{"$ne":"a"}}`, want: "a1 b1 b2 b3 c1 c2 c3"},
	{name: "a filter and a prefix", filter: `{"kind":{"$ne":"a"}}`, selection: index.Selection{Prefix: "a"}, want: "a1"},
	{name: "everything at once", filter: `{"kind":null}`, selection: index.Selection{Prefix: "a", Namespace: "eu", IDs: []index.VectorID{"a1", "b1", "a2"}}, want: "a1"},
}

// eachSelection calls test with every selection and the ids that it has.
func (r *rig) eachSelection(test func(s index.Selection, want []index.VectorID)) {
	r.Helper()
	for _, c := range selections {
		r.T.Log(c.name)
		if c.filter != "" {
			c.selection.Filter = r.parse(c.filter)
		}
		var want []index.VectorID
		for _, id := range strings.Fields(c.want) {
			want = append(want, index.VectorID(id))
		}
		test(c.selection, want)
	}
}

// selected lists the ids of a selection, page by page.
func (r *rig) selected(x index.Index, s index.Selection, read index.Read, count int) []index.VectorID {
	r.Helper()
	var ids []index.VectorID
	for cursor, more := "", true; more; {
		page := must(x.Select(r.Context(), s, cursor, count, read))(r)
		ids = append(ids, page.IDs...)
		if len(page.IDs) > count || page.Next != "" && len(page.IDs) < count || len(ids) > page.Total {
			r.Fatalf("a page of %d has %d of %d ids and next %q", count, len(page.IDs), page.Total, page.Next)
		}
		cursor, more = page.Next, page.Next != ""
	}
	if total := must(x.Select(r.Context(), s, "", 0, read))(r); total.Total != len(ids) || len(total.IDs) != 0 || total.Next != "" {
		r.Fatalf("%d ids listed, but %+v counted", len(ids), total)
	}
	return ids
}

// eu is a scope of the shelves: a1 and b1 and c1.
var eu = index.Scope{Namespaces: []string{"eu"}}

var selectionTests = []test{
	{"a selection is what meets all its conditions, on pages of any size", func(r *rig) {
		x := r.shelves()
		for range 2 {
			r.eachSelection(func(s index.Selection, want []index.VectorID) {
				for _, count := range []int{1, 2, 3, 10} {
					r.ids(r.selected(x, s, index.Read{}, count), want...)
				}
				inEU := slices.DeleteFunc(slices.Clone(want), func(id index.VectorID) bool { return id[1] != '1' })
				r.ids(r.selected(x, s, index.Read{Within: eu}, 2), inEU...)
			})
			x = r.restart(x, 1)
		}
	}},
	{"prefixes are of bytes, up to the last there are", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, rec("\U0010FFFF", 1), rec("\U0010FFFF\U0010FFFF", 1), rec("z", 1), rec("ÿ", 1), rec("ÿa", 1), rec("Ā", 1), rec("\x00", 1), rec("\x00a", 1))
		for prefix, want := range map[string][]index.VectorID{
			"\U0010FFFF": {"\U0010FFFF", "\U0010FFFF\U0010FFFF"},
			"\xf4":       {"\U0010FFFF", "\U0010FFFF\U0010FFFF"},
			"ÿ":          {"ÿ", "ÿa"},
			"\xc3":       {"ÿ", "ÿa"},
			"\x00":       {"\x00", "\x00a"},
			"\xff":       nil,
		} {
			for count := 1; count < 4; count++ {
				r.ids(r.selected(x, index.Selection{Prefix: prefix}, index.Read{}, count), want...)
			}
		}
	}},
	{"a listing of a selection is a snapshot", func(r *rig) {
		x := r.shelves()
		b := index.Selection{Prefix: "b"}
		page := must(x.Select(r.Context(), b, "", 1, index.Read{}))(r)
		r.remove(x, "b2")
		r.upsert(x, rec("b4", 1), rec("b0", 1))
		r.ids(must(x.Select(r.Context(), b, page.Next, 5, index.Read{}))(r).IDs, "b2", "b3")
		r.ids(r.selected(x, b, index.Read{Age: 2 * tick}, 2), "b1", "b2", "b3")
	}},
	{"a property without metadata index is named, and has no value", func(r *rig) {
		x := r.shelves()
		s := index.Selection{Filter: r.parse(`{"nr":3,"kind":"a"}`)}
		page := must(x.Select(r.Context(), s, "", 5, index.Read{}))(r)
		if page.Total != 0 || !slices.Equal(page.Unindexed, []string{"nr"}) {
			r.Errorf("got %+v", page)
		}
		_, err := x.Select(r.Context(), s, "", -1, index.Read{})
		r.refused(err, fault.Invalid, "", "-1")
	}},
	{"what is selected is deleted, and nothing else", func(r *rig) {
		r.eachSelection(func(s index.Selection, want []index.VectorID) {
			for _, scope := range []index.Scope{{}, eu} {
				x := r.shelves()
				number := r.numbers
				want := slices.DeleteFunc(slices.Clone(want), func(id index.VectorID) bool { return !scope.IsAll() && id[1] != '1' })
				before := r.info(x, index.Read{}).Mutation.Sequence
				r.Clock.Advance(tick)
				m := must(x.DeleteSelected(r.Context(), s, scope))(r)
				r.changed(m, len(want))
				if m.Sequence != before+1 {
					r.Fatalf("sequence %d after %d", m.Sequence, before)
				}
				left := slices.DeleteFunc(r.all(x, index.Read{Age: tick}), func(id index.VectorID) bool { return slices.Contains(want, id) })
				if len(left) != 9-len(want) {
					r.Fatalf("%d records are left of what was, want %d", len(left), 9-len(want))
				}
				r.ids(r.all(x, index.Read{}), left...)
				r.ids(r.all(r.restart(x, number), index.Read{}), left...)
			}
		})
	}},
	{"a mutation that does not say which records are meant is refused", func(r *rig) {
		x := r.shelves()
		before := r.info(x, index.Read{})
		for word, s := range map[string]index.Selection{"all: true": {}, "conditions": {All: true, Prefix: "a"}, "leave out": {All: true, IDs: []index.VectorID{}}} {
			_, err := x.DeleteSelected(r.Context(), s, index.Scope{})
			r.refused(err, fault.Invalid, index.ReasonSelection, word)
			_, err = x.UpdateMetadata(r.Context(), s, index.MetadataUpdate{Replace: true}, index.Scope{})
			r.refused(err, fault.Invalid, index.ReasonSelection, word)
		}
		s := index.Selection{Filter: r.parse(`{"nr":{"$ne":3}}`)}
		_, err := x.DeleteSelected(r.Context(), s, index.Scope{})
		r.refused(err, fault.Invalid, index.ReasonUnindexed, `"nr"`)
		_, err = x.UpdateMetadata(r.Context(), s, index.MetadataUpdate{Remove: []string{"kind"}}, index.Scope{})
		r.refused(err, fault.Invalid, index.ReasonUnindexed, `"nr"`)
		r.same(differentInfo(r.info(x, index.Read{}), before))
	}},
	{"metadata changes, and nothing else of a record", updatedMetadata},
	{"an update of a selection changes what is selected", func(r *rig) {
		r.eachSelection(func(s index.Selection, want []index.VectorID) {
			x := r.shelves()
			r.Clock.Advance(tick)
			r.changed(must(x.UpdateMetadata(r.Context(), s, index.MetadataUpdate{Set: []byte(`{"kind":"new"}`)}, index.Scope{}))(r), len(want))
			updated := index.Selection{Filter: r.parse(`{"kind":"new"}`)}
			r.ids(r.selected(x, updated, index.Read{}, 10), want...)
			r.Clock.Advance(tick)
			r.changed(must(x.UpdateMetadata(r.Context(), updated, index.MetadataUpdate{Set: []byte(`{"kind":"new"}`)}, index.Scope{}))(r), 0)
			r.ids(r.selected(x, index.Selection{Filter: r.parse(`{"kind":"a"}`)}, index.Read{Age: 2 * tick}, 10), "a2", "a3")
		})
	}},
	{"an update stays within the scope of the caller", updatesInScope},
	{"an update that one record may not have is refused whole", func(r *rig) {
		x := r.shelves()
		before := r.info(x, index.Read{})
		no := errors.New("no")
		_, err := x.UpdateMetadata(r.Context(), index.Selection{All: true}, index.MetadataUpdate{Set: []byte(`{"k":1}`), Admit: func(id index.VectorID, metadata json.RawMessage) error {
			if id == "b3" && string(metadata) == `{"nr":3,"kind":"b","k":1}` {
				return no
			}
			return nil
		}}, index.Scope{})
		if !errors.Is(err, no) {
			r.Errorf("got %v, want %v", err, no)
		}
		r.same(differentInfo(r.info(x, index.Read{}), before))
	}},
	{"an update that says nothing, or too much, is refused", func(r *rig) {
		x := r.shelves()
		for word, u := range map[string]index.MetadataUpdate{
			"nothing":    {},
			`"kind"`:     {Replace: true, Remove: []string{"kind"}},
			`"a..b"`:     {Remove: []string{"a..b"}},
			"[1]":        {Set: []byte(`[1]`)},
			`{"a":1`:     {Set: []byte(`{"a":1`)},
			`{"a":1} {}`: {Replace: true, Set: []byte(`{"a":1} {}`)},
		} {
			_, err := x.UpdateMetadata(r.Context(), index.Selection{All: true}, u, index.Scope{})
			if f := fault.As(err); f == nil || f.Kind != fault.Invalid || !contains(f.Error(), word) {
				r.Errorf("%s: %v", word, err)
			}
		}
	}},
	{"mutations of selections at the same time lose nothing of each other", racingSelections},
	{"facets count the values of what is selected", countedFacets},
	{"facets need a metadata index and a number", func(r *rig) {
		x := r.shelves()
		_, err := x.Facets(r.Context(), "nr", index.Selection{}, 5, index.Read{})
		r.refused(err, fault.NotFound, index.ReasonNoMetadata, `"nr"`)
		_, err = x.Facets(r.Context(), "kind", index.Selection{}, 0, index.Read{})
		r.refused(err, fault.Invalid, "", "0")
		got := must(x.Facets(r.Context(), "kind", index.Selection{Filter: r.parse(`{"nr":3}`)}, 5, index.Read{}))(r)
		if got.Total != 0 || len(got.Values) != 0 || !slices.Equal(got.Unindexed, []string{"nr"}) {
			r.Errorf("got %+v", got)
		}
	}},
	{"a canceled mutation of a selection changes nothing", func(r *rig) {
		x := r.shelves()
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		_, err := x.DeleteSelected(ctx, index.Selection{All: true}, index.Scope{})
		r.refused(err, fault.Canceled, "")
		_, err = x.UpdateMetadata(ctx, index.Selection{All: true}, index.MetadataUpdate{Replace: true}, index.Scope{})
		r.refused(err, fault.Canceled, "")
		if info := r.info(x, index.Read{}); info.Count != 9 {
			r.Errorf("%d records, want 9", info.Count)
		}
	}},
}

func updatedMetadata(r *rig) {
	x := r.create(2, index.Euclidean)
	r.indexMetadata(x, "a", filter.Number, false)
	full := index.Record{ID: "x", Namespace: "eu", Values: []float32{1, 2}, Title: "title", Text: "text\x00 more"}
	for _, c := range []struct {
		before string
		update index.MetadataUpdate
		after  string
	}{
		{`{"a":1,"b":2}`, index.MetadataUpdate{Set: []byte(`{"b":[1.0,{"c":null}],"d":"e"}`)}, `{"a":1,"b":[1.0,{"c":null}],"d":"e"}`},
		{`{"a":1,"b":2}`, index.MetadataUpdate{Remove: []string{"a", "nothing", "b.c"}}, `{"b":2}`},
		{`{"a":1,"b":2}`, index.MetadataUpdate{Remove: []string{"a"}, Set: []byte(`{"a":3}`)}, `{"b":2,"a":3}`},
		{`{"o":{"p":{"q":1,"r":2}}}`, index.MetadataUpdate{Remove: []string{"o.p.q", "o.s"}}, `{"o":{"p":{"r":2}}}`},
		{`{"o":{"p":1},"a":1}`, index.MetadataUpdate{Remove: []string{"o.p", "a"}}, `{"o":{}}`},
		{`{"a":1}`, index.MetadataUpdate{Remove: []string{"a"}}, `{}`},
		{`{"a":1}`, index.MetadataUpdate{Replace: true, Set: []byte(`{"z":0}`)}, `{"z":0}`},
		{`{"a":1}`, index.MetadataUpdate{Replace: true}, ``},
		{``, index.MetadataUpdate{Set: []byte(`{"a":7}`)}, `{"a":7}`},
		{``, index.MetadataUpdate{Remove: []string{"a"}}, ``},
		{`{"a":1,"a":2,"ü\n\"":"\u00e4"}`, index.MetadataUpdate{Set: []byte(`{"b":1}`)}, `{"a":2,"ü\n\"":"\u00e4","b":1}`},
	} {
		old, want := full, full
		if c.before != "" {
			old = with(full, c.before)
		}
		if c.after != "" {
			want = with(full, c.after)
		}
		r.upsert(x, old)
		r.Clock.Advance(tick)
		m := must(x.UpdateMetadata(r.Context(), index.Selection{IDs: []index.VectorID{"x", "nobody"}}, c.update, index.Scope{}))(r)
		if changed := c.before != c.after; (m.Changed == 1) != changed {
			r.Errorf("%s with %+v: %d changed", c.before, c.update, m.Changed)
		}
		r.same(differentRecords(r.get(x, index.Read{}, "x"), []index.Record{want}))
		r.same(differentRecords(r.get(x, index.Read{Age: tick}, "x"), []index.Record{old}))
		r.ids(matched(r.query(x, index.Query{Vector: []float32{1, 2}, TopK: 3, Filter: r.parse(`{"a":{"$gt":6}}`)}, index.Read{})), idsOf([]index.Record{full})[:strings.Count(c.after, `"a":7`)]...)
		x = r.restart(x, 1)
		r.same(differentRecords(r.get(x, index.Read{}, "x"), []index.Record{want}))
	}
}

func updatesInScope(r *rig) {
	x := r.scoped()
	mine := index.Scope{Namespaces: []string{"eu"}, Filter: r.parse(`{"owner":"me"}`)}
	before := r.info(x, index.Read{})
	for _, u := range []index.MetadataUpdate{
		{Set: []byte(`{"owner":"you"}`)}, {Set: []byte(`{"owner":["me"]}`)}, {Remove: []string{"owner"}}, {Replace: true}, {Replace: true, Set: []byte(`{"k":1}`)},
	} {
		_, err := x.UpdateMetadata(r.Context(), index.Selection{All: true}, u, mine)
		r.refused(err, fault.Forbidden, index.ReasonScope, `"a"`)
	}
	r.same(differentInfo(r.info(x, index.Read{}), before))
	// To a selection, b to e do not exist.
	others := index.Selection{IDs: []index.VectorID{"a", "b", "c", "d", "e"}}
	r.Clock.Advance(tick)
	r.changed(must(x.UpdateMetadata(r.Context(), others, index.MetadataUpdate{Set: []byte(`{"k":1}`)}, mine))(r), 1)
	r.same(differentRecords(r.get(x, index.Read{}, "a", "b"), []index.Record{
		with(in("eu", rec("a", 1)), `{"owner":"me","k":1}`), with(in("eu", rec("b", 2)), `{"owner":"you"}`)}))
	r.Clock.Advance(tick)
	r.changed(must(x.DeleteSelected(r.Context(), others, mine))(r), 1)
	r.ids(r.all(x, index.Read{}), "b", "c", "d", "e")
}

// racingSelections lets writers that know nothing of each other change the same
// records, and delete what they have just written.
func racingSelections(r *rig) {
	const writers, rounds = 6, 8
	x := r.create(1, index.Euclidean)
	r.indexMetadata(x, "w0", filter.Number, false)
	r.upsert(x, rec("common", 1))
	var failed [writers]error
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for round := 0; round < rounds && failed[w] == nil; round++ {
				failed[w] = raceOnce(r.Context(), x, w, round)
			}
		})
	}
	running.Wait()
	for w, err := range failed {
		if err != nil {
			r.Errorf("writer %d: %v", w, err)
		}
	}
	r.ids(r.all(x, index.Read{}), "common")
	metadata := string(r.get(x, index.Read{}, "common")[0].Metadata)
	for w := range writers {
		if last := fmt.Sprintf(`"w%d":%d`, w, rounds-1); !contains(metadata, last) {
			r.Errorf("%s lacks %s", metadata, last)
		}
	}
}

// raceOnce writes a record of its own, changes it and the common one, and deletes its own.
func raceOnce(ctx context.Context, x index.Index, writer, round int) error {
	prefix := fmt.Sprintf("own%d-", writer)
	own := rec(index.VectorID(fmt.Sprint(prefix, round)), 1)
	if _, err := x.Insert(ctx, []index.Record{own, with(own, `{}`)}, index.Scope{}); err != nil {
		return err
	}
	update := index.MetadataUpdate{Set: fmt.Appendf(nil, `{"w%d":%d}`, writer, round)}
	both := index.Selection{IDs: []index.VectorID{own.ID, "common"}}
	if m, err := x.UpdateMetadata(ctx, both, update, index.Scope{}); err != nil || m.Changed != 2 {
		return fmt.Errorf("round %d: %d of 2 updated, %w", round, m.Changed, err)
	}
	if m, err := x.DeleteSelected(ctx, index.Selection{Prefix: prefix}, index.Scope{}); err != nil || m.Changed != 1 {
		return fmt.Errorf("round %d: %d of 1 deleted, %w", round, m.Changed, err)
	}
	return nil
}

func countedFacets(r *rig) {
	x := r.create(1, index.Euclidean)
	r.upsert(x, with(rec("old", 1), `{"s":"a","n":1,"b":true}`))
	for property, t := range map[string]filter.Type{"s": filter.String, "n": filter.Number, "b": filter.Boolean, "o.s": filter.String} {
		r.indexMetadata(x, property, t, property == "o.s")
	}
	r.upsert(x,
		with(in("eu", rec("a1", 1)), `{"s":"b","n":2.5,"b":true,"o":{"s":"x"}}`),
		with(in("eu", rec("a2", 1)), `{"s":"a","n":-1,"b":false}`),
		with(rec("a3", 1), `{"s":["c","a","c",7],"n":"2.5","b":null}`),
		with(rec("b1", 1), `{"s":"c","n":2.5,"b":false}`),
		rec("b2", 1))
	r.upsert(x, with(rec("b1", 1), `{"s":"b","n":25e-1,"b":false}`))
	cases := []struct {
		property  string
		selection index.Selection
		most      int
		want      string
	}{
		{"s", index.Selection{}, 9, `a:2 b:2 c:1 of 3 in 6`},
		{"s", index.Selection{}, 1, `a:2 of 3 in 6`},
		{"s", index.Selection{Prefix: "a"}, 9, `a:2 b:1 c:1 of 3 in 3`},
		{"s", index.Selection{Namespace: "eu", Prefix: "a2"}, 9, `a:1 of 1 in 1`},
		{"n", index.Selection{}, 9, `2.5:2 -1:1 of 2 in 6`},
		{"n", index.Selection{Filter: r.parse(`{"b":{"$ne":null}}`)}, 9, `2.5:2 -1:1 of 2 in 3`},
		{"b", index.Selection{}, 9, `false:2 true:1 of 2 in 6`},
		{"b", index.Selection{IDs: []index.VectorID{"b2", "old"}}, 9, `of 0 in 2`},
		{"o.s", index.Selection{}, 9, `x:1 of 1 in 6`},
	}
	for range 2 {
		for _, c := range cases {
			r.facets(x, c.property, c.selection, c.most, index.Read{}, c.want)
		}
		r.facets(x, "s", index.Selection{}, 9, index.Read{Within: eu}, `a:1 b:1 of 2 in 2`)
		r.facets(x, "s", index.Selection{}, 9, index.Read{Within: index.Scope{Filter: r.parse(`{"b":false}`)}}, `a:1 b:1 of 2 in 2`)
		x = r.restart(x, 1)
	}
}

// facets fails the test unless the facets are those wanted.
func (r *rig) facets(x index.Index, property string, s index.Selection, most int, read index.Read, want string) {
	r.Helper()
	f := must(x.Facets(r.Context(), property, s, most, read))(r)
	got := ""
	for _, v := range f.Values {
		got += fmt.Sprintf("%s:%d ", strings.Trim(string(v.Value.JSON()), `"`), v.Count)
	}
	if got += fmt.Sprintf("of %d in %d", f.Distinct, f.Total); got != want {
		r.Errorf("%s of %s: %s, want %s", property, describeSelection(s), got, want)
	}
}
