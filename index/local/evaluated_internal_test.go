package local

import (
	"fmt"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/index"
)

func TestWhatFiltersMatchIsKnownForOneStateOnly(t *testing.T) {
	var e evaluated
	of := func(slots ...uint32) evaluation { return evaluation{matching: roaring.BitmapOf(slots...)} }
	if _, ok := e.get(0, "a"); ok {
		t.Error("known before anything was asked")
	}
	e.put(3, "a", of(1))
	e.put(3, "b", of(2))
	e.put(2, "c", of(3)) // by a reader of an older state
	for _, c := range []struct {
		at    uint64
		asked string
		known bool
	}{{3, "a", true}, {3, "b", true}, {3, "c", false}, {2, "c", false}, {2, "a", false}, {4, "a", false}} {
		if _, ok := e.get(index.Sequence(c.at), c.asked); ok != c.known {
			t.Errorf("%q at %d: known %v", c.asked, c.at, ok)
		}
	}
	e.put(4, "a", of(4))
	if _, ok := e.get(3, "b"); ok {
		t.Error("a state is known that is no longer the newest")
	}
	if got, ok := e.get(4, "a"); !ok || !got.matching.Contains(4) {
		t.Errorf("at 4: %v, %v", got.matching, ok)
	}
}

func TestWhatIsRememberedOfFiltersIsBounded(t *testing.T) {
	var e evaluated
	wide := roaring.New()
	wide.AddRange(0, 64*evaluatedBytes)
	for slot := range uint32(8 * evaluatedBytes) {
		if slot%3 == 0 {
			wide.Remove(slot)
		}
	}
	e.put(1, "wide", evaluation{matching: wide})
	if _, ok := e.get(1, "wide"); ok {
		t.Errorf("a bitmap of %d bytes is remembered", wide.GetSizeInBytes())
	}
	for i := range 10 * evaluatedCount {
		e.put(1, fmt.Sprint(i), evaluation{matching: roaring.BitmapOf(uint32(i))})
		if len(e.answers) > evaluatedCount || e.bytes > evaluatedBytes {
			t.Fatalf("%d answers of %d bytes", len(e.answers), e.bytes)
		}
	}
	if _, ok := e.get(1, fmt.Sprint(10*evaluatedCount-1)); !ok {
		t.Error("the last one is not known")
	}
}
