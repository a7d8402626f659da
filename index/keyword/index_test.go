package keyword_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/fault"
	"nearside/index/keyword"
)

// eventually fails the test unless a condition comes true within ten seconds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			t.Fatal("never seen: ", what)
		case <-tick.C:
		}
	}
}

func TestEverythingAddedIsFoundAtOnceAndMergedIntoFewFiles(t *testing.T) {
	w := newWorld(t, keyword.Options{})
	for s := range uint32(600) {
		w.add([]keyword.Document{{Slot: s, Text: fmt.Sprintf("common word%d", s)}})
		if got := w.slots(keyword.Query{Text: fmt.Sprintf("word%d", s)}); !slices.Equal(got, []uint32{s}) {
			t.Fatalf("slot %d: found %v", s, got)
		}
	}
	eventually(t, "few segments", func() bool { return w.index.Stats().Segments < 60 })
	w.reopen()
	st := w.index.Stats()
	if st.Documents != 600 || st.InMemory != 0 || st.Written != 600 || len(w.files()) != st.Segments+1 {
		t.Errorf("%+v, files %v", st, w.files())
	}
	if a, err := w.index.Search(context.Background(), keyword.Query{Text: "common"}, everything(), 1); err != nil || a.Matching != 600 {
		t.Errorf("%d match: %v", a.Matching, err)
	}
}

func TestAMutationWithoutTextsCounts(t *testing.T) {
	w := newWorld(t, keyword.Options{})
	w.add(nil)
	w.texts("one")
	w.add(nil)
	w.reopen()
	if w.sequence != 3 {
		t.Errorf("covers %d", w.sequence)
	}
}

func TestWhatCannotFollowIsRefused(t *testing.T) {
	w := newWorld(t, keyword.Options{})
	w.texts("zero", "one", "two")
	for _, c := range []struct {
		upTo  uint64
		slots []uint32
	}{{1, []uint32{5}}, {2, []uint32{2}}, {2, []uint32{5, 5}}, {2, []uint32{6, 5}}} {
		var documents []keyword.Document
		for _, s := range c.slots {
			documents = append(documents, keyword.Document{Slot: s, Text: "wrong"})
		}
		if err := w.index.Add(context.Background(), c.upTo, documents); err == nil {
			t.Errorf("%v was taken", c)
		}
	}
	if got := w.slots(keyword.Query{Text: "wrong"}); len(got) > 0 || w.index.Covered() != 1 {
		t.Errorf("%v, covers %d", got, w.index.Covered())
	}
}

func TestSlotsThatNobodyAsksForAreGivenUp(t *testing.T) {
	w := newWorld(t, keyword.Options{})
	for batch := range uint32(4) {
		var documents []keyword.Document
		for s := range uint32(100) {
			documents = append(documents, keyword.Document{Slot: 100*batch + s, Text: "text"})
		}
		w.add(documents)
		w.reopen()
	}
	kept := roaring.New()
	kept.AddRange(0, 100) // of the first file all, of the second half, of the third none
	kept.AddRange(150, 200)
	w.index.Keep(kept, 300)
	eventually(t, "250 documents", func() bool { return w.index.Stats().Documents == 250 })
	w.reopen()
	if got := w.slots(keyword.Query{Text: "text"}); len(got) != 100 || w.index.Stats().Documents != 250 || w.index.Stats().Segments != 3 {
		t.Errorf("%+v", w.index.Stats())
	}
	w.index.Keep(roaring.New(), 400)
	eventually(t, "no documents", func() bool { return w.index.Stats().Documents == 0 })
	w.add([]keyword.Document{{Slot: 400, Text: "text"}})
	if got := w.slots(keyword.Query{Text: "text"}); !slices.Equal(got, []uint32{400}) {
		t.Errorf("%v", got)
	}
}

func TestAnotherAnalysisOrOwnerBeginsAnew(t *testing.T) {
	for _, o := range []keyword.Options{
		{Analysis: keyword.Analysis{Language: "de"}},
		{Analysis: keyword.Analysis{Tokenizer: keyword.Trigrams}},
		{Owner: "8"},
	} {
		w := newWorld(t, keyword.Options{Owner: "7"})
		w.texts("one")
		w.reopen()
		if err := w.index.Close(); err != nil {
			t.Fatal(err)
		}
		if o.Owner == "" {
			o.Owner = "7"
		}
		w.options = o
		w.open()
		if w.index.Lost() == nil || w.index.Covered() != 0 || len(w.slots(keyword.Query{Text: "one"})) > 0 {
			t.Errorf("%+v: covers %d, %v", o, w.index.Covered(), w.index.Lost())
		}
		w.texts("one again")
		w.reopen()
	}
}

func TestResetEmptiesTheIndex(t *testing.T) {
	w := newWorld(t, keyword.Options{})
	w.texts("one", "two")
	w.reopen()
	if err := w.index.Reset(); err != nil {
		t.Fatal(err)
	}
	if w.index.Covered() != 0 || len(w.slots(keyword.Query{Text: "one"})) > 0 {
		t.Error("it is not empty")
	}
	w.sequence = 0
	w.texts("one")
	w.reopen()
	if got := w.slots(keyword.Query{Text: "one two"}); !slices.Equal(got, []uint32{0}) {
		t.Error(got)
	}
}

func TestAClosedIndexSaysSo(t *testing.T) {
	w := newWorld(t, keyword.Options{})
	w.texts("one")
	for range 2 {
		if err := w.index.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	_, err := w.index.Search(ctx, keyword.Query{Text: "one"}, everything(), 1)
	for what, err := range map[string]error{"search": err, "add": w.index.Add(ctx, 9, nil), "wait": w.index.Wait(ctx, 9), "reset": w.index.Reset()} {
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestWaitReturnsWhenTheSequenceIsCovered(t *testing.T) {
	w := newWorld(t, keyword.Options{})
	var work sync.WaitGroup
	var waited error
	work.Go(func() { waited = w.index.Wait(context.Background(), 3) })
	for range 3 {
		w.add(nil)
	}
	work.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.index.Wait(ctx, 4); waited != nil || !fault.Is(err, fault.Canceled) {
		t.Errorf("%v, %v", waited, err)
	}
	if _, err := w.index.Search(ctx, keyword.Query{Text: "x"}, everything(), 1); err != nil {
		t.Error(err) // an empty index has nothing to give up
	}
	w.add([]keyword.Document{{Slot: 1, Text: "x"}})
	if _, err := w.index.Search(ctx, keyword.Query{Text: "x"}, everything(), 1); !fault.Is(err, fault.Canceled) {
		t.Error(err)
	}
	if err := w.index.Add(ctx, 9, []keyword.Document{{Slot: 2, Text: "x"}}); !fault.Is(err, fault.Canceled) || w.index.Covered() != 4 {
		t.Error(err)
	}
}

// Searches, writes, merges and Keep at once: every search sees a whole number of mutations.
func TestSearchesAmongWritesSeeWholeMutations(t *testing.T) {
	w := newWorld(t, keyword.Options{FlushBytes: 20_000})
	done := make(chan struct{})
	var work sync.WaitGroup
	for range 3 {
		work.Go(func() {
			for last := uint64(0); ; {
				select {
				case <-done:
					return
				default:
				}
				a, err := w.index.Search(context.Background(), keyword.Query{Text: `"every document"`, Matches: true}, everything(), 20)
				if err != nil || uint64(a.Matching) != 5*a.Covered || a.Covered < last {
					t.Errorf("%d match at %d after %d: %v", a.Matching, a.Covered, last, err)
					return
				}
				last = a.Covered
			}
		})
	}
	for i := range uint32(80) {
		var documents []keyword.Document
		for k := range uint32(5) {
			documents = append(documents, keyword.Document{Slot: 5*i + k, Title: fmt.Sprint(i), Text: "every document has this"})
		}
		w.add(documents)
		if i%20 == 0 {
			w.index.Keep(everything(), 5*i)
		}
	}
	close(done)
	work.Wait()
}
