package server

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"nearside/bulk"
	"nearside/index"
	"nearside/vectorize"
)

// rowsOf writes rows of three dimensions in the binary form.
func rowsOf(t testing.TB, rows ...bulk.Row) string {
	t.Helper()
	batch, err := bulk.Append(nil, 3, rows)
	if err != nil {
		t.Fatal(err)
	}
	return string(batch)
}

func TestRowsAreTheRecordsThatLinesAre(t *testing.T) {
	rows := rowsOf(t, bulk.Row{ID: "a", Values: []float32{1, -2.5, 300}, Metadata: []byte(`{ "genre" : "no\u0069r", "tags":["x","y"]}`)},
		bulk.Row{ID: `b "ü" 😀`, Namespace: "eu", Values: []float32{0.1, 0, 0}})
	u := newUpload()
	if err := u.decode(strings.NewReader(rows), bulk.ContentType); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(u.records, twoRecords) {
		t.Errorf("got %+v, want %+v", u.records, twoRecords)
	}
}

func TestRowsAreTakenByInsertAndUpsert(t *testing.T) {
	onEveryEngine(t, Config{}, vectorize.Cloudflare(), func(t *testing.T, c *cloud) {
		c.films(index.Euclidean)
		rows := rowsOf(t, bulk.Row{ID: "a", Values: []float32{1, 2, 3}, Metadata: []byte(`{"n":1}`)}, bulk.Row{ID: "b", Namespace: "eu", Values: []float32{4, 5, 6}})
		c.send("POST", v2+"/films/insert", bulk.ContentType, rows).want(t, 200, 0, "mutationId")
		c.send("POST", v2+"/films/upsert", bulk.ContentType, rows).want(t, 200, 0, "mutationId")
		c.send("POST", home+"/vectorize/indexes/films/upsert", bulk.ContentType, rows).want(t, 200, 0, `"count":2,"ids":["a","b"]`)
		c.send("POST", v2+"/films/get_by_ids", "", `{"ids":["a","b"]}`).want(t, 200, 0, `[{"id":"a","values":[1,2,3],"metadata":{"n":1}},{"id":"b","values":[4,5,6],"namespace":"eu"}]`)
	})
}

func TestWhatIsWrongWithRowsIsNamed(t *testing.T) {
	c := newCloud(t, "memory", Config{}, vectorize.Cloudflare())
	c.films(index.Cosine)
	good := bulk.Row{ID: "good", Values: []float32{1, 2, 3}}
	whole := rowsOf(t, good, good, good)
	damaged := []byte(whole)
	damaged[len(damaged)-20] ^= 1
	nan, zero := good, good
	nan.Values, zero.Values = []float32{1, nanOf(), 3}, []float32{0, 0, 0}
	four, err := bulk.Append(nil, 4, []bulk.Row{{ID: "a", Values: []float32{1, 2, 3, 4}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []struct {
		body  string
		code  int
		words []string
	}{
		{"", 40023, []string{"header is cut off"}},
		{`{"id":"a","values":[1,2,3]}` + strings.Repeat(" ", 20), 40023, []string{bulk.ContentType, "begins with NSVECTOR"}},
		{whole[:len(whole)-1], 40023, []string{"row 3 of 3", "cut off"}},
		{string(damaged), 40023, []string{"row 3 of 3", "checksum"}},
		{whole + "x", 40023, []string{"more bytes follow the 3 rows"}},
		{rowsOf(t), 40026, []string{"the batch is empty"}},
		{string(four), 40012, []string{"expected 3 dimensions, and got 4"}},
		{rowsOf(t, good, bulk.Row{ID: "\xff", Values: good.Values}), 40023, []string{"row 2", "the id is not UTF-8"}},
		{rowsOf(t, good, bulk.Row{ID: "a", Namespace: "\xff", Values: good.Values}), 40023, []string{"row 2", "the namespace is not UTF-8"}},
		{rowsOf(t, good, bulk.Row{ID: "a", Values: good.Values, Metadata: []byte(`[1]`)}), 40023, []string{"row 2", "metadata: expected an object"}},
		{rowsOf(t, good, bulk.Row{ID: "a", Values: good.Values, Metadata: []byte(`{"a":1}x`)}), 40023, []string{"row 2", "metadata: expected nothing more"}},
		{rowsOf(t, good, bulk.Row{ID: "a", Values: good.Values, Metadata: []byte(`{"a":"\ud800"}`)}), 40023, []string{"row 2", "lone surrogate"}},
		{rowsOf(t, good, bulk.Row{ID: strings.Repeat("x", 65), Values: good.Values}), 40008, []string{"max is 64 bytes"}},
		{rowsOf(t, good, bulk.Row{ID: "a", Values: good.Values, Metadata: []byte(`{"$a":1}`)}), 40026, []string{"vector id=", "starts with $"}},
		{rowsOf(t, good, nan), 40026, []string{"good"}},
		{rowsOf(t, good, zero), 40026, []string{"good"}},
		{rowsOf(t, manyRows(5001)...), 40026, []string{"max batch size is 5000, got 5001"}},
	} {
		a := c.send("POST", v2+"/films/upsert", bulk.ContentType, wrong.body)
		a.want(t, 400, wrong.code, wrong.words...)
	}
	c.send("GET", v2+"/films/info", "", "").want(t, 200, 0, `"vectorCount":0`)
	discard := rowsOf(t, good, bulk.Row{ID: "\xff", Values: good.Values}, bulk.Row{ID: "b", Values: good.Values})
	c.send("POST", v2+"/films/upsert?unparsable-behavior=discard", bulk.ContentType, discard).want(t, 200, 0, "1 of the lines could not be read and were discarded: 2")
	c.send("GET", v2+"/films/info", "", "").want(t, 200, 0, `"vectorCount":2`)
	c.send("POST", v2+"/films/upsert?unparsable-behavior=discard", bulk.ContentType, string(damaged)).want(t, 400, 40023, "row 3 of 3")
}

func nanOf() float32 {
	zero := float32(0)
	return zero / zero
}

func manyRows(n int) (rows []bulk.Row) {
	for i := range n {
		rows = append(rows, bulk.Row{ID: fmt.Sprint(i), Values: []float32{1, 2, 3}})
	}
	return rows
}

// FuzzRows holds a record that came in binary to the same in JSON.
func FuzzRows(f *testing.F) {
	f.Add("a", "eu", []byte(`{"genre":"noir"}`))
	f.Add("ü", "", []byte(`{"a":{"b":[1,true,null,"\u00e9"]}} `))
	f.Add("\xff", "\xfe", []byte(`{"a":1,"a":2}`))
	f.Add("a", "", []byte(`nul`))
	f.Fuzz(func(t *testing.T, id, namespace string, metadata []byte) {
		if id == "" || len(id) > 1000 || len(namespace) > 1000 {
			return
		}
		byRow := newUpload()
		errRow := byRow.decode(strings.NewReader(rowsOf(t, bulk.Row{ID: id, Namespace: namespace, Values: []float32{1, 2, 3}, Metadata: metadata})), bulk.ContentType)
		var line bytes.Buffer
		fmt.Fprintf(&line, `{"id":%s,"namespace":%s,"values":[1,2,3]`, rawString(id), rawString(namespace))
		if len(metadata) > 0 {
			fmt.Fprintf(&line, `,"metadata":%s`, metadata)
		}
		line.WriteByte('}')
		byLine := newUpload()
		errLine := byLine.decode(strings.NewReader(line.String()), typeNDJSON)
		if errRow == nil && errLine == nil && !reflect.DeepEqual(byRow.records, byLine.records) {
			t.Fatalf("a row is %+v, a line %+v", byRow.records, byLine.records)
		}
		if errRow == nil && errLine != nil && !strings.ContainsAny(string(metadata), "\n") {
			t.Fatalf("the row is taken; %s is not: %v", line.String(), errLine)
		}
	})
}

// rawString quotes a string with the escapes that JSON needs, and leaves bytes that are no UTF-8.
func rawString(s string) string {
	var out strings.Builder
	out.WriteByte('"')
	for i := range len(s) {
		if b := s[i]; b < ' ' || b == '"' || b == '\\' {
			fmt.Fprintf(&out, `\u%04x`, b)
		} else {
			out.WriteByte(b)
		}
	}
	return out.String() + `"`
}
