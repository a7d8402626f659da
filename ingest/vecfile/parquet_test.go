package vecfile_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"nearside/fault"
)

// parquetOf makes a file of rows of any shape.
func parquetOf[T any](t *testing.T, rows ...T) string {
	t.Helper()
	var file bytes.Buffer
	if err := parquet.Write(&file, rows); err != nil {
		t.Fatal(err)
	}
	return write(t, "a.parquet", file.Bytes())
}

func TestParquetOfOtherProgramsIsUnderstood(t *testing.T) {
	type wikipedia struct {
		ID    int64     `parquet:"id"`
		Title string    `parquet:"title"`
		Text  string    `parquet:"text"`
		URL   string    `parquet:"url"`
		Views float64   `parquet:"views"`
		Live  bool      `parquet:"live"`
		Note  *string   `parquet:"note,optional"`
		Raw   []byte    `parquet:"raw"`
		Tags  []string  `parquet:"tags,list"`
		Emb   []float64 `parquet:"emb,list"`
	}
	note := "n"
	got, wrong, err := readAll(parquetOf(t, wikipedia{ID: 7, Title: "A", Text: "b", URL: "http://x", Views: 1.5, Live: true, Note: &note, Raw: []byte{255}, Tags: []string{"x"}, Emb: []float64{1, -2.5}}, wikipedia{ID: 8, Emb: []float64{3}}))
	if err != nil || len(wrong) > 0 || len(got) != 2 {
		t.Fatalf("%v %v %v", got, wrong, err)
	}
	if r := got[0]; r.ID != "7" || r.Title != "A" || r.Text != "b" || len(r.Values) != 2 || r.Values[1] != -2.5 || string(r.Metadata) != `{"url":"http://x","views":1.5,"live":true,"note":"n"}` {
		t.Errorf("got %+v with %s", r, r.Metadata)
	}
	type repeated struct {
		Key       string    `parquet:"Key"`
		Embedding []float32 `parquet:"Embedding"`
		Metadata  string    `parquet:"METADATA"`
		Other     int32     `parquet:"other"`
	}
	got, wrong, err = readAll(parquetOf(t, repeated{"a", []float32{1, 2}, ` {"x": 1} `, 3}, repeated{"b", []float32{1, 2}, ``, 3}))
	if err != nil || len(wrong) > 0 || len(got) != 2 || got[0].ID != "a" || len(got[0].Values) != 2 || string(got[0].Metadata) != `{"x": 1}` || got[1].Metadata != nil {
		t.Errorf("%+v %v %v", got, wrong, err)
	}
	type textOnly struct {
		ID      string `parquet:"id"`
		Content string `parquet:"content"`
	}
	if got, _, err := readAll(parquetOf(t, textOnly{"a", "words"})); err != nil || len(got) != 1 || got[0].Text != "words" || got[0].Values != nil {
		t.Errorf("texts: %+v %v", got, err)
	}
}

func TestRowsOfParquetThatAreWrongAreNamed(t *testing.T) {
	type row struct {
		ID       *string    `parquet:"id,optional"`
		Vector   []*float32 `parquet:"vector,list"`
		Metadata string     `parquet:"metadata"`
	}
	id, one := "a", float32(1)
	_, wrong, err := readAll(parquetOf(t,
		row{&id, []*float32{&one}, `{}`}, row{nil, []*float32{&one}, ``}, row{&id, nil, ``}, row{&id, []*float32{&one, nil}, ``}, row{&id, []*float32{&one}, `[1]`}))
	for i, want := range []string{`row 2: its id, in column "id", is empty`, `row 3: its vector, in column "vector", is empty`, `row 4: column "vector": value 2 is null`, `row 5: column "metadata": it is no JSON object`} {
		if err != nil || len(wrong) != 4 || wrong[i] != want {
			t.Errorf("%q, %v; want %q", wrong, err, want)
		}
	}
	type neither struct {
		ID     string `parquet:"id"`
		Values string `parquet:"values"`
	}
	if _, _, err := readAll(parquetOf(t, neither{"a", "b"})); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "its columns are id, values") {
		t.Errorf("no vectors: %v", err)
	}
}
