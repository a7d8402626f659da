package vecfile_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/ingest/vecfile"
)

var seed = flag.Uint64("seed", 1, "seed of the random records")

// write makes a file in a directory of the test's.
func write(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// readAll returns the records of a file, and what ended it; wrong rows are told as text.
func readAll(path string) (records []vecfile.Record, wrong []string, err error) {
	r, err := vecfile.Open(path)
	if err != nil {
		return nil, nil, err
	}
	for {
		v, err := r.Next()
		var row *vecfile.RowError
		switch {
		case errors.As(err, &row):
			wrong = append(wrong, err.Error())
			continue
		case err == io.EOF:
			return records, wrong, r.Close()
		case err != nil:
			return records, wrong, errors.Join(err, r.Close())
		}
		records = append(records, v)
	}
}

// npy makes a file of an array.
func npy(version byte, header string, data []byte) []byte {
	file := append([]byte("\x93NUMPY"), version, 0)
	if version == 1 {
		file = binary.LittleEndian.AppendUint16(file, uint16(len(header)))
	} else {
		file = binary.LittleEndian.AppendUint32(file, uint32(len(header)))
	}
	return append(append(file, header...), data...)
}

// describe is a header as NumPy writes it.
func describe(descr, shape string) string {
	return fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }  \n", descr, shape)
}

func TestArraysOfEveryKindAreRead(t *testing.T) {
	for descr, data := range map[string]string{
		"<f4": "\x00\x00\x80\x3f\x00\x00\x00\xc0", ">f4": "\x3f\x80\x00\x00\xc0\x00\x00\x00",
		"<f8": "\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x00\xc0", ">f8": "\x3f\xf0\x00\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x00",
		"<f2": "\x00\x3c\x00\xc0", ">f2": "\x3c\x00\xc0\x00", "|i1": "\x01\xfe", "<i2": "\x01\x00\xfe\xff", ">i2": "\x00\x01\xff\xfe",
	} {
		for version := byte(1); version <= 3; version++ {
			got, wrong, err := readAll(write(t, "a.npy", npy(version, describe(descr, "(1, 2)"), []byte(data))))
			if err != nil || len(wrong) > 0 || len(got) != 1 || !slices.Equal(got[0].Values, []float32{1, -2}) {
				t.Errorf("%s, version %d: %v %v %v", descr, version, got, wrong, err)
			}
		}
	}
	got, _, err := readAll(write(t, "a.npy", npy(1, `{"shape":(2L,1),"fortran_order":True,"descr":"|u1"}`, []byte{0, 255})))
	if err != nil || len(got) != 2 || got[1].Values[0] != 255 {
		t.Errorf("a column in either order: %v %v", got, err)
	}
	if got, _, err := readAll(write(t, "a.npy", npy(1, describe("<f4", "(0, 5)"), nil))); err != nil || len(got) != 0 {
		t.Errorf("an array without rows: %v %v", got, err)
	}
}

func TestEveryFloat16IsReadAsWhatItIs(t *testing.T) {
	for bits := range 1 << 16 {
		sign, exponent, fraction := 1.0, bits>>10&0x1f, float64(bits&0x3ff)
		if bits>>15 == 1 {
			sign = -1
		}
		want := sign * math.Ldexp(1+fraction/1024, exponent-15)
		switch exponent {
		case 0:
			want = sign * math.Ldexp(fraction, -24)
		case 0x1f:
			want = math.Inf(int(sign))
			if fraction > 0 {
				want = math.NaN()
			}
		}
		got := float64(vecfile.Half(uint16(bits)))
		if math.IsNaN(want) != math.IsNaN(got) || !math.IsNaN(want) && (want != got || math.Signbit(want) != math.Signbit(got)) {
			t.Fatalf("%#04x is read as %v, want %v", bits, got, want)
		}
	}
}

func TestArraysThatCannotBeReadSayWhy(t *testing.T) {
	good := describe("<f4", "(2, 2)")
	data := make([]byte, 16)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":       {nil, "does not begin with"},
		"another":     {[]byte("PK\x03\x04 something else"), "does not begin with"},
		"version":     {npy(4, good, data), "its version is 4"},
		"cut header":  {npy(1, good, data)[:20], "cut off in its header"},
		"huge header": {append([]byte("\x93NUMPY\x02\x00"), 255, 255, 255, 255), "claims to have 4294967295 bytes"},
		"cut":         {npy(1, good, data[:15]), "it is cut off, or damaged after row 1"},
		"more":        {npy(1, good, make([]byte, 17)), "17 bytes follow its header"},
		"many rows":   {npy(1, describe("<f4", "(9223372036854775807, 65536)"), data), "it is cut off"},
		"too many":    {npy(1, describe("<f4", "(92233720368547758070, 2)"), data), `not understood at "shape"`},
		"wide":        {npy(1, describe("<f4", "(1, 65537)"), data), "1 to 65536 are possible"},
		"no columns":  {npy(1, describe("<f4", "(4, 0)"), nil), "1 to 65536 are possible"},
		"one":         {npy(1, describe("<f4", "(4,)"), data), "its shape has 1 dimensions"},
		"three":       {npy(1, describe("<f4", "(1, 2, 2)"), data), "its shape has 3 dimensions"},
		"integers":    {npy(1, describe("<i8", "(1, 2)"), data), "array.astype('float32')"},
		"objects":     {npy(1, describe("|O", "(1, 2)"), data), "array.astype('float32')"},
		"records":     {npy(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 2)}", data), "records of several fields"},
		"fortran":     {npy(1, strings.Replace(good, "False", "True", 1), data), "numpy.ascontiguousarray"},
		"twice":       {npy(1, "{'shape': (2, 2), 'shape': (2, 2)}", data), "not understood"},
		"lacks":       {npy(1, "{'shape': (2, 2)}", data), "lacks descr"},
		"no literal":  {npy(1, "hello", data), "not a dictionary"},
	} {
		_, _, err := readAll(write(t, "a.npy", c.file))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "a.npy") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// vecs makes rows, each with its count before it.
func vecs(rows ...[]float32) (file []byte) {
	for _, row := range rows {
		file = binary.LittleEndian.AppendUint32(file, uint32(len(row)))
		for _, v := range row {
			file = binary.LittleEndian.AppendUint32(file, math.Float32bits(v))
		}
	}
	return file
}

func TestRowsOfVecsAreRead(t *testing.T) {
	for name, file := range map[string][]byte{
		"a.fvecs": vecs([]float32{1, 2}, []float32{3, 4}),
		"a.bvecs": {2, 0, 0, 0, 1, 2, 2, 0, 0, 0, 3, 4},
		"a.ivecs": {2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0},
	} {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := w.Write(file); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{write(t, name, file), write(t, name+".gz", packed.Bytes()), write(t, strings.ToUpper(name), file)} {
			got, wrong, err := readAll(path)
			if err != nil || len(wrong) > 0 || len(got) != 2 || !slices.Equal(got[0].Values, []float32{1, 2}) || !slices.Equal(got[1].Values, []float32{3, 4}) {
				t.Errorf("%s: %v %v %v", path, got, wrong, err)
			}
		}
	}
	if got, _, err := readAll(write(t, "a.fvecs", nil)); err != nil || len(got) != 0 {
		t.Errorf("a file without rows: %v %v", got, err)
	}
}

func TestVecsThatLieNameTheRow(t *testing.T) {
	good := vecs([]float32{1, 2}, []float32{3, 4}, []float32{5, 6})
	other := bytes.Clone(good)
	other[12] = 3
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"half a count":     {good[:2], "cut off in row 1"},
		"half a row":       {good[:len(good)-5], "cut off in row 3"},
		"another length":   {other, "row 2 has 3 numbers, and the rows before have 2"},
		"lengths that fit": {vecs([]float32{1, 2}, []float32{1, 2, 3}, []float32{1}), "row 2 has 3 numbers"},
		"nothing":          {vecs(nil, nil), "row 1 has 0 numbers"},
		"a picture":        {[]byte("\xff\xd8\xff\xe0 JFIF and so on"), "of another format than its name says"},
	} {
		if _, _, err := readAll(write(t, "a.fvecs", c.file)); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(good[:len(good)-5]); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _, err := readAll(write(t, "a.fvecs.gz", packed.Bytes())); len(got) != 2 || err == nil || !strings.Contains(err.Error(), "cut off in row 3") {
		t.Errorf("cut off within gzip: %v %v", got, err)
	}
}

func TestNumbersThatNoIndexTakesAreWrongInTheirRowOnly(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	got, wrong, err := readAll(write(t, "a.fvecs", vecs([]float32{1, 2}, []float32{1, nan}, []float32{inf, 2}, []float32{3, 4})))
	want := []string{"row 2: value 2 is not a number (NaN); an index takes finite numbers only", "row 3: value 1 is infinite, or too large for a float32; an index takes finite numbers only"}
	if err != nil || len(got) != 2 || !slices.Equal(wrong, want) {
		t.Errorf("%v %q %v", got, wrong, err)
	}
	big := binary.LittleEndian.AppendUint64(nil, math.Float64bits(1e300))
	if _, wrong, err := readAll(write(t, "a.npy", npy(1, describe("<f8", "(1, 1)"), big))); err != nil || len(wrong) != 1 || !strings.Contains(wrong[0], "too large for a float32") {
		t.Errorf("a float64 too large: %q %v", wrong, err)
	}
}

func TestSkippedRowsAreThoseThatWouldHaveComeFirst(t *testing.T) {
	rows := [][]float32{}
	for i := range 1000 {
		rows = append(rows, []float32{float32(i), 1})
	}
	var parquet bytes.Buffer
	w := vecfile.NewParquetWriter(&parquet)
	for i := range rows {
		if err := w.Write(&vecfile.Record{ID: fmt.Sprint(i), Values: rows[i]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	flat := bytes.Buffer{}
	for _, row := range rows {
		flat.Write(vecs(row)[4:])
	}
	for _, path := range []string{write(t, "a.fvecs", vecs(rows...)), write(t, "a.npy", append(vecfile.NpyHeader(1000, 2), flat.Bytes()...)), write(t, "a.parquet", parquet.Bytes())} {
		for _, n := range []int64{0, 1, 63, 64, 65, 999, 1000} {
			r, err := vecfile.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Skip(n); err != nil {
				t.Errorf("%s: skip %d: %v", path, n, err)
			}
			v, err := r.Next()
			if n == 1000 && err != io.EOF || n < 1000 && (err != nil || v.Values[0] != float32(n)) {
				t.Errorf("%s: after %d rows comes %v, %v", path, n, v.Values, err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// randomRecord is a record with anything that one may have.
func randomRecord(random *rand.Rand, i int) vecfile.Record {
	texts := []string{"", "plain", "a \"quote\" and \\", "line\nend\u2028<é日本>", strings.Repeat("long ", 100)}
	metadata := []string{"", `{}`, `{"a":1.50,"b":[1,"x",null],"c":{"d":"\u00e9"}}`}
	r := vecfile.Record{
		ID: fmt.Sprintf("%d-%s", i, texts[random.IntN(4)]), Namespace: texts[random.IntN(4)], Title: texts[random.IntN(5)], Text: texts[random.IntN(5)],
		Values: make([]float32, 8),
	}
	if m := metadata[random.IntN(3)]; m != "" {
		r.Metadata = []byte(m)
	}
	for j := range r.Values {
		for r.Values[j] = math.Float32frombits(random.Uint32()); vecfile.CheckValues(r.Values[j:j+1]) != nil; {
			r.Values[j] = math.Float32frombits(random.Uint32())
		}
	}
	return r
}

// equal compares records bit by bit.
func equal(a, b vecfile.Record) bool {
	return a.ID == b.ID && a.Namespace == b.Namespace && a.Title == b.Title && a.Text == b.Text && bytes.Equal(a.Metadata, b.Metadata) &&
		slices.EqualFunc(a.Values, b.Values, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

func TestWhatIsWrittenIsReadBitByBit(t *testing.T) {
	t.Logf("-seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 1))
	var file bytes.Buffer
	w := vecfile.NewParquetWriter(&file)
	var all []vecfile.Record
	for i := range 3000 {
		r := randomRecord(random, i)
		all = append(all, r)
		if err := w.Write(&r); err != nil {
			t.Fatal(err)
		}
		line := vecfile.AppendLine(nil, &r)
		if got, err := vecfile.ParseLine(line); err != nil || !equal(got, r) {
			t.Fatalf("line %s is read as %+v, %v", line, got, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, wrong, err := readAll(write(t, "a.parquet", file.Bytes()))
	if err != nil || len(wrong) > 0 || !slices.EqualFunc(got, all, equal) {
		t.Errorf("%d records of %d, %v, %v", len(got), len(all), wrong, err)
	}
}

func TestADamagedParquetFileIsAnErrorAndNoPanic(t *testing.T) {
	t.Logf("-seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 2))
	var file bytes.Buffer
	w := vecfile.NewParquetWriter(&file)
	for i := range 200 {
		r := randomRecord(random, i)
		if err := w.Write(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	refused := 0
	for i := range 500 {
		damaged := bytes.Clone(file.Bytes())
		switch at := random.IntN(len(damaged)); i % 3 {
		case 0:
			damaged = damaged[:at]
		case 1:
			damaged[at] ^= 1 << random.IntN(8)
		case 2:
			damaged[len(damaged)-1-random.IntN(600)] ^= byte(1 + random.IntN(255)) // the footer
		}
		path := filepath.Join(dir, "a.parquet")
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readAll(path); err != nil {
			refused++
			if !strings.Contains(err.Error(), path) {
				t.Errorf("damage %d: the error does not name the file: %v", i, err)
			}
		}
	}
	if refused < 200 {
		t.Errorf("only %d of 500 damaged files were refused", refused)
	}
}
