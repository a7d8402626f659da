package bert

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"flag"
	"math"
	"os"
	"sync"
	"testing"

	"nearside/embed"
)

var long = flag.Bool("long", false, "run the slow sweeps")

// reference is one text of testdata/vectors.json with what an independent
// implementation makes of it.
type reference struct {
	Text    string
	Tokens  int
	Dropped int
	Vector  string // base64 of little-endian float32
}

func (r reference) values(t testing.TB) []float32 {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(r.Vector)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

func readReferences(t testing.TB) (refs []reference) {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err == nil {
		err = json.Unmarshal(b, &refs)
	}
	if err != nil {
		t.Fatal(err)
	}
	return refs
}

// openReal opens the real model, once for all tests.
func openReal(t testing.TB) *Encoder {
	t.Helper()
	dir := modelDir(t)
	e, err := sharedReal(dir)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

var (
	realOnce sync.Once
	realOne  *Encoder
	realErr  error
)

func sharedReal(dir string) (*Encoder, error) {
	realOnce.Do(func() { realOne, realErr = Open(dir, Options{}) })
	return realOne, realErr
}

// with returns the encoder with other kernels on the same weights.
func (e *Encoder) with(k *kernels) *Encoder {
	other := *e
	other.kernels = k
	return &other
}

func cosine(a, b []float32) float64 {
	var dot float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
	}
	return dot / length(a) / length(b)
}

// slow are the kernels that get only the short texts unless -long is given.
func slow(k *kernels) bool { return k.name == "generic" || k.name == "neon" }

func TestVectorsAreThoseOfAnIndependentImplementation(t *testing.T) {
	e := openReal(t)
	refs := readReferences(t)
	for _, k := range sets {
		t.Run(k.name, func(t *testing.T) {
			var texts []string
			var want []reference
			for _, r := range refs {
				if *long || r.Tokens <= 10 || !slow(k) {
					texts, want = append(texts, r.Text), append(want, r)
				}
			}
			got, err := e.with(k).Embed(t.Context(), texts)
			if err != nil {
				t.Fatal(err)
			}
			worst := 1.0
			for i, r := range want {
				worst = min(worst, compare(t, got[i], r))
			}
			t.Logf("%d texts, lowest cosine 1 - %.1e", len(want), 1-worst)
		})
	}
}

func compare(t *testing.T, got embed.Embedding, want reference) float64 {
	t.Helper()
	if got.Tokens != want.Tokens || got.Dropped != want.Dropped {
		t.Errorf("%.40q: %d tokens read and %d dropped; the reference has %d and %d", want.Text, got.Tokens, got.Dropped, want.Tokens, want.Dropped)
	}
	c := cosine(got.Values, want.values(t))
	if !(c >= 0.9999) {
		t.Errorf("%.40q: cosine %.6f with the reference", want.Text, c)
	}
	if l := length(got.Values); math.Abs(l-1) > 1e-6 {
		t.Errorf("%.40q: length %.8f, not 1", want.Text, l)
	}
	return c
}
