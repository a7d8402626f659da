package indextest

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"nearside/index"
	"nearside/index/filter"
)

// values is the kind of numbers in vectors.
type values string

const (
	integers values = "small integers" // so that equal scores are frequent
	reals    values = "reals"
)

// generator makes random operations. Its domains are small, so that they meet.
type generator struct {
	*rand.Rand
	config index.Config
	values values
}

func pick[T any](g generator, of ...T) T { return of[g.IntN(len(of))] }

func (g generator) id() index.VectorID {
	return index.VectorID(fmt.Sprintf("%s%d", pick(g, "a", "b", "ä"), g.IntN(20)))
}

func (g generator) someIDs(most int) []index.VectorID {
	ids := make([]index.VectorID, g.IntN(most+1))
	for i := range ids {
		ids[i] = g.id()
	}
	return ids
}

func (g generator) namespace() string { return pick(g, "", "", "eu", "us", "ns 漢") }

// vector returns a vector that is not zero.
func (g generator) vector() []float32 {
	v := make([]float32, g.config.Dimensions)
	for i := range v {
		if g.values == integers {
			v[i] = float32(g.IntN(5) - 2)
		} else {
			v[i] = float32(g.NormFloat64())
		}
	}
	v[0] += float32(map[bool]float64{true: 3}[v[0] == 0])
	return v
}

func (g generator) record() index.Record {
	r := index.Record{ID: g.id(), Namespace: g.namespace(), Values: g.vector()}
	if g.IntN(5) > 0 {
		r.Metadata = g.metadata()
	}
	if g.IntN(4) == 0 {
		r.Title, r.Text = fmt.Sprint("title ", g.IntN(99)), fmt.Sprint("text ", g.IntN(99))
	}
	return r
}

// The properties that records have and filters ask for; the last one is never indexed.
var properties = []string{"s", "n", "b", "o.s", "o.n", "never"}

// scalar returns the JSON of a scalar, mostly of the type that its property suggests.
func (g generator) scalar(property string) string {
	kind := property[len(property)-1]
	if g.IntN(8) == 0 {
		kind = pick[byte](g, 's', 'n', 'b', '0')
	}
	switch kind {
	case 's':
		text := pick(g, "", "a", "ab", "b", "Ä\\n", "\\u00e4", strings.Repeat("x", 63)+"ä", strings.Repeat("x", 64), strings.Repeat("x", 70))
		return `"` + text + `"`
	case 'n':
		return pick(g, "0", "-0", "1", "1.0", "1e0", "2", "-3.5", "9007199254740993", "1e300")
	case 'b':
		return pick(g, "true", "false")
	default:
		return "null"
	}
}

func (g generator) metadata() json.RawMessage {
	var inner, outer []string
	for _, p := range properties {
		if g.IntN(3) == 0 {
			continue
		}
		value := g.scalar(p)
		if g.IntN(12) == 0 {
			value = pick(g, "[1]", `["a"]`, `["b","a",1]`, `{"s":"a"}`, "{}")
		}
		if name, nested := strings.CutPrefix(p, "o."); nested {
			inner = append(inner, fmt.Sprintf("%q:%s", name, value))
		} else {
			outer = append(outer, fmt.Sprintf("%q:%s", p, value))
		}
	}
	if len(inner) > 0 {
		outer = append(outer, `"o":{`+strings.Join(inner, ",")+`}`)
	}
	return json.RawMessage("{" + strings.Join(outer, ",") + "}")
}

// filter returns a filter on some properties, in one of its many spellings.
func (g generator) filter(properties ...string) filter.Filter {
	var conditions []string
	for _, i := range g.Perm(len(properties))[:1+g.IntN(min(3, len(properties)))] {
		conditions = append(conditions, fmt.Sprintf("%q: %s", properties[i], g.condition(properties[i])))
	}
	text := "{" + strings.Join(conditions, " , ") + "}"
	switch g.IntN(8) {
	case 0:
		text = `{"$not": ` + text + `}`
	case 1:
		property := pick(g, properties...)
		text = fmt.Sprintf(`{"$or": [%s, {%q: %s}], %q: {"$exists": %v}}`, text, property, g.condition(property), pick(g, properties...), g.IntN(2) == 0)
	}
	f, err := filter.ParseExtended([]byte(text))
	if err != nil {
		panic(fmt.Sprintf("indextest: generated the filter %s: %v", text, err))
	}
	return f
}

func (g generator) condition(property string) string {
	bound := func() string {
		for {
			if v := g.scalar(property); v[0] != 't' && v[0] != 'f' && v != "null" {
				return v
			}
			property = "n"
		}
	}
	switch g.IntN(6) {
	case 0:
		return g.scalar(property)
	case 1:
		return fmt.Sprintf(`{%q:%s}`, pick(g, "$eq", "$ne"), g.scalar(property))
	case 2:
		list := make([]string, g.IntN(4))
		for i := range list {
			list[i] = g.scalar(property)
		}
		return fmt.Sprintf(`{%q:[%s]}`, pick(g, "$in", "$nin"), strings.Join(list, ","))
	case 3:
		return fmt.Sprintf(`{%q:%s}`, pick(g, "$lt", "$lte", "$gt", "$gte"), bound())
	default:
		return fmt.Sprintf(`{%q:%s,%q:%s}`, pick(g, "$lt", "$lte"), bound(), pick(g, "$gt", "$gte"), bound())
	}
}

// scope returns everything in most cases.
func (g generator) scope() index.Scope {
	var s index.Scope
	if g.IntN(6) == 0 {
		s.Namespaces = pick(g, []string{}, []string{"eu"}, []string{"", "us"}, []string{"eu", "ns 漢", "nowhere"})
	}
	if g.IntN(8) == 0 {
		s.Filter = g.filter(pick(g, properties[:2], properties[1:4], properties)...)
	}
	return s
}

func (g generator) question() index.Query {
	q := index.Query{
		TopK:     pick(g, 1, 2, 3, 5, 10, 50, 1000),
		Values:   g.IntN(2) == 0,
		Metadata: pick(g, index.NoMetadata, index.IndexedMetadata, index.AllMetadata),
		Text:     g.IntN(3) == 0,
	}
	if g.IntN(4) == 0 {
		q.ID = g.id()
	} else {
		q.Vector = g.vector()
	}
	if g.IntN(3) == 0 {
		q.Namespace = pick(g, "eu", "us", "ns 漢", "nowhere")
	}
	if g.IntN(2) == 0 {
		q.Filter = g.filter(properties...)
	}
	return q
}

// mutation is a change that can be done to an index.
type mutation struct {
	name string
	do   func(ctx context.Context, x index.Index) (index.Mutation, error)
}

func (m mutation) String() string { return m.name }

func (g generator) mutation() mutation {
	switch n := g.IntN(24); {
	case n >= 20:
		return g.selectedMutation()
	case n < 14:
		return g.write()
	case n < 17:
		ids, within := g.someIDs(5), g.scope()
		return mutation{fmt.Sprintf("delete %q %s", ids, describeScope(within)), func(ctx context.Context, x index.Index) (index.Mutation, error) {
			return x.Delete(ctx, ids, within)
		}}
	case n < 19:
		m, backfill := g.metadataIndex(), g.IntN(2) == 0
		return mutation{fmt.Sprintf("create metadata index %v, backfill %v", m, backfill), func(ctx context.Context, x index.Index) (index.Mutation, error) {
			return x.CreateMetadataIndex(ctx, m, backfill)
		}}
	default:
		property := pick(g, properties[:5]...)
		return mutation{"delete metadata index " + property, func(ctx context.Context, x index.Index) (index.Mutation, error) {
			return x.DeleteMetadataIndex(ctx, property)
		}}
	}
}

// selection selects little in most cases: a mutation of it should leave something.
func (g generator) selection() index.Selection {
	var s index.Selection
	switch g.IntN(6) {
	case 0:
		s.IDs = g.someIDs(6)
	case 1, 2:
		s.Prefix = pick(g, "a", "b", "ä", "a1", "b7", "ä1", "c")
	case 3:
		s.Namespace = pick(g, "eu", "us", "ns 漢", "nowhere")
	}
	if g.IntN(2) == 0 || s.IsAll() && g.IntN(20) > 0 {
		s.Filter = g.filter(pick(g, properties[:2], properties[:5], properties)...)
	}
	s.All = s.IsAll() != (g.IntN(50) == 0)
	return s
}

// selectedMutation deletes what is selected, or changes its metadata.
func (g generator) selectedMutation() mutation {
	s, within := g.selection(), g.scope()
	if g.IntN(3) == 0 {
		return mutation{fmt.Sprintf("delete %s %s", describeSelection(s), describeScope(within)), func(ctx context.Context, x index.Index) (index.Mutation, error) {
			return x.DeleteSelected(ctx, s, within)
		}}
	}
	u := g.update()
	return mutation{fmt.Sprintf("update %s %v %q %s, %s", describeSelection(s), u.Replace, u.Remove, u.Set, describeScope(within)), func(ctx context.Context, x index.Index) (index.Mutation, error) {
		return x.UpdateMetadata(ctx, s, u, within)
	}}
}

func (g generator) update() index.MetadataUpdate {
	u := index.MetadataUpdate{Replace: g.IntN(4) == 0}
	if g.IntN(4) > 0 {
		u.Set = g.metadata()
	}
	for !u.Replace && g.IntN(2) == 0 {
		u.Remove = append(u.Remove, pick(g, append(properties, "o")...))
	}
	return u
}

func (g generator) write() mutation {
	records := make([]index.Record, g.IntN(10))
	for i := range records {
		records[i] = g.record()
	}
	within := g.scope()
	if len(records) > 0 && g.IntN(15) == 0 {
		within = index.Scope{}
		bad := &records[g.IntN(len(records))]
		bad.Values = pick(g, bad.Values[1:], append(bad.Values[1:len(bad.Values):len(bad.Values)], float32(math.NaN())))
	}
	name := "insert"
	do := index.Index.Insert
	if g.IntN(3) > 0 {
		name, do = "upsert", index.Index.Upsert
	}
	return mutation{fmt.Sprintf("%s %s %s", name, describeRecords(records), describeScope(within)), func(ctx context.Context, x index.Index) (index.Mutation, error) {
		return do(x, ctx, records, within)
	}}
}

func (g generator) metadataIndex() index.MetadataIndex {
	property := pick(g, properties[:5]...)
	types := map[byte]filter.Type{'s': filter.String, 'n': filter.Number, 'b': filter.Boolean}
	t := types[property[len(property)-1]]
	if g.IntN(6) == 0 {
		t = pick(g, filter.String, filter.Number, filter.Boolean)
	}
	return index.MetadataIndex{Property: property, Type: t}
}

func describeRecords(records []index.Record) string {
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "{%s %q %v %s} ", r.ID, r.Namespace, r.Values[:min(3, len(r.Values))], r.Metadata)
	}
	return b.String()
}

func describeSelection(s index.Selection) string {
	return fmt.Sprintf("all %v ids %q prefix %q namespace %q filter %s", s.All, s.IDs, s.Prefix, s.Namespace, s.Filter)
}

func describeScope(s index.Scope) string {
	if s.IsAll() {
		return "in full"
	}
	return fmt.Sprintf("within %q %s", s.Namespaces, s.Filter)
}

func describeRead(r index.Read) string {
	return fmt.Sprintf("%v ago, %s", r.Age, describeScope(r.Within))
}

func describeQuery(q index.Query) string {
	return fmt.Sprintf("%v %q topK %d namespace %q filter %s metadata %d", q.Vector, q.ID, q.TopK, q.Namespace, q.Filter, q.Metadata)
}
