package server

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"nearside/index"
	"nearside/index/filter"
)

// plainRecord and plainMatch are the objects of vectors as encoding/json writes them.
type plainRecord struct {
	ID        index.VectorID  `json:"id"`
	Score     *plainNumber    `json:"score,omitempty"`
	Values    []plainNumber   `json:"values,omitempty"`
	Namespace string          `json:"namespace,omitempty"`
	Metadata  json.RawMessage `json:"metadata,omitempty"`
}

type plainNumber float64

func (n plainNumber) MarshalJSON() ([]byte, error) {
	return filter.AppendNumber(nil, float64(n)), nil
}

func newPlain(r index.Record) plainRecord {
	p := plainRecord{ID: r.ID, Namespace: r.Namespace, Metadata: r.Metadata}
	for _, v := range r.Values {
		p.Values = append(p.Values, plainNumber(v))
	}
	return p
}

var sampleRecords = []index.Record{
	{ID: "plain"},
	{ID: "ü \"quoted\" \\ \n\t\x01 <a&b> 😀", Values: []float32{0, float32(math.Copysign(0, -1)), 1, -2.5, 0.1, 1e-7, 1e21, 3.4028235e38, 1e-45}, Namespace: `e"u`, Metadata: json.RawMessage(`{"genre":"<noir>","year":1944}`)},
	{ID: "no metadata", Values: []float32{32.4}, Namespace: "n"},
	{ID: "empty", Values: []float32{}, Metadata: json.RawMessage{}},
}

func TestAppendedObjectsAreWhatEncodingJSONWrites(t *testing.T) {
	for n := range len(sampleRecords) + 1 {
		records, matches := sampleRecords[:n], make([]index.Match, n)
		wantVectors, wantMatches, ids := make([]plainRecord, n), make([]plainRecord, n), make([]index.VectorID, n)
		for i, r := range records {
			matches[i] = index.Match{Record: r, Score: -0.1234567890123 * float64(i)}
			wantVectors[i], wantMatches[i], ids[i] = newPlain(r), newPlain(r), r.ID
			wantMatches[i].Score = (*plainNumber)(&matches[i].Score)
		}
		same(t, appendVectors(nil, records), wantVectors)
		same(t, appendMatches(nil, matches, nil), map[string]any{"count": n, "matches": wantMatches})
		explain := newExplainObject(index.Explain{Plan: index.PlanScan, Candidates: 3})
		text, err := encode(explain)
		if err != nil {
			t.Fatal(err)
		}
		same(t, appendMatches(nil, matches, text), struct {
			Count   int            `json:"count"`
			Matches []plainRecord  `json:"matches"`
			Explain *explainObject `json:"explain"`
		}{n, wantMatches, explain})
		for _, next := range []string{"", `cur"sor`} {
			page := index.Page{IDs: ids, Total: 7, Next: next, Expires: time.Unix(1e9, 5)}
			same(t, appendPage(nil, page), newPlainPage(page))
		}
	}
}

func newPlainPage(page index.Page) any {
	type id struct {
		ID index.VectorID `json:"id"`
	}
	plain := struct {
		Count     int     `json:"count"`
		Total     int     `json:"totalCount"`
		Truncated bool    `json:"isTruncated"`
		Next      *string `json:"nextCursor"`
		Expires   *string `json:"cursorExpirationTimestamp"`
		Vectors   []id    `json:"vectors"`
	}{Count: len(page.IDs), Total: page.Total, Truncated: page.Next != "", Vectors: []id{}}
	for _, v := range page.IDs {
		plain.Vectors = append(plain.Vectors, id{v})
	}
	if page.Next != "" {
		expires := page.Expires.UTC().Format(timeSeconds)
		plain.Next, plain.Expires = &page.Next, &expires
	}
	return plain
}

// same compares appended JSON with what encoding/json makes of v, byte for byte.
func same(t *testing.T, got []byte, v any) {
	t.Helper()
	want, err := encode(v)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
