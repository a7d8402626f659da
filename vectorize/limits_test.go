package vectorize_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"nearside/catalog"
	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
	"nearside/vectorize"
)

// edge is one limit: sizes below and at it pass, sizes above it are refused.
type edge struct {
	name   string
	limit  int
	reason fault.Reason
	words  string // with %d for the limit and the size
	try    func(x *vectorize.Index, size int) error
}

// upserting returns a try that upserts one record made for a size.
func upserting(t *testing.T, record func(size int) index.Record) func(*vectorize.Index, int) error {
	return func(x *vectorize.Index, size int) error {
		r := record(size)
		if r.ID == "" {
			r.ID = "x"
		}
		if r.Values == nil {
			r.Values = []float32{1, 2, 3}
		}
		_, err := x.Upsert(t.Context(), []index.Record{r}, index.Scope{})
		return err
	}
}

// ids returns n ids.
func ids(n int) []index.VectorID {
	list := make([]index.VectorID, n)
	for i := range list {
		list[i] = index.VectorID(fmt.Sprint("r", i))
	}
	return list
}

// metadata returns a compact object of a size in bytes.
func metadata(size int) json.RawMessage {
	return json.RawMessage(`{"a":"` + strings.Repeat("x", size-len(`{"a":""}`)) + `"}`)
}

func edges(t *testing.T) []edge {
	query := func(q index.Query) func(*vectorize.Index, int) error {
		return func(x *vectorize.Index, size int) error {
			q.Vector, q.TopK = []float32{1, 2, 3}, size
			_, err := x.Query(t.Context(), q, index.Read{})
			return err
		}
	}
	return []edge{
		{"id", 64, vectorize.ReasonID, "id too long; max is %d bytes, got %d bytes", upserting(t, func(n int) index.Record {
			return index.Record{ID: index.VectorID(strings.Repeat("i", n))}
		})},
		{"id in get", 64, vectorize.ReasonID, "id too long; max is %d bytes, got %d bytes", func(x *vectorize.Index, n int) error {
			_, err := x.Get(t.Context(), []index.VectorID{index.VectorID(strings.Repeat("i", n))}, index.Read{})
			return err
		}},
		{"id in delete", 64, vectorize.ReasonID, "id too long; max is %d bytes, got %d bytes", func(x *vectorize.Index, n int) error {
			_, err := x.Delete(t.Context(), []index.VectorID{index.VectorID(strings.Repeat("i", n))}, index.Scope{})
			return err
		}},
		{"id in query", 64, vectorize.ReasonID, "id too long; max is %d bytes, got %d bytes", func(x *vectorize.Index, n int) error {
			_, err := x.Query(t.Context(), index.Query{ID: index.VectorID(strings.Repeat("i", n)), TopK: 1}, index.Read{})
			return err
		}},
		{"namespace", 64, vectorize.ReasonNamespace, "namespace too long; max is %d bytes, got %d bytes", upserting(t, func(n int) index.Record {
			return index.Record{Namespace: strings.Repeat("n", n)}
		})},
		{"namespace in query", 64, vectorize.ReasonNamespace, "namespace too long; max is %d bytes, got %d bytes", func(x *vectorize.Index, n int) error {
			_, err := x.Query(t.Context(), index.Query{Vector: []float32{1, 2, 3}, TopK: 1, Namespace: strings.Repeat("n", n)}, index.Read{})
			return err
		}},
		{"metadata", 10240, vectorize.ReasonMetadata, `oversized metadata for vector id="x"; the compact JSON representation of the metadata must not exceed %d bytes, got %d bytes`,
			upserting(t, func(n int) index.Record { return index.Record{Metadata: metadata(n)} })},
		{"batch", 5000, vectorize.ReasonBatch, "too many vectors in payload; max batch size is %d, got %d", func(x *vectorize.Index, n int) error {
			_, err := x.Insert(t.Context(), records(n), index.Scope{})
			return err
		}},
		{"get", 20, vectorize.ReasonIDs, "too many ids in payload; max id count is %d, got %d", func(x *vectorize.Index, n int) error {
			_, err := x.Get(t.Context(), ids(n), index.Read{})
			return err
		}},
		{"delete", 100, vectorize.ReasonIDs, "too many ids in payload; max id count is %d, got %d", func(x *vectorize.Index, n int) error {
			_, err := x.Delete(t.Context(), ids(n), index.Scope{})
			return err
		}},
		{"topK", 100, vectorize.ReasonTopK, "", query(index.Query{})},
		{"topK with indexed metadata", 100, vectorize.ReasonTopK, "", query(index.Query{Metadata: index.IndexedMetadata})},
		{"topK with values", 50, vectorize.ReasonTopKFull, "with returnValues=true or returnMetadata=all, max top K is %d, but got %d; ", query(index.Query{Values: true})},
		{"topK with all metadata", 50, vectorize.ReasonTopKFull, "with returnValues=true or returnMetadata=all, max top K is %d, but got %d; ", query(index.Query{Metadata: index.AllMetadata})},
		{"list", 1000, vectorize.ReasonPage, "", func(x *vectorize.Index, n int) error {
			_, err := x.List(t.Context(), "", n, index.Read{})
			return err
		}},
		{"property", 512, filter.ReasonProperty, "", func(x *vectorize.Index, n int) error {
			m := index.MetadataIndex{Property: strings.Repeat("ä", n), Type: filter.String}
			if _, err := x.CreateMetadataIndex(t.Context(), m, false); err != nil {
				return err
			}
			_, err := x.DeleteMetadataIndex(t.Context(), m.Property)
			return err
		}},
	}
}

func TestEachLimitHoldsAtItsEdge(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	x := w.index("films")
	for _, e := range edges(t) {
		t.Run(e.name, func(t *testing.T) {
			for _, size := range []int{e.limit - 1, e.limit} {
				if err := e.try(x, size); err != nil {
					t.Errorf("%d of at most %d: %v", size, e.limit, err)
				}
			}
			for _, size := range []int{e.limit + 1, min(1000*e.limit, 200_000)} {
				words := e.words
				if words != "" {
					words = fmt.Sprintf(words, e.limit, size)
				}
				refused(t, e.try(x, size), e.reason, words)
			}
		})
	}
}

func TestWhatIsTooSmallIsRefusedToo(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	x := w.index("films")
	_, err := x.Upsert(t.Context(), nil, index.Scope{})
	refused(t, err, vectorize.ReasonBatch, "the batch is empty")
	_, err = x.Upsert(t.Context(), []index.Record{{Values: []float32{1, 2, 3}}}, index.Scope{})
	refused(t, err, vectorize.ReasonID, "id is empty; it must have 1 to 64 bytes")
	for _, topK := range []int{0, -1} {
		_, err = x.Query(t.Context(), index.Query{Vector: []float32{1, 2, 3}, TopK: topK}, index.Read{})
		refused(t, err, vectorize.ReasonTopK, fmt.Sprintf("topK is %d; it must be between 1 and 100", topK))
	}
	for _, count := range []int{0, -1} {
		_, err = x.List(t.Context(), "", count, index.Read{})
		refused(t, err, vectorize.ReasonPage, fmt.Sprintf("count is %d; it must be between 1 and 1000", count))
	}
}

func TestAnIndexHoldsAsManyVectorsAsItMay(t *testing.T) {
	w := open(t, vectorize.Limits{Vectors: 5})
	x := w.index("films")
	put := func(n int) error {
		_, err := x.Upsert(t.Context(), records(n), index.Scope{})
		return err
	}
	for _, n := range []int{4, 5, 5} { // replacing adds none
		if err := put(n); err != nil {
			t.Fatalf("%d of at most 5: %v", n, err)
		}
	}
	refused(t, put(6), vectorize.ReasonVectors, "holds 5 vectors and may hold 5; the batch would add 1")
	refused(t, put(5000), vectorize.ReasonVectors, "the batch would add 4995")
	if _, err := x.Delete(t.Context(), ids(1), index.Scope{}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Insert(t.Context(), []index.Record{{ID: "new", Values: []float32{0, 0, 1}}}, index.Scope{}); err != nil {
		t.Errorf("after a deletion there is room for one: %v", err)
	}
}

func TestAnIndexHasAsManyNamespacesAsItMay(t *testing.T) {
	w := open(t, vectorize.Limits{Namespaces: 2})
	x := w.index("films")
	put := func(namespaces ...string) error {
		batch := records(len(namespaces))
		for i, n := range namespaces {
			batch[i].ID, batch[i].Namespace = index.VectorID("in-"+n), n
		}
		_, err := x.Upsert(t.Context(), batch, index.Scope{})
		return err
	}
	for _, namespaces := range [][]string{{""}, {"a"}, {"a", "b"}, {"b", "", "a"}} {
		if err := put(namespaces...); err != nil {
			t.Fatalf("%q: %v", namespaces, err)
		}
	}
	refused(t, put("a", "c"), vectorize.ReasonNamespaces, "has 2 namespaces and may have 2; the batch would add 1")
	if _, err := x.Delete(t.Context(), []index.VectorID{"in-b"}, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	if err := put("a", "c"); err != nil {
		t.Errorf("after the last record of b is gone: %v", err)
	}
}

func TestAnIndexHasTenMetadataIndexes(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	x := w.index("films")
	create := func(i int) error {
		_, err := x.CreateMetadataIndex(t.Context(), index.MetadataIndex{Property: fmt.Sprint("p", i), Type: filter.Number}, false)
		return err
	}
	for i := range 10 {
		if err := create(i); err != nil {
			t.Fatalf("the %dth: %v", i+1, err)
		}
	}
	refused(t, create(10), index.ReasonTooManyMeta, "has 10 metadata indexes and may have 10")
	refused(t, create(9), index.ReasonMetadataIndex)
	if _, err := x.DeleteMetadataIndex(t.Context(), "p3"); err != nil {
		t.Fatal(err)
	}
	if err := create(10); err != nil {
		t.Error(err)
	}
}

func TestNothingOfABatchStaysIfOneRecordIsWrong(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	x := w.index("films")
	for _, c := range []struct {
		wrong  index.Record
		reason fault.Reason
		want   string
	}{
		{index.Record{ID: "x", Values: []float32{1, 2}}, index.ReasonDimensions, `invalid vector for id="x", expected 3 dimensions, and got 2 dimensions`},
		{index.Record{ID: "x"}, index.ReasonDimensions, `invalid vector for id="x", expected 3 dimensions, and got 0 dimensions`},
		{index.Record{ID: "x", Values: make([]float32, 1024)}, index.ReasonDimensions, `expected 3 dimensions, and got 1024 dimensions`},
		{index.Record{ID: "", Values: []float32{1, 2, 3}}, vectorize.ReasonID, "id is empty"},
		{index.Record{ID: "x", Values: []float32{1, 2, 3}, Metadata: json.RawMessage(`{"$a":1}`)}, vectorize.ReasonMetadataKey, `the key "$a" starts with $`},
	} {
		batch := records(9)
		batch[4] = c.wrong
		for _, put := range []func() error{
			func() error { _, err := x.Insert(t.Context(), batch, index.Scope{}); return err },
			func() error { _, err := x.Upsert(t.Context(), batch, index.Scope{}); return err },
		} {
			refused(t, put(), c.reason, c.want)
		}
	}
	if info, err := x.Info(t.Context(), index.Read{}); err != nil || info.Count != 0 || info.Mutation.ID != "" {
		t.Errorf("the index has %d records at %q, %v", info.Count, info.Mutation.ID, err)
	}
}

func TestMetadataKeysFollowCloudflaresRulesAtEveryDepth(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	x := w.index("films")
	for metadata, why := range map[string]string{
		`{"":1}`:                          `the key "" is empty`,
		`{"$a":1}`:                        "starts with $",
		`{"a":"\"1e999","b":[2,-1e309]}`:  "the number -1e309 does not fit",
		`{"a.b":1}`:                       "contains a dot",
		`{"a\"b":1}`:                      `contains a "`,
		`{"a":{"b":[{"":1}]}}`:            "is empty",
		`{"a":[1,"x",{"c":0}],"d.":null}`: "contains a dot",
		`{"\u0024a":1}`:                   "starts with $",
		`{"a":"\\","$":1}`:                "starts with $",
	} {
		_, err := x.Upsert(t.Context(), []index.Record{{ID: "x", Values: []float32{1, 2, 3}, Metadata: json.RawMessage(metadata)}}, index.Scope{})
		refused(t, err, vectorize.ReasonMetadataKey, why)
	}
	for _, metadata := range []string{
		`{}`, `{"a":"$b"}`, `{"a":["$b","c.d",""]}`, `{"a|b":1,"a$":{"c":null}}`, `{"a":"x\",\"$b\":1"}`, `{"a":{},"b":[],"c":[[]]}`, `{"ü":true}`,
		`{"a":1.7e308,"b":1e-400,"c":"1e400"}`,
	} {
		if _, err := x.Upsert(t.Context(), []index.Record{{ID: "x", Values: []float32{1, 2, 3}, Metadata: json.RawMessage(metadata)}}, index.Scope{}); err != nil {
			t.Errorf("%s: %v", metadata, err)
		}
	}
}

func TestAQueryStartsFromExactlyOneThing(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	x := w.index("films")
	for _, c := range []struct {
		q      index.Query
		reason fault.Reason
		want   string
	}{
		{index.Query{}, index.ReasonQueryVector, "invalid query vector, expected 3 dimensions, and got 0 dimensions"},
		{index.Query{Vector: make([]float32, 4)}, index.ReasonQueryVector, "expected 3 dimensions, and got 4 dimensions"},
		{index.Query{Vector: make([]float32, 3), ID: "x"}, vectorize.ReasonQuery, "both vector and vectorId"},
	} {
		c.q.TopK = 1
		_, err := x.Query(t.Context(), c.q, index.Read{})
		refused(t, err, c.reason, c.want)
	}
	if result, err := x.Query(t.Context(), index.Query{ID: "nobody", TopK: 1}, index.Read{}); err != nil || len(result.Matches) != 0 {
		t.Errorf("an unknown id: %v, %v", result.Matches, err)
	}
}

func TestRelaxedLiftsCloudflaresLimitsAndKeepsOurs(t *testing.T) {
	w := open(t, vectorize.Relaxed())
	x := w.index("films")
	for _, e := range edges(t) {
		ours := map[string]bool{"id": true, "id in get": true, "id in delete": true, "id in query": true, "namespace": true, "namespace in query": true, "property": true}[e.name]
		if err := e.try(x, e.limit+1); (err != nil) != ours {
			t.Errorf("%s of %d: %v", e.name, e.limit+1, err)
		}
	}
}

func TestOnlyRelaxedBackfillsAMetadataIndex(t *testing.T) {
	for _, c := range []struct {
		limits vectorize.Limits
		want   int
	}{{vectorize.Cloudflare(), 0}, {vectorize.Relaxed(), 1}} {
		w := open(t, c.limits)
		x := w.index("films")
		if _, err := x.Upsert(t.Context(), []index.Record{{ID: "x", Values: []float32{1, 2, 3}, Metadata: json.RawMessage(`{"genre":"noir"}`)}}, index.Scope{}); err != nil {
			t.Fatal(err)
		}
		if _, err := x.CreateMetadataIndex(t.Context(), index.MetadataIndex{Property: "genre", Type: filter.String}, false); err != nil {
			t.Fatal(err)
		}
		noir, err := filter.Parse([]byte(`{"genre":"noir"}`))
		if err != nil {
			t.Fatal(err)
		}
		result, err := x.Query(t.Context(), index.Query{Vector: []float32{1, 2, 3}, TopK: 5, Filter: noir}, index.Read{})
		if err != nil || len(result.Matches) != c.want {
			t.Errorf("backfill %v: %d matches, %v", c.limits.Backfill, len(result.Matches), err)
		}
	}
}

func TestTheScopeOfAKeyIsItsLimits(t *testing.T) {
	scope, err := vectorize.Within(catalog.Limits{})
	if err != nil || !scope.IsAll() {
		t.Errorf("no limits: %+v, %v", scope, err)
	}
	scope, err = vectorize.Within(catalog.Limits{Namespaces: []string{"eu"}, Filter: json.RawMessage(`{"tenant":"x"}`)})
	if err != nil || len(scope.Namespaces) != 1 || scope.Filter.IsZero() {
		t.Errorf("got %+v, %v", scope, err)
	}
	_, err = vectorize.Within(catalog.Limits{Filter: json.RawMessage(`{"tenant":{"$or":1}}`)})
	refused(t, err, filter.ReasonFilter)
}
