package embed_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"nearside/embed"
	"nearside/fault"
)

// fake counts what it is asked; while gate is set it waits for it to be closed.
type fake struct {
	fingerprint embed.Fingerprint
	gate        chan struct{}
	entered     chan struct{}

	mu    sync.Mutex
	asked map[string]int
	fail  error
}

func (f *fake) Model() string                  { return "fake" }
func (f *fake) Fingerprint() embed.Fingerprint { return f.fingerprint }
func (f *fake) Dimensions() int                { return 4 }
func (f *fake) Window() int                    { return 10 }

func (f *fake) Embed(ctx context.Context, texts []string) ([]embed.Embedding, error) {
	if f.entered != nil {
		f.entered <- struct{}{}
	}
	if f.gate != nil {
		select {
		case <-f.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return nil, f.fail
	}
	out := make([]embed.Embedding, len(texts))
	for i, text := range texts {
		if f.asked == nil {
			f.asked = map[string]int{}
		}
		f.asked[text]++
		out[i] = embed.Embedding{Values: []float32{float32(len(text)), 0, 0, 1}, Tokens: len(text)}
	}
	return out, nil
}

func newCache(t *testing.T, limit int64) *embed.Cache {
	t.Helper()
	c, err := embed.NewCache(limit)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustEmbed(t *testing.T, e embed.Embedder, texts ...string) []embed.Embedding {
	t.Helper()
	out, err := e.Embed(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		if out[i].Tokens != len(text) {
			t.Fatalf("%q has the embedding of another text: %+v", text, out[i])
		}
	}
	return out
}

func TestCachedComputesEachTextOnce(t *testing.T) {
	f, c := &fake{fingerprint: "f"}, newCache(t, 1<<20)
	e := embed.Cached(f, c)
	mustEmbed(t, e, "a", "bb", "a", "ccc", "bb")
	mustEmbed(t, e, "ccc", "dddd")
	mustEmbed(t, e)
	for text, n := range f.asked {
		if n != 1 {
			t.Errorf("%q was computed %d times", text, n)
		}
	}
	s := c.Stats()
	if s.Misses != 4 || s.Hits != 3 || s.Entries != 4 || s.Bytes <= 0 {
		t.Errorf("stats %+v; 4 misses, 3 hits and 4 entries are right", s)
	}
	if e.Model() != "fake" || e.Dimensions() != 4 || e.Window() != 10 || e.Fingerprint() != "f" {
		t.Error("the embedder behind the cache is not shown as it is")
	}
}

func TestCacheNeverMixesWeights(t *testing.T) {
	a, b, c := &fake{fingerprint: "a"}, &fake{fingerprint: "b"}, newCache(t, 1<<20)
	mustEmbed(t, embed.Cached(a, c), "x")
	mustEmbed(t, embed.Cached(b, c), "x")
	if a.asked["x"] != 1 || b.asked["x"] != 1 {
		t.Errorf("asked %v and %v; each weights must compute its own vector", a.asked, b.asked)
	}
}

func TestCacheStaysWithinItsBytesAndForgetsTheOldest(t *testing.T) {
	const limit = 10_000
	f, c := &fake{fingerprint: "f"}, newCache(t, limit)
	e := embed.Cached(f, c)
	for i := range 1000 {
		mustEmbed(t, e, fmt.Sprint(i), "kept")
		if s := c.Stats(); s.Bytes > limit {
			t.Fatalf("%d bytes remembered; the limit is %d", s.Bytes, limit)
		}
	}
	if f.asked["kept"] != 1 {
		t.Errorf("a text in constant use was computed %d times", f.asked["kept"])
	}
	mustEmbed(t, e, "0")
	if f.asked["0"] != 2 {
		t.Error("the oldest text was not forgotten")
	}
	if s := c.Stats(); s.Entries < 20 || s.Bytes < limit/2 {
		t.Errorf("%+v: room is left unused", s)
	}
}

func TestCacheOfNoBytesRemembersNothing(t *testing.T) {
	f := &fake{fingerprint: "f"}
	e := embed.Cached(f, newCache(t, 0))
	mustEmbed(t, e, "a", "a")
	mustEmbed(t, e, "a")
	if f.asked["a"] != 2 {
		t.Errorf("computed %d times; once a call is right", f.asked["a"])
	}
	if _, err := embed.NewCache(-1); !fault.Is(err, fault.Invalid) {
		t.Errorf("a negative limit: %v", err)
	}
}

func TestConcurrentEqualTextsAreComputedOnce(t *testing.T) {
	f := &fake{fingerprint: "f", gate: make(chan struct{}), entered: make(chan struct{}, 9)}
	e := embed.Cached(f, newCache(t, 1<<20))
	var wg sync.WaitGroup
	wg.Go(func() { mustEmbed(t, e, "x", "leader") })
	<-f.entered // "x" is in flight
	for i := range 8 {
		wg.Go(func() { mustEmbed(t, e, fmt.Sprint("own", i), "x") })
	}
	for range 8 {
		<-f.entered // each computes its own text and has seen that "x" is in flight
	}
	close(f.gate)
	wg.Wait()
	if f.asked["x"] != 1 {
		t.Errorf("computed %d times", f.asked["x"])
	}
}

func TestACallThatHangsUpDoesNotFailTheOthersThatWait(t *testing.T) {
	f := &fake{fingerprint: "f", gate: make(chan struct{}), entered: make(chan struct{}, 3)}
	e := embed.Cached(f, newCache(t, 1<<20))
	ctx, hangUp := context.WithCancel(t.Context())
	var leader, other sync.WaitGroup
	leader.Go(func() {
		if _, err := e.Embed(ctx, []string{"x"}); !errors.Is(err, context.Canceled) {
			t.Errorf("the call that hung up: %v", err)
		}
	})
	<-f.entered
	other.Go(func() { mustEmbed(t, e, "own", "x") })
	<-f.entered // it waits for "x" next
	hangUp()
	leader.Wait()
	close(f.gate)
	other.Wait()
}

func TestFailuresAreNotRemembered(t *testing.T) {
	f, c := &fake{fingerprint: "f", fail: errors.New("no")}, newCache(t, 1<<20)
	e := embed.Cached(f, c)
	if _, err := e.Embed(t.Context(), []string{"a", "a"}); !errors.Is(err, f.fail) {
		t.Fatalf("got %v", err)
	}
	f.fail = nil
	mustEmbed(t, e, "a")
	if s := c.Stats(); s.Misses != 1 || s.Hits != 0 {
		t.Errorf("stats %+v after one success", s)
	}
}

func TestManyCallersAtOnceGetTheirOwnTexts(t *testing.T) {
	f := &fake{fingerprint: "f"}
	e := embed.Cached(f, newCache(t, 3000))
	var wg sync.WaitGroup
	for caller := range 8 {
		wg.Go(func() {
			for i := range 200 {
				texts := make([]string, 1+(i+caller)%7)
				for j := range texts {
					texts[j] = fmt.Sprintf("%0*d", 1+(i*j+caller)%9, 0)
				}
				mustEmbed(t, e, texts...)
			}
		})
	}
	wg.Wait()
}

func TestLongCallsLandInPortions(t *testing.T) {
	f := &fake{fingerprint: "f"}
	texts := make([]string, 1300)
	for i := range texts {
		texts[i] = fmt.Sprint(i % 1200)
	}
	e := embed.Cached(f, newCache(t, 1<<20))
	mustEmbed(t, e, texts...)
	for text, n := range f.asked {
		if n != 1 {
			t.Errorf("%q was computed %d times", text, n)
		}
	}
}
