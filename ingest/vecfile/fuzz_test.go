package vecfile_test

import (
	"math"
	"testing"

	"nearside/ingest/vecfile"
)

func FuzzNpy(f *testing.F) {
	f.Add(npy(1, describe("<f4", "(1, 2)"), make([]byte, 8)))
	f.Add(npy(2, describe(">f8", "(2, 1)"), make([]byte, 16)))
	f.Add(npy(3, `{"shape":(2L,1),"fortran_order":True,"descr":"|u1"}`, []byte{0, 255}))
	f.Fuzz(func(t *testing.T, file []byte) { fuzzed(t, "a.npy", file) })
}

func FuzzVecs(f *testing.F) {
	f.Add(vecs([]float32{1, 2}, []float32{3, 4}))
	f.Add(vecs([]float32{1, 2}, []float32{3})[:14])
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, name := range []string{"a.fvecs", "a.bvecs", "a.ivecs"} {
			fuzzed(t, name, file)
		}
	})
}

// fuzzed reads a file and checks that what comes of it can have come of it.
func fuzzed(t *testing.T, name string, file []byte) {
	records, wrong, _ := readAll(write(t, name, file))
	numbers := 0
	for _, r := range records {
		if numbers += len(r.Values); vecfile.CheckValues(r.Values) != nil || len(r.Values) != len(records[0].Values) {
			t.Fatalf("%s has the row %v", name, r.Values)
		}
	}
	if numbers > len(file) || len(records)+len(wrong) > len(file) {
		t.Fatalf("%s: %d numbers in %d rows, %d wrong, of %d bytes", name, numbers, len(records), len(wrong), len(file))
	}
}

func FuzzLine(f *testing.F) {
	f.Add([]byte(`{"id":"a","values":[1,-2.5e-3],"namespace":null,"metadata":{"a":[1]},"title":"t","text":"\n"}`))
	f.Add([]byte(`{"id":"\ud800","values":[]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := vecfile.ParseLine(line)
		if err != nil {
			return
		}
		for _, v := range r.Values {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Fatalf("%q has the value %v", line, v)
			}
		}
		again, err := vecfile.ParseLine(vecfile.AppendLine(nil, &r))
		if err != nil || !equal(r, again) {
			t.Fatalf("%q is %+v, and written and read again %+v, %v", line, r, again, err)
		}
	})
}
