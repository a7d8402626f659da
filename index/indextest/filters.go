package indextest

import (
	"fmt"
	"slices"
	"strings"

	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
)

// filterTests holds one fixture and a table: records a to h, metadata indexes on
// genre (string), year (number), sold (boolean) and by.name (string), each made before
// the records are written. tags is not indexed.
var filterTests = []test{
	{"filters follow Cloudflare's rules", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.films(x)
		for _, c := range filterCases {
			f := r.parse(c.filter)
			got := r.query(x, index.Query{Vector: []float32{0}, TopK: 99, Filter: f}, index.Read{})
			if ids := joined(matched(got)); ids != c.want || got.Explain.Matching != len(got.Matches) {
				r.Errorf("%s: matches %q of %d, want %q", c.filter, ids, got.Explain.Matching, c.want)
			}
		}
	}},
	{"filters stay what they are after a restart", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.films(x)
		r.remove(x, "b")
		x = r.restart(x, 1)
		for _, c := range filterCases {
			f := r.parse(c.filter)
			want := strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(c.want, "b ", ""), "b", ""))
			if got := joined(matched(r.query(x, index.Query{Vector: []float32{0}, TopK: 99, Filter: f}, index.Read{}))); got != want {
				r.Errorf("%s: matches %q, want %q", c.filter, got, want)
			}
		}
	}},
	{"a filter narrows before topK counts", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.indexMetadata(x, "odd", filter.Boolean, false)
		for i := range 40 {
			r.upsert(x, with(rec(index.VectorID(fmt.Sprintf("%02d", i)), float32(i)), fmt.Sprintf(`{"odd":%v}`, i%2 == 1)))
		}
		got := r.query(x, index.Query{Vector: []float32{0}, TopK: 3, Filter: r.parse(`{"odd":true}`)}, index.Read{})
		r.ids(matched(got), "01", "03", "05")
		if got.Explain.Matching != 20 {
			r.Errorf("%d records match, want 20", got.Explain.Matching)
		}
	}},
}

// films writes the fixture of the filter tests.
func (r *rig) films(x index.Index) {
	r.Helper()
	r.indexMetadata(x, "genre", filter.String, false)
	r.indexMetadata(x, "year", filter.Number, false)
	r.indexMetadata(x, "sold", filter.Boolean, false)
	r.indexMetadata(x, "by.name", filter.String, false)
	for i, metadata := range []string{
		`{"genre":"noir","year":1941,"sold":true,"by":{"name":"Huston"},"tags":"x"}`,
		`{"genre":"western","year":1939,"sold":false,"by":{"name":"Ford"}}`,
		`{"genre":"noir","year":1941.5,"sold":false}`,
		`{"genre":null,"year":null,"sold":null,"by":null}`,
		``,
		`{"genre":7,"year":"1941","sold":"true","by":"Ford"}`,
		`{"genre":["noir"],"year":[1941],"sold":[true],"by":{"name":{"name":"Ford"}}}`,
		`{"genre":"` + strings.Repeat("n", 70) + `","year":-1e300,"by":{"name":"","x":1}}`,
	} {
		record := rec(index.VectorID(rune('a'+i)), float32(i))
		if metadata != "" {
			record = with(record, metadata)
		}
		r.upsert(x, record)
	}
}

func joined(ids []index.VectorID) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = string(id)
	}
	return strings.Join(words, " ")
}

var filterCases = []struct{ filter, want string }{
	{`{"genre":"noir"}`, "a c"},
	{`{"genre":{"$eq":"noir"}}`, "a c"},
	{`{"genre":"noi"}`, ""},
	{`{"genre":"Noir"}`, ""},
	{`{"genre":{"$ne":"noir"}}`, "b d e f g h"},
	{`{"genre":null}`, "d e f g"},
	{`{"genre":{"$ne":null}}`, "a b c h"},
	{`{"genre":{"$in":["noir","western"]}}`, "a b c"},
	{`{"genre":{"$in":["noir",null]}}`, "a c d e f g"},
	{`{"genre":{"$nin":["noir","western"]}}`, "d e f g h"},
	{`{"genre":{"$nin":["noir",null]}}`, "b h"},
	{`{"genre":{"$in":[]}}`, ""},
	{`{"genre":{"$nin":[]}}`, "a b c d e f g h"},
	{`{"genre":7}`, ""},
	{`{"genre":{"$ne":7}}`, "a b c d e f g h"},
	{`{"genre":{"$in":[7,"western",true]}}`, "b"},
	{`{"genre":{"$gte":"noir"}}`, "a b c"},
	{`{"genre":{"$gt":"noir"}}`, "b"},
	{`{"genre":{"$lt":"western"}}`, "a c h"},
	{`{"genre":{"$lte":"western"}}`, "a b c h"},
	{`{"genre":{"$gte":"no","$lt":"np"}}`, "a c"},
	{`{"genre":{"$gte":1,"$lt":"np"}}`, ""},
	{`{"genre":{"$gt":1}}`, ""},
	{`{"genre":"` + strings.Repeat("n", 64) + `"}`, "h"},
	{`{"genre":"` + strings.Repeat("n", 99) + `"}`, "h"},
	{`{"genre":{"$lte":"` + strings.Repeat("n", 99) + `"}}`, "h"},
	{`{"year":1941}`, "a"},
	{`{"year":1.941e3}`, "a"},
	{`{"year":"1941"}`, ""},
	{`{"year":{"$ne":1941}}`, "b c d e f g h"},
	{`{"year":{"$in":[1939,1941.5]}}`, "b c"},
	{`{"year":{"$gt":1941}}`, "c"},
	{`{"year":{"$gte":1941}}`, "a c"},
	{`{"year":{"$lt":1941}}`, "b h"},
	{`{"year":{"$gt":1939,"$lte":1941}}`, "a"},
	{`{"year":{"$lte":1941,"$gt":1939}}`, "a"},
	{`{"year":{"$gt":1941,"$lt":1939}}`, ""},
	{`{"year":{"$lt":"a"}}`, ""},
	{`{"year":null}`, "d e f g"},
	{`{"sold":true}`, "a"},
	{`{"sold":false}`, "b c"},
	{`{"sold":{"$ne":true}}`, "b c d e f g h"},
	{`{"sold":{"$in":[true,false]}}`, "a b c"},
	{`{"sold":"true"}`, ""},
	{`{"sold":1}`, ""},
	{`{"sold":{"$gte":0}}`, ""},
	{`{"sold":null}`, "d e f g h"},
	{`{"by.name":"Ford"}`, "b"},
	{`{"by.name":""}`, "h"},
	{`{"by.name":null}`, "c d e f g"},
	{`{"genre":"noir","year":{"$gte":1941.5}}`, "c"},
	{`{"genre":"noir","sold":{"$ne":true},"by.name":null}`, "c"},
	{`{"tags":"x"}`, ""},
	{`{"tags":{"$ne":"x"}}`, "a b c d e f g h"},
	{`{"tags":null,"genre":"western"}`, "b"},
}

var metadataTests = []test{
	{"a metadata index knows only records written after it", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, with(rec("old", 1), `{"k":"v"}`), with(rec("older", 2), `{"k":"v"}`))
		r.changed(r.indexMetadata(x, "k", filter.String, false), 0)
		r.upsert(x, with(rec("new", 3), `{"k":"v"}`), with(rec("old", 4), `{"k":"v"}`))
		r.insert(x, with(rec("older", 9), `{"k":"v"}`))
		for range 2 {
			r.finds(x, `{"k":"v"}`, nil, "new", "old")
			r.finds(x, `{"k":null}`, nil, "older")
			x = r.restart(x, 1)
		}
	}},
	{"a backfilled metadata index knows all records", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, with(rec("a", 1), `{"k":"v"}`), with(rec("b", 2), `{"k":"w"}`), rec("c", 3), rec("gone", 4))
		r.remove(x, "gone")
		r.changed(r.indexMetadata(x, "k", filter.String, true), 3)
		r.upsert(x, with(rec("d", 5), `{"k":"v"}`))
		for range 2 {
			r.finds(x, `{"k":"v"}`, nil, "a", "d")
			x = r.restart(x, 1)
		}
	}},
	{"a property without metadata index has no values and is named", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.upsert(x, with(rec("a", 1), `{"k":"v","l":1}`))
		r.finds(x, `{"k":"v","a.b":1}`, []string{"a.b", "k"})
		r.finds(x, `{"l":null,"k":{"$ne":"v"}}`, []string{"k", "l"}, "a")
	}},
	{"a deleted metadata index is as if it had never been", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.indexMetadata(x, "k", filter.String, false)
		r.upsert(x, with(rec("a", 1), `{"k":"v"}`))
		r.finds(x, `{"k":"v"}`, nil, "a")
		r.changed(r.unindexMetadata(x, "k"), 0)
		r.finds(x, `{"k":"v"}`, []string{"k"})
		r.indexMetadata(x, "k", filter.String, false)
		r.finds(x, `{"k":"v"}`, nil)
		r.upsert(x, with(rec("b", 2), `{"k":"v"}`))
		for range 2 {
			r.finds(x, `{"k":"v"}`, nil, "b")
			x = r.restart(x, 1)
		}
		r.unindexMetadata(x, "k")
		r.indexMetadata(x, "k", filter.Number, true)
		r.finds(x, `{"k":"v"}`, nil)
	}},
	{"metadata indexes are listed oldest first", func(r *rig) {
		x := r.create(1, index.Euclidean)
		r.indexMetadata(x, "z", filter.Number, false)
		r.indexMetadata(x, "a.b", filter.Boolean, true)
		r.indexMetadata(x, "m", filter.String, false)
		r.unindexMetadata(x, "z")
		r.indexMetadata(x, "z", filter.String, false)
		want := []index.MetadataIndex{{Property: "a.b", Type: filter.Boolean}, {Property: "m", Type: filter.String}, {Property: "z", Type: filter.String}}
		for range 2 {
			if got := must(x.MetadataIndexes(r.Context(), index.Read{}))(r); !slices.Equal(got, want) {
				r.Errorf("got %v, want %v", got, want)
			}
			x = r.restart(x, 1)
		}
	}},
	{"a metadata index that cannot be is refused", badMetadataIndexes},
}

// finds fails the test unless the filter finds these ids and has these unindexed properties.
func (r *rig) finds(x index.Index, text string, unindexed []string, want ...index.VectorID) {
	r.Helper()
	result := r.query(x, index.Query{Vector: []float32{0}, TopK: 99, Filter: r.parse(text)}, index.Read{})
	if !slices.Equal(result.Unindexed, unindexed) {
		r.Fatalf("%s: unindexed %q, want %q", text, result.Unindexed, unindexed)
	}
	got := matched(result)
	slices.Sort(got)
	slices.Sort(want)
	r.ids(got, want...)
}

func badMetadataIndexes(r *rig) {
	x := r.create(1, index.Euclidean)
	create := func(property string, t filter.Type) error {
		_, err := x.CreateMetadataIndex(r.Context(), index.MetadataIndex{Property: property, Type: t}, false)
		return err
	}
	remove := func(property string) error {
		_, err := x.DeleteMetadataIndex(r.Context(), property)
		return err
	}
	r.indexMetadata(x, "k", filter.String, false)
	before := r.info(x, index.Read{})
	r.refused(create("k", filter.String), fault.Conflict, index.ReasonMetadataIndex, `"k"`)
	r.refused(create("k", filter.Number), fault.Conflict, index.ReasonMetadataIndex, `"k"`, "string")
	r.refused(create("j", "date"), fault.Invalid, "", `"date"`)
	r.refused(remove("j"), fault.NotFound, index.ReasonNoMetadata, `"j"`)
	for _, property := range []string{"", "a..b", ".a", "a.", "$a", "a.$b", `a"b`, strings.Repeat("a", 513), "a\xff"} {
		r.refused(create(property, filter.String), fault.Invalid, filter.ReasonProperty)
	}
	r.same(differentInfo(r.info(x, index.Read{}), before))
	for i := range index.MaxMetadataIndexes - 1 {
		r.indexMetadata(x, fmt.Sprintf("p%d", i), filter.Number, false)
	}
	r.refused(create("one.more", filter.String), fault.Invalid, index.ReasonTooManyMeta, "100", `"one.more"`)
	r.unindexMetadata(x, "p7")
	r.indexMetadata(x, "one.more", filter.String, false)
}
