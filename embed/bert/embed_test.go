package bert

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"nearside/fault"
)

// mixedTexts returns texts of all lengths, from none to beyond the window.
func mixedTexts(n int, rng *rand.Rand) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = strings.TrimSpace(words(rng.IntN(14), rng))
	}
	return texts
}

func TestAVectorDependsOnItsTextAloneBitForBit(t *testing.T) {
	texts := mixedTexts(30, rand.New(rand.NewPCG(3, 3)))
	for _, k := range sets {
		e := openTiny(t, 3).with(k)
		together, err := e.Embed(t.Context(), texts)
		if err != nil {
			t.Fatal(err)
		}
		single := openTiny(t, 1).with(k)
		for i, text := range texts {
			alone, err := single.Embed(t.Context(), []string{text})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(alone[0].Values, together[i].Values) || alone[0].Tokens != together[i].Tokens || alone[0].Dropped != together[i].Dropped {
				t.Fatalf("%s: %q has another vector beside other texts", k.name, text)
			}
		}
	}
}

func TestAllKernelsGiveTheSameVectors(t *testing.T) {
	texts := mixedTexts(20, rand.New(rand.NewPCG(4, 4)))
	e := openTiny(t, 2)
	want, err := e.with(&generic).Embed(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range sets {
		got, err := e.with(k).Embed(t.Context(), texts)
		if err != nil {
			t.Fatal(err)
		}
		for i := range texts {
			if c := cosine(got[i].Values, want[i].Values); !(c > 0.999999) {
				t.Errorf("%s: %q: cosine %.8f with plain Go", k.name, texts[i], c)
			}
		}
	}
}

func TestWhatExceedsTheWindowIsCounted(t *testing.T) {
	e := openTiny(t, 1)
	for _, n := range []int{0, 1, tinyWindow - 3, tinyWindow - 2, tinyWindow - 1, 1000} {
		text := strings.Repeat("a ", n)
		got, err := e.Embed(t.Context(), []string{text})
		if err != nil {
			t.Fatal(err)
		}
		count, err := e.CountTokens(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		if read := min(n+2, tinyWindow); got[0].Tokens != read || got[0].Dropped != n+2-read || count != n+2 {
			t.Errorf("%d words: %d tokens read, %d dropped, %d counted", n, got[0].Tokens, got[0].Dropped, count)
		}
	}
}

func TestTextsBeyondTheWindowHaveTheVectorOfWhatFits(t *testing.T) {
	e := openTiny(t, 1)
	fits := strings.Repeat("word ", tinyWindow-2)
	got, err := e.Embed(t.Context(), []string{fits, fits + "other words"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got[0].Values, got[1].Values) {
		t.Error("what does not fit changes the vector")
	}
}

func TestEmptyTextsHaveAVectorToo(t *testing.T) {
	e := openTiny(t, 2)
	got, err := e.Embed(t.Context(), []string{"", " \t\n", "\x00\xff\u200b"})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range got {
		if g.Tokens != 2 || math.Abs(length(g.Values)-1) > 1e-6 || !slices.Equal(g.Values, got[0].Values) {
			t.Errorf("%d tokens, length %g", g.Tokens, length(g.Values))
		}
	}
	if none, err := e.Embed(t.Context(), nil); err != nil || len(none) != 0 {
		t.Errorf("no texts: %v, %v", none, err)
	}
}

func TestWeightsThatGiveNoDirectionAreAnErrorNotNaN(t *testing.T) {
	e := openTiny(t, 1)
	last := e.model.layers[tinyLayers-1].outputScaling
	for name, gain := range map[string]float32{"zero": 0, "overflow": 3e38} {
		for i := range last.gain {
			last.gain[i], last.shift[i] = gain, 0
		}
		if got, err := e.Embed(t.Context(), []string{"a", "b"}); !fault.Is(err, fault.Internal) || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestAnEncoderSaysWhatItIs(t *testing.T) {
	dir := tinyDir(t)
	a, err := Open(dir, Options{Window: tinyWindow})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(dir, Options{Window: tinyWindow - 1, Model: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if a.Model() != MiniLM || b.Model() != "other" || a.Dimensions() != tinyWidth || a.Window() != tinyWindow || !slices.Contains(Kernels(), a.Kernels()) {
		t.Errorf("%s, %s, %d, %d, %s", a.Model(), b.Model(), a.Dimensions(), a.Window(), a.Kernels())
	}
	if a.Fingerprint() == b.Fingerprint() {
		t.Error("two windows have one fingerprint")
	}
	if again := openTiny(t, 1); again.Fingerprint() != a.Fingerprint() {
		t.Error("the same files have two fingerprints")
	}
}

// ending is a context that ends at the n-th look at it.
type ending struct {
	context.Context
	looks *atomic.Int64
}

func (c ending) Err() error {
	if c.looks.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

func TestEmbedStopsWhereverItIsWhenItsContextEnds(t *testing.T) {
	e := openTiny(t, 1)
	texts := mixedTexts(20, rand.New(rand.NewPCG(5, 5)))
	stopped := 0
	for n := int64(0); ; n++ {
		looks := new(atomic.Int64)
		looks.Store(n)
		got, err := e.Embed(ending{t.Context(), looks}, texts[:1])
		if err == nil {
			break
		}
		stopped++
		if !errors.Is(err, context.Canceled) || got != nil {
			t.Fatalf("after %d looks: %v, %v", n, got, err)
		}
	}
	if least := 3 + tinyLayers; stopped < least { // each hand-out of work, the text, each layer
		t.Errorf("Embed looks at its context %d times; %d is the least", stopped, least)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Embed(ctx, texts); !errors.Is(err, context.Canceled) {
		t.Errorf("many texts: %v", err)
	}
	if _, err := e.CountTokens(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("counting: %v", err)
	}
	if _, err := e.Embed(t.Context(), texts); err != nil { // every worker came back
		t.Fatal(err)
	}
}

func TestLongTextsAreLeftInTheMiddle(t *testing.T) {
	tok := tinyTokenizer(t)
	looks := new(atomic.Int64)
	looks.Store(3)
	_, err := tok.encode(ending{t.Context(), looks}, strings.Repeat("x", 10*stride), 10)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestManyCallsShareTheWorkers(t *testing.T) {
	e := openTiny(t, 2)
	texts := mixedTexts(40, rand.New(rand.NewPCG(6, 6)))
	want, err := e.Embed(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for caller := range 8 {
		wg.Go(func() {
			part := texts[caller*5 : caller*5+5]
			got, err := e.Embed(t.Context(), part)
			if err != nil {
				t.Error(err)
				return
			}
			for i := range part {
				if !slices.Equal(got[i].Values, want[caller*5+i].Values) {
					t.Errorf("%q has another vector in a call beside others", part[i])
				}
			}
		})
	}
	wg.Wait()
	if len(e.workers) != 2 {
		t.Errorf("%d workers came back of 2", len(e.workers))
	}
}

func TestReadingALongTextNeedsMemoryForItsTokensOnly(t *testing.T) {
	tok := tinyTokenizer(t)
	for name, text := range map[string]string{"words": strings.Repeat("word ", 400_000), "one word": strings.Repeat("x", 2_000_000), "marks": strings.Repeat("\u0301", 500_000)} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := tok.encode(t.Context(), text, tinyWindow); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 1<<16 {
			t.Errorf("%s: %d bytes were allocated", name, bytes)
		}
	}
}

func TestPassesHoldEveryTextOnceAndNoMoreThanTheirRoom(t *testing.T) {
	e := openTiny(t, 4)
	rng := rand.New(rand.NewPCG(8, 8))
	for range 200 {
		read := make([]tokens, rng.IntN(50))
		for i := range read {
			read[i].ids = make([]int32, 2+rng.IntN(tinyWindow-1))
		}
		seen := map[int]bool{}
		for _, pass := range e.passes(read) {
			total := 0
			for _, text := range pass {
				if seen[text] {
					t.Fatalf("text %d is in two passes", text)
				}
				seen[text] = true
				total += len(read[text].ids)
			}
			if total > e.passTokens() || len(pass) == 0 {
				t.Fatalf("a pass of %d texts has %d tokens; there is room for %d", len(pass), total, e.passTokens())
			}
		}
		if len(seen) != len(read) {
			t.Fatalf("%d of %d texts are in a pass", len(seen), len(read))
		}
	}
}

func TestUseRefusesKernelsThatAreNotThere(t *testing.T) {
	t.Cleanup(func() { chosen.Store(nil) })
	for _, name := range append(Kernels(), "") {
		if err := Use(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if got := openTiny(t, 1).Kernels(); name != "" && got != name {
			t.Errorf("%q was chosen and %q is at work", name, got)
		}
	}
	if err := Use("abacus"); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "generic") {
		t.Errorf("got %v", err)
	}
}

func FuzzTokenizer(f *testing.F) {
	for _, s := range []string{"", "hello the words", "[CLS][SEP", "e\u0301\u0301", "中文 wörd", "\xff\x00\ufffd", "가각힣", "x\U0001d16d\U0001d165", strings.Repeat("a", 101), "≠ \u0344"} {
		f.Add(s, uint8(10))
	}
	tok := tinyTokenizer(f)
	f.Fuzz(func(t *testing.T, text string, window uint8) {
		got, err := tok.encode(t.Context(), text, 2+int(window))
		if err != nil {
			t.Fatal(err)
		}
		all, err := tok.encode(t.Context(), text, unlimited)
		if err != nil {
			t.Fatal(err)
		}
		n := len(got.ids)
		if n < 2 || n > 2+int(window) || got.total != len(all.ids) || all.total != got.total || n != min(got.total, 2+int(window)) {
			t.Fatalf("%d ids and %d in all; without limit %d", n, got.total, len(all.ids))
		}
		if got.ids[0] != tok.begin || got.ids[n-1] != tok.end || !slices.Equal(got.ids[:n-1], all.ids[:n-1]) {
			t.Fatalf("ids %v; without limit %v", got.ids, all.ids)
		}
		for _, id := range all.ids {
			if id < 0 || int(id) >= tinyConfig().Vocabulary {
				t.Fatalf("id %d is out of the vocabulary", id)
			}
		}
	})
}

func TestATokenizerAloneCountsAsTheEncoderDoes(t *testing.T) {
	dir := tinyDir(t)
	alone, err := OpenTokenizer(dir)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(dir, Options{Window: 8})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "a", "a b, c", strings.Repeat("a ", 1000), "\xff", "[MASK] [mask]", "漢字"} {
		want, err := e.CountTokens(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := alone.CountTokens(t.Context(), text); err != nil || got != want {
			t.Errorf("%.20q has %d tokens alone, %d to the encoder: %v", text, got, want, err)
		}
	}
	if _, err := OpenTokenizer(t.TempDir()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("an empty folder: %v", err)
	}
}
