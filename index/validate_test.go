package index_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
)

func TestDimensionsHaveLimits(t *testing.T) {
	for dimensions, ok := range map[int]bool{-1: false, 0: false, 1: true, 1535: true, 1536: true, 1537: false, 1_536_000: false} {
		err := index.ValidateConfig(index.Config{Dimensions: dimensions, Metric: index.Cosine})
		if (err == nil) != ok {
			t.Errorf("%d dimensions: %v", dimensions, err)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprint(dimensions)) {
			t.Errorf("the message %q does not name %d", err, dimensions)
		}
	}
}

func TestMetadataIndexesHaveALimit(t *testing.T) {
	existing := make([]index.MetadataIndex, index.MaxMetadataIndexes)
	for i := range existing {
		existing[i] = index.MetadataIndex{Property: fmt.Sprint("p", i), Type: filter.String}
	}
	one := index.MetadataIndex{Property: "one.more", Type: filter.Number}
	if err := index.CheckMetadataIndex(existing[1:], one); err != nil {
		t.Error(err)
	}
	if f := fault.As(index.CheckMetadataIndex(existing, one)); f == nil || f.Reason != index.ReasonTooManyMeta {
		t.Errorf("got %v", f)
	}
	if f := fault.As(index.CheckMetadataIndex(existing, existing[7])); f == nil || f.Reason != index.ReasonMetadataIndex {
		t.Errorf("got %v", f)
	}
}

func TestFirstAndLastOfEachKeepTheOrder(t *testing.T) {
	var batch []index.Record
	for i, id := range strings.Split("a b a c b a d", " ") {
		batch = append(batch, index.Record{ID: index.VectorID(id), Title: fmt.Sprint(i)})
	}
	titles := func(records []index.Record) (s string) {
		for _, r := range records {
			s += string(r.ID) + r.Title + " "
		}
		return s
	}
	if got := titles(index.FirstOfEach(batch)); got != "a0 b1 c3 d6 " {
		t.Errorf("first: %s", got)
	}
	if got := titles(index.LastOfEach(batch)); got != "c3 b4 a5 d6 " {
		t.Errorf("last: %s", got)
	}
}

func TestCursorReadsBackUntilItExpires(t *testing.T) {
	now := time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC)
	for _, c := range []index.Cursor{
		{Sequence: 1, After: "a", Expires: now.Add(time.Minute).Truncate(time.Second)},
		{Sequence: 1<<64 - 1, After: "ünï\x00\n", Expires: now.Add(time.Hour).Truncate(time.Second)},
		{Expires: now.Add(2 * time.Second).Truncate(time.Second)},
	} {
		text := c.Encode(7)
		if got, err := index.DecodeCursor(text, 7, now); err != nil || got != c {
			t.Errorf("%+v reads back as %+v, %v", c, got, err)
		}
		if got, err := index.DecodeCursor(text, 7, c.Expires.Add(-1)); err != nil || got != c {
			t.Errorf("a moment before it expires: %v", err)
		}
		for n, at := range map[index.Number]time.Time{7: c.Expires, 8: now} {
			if _, err := index.DecodeCursor(text, n, at); fault.As(err) == nil || fault.As(err).Reason != index.ReasonCursor {
				t.Errorf("index %d at %v took the cursor of index 7 that expires at %v: %v", n, at, c.Expires, err)
			}
		}
	}
}

func FuzzDecodeCursor(f *testing.F) {
	now := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	f.Add(index.Cursor{Sequence: 5, After: "id", Expires: now.Add(time.Minute)}.Encode(1))
	f.Add("")
	f.Add("AAAA\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := index.DecodeCursor(text, 1, now)
		if err == nil && c.Encode(1) != text {
			t.Fatalf("%q and %q are the same cursor %+v", text, c.Encode(1), c)
		}
		if err != nil && fault.As(err).Reason != index.ReasonCursor {
			t.Fatal(err)
		}
	})
}

func TestProjectionShowsWhatTheMetadataIndexesSee(t *testing.T) {
	long := strings.Repeat("x", 63) + "ä"
	key := strings.Repeat("k", 100)
	metadata := json.RawMessage(`{"s":"` + long + `","n":1.50,"t":true,"z":null,"a":["x"],"deep":{"er":{"x":1,"y":"2"},"z":false,"o":{}},"` + key + `":1}`)
	of := func(indexes ...string) (list []index.MetadataIndex) {
		for i := 0; i < len(indexes); i += 2 {
			list = append(list, index.MetadataIndex{Property: indexes[i], Type: filter.Type(indexes[i+1])})
		}
		return list
	}
	for _, c := range []struct {
		indexes []index.MetadataIndex
		want    string
	}{
		{nil, ""},
		{of("nothing", "string", "z", "string", "a", "string", "deep", "string", "deep.o", "number"), ""},
		{of("s", "number", "n", "string"), ""},
		{of("n", "number", "s", "string"), `{"n":1.5,"s":"` + long[:63] + `"}`},
		{of("deep.er.y", "string", "t", "boolean", "deep.z", "boolean", "deep.er.x", "number"), `{"deep":{"er":{"y":"2","x":1},"z":false},"t":true}`},
		{of(key, "number"), `{"` + key + `":1}`},
	} {
		got := index.ProjectMetadata(metadata, c.indexes)
		if string(got) != c.want || c.want != "" && !json.Valid(got) {
			t.Errorf("%v: got %s, want %s", c.indexes, got, c.want)
		}
	}
	if got := index.ProjectMetadata(nil, of("s", "string")); got != nil {
		t.Errorf("no metadata shows %s", got)
	}
}

func TestScopeHasNamespacesAndAFilter(t *testing.T) {
	noir, err := filter.Parse([]byte(`{"genre":"noir"}`))
	if err != nil {
		t.Fatal(err)
	}
	value := func(s string) func(string) filter.Value {
		return func(string) filter.Value { return filter.StringOf(s) }
	}
	s := index.Scope{Namespaces: []string{"eu", ""}, Filter: noir}
	if !s.Holds("eu", value("noir")) || !s.Holds("", value("noir")) || s.Holds("us", value("noir")) || s.Holds("eu", value("western")) {
		t.Error("the scope holds the wrong records")
	}
	if s.IsAll() || !(index.Scope{}).IsAll() || (index.Scope{Namespaces: []string{}}).IsAll() {
		t.Error("only the zero scope is everything")
	}
	genre := []index.MetadataIndex{{Property: "genre", Type: filter.String}}
	if err := s.Check(genre); err != nil {
		t.Error(err)
	}
	for _, f := range []*fault.Error{fault.As(s.Check(nil)), fault.As(s.Refuse("id"))} {
		if f == nil || f.Kind != fault.Forbidden || f.Reason != index.ReasonScope {
			t.Errorf("got %v", f)
		}
	}
	if !slices.Equal(noir.Properties(), []string{"genre"}) {
		t.Error(noir.Properties())
	}
}
