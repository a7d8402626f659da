package local_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
	"nearside/index"
	"nearside/index/indextest"
	"nearside/index/local"
)

const graphFile = "indexes/1/graph.hnsw"

func TestGraphIsTakenFromItsSnapshotAndWhatCameLaterIsTheTail(t *testing.T) {
	t.Parallel()
	h := graphHome(t, nil)
	x := h.fillGraph(t, index.Cosine, 1000)
	queries := clustered(2, 30, graphDimensions)
	var before []index.Result
	for _, q := range queries {
		before = append(before, ask(t, x, index.Query{Vector: q, TopK: 10}, index.Read{}))
	}
	h.restart(t)
	x = h.openIndex(t, 1)
	h.settle(t)
	for i, q := range queries {
		got := ask(t, x, index.Query{Vector: q, TopK: 10}, index.Read{})
		before[i].Explain.Recall, got.Explain.Recall = 0, 0
		// The same graph goes the same way.
		if got.Explain != before[i].Explain || got.Matches[9].ID != before[i].Matches[9].ID {
			t.Fatalf("explained as %+v, before the restart as %+v", got.Explain, before[i].Explain)
		}
	}
	// Too little to be saved when the index is closed: it must not be lost for that.
	saved, err := os.ReadFile(filepath.Join(h.path, graphFile))
	if err != nil {
		t.Fatal(err)
	}
	late := clustered(3, 20, graphDimensions)
	upsert(t, x, recordsOf(late, 1000)...)
	if _, err := x.Delete(t.Context(), []index.VectorID{"v000007", "v001003"}, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	h.restart(t)
	x = h.openIndex(t, 1)
	h.settle(t)
	if again, err := os.ReadFile(filepath.Join(h.path, graphFile)); err != nil || !bytes.Equal(again, saved) {
		t.Fatalf("the snapshot was written for 20 records, or %v", err)
	}
	for i, q := range late {
		want := recordsOf(late[i:i+1], 1000+i)[0].ID
		if got := ask(t, x, index.Query{Vector: q, TopK: 1}, index.Read{}).Matches[0].ID; (got == want) == (i == 3) {
			t.Fatalf("looked for %s, found %s", want, got)
		}
	}
	for _, m := range ask(t, x, index.Query{Vector: clustered(1, 8, graphDimensions)[7], TopK: 5}, index.Read{}).Matches {
		if m.ID == "v000007" {
			t.Fatal("a record that was deleted after the snapshot is found")
		}
	}
}

// sound fails the test unless index 1 of a directory opens, and answers well once its graph is there.
func sound(t *testing.T, path, what string, o local.Options) (built bool) {
	t.Helper()
	dir, err := disk.OpenDir(path, disk.Options{})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	var log bytes.Buffer
	o.Log = logTo(&log)
	e := local.Open(dir.Sub("indexes"), o)
	x, err := e.Open(context.Background(), 1)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := e.Settle(ctx, 1); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if got := recall(t, x, clustered(2, 20, graphDimensions), index.Query{TopK: 10}, index.Read{}, index.PlanGraph); got < .95 {
		t.Errorf("%s: recall %.3f", what, got)
	}
	if err := errors.Join(e.Close(), dir.Close()); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	return strings.Contains(log.String(), "built anew")
}

func TestDamagedCutOrMissingSnapshotIsBuiltAnew(t *testing.T) {
	t.Parallel()
	h := graphHome(t, func(h *home) { h.broken = true })
	h.fillGraph(t, index.Euclidean, 400)
	h.close(t)
	path := filepath.Join(h.path, graphFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	h.options.Clock = indextest.NewClock().Now
	for range sample(12, 1000) {
		at, bit := rnd.IntN(len(whole)), rnd.IntN(8)
		damaged := bytes.Clone(whole)
		damaged[at] ^= 1 << bit
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if !sound(t, h.path, "flipped", h.options) {
			t.Errorf("bit %d of byte %d of %d was flipped, and nobody saw it", bit, at, len(whole))
		}
	}
	for _, n := range []int{0, 1, len(whole) / 2, len(whole) - 1} {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		h.openDir(t)
		findings, err := local.Check(t.Context(), h.dir.Sub("indexes"))
		h.close(t)
		if err != nil || len(findings) != 1 || findings[0].Path != path || !strings.Contains(findings[0].Rescue, "built anew") {
			t.Fatalf("cut to %d bytes: findings %v, %v", n, findings, err)
		}
		if !sound(t, h.path, "cut", h.options) {
			t.Errorf("cut to %d bytes, and nobody saw it", n)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	sound(t, h.path, "missing", h.options)
}

func TestSnapshotOfAnotherIndexOrTimeIsNotTaken(t *testing.T) {
	t.Parallel()
	h := graphHome(t, func(h *home) { h.broken = true })
	h.fillGraph(t, index.Cosine, 400)
	h.restart(t)
	early, err := os.ReadFile(filepath.Join(h.path, graphFile))
	if err != nil {
		t.Fatal(err)
	}
	x := h.openIndex(t, 1)
	// Every vector is replaced, and the graph of before is put in the place of the newer one.
	upsert(t, x, recordsOf(clustered(9, 400, graphDimensions), 0)...)
	h.settle(t)
	h.close(t)
	if err := os.WriteFile(filepath.Join(h.path, graphFile), early, 0o600); err != nil {
		t.Fatal(err)
	}
	sound(t, h.path, "older snapshot", h.options)
}

func TestCrashWhileGraphsAreSavedLosesNothing(t *testing.T) {
	t.Parallel()
	options := local.Options{Clock: indextest.NewClock().Now, Workers: 1, Graph: local.Walking(local.GraphOptions{From: 100, EF: 100})}
	life := func(path string, hook disk.Hook) (err error) {
		dir, err := disk.OpenDir(path, disk.Options{Hook: hook})
		if err != nil {
			return err
		}
		e := local.Open(dir.Sub("indexes"), options)
		defer func() { err = errors.Join(err, e.Close(), dir.Close()) }()
		x, err := e.Create(context.Background(), 1, index.Config{Dimensions: graphDimensions, Metric: index.Cosine})
		for round := 0; err == nil && round < 3; round++ {
			if _, err = x.Upsert(context.Background(), recordsOf(clustered(uint64(round), 150, graphDimensions), round*100), index.Scope{}); err == nil {
				err = e.Settle(context.Background(), 1)
			}
			if err == nil {
				err = e.Close() // which saves the graph
			}
			if err == nil {
				e = local.Open(dir.Sub("indexes"), options)
				x, err = e.Open(context.Background(), 1)
			}
		}
		return err
	}
	count := disktest.Count()
	if err := life(t.TempDir(), count.Hook); err != nil {
		t.Fatal(err)
	}
	total := count.Operations()
	crashed := 0
	step := total/sample(12, total) + 1
	for k := 1 + rand.IntN(step); k <= total; k += step {
		path := t.TempDir()
		if err := life(path, disktest.CrashAt(k).Hook); err != nil && !fault.Is(err, fault.Corrupt) {
			crashed++
		}
		if found, err := indexHolds(path, options); err != nil {
			t.Errorf("crash at operation %d: %v", k, err)
		} else if found >= 100 {
			sound(t, path, "after a crash", options)
		}
	}
	t.Logf("%d operations, %d crashes seen", total, crashed)
}

// indexHolds returns how many records index 1 of a directory has; 0 if there is none.
func indexHolds(path string, o local.Options) (n int, err error) {
	dir, err := disk.OpenDir(path, disk.Options{})
	if err != nil {
		return 0, err
	}
	e := local.Open(dir.Sub("indexes"), o)
	defer func() { err = errors.Join(err, e.Close(), dir.Close()) }()
	x, err := e.Open(context.Background(), 1)
	if fault.Is(err, fault.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	info, err := x.Info(context.Background(), index.Read{})
	return info.Count, err
}
