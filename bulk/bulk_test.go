package bulk_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"nearside/bulk"
)

var sample = []bulk.Row{
	{ID: "a", Values: []float32{1, -2.5, 0.1}, Metadata: []byte(`{"genre":"noir"}`)},
	{ID: "ü", Namespace: "eu", Values: []float32{0, float32(math.Inf(-1)), math.MaxFloat32}},
	{ID: strings.Repeat("x", 64), Values: []float32{1e-45, 2, 3}, Metadata: []byte(`{"text":"` + strings.Repeat("y", 100_000) + `"}`)},
}

func encode(t testing.TB, rows ...bulk.Row) []byte {
	t.Helper()
	batch, err := bulk.Append(nil, 3, rows)
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

// read reads a batch to its end.
func read(src io.Reader) ([]bulk.Row, error) {
	r, err := bulk.NewReader(src)
	if err != nil {
		return nil, err
	}
	var rows []bulk.Row
	for {
		row, err := r.Next(nil)
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		row.Metadata = bytes.Clone(row.Metadata)
		rows = append(rows, row)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	for n := range len(sample) + 1 {
		batch := encode(t, sample[:n]...)
		for name, src := range map[string]io.Reader{"whole": bytes.NewReader(batch), "byte by byte": iotest.OneByteReader(bytes.NewReader(batch)), "its end with its last bytes": iotest.DataErrReader(bytes.NewReader(batch))} {
			rows, err := read(src)
			if err != nil || len(rows) != n || n > 0 && !reflect.DeepEqual(rows, sample[:n]) {
				t.Errorf("%d rows, %s: got %d rows, %v", n, name, len(rows), err)
			}
		}
	}
}

// The form of version 1 is what it is: files of it may be kept.
func TestTheFormStaysAsItIs(t *testing.T) {
	const want = "4e53564543544f52" + "01000000" + "03000000" + "01000000" + "b003184e" +
		"0100" + "0200" + "02000000" + "0000803f" + "000020c0" + "cdcccc3d" + "61" + "6575" + "7b7d" + "f2544d2f"
	got := hex.EncodeToString(encode(t, bulk.Row{ID: "a", Namespace: "eu", Values: []float32{1, -2.5, 0.1}, Metadata: []byte("{}")}))
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEveryFlippedBitIsNoticedAndTheRowNamed(t *testing.T) {
	batch := encode(t, sample[:2]...)
	first := 24 + 8 + 12 + 1 + 16 + 4 // header and first row
	for at := range batch {
		for bit := range 8 {
			damaged := bytes.Clone(batch)
			damaged[at] ^= 1 << bit
			rows, err := read(bytes.NewReader(damaged))
			where := ""
			switch {
			case at >= first:
				where = "row 2 of 2"
			case at >= 24:
				where = "row 1 of 2"
			}
			if err == nil || !strings.Contains(err.Error(), where) {
				t.Fatalf("byte %d, bit %d: %d rows, %v", at, bit, len(rows), err)
			}
		}
	}
}

func TestABatchThatIsCutOffAnywhereIsNotTakenForAWholeOne(t *testing.T) {
	batch := encode(t, sample[:2]...)
	for n := range batch {
		_, err := read(bytes.NewReader(batch[:n]))
		if err == nil || n >= 24 && !strings.Contains(err.Error(), "row ") {
			t.Errorf("%d of %d bytes: %v", n, len(batch), err)
		}
	}
	if _, err := read(bytes.NewReader(append(batch, 0))); err == nil || !strings.Contains(err.Error(), "more bytes follow the 2 rows") {
		t.Errorf("a byte too many: %v", err)
	}
	if _, err := read(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(batch)))); err != iotest.ErrTimeout {
		t.Errorf("a reader that fails: %v", err)
	}
}

func TestOtherBytesAreRefusedBySayingWhatWasExpected(t *testing.T) {
	for text, why := range map[string]string{"": "header is cut off", `{"id":"a","values":[1]}` + "\n": "begins with NSVECTOR", "NSVECTOR": "header is cut off"} {
		if _, err := read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestWhatDoesNotFitIsNotWritten(t *testing.T) {
	good := bulk.Row{ID: "a", Values: []float32{1, 2, 3}}
	for why, change := range map[string]func(r *bulk.Row){
		"2 dimensions":                     func(r *bulk.Row) { r.Values = r.Values[:2] },
		"id has 0 bytes":                   func(r *bulk.Row) { r.ID = "" },
		"id has 65536 bytes":               func(r *bulk.Row) { r.ID = strings.Repeat("x", 65536) },
		"the namespace has 65536 bytes":    func(r *bulk.Row) { r.Namespace = strings.Repeat("x", 65536) },
		"the metadata has 16777217 bytes;": func(r *bulk.Row) { r.Metadata = make([]byte, 16<<20+1) },
	} {
		bad := good
		change(&bad)
		batch, err := bulk.Append([]byte("before"), 3, []bulk.Row{good, bad})
		if err == nil || !strings.Contains(err.Error(), "row 2: ") || !strings.Contains(err.Error(), why) || string(batch) != "before" {
			t.Errorf("%s: %d bytes, %v", why, len(batch), err)
		}
	}
	for _, dimensions := range []int{0, 1<<16 + 1} {
		if _, err := bulk.Append(nil, dimensions, nil); err == nil {
			t.Errorf("%d dimensions are written", dimensions)
		}
	}
}

func TestReadingAllocatesLittleBesideTheStrings(t *testing.T) {
	var rows []bulk.Row
	for i := range 1000 {
		rows = append(rows, bulk.Row{ID: fmt.Sprint("record-", i), Values: []float32{1, 2, 3}})
	}
	batch, room := encode(t, rows...), make([]float32, 0, 3)
	n := testing.AllocsPerRun(5, func() {
		r, err := bulk.NewReader(bytes.NewReader(batch))
		for err == nil {
			_, err = r.Next(room)
		}
		if err != io.EOF {
			t.Fatal(err)
		}
	})
	if n > 1010 {
		t.Errorf("%v allocations for 1,000 rows", n)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(encode(f, sample[:2]...))
	f.Add(encode(f))
	f.Add([]byte("NSVECTOR"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := read(bytes.NewReader(data))
		if err != nil {
			return
		}
		dimensions := 3
		if len(rows) > 0 {
			dimensions = len(rows[0].Values)
		}
		again, err := bulk.Append(nil, dimensions, rows)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) > 0 && !bytes.Equal(again, data) {
			t.Fatalf("%x is read, and written as %x", data, again)
		}
	})
}
