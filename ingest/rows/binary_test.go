package rows_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"nearside/bulk"
	"nearside/ingest/rows"
)

// vectorLines are lines of the plain shape.
func vectorLines(ids ...string) (lines []string) {
	for i, id := range ids {
		lines = append(lines, fmt.Sprintf(`{"id":%q,"values":[%d,2.5],"metadata":{"n":%d}}`, id, i, i))
	}
	return lines
}

func TestVectorsTravelInTheBinaryFormWhereTheServerTakesIt(t *testing.T) {
	for _, old := range []bool{false, true} {
		s, api := serve(t)
		s.old = old
		var refused []string
		o := rows.Options{Client: api, Index: "n", BatchLines: 3, Concurrency: 1, Refused: func(at rows.Position, err error) { refused = append(refused, fmt.Sprintf("%d: %v", at.Line, err)) }}
		report, err := rows.Load(t.Context(), o, []string{write(t, "v.jsonl", vectorLines("a", "bad1", "b", "c", "d")...)})
		if err != nil || report.Loaded != 4 || report.Refused != 1 || !slices.Equal(refused, []string{"2: bad record bad1 (code 1)"}) {
			t.Errorf("old server %t: report %+v, refused %q, %v", old, report, refused, err)
		}
		want := map[bool]string{false: bulk.ContentType, true: "application/x-ndjson"}[old]
		if got := slices.Collect(maps.Keys(s.types)); len(s.stored) != 4 || !slices.Equal(got, []string{want}) {
			t.Errorf("old server %t: stored %v, as %q", old, s.stored, got)
		}
	}
}

func TestLinesThatAreNotPlainGoAsTheyAre(t *testing.T) {
	good := vectorLines("a")[0]
	for _, odd := range []string{
		`{"id":"\u0062","values":[1,2]}`, `{"id":"b","values":[1,2],"namespace":null}`, `{"id":"b","values":[1,2],"metadata":null}`, `{"id":"b","values":[1,2,3]}`, `{"id":"b","values":[1,2],"id":"b"}`,
		`{"id":"b","values":[1,2],"more":true}`, `{"id":"b","values":[1,null]}`, `{"id":"b","values":[]}`, `{"id":"b","values":"12"}`, `{"id":"b"}`, `{"values":[1,2],"id":""}`, `{"id":"b","values":[1,2],"metadata":[1]}`,
	} {
		s, api := serve(t)
		report, err := rows.Load(t.Context(), rows.Options{Client: api, Index: "n"}, []string{write(t, "v.jsonl", good, odd)})
		if err != nil || report.Loaded != 2 || !s.types["application/x-ndjson"] || s.types[bulk.ContentType] {
			t.Errorf("%s: report %+v, sent as %v, %v", odd, report, s.types, err)
		}
	}
}

func TestARowSaysWhatItsLineSays(t *testing.T) {
	for line, want := range map[string]bulk.Row{
		`{"id":"a","values":[1,-2.5e3]}`: {ID: "a", Values: []float32{1, -2500}},
		` { "namespace" : "eu" , "metadata" : { "a" : "}\"{" , "b":{"c":[{}]} } , "values" : [ 1 , 2 ] , "id" : "ü" } `: {ID: "ü", Namespace: "eu", Values: []float32{1, 2}, Metadata: []byte(`{ "a" : "}\"{" , "b":{"c":[{}]} }`)},
	} {
		row, ok := rows.AsRow([]byte(line))
		if !ok || row.ID != want.ID || row.Namespace != want.Namespace || !slices.Equal(row.Values, want.Values) || !bytes.Equal(row.Metadata, want.Metadata) {
			t.Errorf("%s: %+v, %t", line, row, ok)
		}
	}
	for _, line := range []string{
		``, `{`, `{}`, `[]`, `{"id"}`, `{"id":"a","values":[1]`, `{"id":"a","values":[1]}}`, `{"id":"a","values":[1]}x`, `{"id":"a","values":[1],}`, `{"id":"a" "values":[1]}`, `{"id":a,"values":[1]}`, `{id:"a","values":[1]}`,
		"{\"id\":\"a\xff\",\"values\":[1]}", "{\"id\":\"a\tb\",\"values\":[1]}", `{"id":"a","values":[1],"metadata":{"a":}}`, `{"id":"a","values":[1],"metadata":{"a":1}`, `{"id":"a","values":[1],"metadata":{"a":"\`, `{"id":"a","values":1]}`, "{\"id\":\"a\",\"values\":[1]}\x00",
		`{"id":"a","values":`, `{"values":`, `{"id":"`,
	} {
		if row, ok := rows.AsRow([]byte(line)); ok {
			t.Errorf("%q is read as %+v", line, row)
		}
	}
}
