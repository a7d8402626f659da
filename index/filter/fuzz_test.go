package filter_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/fault"
	"nearside/index/filter"
)

// FuzzParse checks that Parse ends with a filter that reads back as itself and
// answers the same by rows and by columns, or with a fault that says why.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"genre":"noir"}`, `{"a.b":{"$ne":null}}`, `{"a":{"$in":[1,"x",true,null]}}`, `{"a":{"$gt":1,"$lte":2.5e3}}`,
		`{"a":{"$nin":[]},"b":{"$eq":false}}`, `{"a":"\ud83d\ude00\u0000"}`, `{"a":"\ud800"}`, `{"a":1e999}`, `{"a":{"$exists":1}}`, `{"a":[[[[`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		parsed, err := filter.Parse(raw)
		if err != nil {
			if e := fault.As(err); e == nil || e.Reason != filter.ReasonFilter || e.Message == "" {
				t.Fatalf("%q: %v is no fault of a filter", raw, err)
			}
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("%q is no JSON and was read as %s", raw, parsed)
		}
		again, err := filter.Parse([]byte(parsed.String()))
		if err != nil || again.String() != parsed.String() {
			t.Fatalf("%q is read as %s, and that as %s, %v", raw, parsed, again, err)
		}
		sameByRowsAndColumns(t, parsed)
	})
}

// FuzzParseExtended checks the same of ParseExtended, and that it has all of Cloudflare's language.
func FuzzParseExtended(f *testing.F) {
	for _, text := range append(extendedOnly,
		`{"genre":"noir"}`, `{"a":{"$gt":1,"$lte":2.5e3}}`, `{"$not":{"$not":{"$not":{"a":1}}}}`, `{"$or":[[[`, `{"$and":[{"$or":[{"a":1}]}],"a":2,"$or":[{"a":3}]}`,
	) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		parsed, err := filter.ParseExtended(raw)
		strict, refused := filter.Parse(raw)
		if refused == nil && (err != nil || strict.String() != parsed.String()) {
			t.Fatalf("%q is Cloudflare's %s, and was read as %s, %v", raw, strict, parsed, err)
		}
		if err != nil {
			if e := fault.As(err); e == nil || e.Reason != filter.ReasonFilter || e.Message == "" {
				t.Fatalf("%q: %v is no fault of a filter", raw, err)
			}
			return
		}
		again, err := filter.ParseExtended([]byte(parsed.String()))
		if err != nil || again.String() != parsed.String() {
			t.Fatalf("%q is read as %s, and that as %s, %v", raw, parsed, again, err)
		}
		sameByRowsAndColumns(t, parsed)
	})
}

// sameByRowsAndColumns compares Match with Bitmap on values of every kind.
func sameByRowsAndColumns(t *testing.T, f filter.Filter) {
	values := []filter.Value{{}, filter.StringOf(""), filter.StringOf("noir"), filter.StringOf("x"), filter.NumberOf(0), filter.NumberOf(1), filter.NumberOf(-1e300), filter.BooleanOf(true), filter.BooleanOf(false), filter.SetOf("noir", "x"), filter.SetOf("")}
	for _, typ := range []filter.Type{filter.String, filter.Number, filter.Boolean} {
		c := filter.NewColumn(typ)
		universe := roaring.New()
		for slot, v := range values {
			c.Set(uint32(slot), v)
			universe.Add(uint32(slot))
		}
		bitmap, _ := f.Bitmap(func(string) *filter.Column { return c }, universe)
		for slot, v := range values {
			if v.Type() != typ && !(typ == filter.String && v.Elements() != nil) {
				v = filter.Value{}
			}
			if f.Match(func(string) filter.Value { return v }) != bitmap.Contains(uint32(slot)) {
				t.Fatalf("%s on a column of type %s and the value %s: rows and columns differ", f, typ, v.JSON())
			}
		}
	}
}

// FuzzExtract compares Extract with a full decoding of the metadata.
func FuzzExtract(f *testing.F) {
	for _, c := range []struct{ metadata, property string }{
		{`{"a":"x"}`, "a"}, {`{"a":{"b":[1,{"c":2}],"d":true}}`, "a.d"}, {` {"a" : -1.5e3 , "a":null}`, "a"},
		{`{"\u0061":"\ud800\"}"}`, "a"}, {`{"":{"":0}}`, "."}, {`{"a":"}","b":7}`, "b"}, {`[{"a":1}]`, "a"}, {`{"a":1`, "a"},
		{`{"a":["x",["y"],{"b":"z"}, "\u0061" ,1,null]}`, "a"}, {`{"a":["x" "y"]`, "a"},
	} {
		f.Add([]byte(c.metadata), c.property)
	}
	f.Fuzz(func(t *testing.T, metadata []byte, property string) {
		for _, typ := range []filter.Type{filter.String, filter.Number, filter.Boolean} {
			got := filter.Extract(metadata, property, typ)
			if !json.Valid(metadata) {
				continue // any answer will do, as long as there is one
			}
			if want := extractSlowly(metadata, property, typ); got != want {
				t.Fatalf("%q of %q as %s: got %s, want %s", property, metadata, typ, got.JSON(), want.JSON())
			}
		}
	})
}

func extractSlowly(metadata []byte, property string, typ filter.Type) filter.Value {
	for key := range strings.SplitSeq(property, ".") {
		var object map[string]json.RawMessage
		if json.Unmarshal(metadata, &object) != nil || object[key] == nil {
			return filter.Value{}
		}
		metadata = object[key]
	}
	var v any
	if err := json.Unmarshal(metadata, &v); err != nil {
		return filter.Value{} // a number too large
	}
	switch v := v.(type) {
	case string:
		if typ == filter.String {
			return filter.StringOf(v)
		}
	case []any:
		var texts []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				texts = append(texts, s)
			}
		}
		if typ == filter.String {
			return filter.SetOf(texts...)
		}
	case float64:
		if typ == filter.Number && !math.IsInf(v, 0) {
			return filter.NumberOf(v)
		}
	case bool:
		if typ == filter.Boolean {
			return filter.BooleanOf(v)
		}
	}
	return filter.Value{}
}
