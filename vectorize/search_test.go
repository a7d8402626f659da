package vectorize_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
	"nearside/vectorize"
)

// shop opens an index of two dimensions with a metadata index on "brand".
func shop(t *testing.T, metric index.Metric, l vectorize.Limits, records ...index.Record) *vectorize.Index {
	t.Helper()
	w := open(t, l)
	if _, err := w.Create(t.Context(), "local", vectorize.Definition{Name: "shop", Dimensions: 2, Metric: metric}); err != nil {
		t.Fatal(err)
	}
	x, err := w.Open(t.Context(), "local", "shop")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.CreateMetadataIndex(t.Context(), index.MetadataIndex{Property: "brand", Type: filter.String}, false); err != nil {
		t.Fatal(err)
	}
	for batch := range 1 + len(records)/5000 {
		if part := records[batch*5000 : min(len(records), (batch+1)*5000)]; len(part) > 0 {
			if _, err := x.Upsert(t.Context(), part, index.Scope{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return x
}

// at returns a record at a place, of a brand if that is given.
func at(id index.VectorID, x, y float32, brand string) index.Record {
	r := index.Record{ID: id, Values: []float32{x, y}}
	if brand != "" {
		r.Metadata = json.RawMessage(fmt.Sprintf(`{"brand":%q}`, brand))
	}
	return r
}

// idsFound writes the matches of an answer in a line.
func idsFound(matches []index.Match) string {
	var ids []string
	for _, m := range matches {
		ids = append(ids, string(m.ID))
	}
	return strings.Join(ids, " ")
}

func search(t *testing.T, x *vectorize.Index, q vectorize.Search) vectorize.Found {
	t.Helper()
	found, err := x.Search(t.Context(), q, index.Read{})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestExamplesLeadToTheirMeanAndAwayFromTheOthers(t *testing.T) {
	plane := []index.Record{at("origin", 0, 0, ""), at("east", 2, 0, ""), at("north", 0, 2, ""), at("between", 1, 1, ""), at("far", 4, -2, "")}
	x := shop(t, index.Euclidean, vectorize.Cloudflare(), plane...)
	q := vectorize.Search{Query: index.Query{TopK: 1}, Positive: []index.VectorID{"east", "north"}}
	if found := search(t, x, q); idsFound(found.Matches) != "between" || found.Matches[0].Score != 0 {
		t.Errorf("the mean of (2,0) and (0,2) leads to %v", found.Matches)
	}
	// (2,0) + (2,0) - (0,2) is (4,-2).
	q = vectorize.Search{Query: index.Query{TopK: 1}, Positive: []index.VectorID{"east"}, Negative: []index.VectorID{"north"}}
	if found := search(t, x, q); idsFound(found.Matches) != "far" || found.Matches[0].Score != 0 {
		t.Errorf("twice (2,0) less (0,2) leads to %v", found.Matches)
	}
	q.TopK = 100
	if found := search(t, x, q); idsFound(found.Matches) != "far between origin" {
		t.Errorf("all but the examples are %s", idsFound(found.Matches))
	}
}

func TestUnderCosineExamplesCountByTheirDirection(t *testing.T) {
	x := shop(t, index.Cosine, vectorize.Cloudflare(), at("long", 1000, 0, ""), at("short", 0, 0.001, ""), at("diagonal", 1, 1, ""), at("back", -5, 0, ""))
	found := search(t, x, vectorize.Search{Query: index.Query{TopK: 1}, Positive: []index.VectorID{"long", "short"}})
	if idsFound(found.Matches) != "diagonal" || math.Abs(found.Matches[0].Score-1) > 1e-6 {
		t.Errorf("got %v", found.Matches)
	}
	_, err := x.Search(t.Context(), vectorize.Search{Query: index.Query{TopK: 1}, Positive: []index.VectorID{"long", "back"}}, index.Read{})
	refused(t, err, vectorize.ReasonQuery, "the examples cancel each other out")
}

func TestAHundredExamplesAndNoMore(t *testing.T) {
	var records []index.Record
	for i, id := range ids(101) {
		records = append(records, at(id, float32(i), 1, ""))
	}
	x := shop(t, index.Euclidean, vectorize.Cloudflare(), records...)
	for n := 99; n <= 101; n++ {
		_, err := x.Search(t.Context(), vectorize.Search{Query: index.Query{TopK: 1}, Positive: ids(n)[1:], Negative: ids(1)}, index.Read{})
		if n <= 100 && err != nil {
			t.Errorf("%d examples: %v", n, err)
		} else if n > 100 {
			refused(t, err, vectorize.ReasonQuery, "the query has 101 examples, positive and negative; at most 100 are allowed")
		}
	}
	_, err := x.Search(t.Context(), vectorize.Search{Query: index.Query{TopK: 1}, Positive: ids(100_000)}, index.Read{})
	refused(t, err, vectorize.ReasonQuery, "100000 examples")
}

// A thousand records of one brand are nearer than any of the others: the groups
// behind them are found all the same, and each is complete.
func TestGroupsBehindALargeOneAreFound(t *testing.T) {
	var records []index.Record
	for i := range 1500 {
		records = append(records, at(index.VectorID(fmt.Sprintf("big%04d", i)), float32(i), 0, "big"))
	}
	for i := range 40 {
		records = append(records, at(index.VectorID(fmt.Sprintf("none%d", i)), 1500, float32(i), ""))
		records = append(records, at(index.VectorID(fmt.Sprintf("small%02d", i)), float32(2000+i), 0, fmt.Sprint("brand", i%8)))
	}
	x := shop(t, index.Euclidean, vectorize.Relaxed(), records...)
	found := search(t, x, vectorize.Search{Query: index.Query{Vector: []float32{0, 0}, TopK: 7}, Grouping: &vectorize.Grouping{Property: "brand", Size: 4}})
	var got []string
	for _, g := range found.Groups {
		got = append(got, string(g.Value.JSON())+" "+idsFound(g.Matches))
	}
	want := []string{`"big" big0000 big0001 big0002 big0003`}
	for b := range 6 {
		want = append(want, fmt.Sprintf(`"brand%d" small%02d small%02d small%02d small%02d`, b, b, b+8, b+16, b+24))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if found.Matches != nil || !found.Explain.Exhaustive || found.Explain.Candidates < 1540 {
		t.Errorf("matches %v, explained by %+v", found.Matches, found.Explain)
	}
}

func TestGroupsTakeNoMoreThanTopKAllows(t *testing.T) {
	x := shop(t, index.Euclidean, vectorize.Cloudflare())
	for _, c := range []struct {
		topK, size int
		fine       bool
	}{{10, 10, true}, {100, 1, true}, {1, 100, true}, {11, 9, true}, {11, 10, false}, {101, 1, false}, {1, 101, false}, {1, math.MaxInt, false}, {math.MaxInt, math.MaxInt, false}} {
		_, err := x.Search(t.Context(), vectorize.Search{Query: index.Query{Vector: []float32{0, 0}, TopK: c.topK}, Grouping: &vectorize.Grouping{Property: "brand", Size: c.size}}, index.Read{})
		if c.fine && err != nil {
			t.Errorf("%d of %d: %v", c.topK, c.size, err)
		} else if !c.fine {
			refused(t, err, vectorize.ReasonTopK, "at most 100 are allowed")
		}
	}
}

func TestAnUpdateOfManyRecordsIsDoneInBatches(t *testing.T) {
	var records []index.Record
	for i, id := range ids(10_003) {
		records = append(records, at(id, float32(i), 1, fmt.Sprint("b", i%2)))
	}
	x := shop(t, index.Euclidean, vectorize.Cloudflare(), records...)
	before, err := x.Info(t.Context(), index.Read{})
	if err != nil {
		t.Fatal(err)
	}
	set := func(s index.Selection, metadata string) (vectorize.Updated, error) {
		return x.UpdateSelected(t.Context(), s, index.MetadataUpdate{Set: json.RawMessage(metadata)}, index.Scope{})
	}
	odd, err := filter.Parse([]byte(`{"brand":"b1"}`))
	if err != nil {
		t.Fatal(err)
	}
	if done, err := set(index.Selection{Filter: odd}, `{"brand":"b3"}`); err != nil || done.Changed != 5001 || done.Mutations != 1 {
		t.Errorf("half of them: %+v, %v", done, err)
	}
	done, err := set(index.Selection{All: true}, `{"seen":1}`)
	if err != nil || done.Changed != 10_003 || done.Mutations != 2 || done.Sequence != before.Mutation.Sequence+3 {
		t.Errorf("all: %+v, %v", done, err)
	}
	// The last record in the order of ids has no room for more.
	full := at("r9999", 1, 1, strings.Repeat("x", 10<<10-len(`{"brand":""}`)))
	if _, err := x.Upsert(t.Context(), []index.Record{full}, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	done, err = set(index.Selection{All: true}, `{"seen":2}`)
	refused(t, err, vectorize.ReasonMetadata, `oversized metadata for vector id="r9999"`)
	if f := fault.As(err); done.Changed != 10_000 || !strings.Contains(f.Error(), "10000 of 10003 records had been changed by then and stay so") {
		t.Errorf("after %+v: %v", done, err)
	}
}
