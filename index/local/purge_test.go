package local_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"nearside/fault"
	"nearside/index"
	"nearside/index/local"
)

func purge(t *testing.T, x index.Index) {
	t.Helper()
	if err := local.Purge(t.Context(), x); err != nil {
		t.Fatal(err)
	}
}

func stored(t *testing.T, x index.Index) int {
	t.Helper()
	n, err := local.Stored(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func list(t *testing.T, x index.Index, cursor string, n int) index.Page {
	t.Helper()
	page, err := x.List(t.Context(), cursor, n, index.Read{})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func TestSupersededVersionsStayWhileACursorMayAskForThem(t *testing.T) {
	t.Parallel()
	h := openHome(t, nil)
	x := h.create(t, 1)
	upsert(t, x, records(0, 100, 1)...)
	first := list(t, x, "", 40)
	h.clock.Advance(time.Minute)
	upsert(t, x, records(0, 50, 2)...)
	if _, err := x.Delete(t.Context(), []index.VectorID{"r00060", "r00061"}, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	purge(t, x)
	if n := stored(t, x); n != 150 {
		t.Fatalf("%d versions are stored right after 50 were replaced, want all 150", n)
	}

	// Each page gives the listing a new life.
	ids, cursor := first.IDs, first.Next
	for range 3 {
		h.clock.Advance(8 * time.Minute)
		purge(t, x)
		page := list(t, x, cursor, 10)
		if page.Total != 100 {
			t.Fatalf("a later page says %d records, the first said %d", page.Total, first.Total)
		}
		ids, cursor = append(ids, page.IDs...), page.Next
	}
	rest := list(t, x, cursor, 1000)
	ids = append(ids, rest.IDs...)
	want := make([]index.VectorID, 100)
	for i := range want {
		want[i] = index.VectorID(fmt.Sprintf("r%05d", i))
	}
	if !slices.Equal(ids, want) {
		t.Fatalf("the listing that deletes overtook has %v", ids)
	}

	h.clock.Advance(time.Hour)
	purge(t, x)
	if n := stored(t, x); n != 98 {
		t.Fatalf("%d versions are stored when nothing can ask for old ones, want 98", n)
	}
	if _, err := x.List(t.Context(), cursor, 10, index.Read{}); !fault.Is(err, fault.Invalid) {
		t.Fatalf("an expired cursor: %v", err)
	}
	if n := count(t, x); n != 98 {
		t.Fatalf("%d records after the purge", n)
	}
	h.restart(t)
	if n := count(t, h.openIndex(t, 1)); n != 98 {
		t.Fatalf("%d records after purge and restart", n)
	}
}

func TestCursorAnswersFromItsStateAfterARestart(t *testing.T) {
	t.Parallel()
	h := openHome(t, nil)
	x := h.create(t, 1)
	upsert(t, x, records(0, 10, 1)...)
	h.clock.Advance(2 * time.Second)
	upsert(t, x, records(10, 30, 1)...)
	page := list(t, x, "", 20)
	h.clock.Advance(2 * time.Second)
	upsert(t, x, records(15, 60, 2)...)
	if _, err := x.Delete(t.Context(), []index.VectorID{"r00025"}, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	h.restart(t)
	rest := list(t, h.openIndex(t, 1), page.Next, 1000)
	if rest.Total != 30 || len(rest.IDs) != 10 || rest.IDs[0] != "r00020" || rest.IDs[9] != "r00029" {
		t.Fatalf("after a restart the listing goes on with %d of %d: %v", len(rest.IDs), rest.Total, rest.IDs)
	}
}

func TestCursorWhoseVersionsWerePurgedIsExpired(t *testing.T) {
	t.Parallel()
	h := openHome(t, nil)
	x := h.create(t, 1)
	upsert(t, x, records(0, 30, 1)...)
	page := list(t, x, "", 10)
	for range 3 { // pages renew the cursor, but the process forgets that when it ends
		h.clock.Advance(8 * time.Minute)
		upsert(t, x, records(0, 30, 2)...)
		page = list(t, x, page.Next, 1)
	}
	h.restart(t)
	x = h.openIndex(t, 1)
	purge(t, x)
	_, err := x.List(t.Context(), page.Next, 10, index.Read{})
	if f := fault.As(err); f == nil || f.Reason != index.ReasonCursor {
		t.Fatalf("a cursor of a purged state: %v", err)
	}
}

func TestAgeReadsTheStateOfThatTimeWithItsOwnVersions(t *testing.T) {
	t.Parallel()
	h := openHome(t, func(h *home) { h.options.MaxAge = time.Minute })
	x := h.create(t, 1)
	for version := range 10 {
		h.clock.Advance(5 * time.Second)
		upsert(t, x, records(0, 20, version)...)
		purge(t, x)
	}
	for round := range 2 {
		for back := range 10 {
			age := time.Duration(back) * 5 * time.Second
			got, err := x.Get(t.Context(), []index.VectorID{"r00007"}, index.Read{Age: age})
			if err != nil || len(got) != 1 || got[0].Text != record(7, 9-back).Text {
				t.Fatalf("round %d: %s ago there was %v, %v", round, age, got, err)
			}
		}
		h.restart(t)
		x = h.openIndex(t, 1)
	}
	h.clock.Advance(time.Hour)
	purge(t, x)
	if n := stored(t, x); n != 20 {
		t.Fatalf("%d versions are stored an hour later, want 20", n)
	}
}

func TestChurnLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	rounds := 10
	if *long {
		rounds = 60
	}
	h := openHome(t, nil)
	x := h.create(t, 1)
	for version := range rounds {
		upsert(t, x, records(0, 1000, version)...)
		h.clock.Advance(time.Hour)
		purge(t, x)
	}
	upsert(t, x, record(0, 1))
	h.clock.Advance(time.Hour)
	purge(t, x)
	if n := stored(t, x); n != 1000 {
		t.Fatalf("%d versions are stored, want 1000", n)
	}
	if st := h.Stats(); st.Unpurged != 0 || st.Records != 1000 {
		t.Fatalf("stats %+v", st)
	}
	res, err := x.Query(t.Context(), index.Query{Vector: []float32{1, 2, 3, 4}, TopK: 5000, Namespace: "a", Text: true}, index.Read{})
	if err != nil || len(res.Matches) != 333 {
		t.Fatalf("%d matches, %v", len(res.Matches), err)
	}
	for _, m := range res.Matches {
		if want := fmt.Sprintf("text %d.%d", (id(m)), rounds-1); m.Text != want {
			t.Fatalf("%s has %q, want %q", m.ID, m.Text, want)
		}
	}
}

func TestGapsAreClosedWhenAnIndexIsOpened(t *testing.T) {
	t.Parallel()
	h := openHome(t, func(h *home) { h.options.MaxAge = time.Minute })
	x := h.create(t, 1)
	for version := range 12 {
		upsert(t, x, records(0, 500, version)...)
		h.clock.Advance(time.Hour)
		purge(t, x)
	}
	upsert(t, x, records(100, 103, 99)...)
	page := list(t, x, "", 20)
	want, err := answers(x)
	if err != nil {
		t.Fatal(err)
	}
	rows := filepath.Join(h.path, "indexes", "1", "vectors.rows")
	before := size(t, rows)
	for range 2 {
		h.restart(t)
		x = h.openIndex(t, 1)
		if got, err := answers(x); err != nil || got != want {
			t.Fatalf("other answers after the gaps were closed, or %v", err)
		}
	}
	if after := size(t, rows); after > before/4 {
		t.Errorf("the rows take %d bytes, before they took %d", after, before)
	}
	if _, err := x.List(t.Context(), page.Next, 20, index.Read{}); err != nil {
		t.Errorf("the newest state can no longer be listed: %v", err)
	}
	upsert(t, x, records(0, 600, 100)...)
	if n := count(t, x); n != 600 {
		t.Errorf("%d records", n)
	}
	if got, err := x.Get(t.Context(), []index.VectorID{"r00007"}, index.Read{}); err != nil || got[0].Text != record(7, 100).Text {
		t.Errorf("%v, %v", got, err)
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func id(m index.Match) (n int) {
	fmt.Sscanf(string(m.ID), "r%05d", &n)
	return n
}
