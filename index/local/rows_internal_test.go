package local

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/disk"
	"nearside/fault"
	"nearside/index"
)

var rowSeed = flag.Uint64("rowseed", 0, "seed of the random tests of rows and scans; 0: the time")

func randomOf(t testing.TB) *rand.Rand {
	seed := *rowSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("repeat with -rowseed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func randomVectors(r *rand.Rand, n, dimensions int) [][]float32 {
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = make([]float32, dimensions)
		for j := range vectors[i] {
			vectors[i][j] = float32(r.NormFloat64())
		}
	}
	return vectors
}

func openDir(t testing.TB, path string, hook disk.Hook) *disk.Dir {
	t.Helper()
	dir, err := disk.OpenDir(path, disk.Options{Hook: hook})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

// sumsOf is what records.db would say of vectors in slots 0, 1, …
func sumsOf(vectors [][]float32) wantRow {
	return func(s slot) (uint32, bool) { return rowSum(vectors[s]), true }
}

func mustOpenRows(t testing.TB, dir *disk.Dir, number index.Number, vectors [][]float32) (*rows, []uint32) {
	t.Helper()
	r, missing, err := openRows(dir, number, len(vectors[0]), slot(len(vectors)), sumsOf(vectors))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	})
	return r, missing.ToArray()
}

// writeRows makes the file of vectors in slots 0, 1, … and returns its path.
func writeRows(t testing.TB, dir *disk.Dir, number index.Number, vectors [][]float32) string {
	t.Helper()
	r, _ := mustOpenRows(t, dir, number, vectors)
	if err := r.put(0, vectors...); err != nil {
		t.Fatal(err)
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	return r.path
}

func checkVectors(t testing.TB, r *rows, vectors [][]float32) {
	t.Helper()
	for s, want := range vectors {
		got, err := r.vector(slot(s), nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("slot %d: %v, want %v", s, got, want)
		}
	}
}

func allSlots(vectors [][]float32) []uint32 {
	b := roaring.New()
	b.AddRange(0, uint64(len(vectors)))
	return b.ToArray()
}

func TestRowsAreThereAfterReopening(t *testing.T) {
	r := randomOf(t)
	for _, dimensions := range []int{1, 2, 5, 6, 7, 32, 100, 1536} {
		// One, an extent exactly, and several of them, put in unequal batches.
		for _, n := range []int{1, rowsInExtent0, rowsInExtent0 + 1, 5*rowsInExtent0 + 3} {
			dir, vectors := openDir(t, t.TempDir(), nil), randomVectors(r, n, dimensions)
			first, missing := mustOpenRows(t, dir, 7, vectors)
			if !slices.Equal(missing, allSlots(vectors)) {
				t.Fatalf("of %d rows that were never put %d are missing", n, len(missing))
			}
			for at := 0; at < n; {
				batch := min(n-at, 1+r.IntN(400))
				if err := first.put(slot(at), vectors[at:at+batch]...); err != nil {
					t.Fatal(err)
				}
				at += batch
			}
			checkVectors(t, first, vectors)
			second, missing := mustOpenRows(t, dir, 7, vectors)
			if len(missing) > 0 {
				t.Fatalf("%d dimensions, %d rows: %v are missing", dimensions, n, missing)
			}
			checkVectors(t, second, vectors)
		}
	}
}

func TestMappedRowsNeverMove(t *testing.T) {
	vectors := randomVectors(randomOf(t), 10*rowsInExtent0, 3)
	r, _ := mustOpenRows(t, openDir(t, t.TempDir(), nil), 1, vectors)
	var places []*float32
	for s, v := range vectors {
		if err := r.put(slot(s), v); err != nil {
			t.Fatal(err)
		}
		places = append(places, &r.row(slot(s))[0])
	}
	for s, place := range places {
		if &r.row(slot(s))[0] != place {
			t.Fatalf("the row of slot %d moved", s)
		}
	}
}

func TestEveryFlippedByteIsFoundAndMended(t *testing.T) {
	path, vectors := t.TempDir(), randomVectors(randomOf(t), 4, 9)
	dir := openDir(t, path, nil)
	file := writeRows(t, dir, 1, vectors)
	whole := readFile(t, file)
	stride := rowsHeader{dimensions: 9}.stride()
	for at := range whole {
		if at > rowsHeaderUsed && at < rowsHeaderSize && at%97 != 0 {
			continue // one zero of the header is like the other
		}
		damaged := slices.Clone(whole)
		damaged[at] ^= 1 << (at % 8)
		writeFile(t, file, damaged)
		want := allSlots(vectors)
		if at >= rowsHeaderSize {
			want = []uint32{uint32((at - rowsHeaderSize) / stride)}
		}
		r, missing := mustOpenRows(t, dir, 1, vectors)
		if !slices.Equal(missing, want) {
			t.Fatalf("byte %d flipped: missing %v, want %v", at, missing, want)
		}
		for _, s := range missing {
			if err := r.put(s, vectors[s]); err != nil {
				t.Fatal(err)
			}
		}
		checkVectors(t, r, vectors)
		if !bytes.Equal(readFile(t, file), whole) {
			t.Fatalf("byte %d flipped: the file is not what it was", at)
		}
		r.close()
	}
}

func TestEveryTruncationIsFound(t *testing.T) {
	vectors := randomVectors(randomOf(t), 3, 6)
	dir := openDir(t, t.TempDir(), nil)
	file := writeRows(t, dir, 1, vectors)
	whole := readFile(t, file)
	stride := rowsHeader{dimensions: 6}.stride()
	for size := range whole {
		writeFile(t, file, whole[:size])
		kept := max(0, size-rowsHeaderSize) / stride
		r, missing := mustOpenRows(t, dir, 1, vectors)
		if want := allSlots(vectors)[kept:]; !slices.Equal(missing, want) {
			t.Fatalf("cut to %d bytes: missing %v, want %v", size, missing, want)
		}
		r.close()
	}
}

func TestForeignRowsAreNotTaken(t *testing.T) {
	random := randomOf(t)
	vectors := randomVectors(random, 3, 6)
	others := randomVectors(random, 3, 6)
	for name, write := range map[string]func(dir *disk.Dir){
		"of another index": func(dir *disk.Dir) { writeRows(t, dir, 2, vectors) },
		"of other vectors": func(dir *disk.Dir) { writeRows(t, dir, 1, others) },
		"in other slots":   func(dir *disk.Dir) { writeRows(t, dir, 1, [][]float32{vectors[1], vectors[2], vectors[0]}) },
		"of other length":  func(dir *disk.Dir) { writeRows(t, dir, 1, randomVectors(random, 9, 5)) },
		"of nothing":       func(dir *disk.Dir) { writeFile(t, dir.Path(rowsFile), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := openDir(t, t.TempDir(), nil)
			write(dir)
			r, missing := mustOpenRows(t, dir, 1, vectors)
			if !slices.Equal(missing, allSlots(vectors)) {
				t.Fatalf("missing are only %v", missing)
			}
			if err := r.put(0, vectors...); err != nil {
				t.Fatal(err)
			}
			checkVectors(t, r, vectors)
		})
	}
}

// A row may be sound in its file and yet belong to another use of its place: here,
// copied from one index to another, or from one slot to another.
func TestCopiedRowsAreNotSound(t *testing.T) {
	vectors := [][]float32{{1, 2, 3}, {1, 2, 3}}
	dir, other := openDir(t, t.TempDir(), nil), openDir(t, t.TempDir(), nil)
	b, c := readFile(t, writeRows(t, dir, 1, vectors)), readFile(t, writeRows(t, other, 2, vectors))
	stride := rowsHeader{dimensions: 3}.stride()
	row := func(b []byte, s int) []byte { return b[rowsHeaderSize+s*stride:][:stride] }
	copy(row(b, 0), row(b, 1))
	copy(row(b, 1), row(c, 1))
	writeFile(t, dir.Path(rowsFile), b)
	if _, missing := mustOpenRows(t, dir, 1, vectors); !slices.Equal(missing, []uint32{0, 1}) {
		t.Errorf("missing: %v", missing)
	}
}

func TestRowsNobodyWantsAreNotMissing(t *testing.T) {
	vectors := randomVectors(randomOf(t), 5, 4)
	dir := openDir(t, t.TempDir(), nil)
	writeRows(t, dir, 1, vectors[:3])
	_, missing, err := openRows(dir, 1, 4, 5, func(s slot) (uint32, bool) { return 1, s == 1 || s == 4 })
	if err != nil {
		t.Fatal(err)
	}
	if got := missing.ToArray(); !slices.Equal(got, []uint32{1, 4}) {
		t.Errorf("missing: %v, want those with another sum or without a row: 1 and 4", got)
	}
}

func TestFailedOperationsLeaveRowsUsable(t *testing.T) {
	vectors := randomVectors(randomOf(t), 3, 4)
	boom := errors.New("boom")
	for _, short := range []bool{false, true} {
		for k := 0; ; k++ {
			left := -1 // how many operations succeed before one fails; negative: none fails
			dir := openDir(t, t.TempDir(), func(disk.Op, string) error {
				if left--; left == -1 {
					if short {
						return io.ErrShortWrite
					}
					return boom
				}
				return nil
			})
			r, _ := mustOpenRows(t, dir, 1, vectors)
			left = k
			err := r.put(0, vectors...)
			if left >= 0 {
				break // all of them succeeded
			}
			if err == nil {
				t.Fatalf("operation %d failed and put did not", k)
			}
			left = -1
			if err := r.put(0, vectors...); err != nil {
				t.Fatalf("after operation %d failed once: %v", k, err)
			}
			checkVectors(t, r, vectors)
			if _, missing := mustOpenRows(t, dir, 1, vectors); len(missing) > 0 {
				t.Fatalf("after operation %d failed once: missing %v", k, missing)
			}
		}
	}
}

func TestACutFileIsAnErrorThatNamesIt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("rows are not mapped there")
	}
	vectors := randomVectors(randomOf(t), 4000, 8)
	r, _ := mustOpenRows(t, openDir(t, t.TempDir(), nil), 1, vectors)
	if err := r.put(0, vectors...); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(r.path, rowsHeaderSize+int64(10*r.stride)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.vector(3999, nil); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), r.path) {
		t.Errorf("reading behind the end: %v", err)
	}
	missing := r.verify(4000, sumsOf(vectors))
	if missing.Contains(9) || !missing.Contains(10) || missing.GetCardinality() != 3990 {
		t.Errorf("%d rows are missing, want those from 10 on", missing.GetCardinality())
	}
	if err := r.put(10, vectors[10:]...); err != nil {
		t.Fatal(err)
	}
	checkVectors(t, r, vectors)
}

func TestAFileThatIsGoneIsReadOnAndNamed(t *testing.T) {
	vectors := randomVectors(randomOf(t), 3, 4)
	r, _ := mustOpenRows(t, openDir(t, t.TempDir(), nil), 1, vectors)
	if err := r.put(0, vectors...); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	checkVectors(t, r, vectors)
	if err := r.put(3, vectors[0]); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), r.path) {
		t.Errorf("putting a row: %v", err)
	}
}

func TestAnErrorOfOursIsNotTakenForAFault(t *testing.T) {
	r, _ := mustOpenRows(t, openDir(t, t.TempDir(), nil), 1, [][]float32{{1}})
	defer func() {
		if recover() == nil {
			t.Error("a nil pointer was taken for a fault in the mapping")
		}
	}()
	_, _ = r.tryUnsound(nil, 0, 1, func(slot) (uint32, bool) { return 0, true }) // nothing is mapped: a mistake of the caller's
}

func TestARowThatWasNeverPutIsDamaged(t *testing.T) {
	r, _ := mustOpenRows(t, openDir(t, t.TempDir(), nil), 1, [][]float32{{1}})
	if _, err := r.vector(0, nil); !fault.Is(err, fault.Corrupt) {
		t.Errorf("reading it: %v", err)
	}
}

func TestRowsKeepNoFileOpen(t *testing.T) {
	count := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc here")
		}
		return len(names)
	}
	vectors := randomVectors(randomOf(t), 300, 4)
	dir := openDir(t, t.TempDir(), nil)
	before := count()
	r, _ := mustOpenRows(t, dir, 1, vectors)
	if err := r.put(0, vectors...); err != nil {
		t.Fatal(err)
	}
	mustOpenRows(t, dir, 1, vectors)
	if now := count(); now != before {
		t.Errorf("%d descriptors, %d before", now, before)
	}
}

func TestNormsThatFloat32CannotUseAreNaN(t *testing.T) {
	for _, c := range []struct {
		vector []float32
		want   float32
	}{
		{[]float32{3, -4}, 5},
		{[]float32{0, 0}, 0},
		{[]float32{0x1p60, 0}, 0x1p60},
		{[]float32{0x1p-60, 0}, 0x1p-60},
		{[]float32{0x1p60, 0x1p60}, float32(math.NaN())},
		{[]float32{0x1p-61, 0}, float32(math.NaN())},
		{[]float32{math.MaxFloat32, math.MaxFloat32}, float32(math.NaN())},
		{[]float32{math.SmallestNonzeroFloat32, 0}, float32(math.NaN())},
	} {
		if got := rowNorm(c.vector); math.Float32bits(got) != math.Float32bits(c.want) {
			t.Errorf("norm of %v: %g, want %g", c.vector, got, c.want)
		}
	}
}

// The golden file pins the format: every later version has to open it.
func TestGoldenRows(t *testing.T) {
	const golden = "testdata/vectors-1.rows"
	vectors := [][]float32{{1, 2, 3}, {-0.5, 0, 1e-3}, {1e30, -1e30, 0}}
	dir := openDir(t, t.TempDir(), nil)
	written := readFile(t, writeRows(t, dir, 42, vectors))
	want := readFile(t, golden)
	if !bytes.Equal(written, want) {
		t.Errorf("the file written differs from %s: if the format changed on purpose, raise rowsVersion", golden)
	}
	writeFile(t, dir.Path(rowsFile), want)
	r, missing := mustOpenRows(t, dir, 42, vectors)
	if len(missing) > 0 {
		t.Fatalf("missing: %v", missing)
	}
	checkVectors(t, r, vectors)
}

// FuzzRows opens any bytes as rows: what is not reported missing is right, and what is can be put again.
func FuzzRows(f *testing.F) {
	vectors := [][]float32{{1, 2, 3, 4, 5, 6, 7}, {0, 0, 0, 0, 0, 0, 1}, {-1, -2, -3, -4, -5, -6, -7}}
	dir := openDir(f, f.TempDir(), nil)
	whole := readFile(f, writeRows(f, dir, 5, vectors))
	f.Add([]byte{})
	f.Add(whole)
	f.Add(whole[:rowsHeaderSize+7])
	f.Add(append(slices.Clone(whole), whole...))
	f.Fuzz(func(t *testing.T, b []byte) {
		writeFile(t, dir.Path(rowsFile), b)
		r, missing := mustOpenRows(t, dir, 5, vectors)
		for s, want := range vectors {
			if slices.Contains(missing, uint32(s)) {
				continue
			}
			if got, err := r.vector(slot(s), nil); err != nil || !slices.Equal(got, want) {
				t.Fatalf("slot %d is not missing, but is %v (%v)", s, got, err)
			}
		}
		if err := r.put(0, vectors...); err != nil {
			t.Fatal(err)
		}
		checkVectors(t, r, vectors)
		r.close()
	})
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// writeFile sets what a file holds. It does not empty it first: some file systems
// take that for a replacement, and wait for the device.
func writeFile(t testing.TB, name string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(int64(len(b))); err != nil {
		t.Fatal(err)
	}
}
