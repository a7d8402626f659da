package ann_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/index"
	"nearside/measure/ann"
)

// sum is the beginning of the SHA-256 of all numbers of a set.
func sum(t *testing.T, s *ann.Set) string {
	t.Helper()
	h := sha256.New()
	for _, part := range []any{s.Base.Values, s.Queries.Values, s.Labels, s.QueryLabels} {
		if err := binary.Write(h, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func TestMadeSetsAreTheSameBytesEachTime(t *testing.T) {
	for _, set := range []struct{ name, want string }{
		{"gmm128", "9018eceeb2224b18"},
		{"lid768", "e8250d56bebc3de5"},
	} {
		s, err := ann.Make(t.Context(), set.name, "", 300, 20)
		if err != nil {
			t.Fatal(err)
		}
		if got := sum(t, s); got != set.want {
			t.Errorf("%s of 300 vectors: %s, want %s", set.name, got, set.want)
		}
		if s.Base.Rows != 300 || s.Queries.Rows != 20 || len(s.Labels) != 300 || len(s.QueryLabels) != 20 || s.Name != set.name || s.Metric != index.Cosine {
			t.Errorf("%s: %d vectors, %d queries, %d and %d labels", s.Name, s.Base.Rows, s.Queries.Rows, len(s.Labels), len(s.QueryLabels))
		}
		for i := range s.Base.Rows {
			if length := -index.Score(index.DotProduct, s.Base.Row(i), s.Base.Row(i)); math.Abs(length-1) > 1e-5 {
				t.Fatalf("%s: vector %d has length² %v", set.name, i, length)
			}
		}
	}
}

func TestPicturesAreReadWithTheirDigits(t *testing.T) {
	collections := os.Getenv("NEARSIDE_COLLECTIONS")
	if collections == "" {
		t.Skip("NEARSIDE_COLLECTIONS is not set")
	}
	s, err := ann.Make(t.Context(), "mnist784", collections, 100, 10)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := sum(t, s), "af2f7a1a8072c29d"; got != want {
		t.Errorf("100 pictures: %s, want %s", got, want)
	}
	if first := s.Labels[:5]; !slices.Equal(first, []uint32{5, 0, 4, 1, 9}) {
		t.Errorf("the first digits are %v", first)
	}
}

func TestAnUnknownSetIsRefusedNamingTheKnown(t *testing.T) {
	_, err := ann.Make(t.Context(), "sift1m", "", 0, 0)
	if fault.As(err) == nil || !strings.Contains(err.Error(), "sift1m") || !strings.Contains(err.Error(), "lid768") {
		t.Errorf("%v", err)
	}
	_, err = ann.Make(t.Context(), "mnist784", "", 0, 0)
	if fault.As(err) == nil || !strings.Contains(err.Error(), "NEARSIDE_COLLECTIONS") {
		t.Errorf("%v", err)
	}
}

func write(t *testing.T, name string, parts ...any) string {
	t.Helper()
	var b bytes.Buffer
	for _, p := range parts {
		if err := binary.Write(&b, binary.LittleEndian, p); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVectorsAreReadFromBothKindsOfFile(t *testing.T) {
	want := []float32{1, 2, 3, 4, 5, 6}
	for _, path := range []string{
		write(t, "a.fbin", uint32(2), uint32(3), want),
		write(t, "a.fvecs", uint32(3), want[:3], uint32(3), want[3:]),
	} {
		m, err := ann.ReadMatrix(path)
		if err != nil {
			t.Fatal(err)
		}
		if m.Rows != 2 || m.Dimensions != 3 || !slices.Equal(m.Values, want) {
			t.Errorf("%s: %+v", path, m)
		}
	}
}

func TestDamagedFilesAreRefusedByNameAndSize(t *testing.T) {
	nan := float32(math.NaN())
	for _, file := range []struct {
		name  string
		parts []any
		want  string
	}{
		{"empty.fbin", nil, "0 bytes"},
		{"short.fbin", []any{uint32(2), uint32(3), []float32{1, 2, 3, 4, 5}}, "28 bytes; 2 vectors of 3 dimensions, as its header says, take 32"},
		{"long.fbin", []any{uint32(1), uint32(3), []float32{1, 2, 3, 4}}, "24 bytes"},
		{"flat.fbin", []any{uint32(7), uint32(0)}, "7 vectors of 0 dimensions"},
		{"huge.fbin", []any{uint32(1 << 31), uint32(1 << 31)}, "8 bytes"},
		{"wrong.fbin", []any{uint32(1), uint32(2), []float32{1, nan}}, "dimension 1 of vector 0 is NaN"},
		{"empty.fvecs", nil, "0 bytes"},
		{"short.fvecs", []any{uint32(3), []float32{1, 2}}, "12 bytes, which vectors of 3 dimensions"},
		{"mixed.fvecs", []any{uint32(2), []float32{1, 2}, uint32(3), []float32{1, 2}}, "vector 1 has 3 dimensions"},
		{"wrong.fvecs", []any{uint32(1), []float32{nan}}, "NaN"},
	} {
		path := write(t, file.name, file.parts...)
		if _, err := ann.ReadMatrix(path); fault.As(err) == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), file.want) {
			t.Errorf("%s: %v", file.name, err)
		}
	}
	if _, err := ann.ReadMatrix("no/such.fbin"); fault.As(err) == nil || !strings.Contains(err.Error(), "no/such.fbin") {
		t.Errorf("%v", err)
	}
}

func TestDamagedIdxFilesAreRefused(t *testing.T) {
	image := []byte{0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4}
	label := []byte{0, 0, 8, 1, 0, 0, 0, 1, 7}
	for _, c := range []struct {
		what          string
		images, label []byte
		want          string
	}{
		{"whole", image, label, ""},
		{"cut", image[:18], label, "1 items of 4 bytes are announced, and 2 bytes follow"},
		{"another magic number", append([]byte{0, 0, 9, 3}, image[4:]...), label, "do not begin"},
		{"too few labels", image, []byte{0, 0, 8, 1, 0, 0, 0, 0}, "1 pictures of train have 0 labels"},
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "mnist"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"train", "t10k"} {
			for name, content := range map[string][]byte{"-images-idx3-ubyte.gz": c.images, "-labels-idx1-ubyte.gz": c.label} {
				var b bytes.Buffer
				z := gzip.NewWriter(&b)
				if _, err := z.Write(content); err != nil {
					t.Fatal(err)
				}
				if err := z.Close(); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "mnist", part+name), b.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		s, err := ann.Make(t.Context(), "mnist784", dir, 0, 0)
		switch {
		case c.want == "" && (err != nil || s.Base.Dimensions != 4 || s.Labels[0] != 7):
			t.Errorf("%s: %v", c.what, err)
		case c.want != "" && (fault.As(err) == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
}

func TestASetReadBackIsTheOneThatWasWritten(t *testing.T) {
	s, truth := smallSet(t, "gmm128", 500, 30)
	dir := t.TempDir()
	if err := ann.WriteSet(dir, s, truth); err != nil {
		t.Fatal(err)
	}
	back, err := ann.ReadSet(filepath.Join(dir, "gmm128.base.fbin"), index.Cosine)
	if err != nil {
		t.Fatal(err)
	}
	if back.Name != s.Name || sum(t, back) != sum(t, s) {
		t.Errorf("%s %s, want %s %s", back.Name, sum(t, back), s.Name, sum(t, s))
	}
	answers, err := os.ReadFile(filepath.Join(dir, "gmm128.gt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(answers) != 8+30*100*8 || binary.LittleEndian.Uint32(answers[8:]) != truth.Rows[0] {
		t.Errorf("the answers take %d bytes", len(answers))
	}
	if err := os.WriteFile(filepath.Join(dir, "gmm128.label.u32"), []byte{1, 2, 3}, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ann.ReadSet(filepath.Join(dir, "gmm128.base.fbin"), index.Cosine); fault.As(err) == nil || !strings.Contains(err.Error(), "gmm128.label.u32 has 3 bytes") {
		t.Errorf("%v", err)
	}
}

func TestQueriesOfAFileWithoutThemAreItsLastVectors(t *testing.T) {
	values := make([]float32, 200*2)
	for i := range values {
		values[i] = float32(i)
	}
	s, err := ann.ReadSet(write(t, "v.fbin", uint32(200), uint32(2), values), index.Euclidean)
	if err != nil {
		t.Fatal(err)
	}
	if s.Base.Rows != 198 || s.Queries.Rows != 2 || s.Queries.Row(1)[1] != 399 {
		t.Errorf("%d vectors, %d queries, the last %v", s.Base.Rows, s.Queries.Rows, s.Queries.Row(1))
	}
}

func TestVectorsOfAFileAreScaledUnderCosine(t *testing.T) {
	s, err := ann.ReadSet(write(t, "v.fbin", uint32(2), uint32(2), []float32{3, 4, 0, 2}), index.Cosine)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Base.Row(0); !slices.Equal(got, []float32{.6, .8}) {
		t.Errorf("%v", got)
	}
	if _, err := ann.ReadSet(write(t, "v.fbin", uint32(2), uint32(1), []float32{3, 0}), index.Cosine); fault.As(err) == nil || !strings.Contains(err.Error(), "all zero") {
		t.Errorf("%v", err)
	}
}
