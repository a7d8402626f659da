package vectorize_test

import (
	"context"
	"sync"
	"testing"

	"nearside/catalog"
	"nearside/fault"
	"nearside/index"
	"nearside/vectorize"
)

// twinned makes an index and the twin of it, of other dimensions, and opens both.
func twinned(t *testing.T, w *world) (*vectorize.Index, catalog.Twin, index.Index) {
	t.Helper()
	if _, err := w.Create(t.Context(), "a", vectorize.Definition{Name: "docs", Dimensions: 2, Metric: index.Euclidean}); err != nil {
		t.Fatal(err)
	}
	x, err := w.Open(t.Context(), "a", "docs")
	if err != nil {
		t.Fatal(err)
	}
	twin, err := w.MakeTwin(t.Context(), x.Definition, vectorize.Definition{Dimensions: 3, Metric: index.Cosine, Model: "m", Fingerprint: "f"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	into, err := w.OpenTwin(t.Context(), twin)
	if err != nil {
		t.Fatal(err)
	}
	return x, twin, into
}

func TestHeldWritersWaitAndWriteToWhatTookThePlace(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	x, twin, into := twinned(t, w)
	if _, err := into.Upsert(t.Context(), []index.Record{{ID: "a", Values: []float32{1, 0, 0}}, {ID: "b", Values: []float32{0, 1, 0}}}, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	release, err := w.HoldWriters(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := x.Delete(gone, []index.VectorID{"a"}, index.Scope{}); !fault.Is(err, fault.Canceled) {
		t.Errorf("a writer that does not wait: %v", err)
	}
	var writers sync.WaitGroup
	writers.Go(func() {
		if m, err := x.Delete(t.Context(), []index.VectorID{"a"}, index.Scope{}); err != nil || m.Changed != 1 {
			t.Errorf("the delete that waited: %+v, %v", m, err)
		}
	})
	writers.Go(func() {
		_, err := x.Upsert(t.Context(), []index.Record{{ID: "c", Values: []float32{1, 1}}}, index.Scope{})
		if f := fault.As(err); f == nil || f.Reason != vectorize.ReasonReembedded {
			t.Errorf("vectors for what was: %v", err)
		}
	})
	if _, err := w.SwapTwin(t.Context(), "a", "docs", x.Definition.Number, 1); err != nil {
		t.Fatal(err)
	}
	release()
	writers.Wait()
	now, err := w.Open(t.Context(), "a", "docs")
	if err != nil || now.Definition.Number != twin.Number {
		t.Fatalf("%+v, %v", now.Definition, err)
	}
	if page, err := now.List(t.Context(), "", 10, index.Read{}); err != nil || page.Total != 1 || page.IDs[0] != "b" {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestSweepingSparesTwinsAndTakesWhatNobodyKnows(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	_, twin, _ := twinned(t, w)
	n, err := w.catalog.AllocateNumber(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Create(t.Context(), index.Number(n), index.Config{Dimensions: 2, Metric: index.Cosine}); err != nil { // and then the process died
		t.Fatal(err)
	}
	if err := w.restart(); err != nil {
		t.Fatal(err)
	}
	numbers, err := w.engine.Numbers(t.Context())
	if err != nil || len(numbers) != 2 || numbers[1] != index.Number(twin.Number) {
		t.Errorf("storages %v, %v", numbers, err)
	}
	if err := w.DropTwin(t.Context(), twin); err != nil {
		t.Fatal(err)
	}
	if numbers, err := w.engine.Numbers(t.Context()); err != nil || len(numbers) != 1 {
		t.Errorf("storages %v, %v", numbers, err)
	}
}

func TestATwinDoesNotCountAgainstTheLimit(t *testing.T) {
	limits := vectorize.Cloudflare()
	limits.Indexes = 2
	w := open(t, limits)
	twinned(t, w)
	if _, err := w.Create(t.Context(), "a", vectorize.Definition{Name: "more", Dimensions: 2, Metric: index.Cosine}); err != nil {
		t.Errorf("the second of two: %v", err)
	}
	if list := w.List("a"); len(list) != 2 {
		t.Errorf("listed: %v", list)
	}
}

func TestAWriteToAnIndexMadeAnewIsNotLetIntoIt(t *testing.T) {
	w := open(t, vectorize.Cloudflare())
	x, _, _ := twinned(t, w)
	if err := w.Delete(t.Context(), "a", "docs"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Create(t.Context(), "a", vectorize.Definition{Name: "docs", Dimensions: 2, Metric: index.Euclidean}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Upsert(t.Context(), []index.Record{{ID: "c", Values: []float32{1, 1}}}, index.Scope{}); !fault.Is(err, fault.Gone) {
		t.Errorf("got %v", err)
	}
}
