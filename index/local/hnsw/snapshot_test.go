package hnsw_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/index"
	"nearside/index/local/hnsw"
	"nearside/index/local/quant"
)

// sumOf stands for the checksum of the vector of a slot.
func sumOf(slot uint32) uint32 { return slot * 2654435761 }

// save returns the snapshot of a graph.
func save(t testing.TB, g *hnsw.Graph, upTo uint32) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := g.Save(&b, hnsw.Cover{Index: 3, Sequence: 1 << 40, UpTo: upTo}, sumOf); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// load reads a snapshot; it closes the graph when the test ends.
func load(t testing.TB, b []byte, e hnsw.Expect, match func(slot, sum uint32) bool) (*hnsw.Graph, hnsw.Cover, error) {
	t.Helper()
	g, c, err := hnsw.Load(bytes.NewReader(b), e, match)
	if err == nil {
		t.Cleanup(func() {
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return g, c, err
}

// churned is a graph with free and killed nodes.
func churned(t testing.TB, metric index.Metric, n int) *grown {
	t.Helper()
	c := grow(t, metric, mixture(t, 2*n, 20, 10), n)
	c.kill(n / 3)
	c.repair()
	c.insert(n / 10)
	c.kill(n / 20)
	return c
}

func TestALoadedGraphIsTheSavedOne(t *testing.T) {
	for _, metric := range metrics {
		c := churned(t, metric, 900)
		bytes := save(t, c.made.graph, c.slots)
		expect := hnsw.Expect{Capacity: 2000, Slots: c.slots, Bytes: int64(len(bytes))}
		g, cover, err := load(t, bytes, expect, func(slot, sum uint32) bool { return sum == sumOf(slot) })
		if err != nil {
			t.Fatal(err)
		}
		if want := (hnsw.Cover{Index: 3, Sequence: 1 << 40, UpTo: c.slots}); cover != want || g.Capacity() != 2000 || g.Codec() != c.made.graph.Codec() {
			t.Fatalf("%s: covers %+v, has a capacity of %d and the codec %+v", metric, cover, g.Capacity(), g.Codec())
		}
		if again := save(t, g, c.slots); !slices.Equal(again, bytes) {
			t.Fatalf("%s: a loaded graph is saved as something else", metric)
		}
		other, _, err := load(t, bytes, expect, nil)
		if err != nil {
			t.Fatal(err)
		}
		var a, b hnsw.Searcher
		for _, q := range c.made.vectors[:100] {
			x, y := other.Search(&a, q, 40), g.Search(&b, q, 40)
			if !slices.Equal(x, y) || a.Counts() != b.Counts() {
				t.Fatalf("%s: loaded once the graph answers %v, loaded again %v", metric, x, y)
			}
		}
		c.made.graph = g // it can be worked with
		c.check(false)
		c.insert(500)
		c.kill(200)
		c.repair()
		c.check(true)
	}
}

func TestAnEmptyGraphCanBeSaved(t *testing.T) {
	c := grow(t, index.Cosine, mixture(t, 50, 8, 2), 0)
	g, _, err := load(t, save(t, c.made.graph, 0), hnsw.Expect{Capacity: 50}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.made.graph = g
	c.check(true)
	c.insert(50)
	c.check(false)
}

func TestACodeOfAnotherVectorIsKilledWhenItIsLoaded(t *testing.T) {
	c := grow(t, index.Euclidean, mixture(t, 300, 8, 4), 300)
	g, _, err := load(t, save(t, c.made.graph, 300), hnsw.Expect{Capacity: 300, Slots: 300}, func(slot, sum uint32) bool {
		return sum == sumOf(slot) && slot%10 != 0 // of every tenth slot the vector is another one now
	})
	if err != nil {
		t.Fatal(err)
	}
	if g.Dead() != 30 || g.Living() != 270 {
		t.Fatalf("%d dead and %d living nodes, want 30 and 270", g.Dead(), g.Living())
	}
	for slot := range uint32(300) {
		if node, ok := g.Node(slot); !ok || g.Killed(node) != (slot%10 == 0) {
			t.Errorf("slot %d: killed %t", slot, g.Killed(node))
		}
	}
}

func TestASnapshotBeyondWhatIsExpectedIsRefused(t *testing.T) {
	c := grow(t, index.Euclidean, mixture(t, 100, 8, 4), 100)
	b := save(t, c.made.graph, 100)
	refusal := errors.New("not this codec")
	for want, e := range map[string]hnsw.Expect{
		"100 nodes; 99 are possible":                 {Capacity: 99, Slots: 100},
		"covers 100 slots, and the index has had 99": {Capacity: 100, Slots: 99},
		fmt.Sprintf("has %d bytes", len(b)+1):        {Capacity: 100, Slots: 100, Bytes: int64(len(b)) + 1},
		refusal.Error():                              {Capacity: 100, Slots: 100, Codec: func(quant.Codec) error { return refusal }},
	} {
		if _, _, err := load(t, b, e, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q in it", err, want)
		}
	}
	if _, _, err := load(t, append(slices.Clone(b), 0), hnsw.Expect{Capacity: 100, Slots: 100}, nil); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a byte behind the end: %v", err)
	}
	newer := slices.Clone(b)
	newer[16] = 2
	if _, _, err := load(t, newer, hnsw.Expect{Capacity: 100, Slots: 100}, nil); !fault.Is(err, fault.Unsupported) {
		t.Errorf("version 2: %v", err)
	}
}

func TestEveryFlippedByteAndEveryCutIsAnError(t *testing.T) {
	c := churned(t, index.DotProduct, 20)
	b := save(t, c.made.graph, c.slots)
	expect := hnsw.Expect{Capacity: 100, Slots: c.slots}
	for i := range b {
		bits := []byte{1, 0x80, 0xff}[i%3]
		b[i] ^= bits
		if _, _, err := load(t, b, expect, nil); err == nil {
			t.Errorf("byte %d of %d xor %#x: no error", i, len(b), bits)
		} else if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Unsupported {
			t.Errorf("byte %d of %d xor %#x: %v, of kind %v", i, len(b), bits, err, k)
		}
		b[i] ^= bits
		if _, _, err := load(t, b[:i], expect, nil); !fault.Is(err, fault.Corrupt) {
			t.Errorf("cut to %d of %d bytes: %v", i, len(b), err)
		}
	}
}

// failing fails after so many bytes.
type failing struct{ left int }

var errFull = errors.New("no space left")

func (f *failing) Write(p []byte) (int, error) {
	if len(p) > f.left {
		return f.left, errFull
	}
	f.left -= len(p)
	return len(p), nil
}

func TestAnErrorOfTheWriterOrTheReaderIsReturned(t *testing.T) {
	c := grow(t, index.Euclidean, mixture(t, 60, 8, 4), 60)
	b := save(t, c.made.graph, 60)
	for n := 0; n < len(b); n += 97 {
		if err := c.made.graph.Save(&failing{n}, hnsw.Cover{UpTo: 60}, sumOf); !errors.Is(err, errFull) {
			t.Fatalf("with room for %d of %d bytes: %v", n, len(b), err)
		}
		r := io.MultiReader(bytes.NewReader(b[:n]), broken{})
		if _, _, err := hnsw.Load(r, hnsw.Expect{Capacity: 60, Slots: 60}, nil); !errors.Is(err, errFull) {
			t.Fatalf("with an error after %d of %d bytes: %v", n, len(b), err)
		}
	}
}

// broken is a reader that only fails.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errFull }

func TestACompactedGraphAnswersAsBefore(t *testing.T) {
	for _, metric := range metrics {
		c := churned(t, metric, 1200)
		before := c.recall(c.made.graph, c.made.vectors[:100], 40)
		g, err := c.made.graph.Compacted(1500)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.Close() })
		if g.Free() != 0 || g.Living() != len(c.live) || g.Dead() != c.made.graph.Dead() || g.Capacity() != 1500 {
			t.Fatalf("%s: %d free, %d living, %d dead", metric, g.Free(), g.Living(), g.Dead())
		}
		c.made.graph = g
		c.check(false)
		after := c.recall(g, c.made.vectors[:100], 40)
		t.Logf("%s: recall@10 %.4f before and %.4f after", metric, before, after)
		if after < before-.005 {
			t.Errorf("%s: recall@10 %.4f before and %.4f after", metric, before, after)
		}
		c.repair()
		c.insert(200)
		c.check(true)
	}
}

func TestACopyWithMoreRoomIsTheSameGraph(t *testing.T) {
	c := grow(t, index.Cosine, mixture(t, 700, 20, 8), 700)
	g, err := c.made.graph.Compacted(5000)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if !slices.Equal(save(t, g, 700), save(t, c.made.graph, 700)) {
		t.Error("a copy without free nodes differs from the graph")
	}
	if _, err := c.made.graph.Compacted(699); err != hnsw.ErrFull {
		t.Errorf("700 nodes in 699: %v, want ErrFull", err)
	}
}

func TestSmallGraphsOfEverySizeCanBeCompacted(t *testing.T) {
	vectors := mixture(t, 60, 8, 4)
	for n := 1; n < 60; n++ {
		c := grow(t, index.Euclidean, vectors, n)
		r := rand.New(rand.NewPCG(*seed, uint64(n)))
		c.kill(r.IntN(n))
		if r.IntN(4) > 0 {
			c.repair()
		}
		g, err := c.made.graph.Compacted(n)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.Close() })
		c.made.graph = g
		c.check(false)
		c.repair()
		c.check(true)
	}
}

// FuzzLoad loads small snapshots that were changed at some places and then got right checksums
// again: what is loaded is sound, whatever was written.
func FuzzLoad(f *testing.F) {
	c := churned(f, index.Euclidean, 40)
	whole := save(f, c.made.graph, c.slots)
	f.Add([]byte{}, true)
	f.Add([]byte{0, 16, 2}, false)
	for at := 0; at < len(whole); at += 211 {
		f.Add([]byte{byte(at >> 8), byte(at), 0xff}, true)
	}
	query := c.made.vectors[0]
	f.Fuzz(func(t *testing.T, changes []byte, seal bool) {
		b := slices.Clone(whole)
		for ; len(changes) >= 3; changes = changes[3:] {
			b[(int(changes[0])<<8|int(changes[1]))%len(b)] ^= changes[2]
		}
		if seal {
			hnsw.Seal(b)
		}
		g, _, err := hnsw.Load(bytes.NewReader(b), hnsw.Expect{Capacity: 100, Slots: c.slots}, nil)
		if err != nil {
			return
		}
		defer g.Close()
		if g.Codec().Dimensions != len(query) {
			return // nobody asks it
		}
		if _, err := g.Check(); err != nil {
			t.Fatal(err)
		}
		var s hnsw.Searcher
		g.Search(&s, query, 20)
		var in hnsw.Inserter
		for r := g.Repair(); !r.Step(&in, 100); {
		}
		if _, err := g.Insert(&in, c.slots, query); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Check(); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	const n, dimensions = 10000, 768
	c := grow(b, index.Cosine, mixture(b, n, dimensions, 20), n)
	file := save(b, c.made.graph, n)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		g, _, err := hnsw.Load(bytes.NewReader(file), hnsw.Expect{Capacity: n, Slots: n}, nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := g.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
