package catalog_test

import (
	"testing"

	"nearside/catalog"
	"nearside/fault"
)

// twin makes the twin of an index.
func (h *house) twin(x catalog.Index) catalog.Twin {
	h.t.Helper()
	n, err := h.AllocateNumber(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	t, err := h.AddTwin(h.t.Context(), catalog.Twin{
		Account: x.Account, Name: x.Name, Number: n, State: catalog.Building, Dimensions: 5, Metric: "euclidean", Model: "m", Fingerprint: "f", Source: x.Number, Job: 7,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return t
}

func TestATwinIsKeptOverARestartAndListedNowhere(t *testing.T) {
	h := open(t)
	x := h.add("a", "docs")
	made := h.twin(x)
	made.Seen, made.Walked, made.Complete, made.Job = 12, "p7", true, 8
	if err := h.SaveTwin(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	h.restart()
	got, there := h.Twin("a", "docs")
	if !there || got != made {
		t.Errorf("got %+v, want %+v", got, made)
	}
	if list := h.Indexes("a"); len(list) != 1 || list[0] != x || len(h.All()) != 1 || len(h.Twins()) != 1 {
		t.Errorf("listed %v", list)
	}
	if _, err := h.AddTwin(t.Context(), catalog.Twin{Account: "a", Name: "docs", Number: 99}); fault.As(err) == nil || fault.As(err).Reason != catalog.ReasonTwin {
		t.Errorf("a second twin: %v", err)
	}
	if _, err := h.AddTwin(t.Context(), catalog.Twin{Account: "a", Name: "none", Number: 99}); !fault.Is(err, fault.NotFound) {
		t.Errorf("the twin of nothing: %v", err)
	}
}

func TestASwapExchangesTheStoragesAndKeepsTheOrigin(t *testing.T) {
	h := open(t)
	x := h.add("a", "docs")
	made := h.twin(x)
	now, err := h.SwapTwin(t.Context(), "a", "docs", x.Number, 40)
	if err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		got, err := h.Index("a", "docs")
		if err != nil || got != now || got.Number != made.Number || got.Origin != x.Number || got.Dimensions != 5 || got.Metric != "euclidean" || got.Model != "m" || got.Fingerprint != "f" || !got.Created.Equal(x.Created) {
			t.Errorf("the index: %+v, %v", got, err)
		}
		kept, _ := h.Twin("a", "docs")
		if kept.Number != x.Number || kept.State != catalog.Kept || kept.Dimensions != 3 || kept.Metric != "cosine" || kept.Model != "" || kept.Source != made.Number || kept.Seen != 40 || !kept.Complete || kept.Job != 7 {
			t.Errorf("what is kept: %+v", kept)
		}
	}
	check()
	h.restart()
	check()
	if _, err := h.SwapTwin(t.Context(), "a", "docs", now.Number, 41); !fault.Is(err, fault.NotFound) {
		t.Errorf("what is only kept was swapped: %v", err)
	}
	kept, _ := h.Twin("a", "docs")
	kept.State = catalog.Returning
	if err := h.SaveTwin(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	back, err := h.SwapTwin(t.Context(), "a", "docs", now.Number, 41)
	if err != nil || back.Number != x.Number || back.Origin != x.Number || back.Dimensions != 3 || back.Model != "" {
		t.Errorf("the way back: %+v, %v", back, err)
	}
}

func TestASwapIsRefusedIfTheIndexWasReplaced(t *testing.T) {
	h := open(t)
	x := h.add("a", "docs")
	h.twin(x)
	n, err := h.AllocateNumber(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	restored, err := h.SwapNumber(t.Context(), "a", "docs", x.Number, n)
	if err != nil || restored.Origin != n {
		t.Fatalf("%+v, %v", restored, err)
	}
	for _, from := range []catalog.Number{x.Number, n} {
		if _, err := h.SwapTwin(t.Context(), "a", "docs", from, 1); !fault.Is(err, fault.Conflict) {
			t.Errorf("from %d: %v", from, err)
		}
	}
}

func TestATwinGoesWithItsIndex(t *testing.T) {
	h := open(t)
	x := h.add("a", "docs")
	made := h.twin(x)
	if _, err := h.SwapTwin(t.Context(), "a", "docs", x.Number, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := h.RemoveIndex(t.Context(), "a", "docs"); err != nil {
		t.Fatal(err)
	}
	h.restart()
	if len(h.Twins()) != 0 {
		t.Errorf("left: %v", h.Twins())
	}
	if err := h.SaveTwin(t.Context(), made); !fault.Is(err, fault.Gone) {
		t.Errorf("saved: %v", err)
	}
	if again := h.add("a", "docs"); again.Origin != again.Number {
		t.Errorf("a new index of the name has the origin %d, and is %d", again.Origin, again.Number)
	}
}

func TestOnlyTheTwinThatIsMeantIsRemoved(t *testing.T) {
	h := open(t)
	made := h.twin(h.add("a", "docs"))
	if err := h.RemoveTwin(t.Context(), "a", "docs", made.Number+1); !fault.Is(err, fault.NotFound) {
		t.Errorf("another: %v", err)
	}
	if err := h.RemoveTwin(t.Context(), "a", "docs", made.Number); err != nil {
		t.Fatal(err)
	}
	if _, there := h.Twin("a", "docs"); there {
		t.Error("it is there")
	}
}
