package local_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
	"nearside/index/indextest"
	"nearside/index/local"
)

// life is a run of an engine in which everything happens once: two indexes are
// made, one of them is filled, changed and purged, the other dropped.
type life struct {
	acknowledged []string // answers of index 1 after each mutation that returned without error
	made         bool     // index 1
	dropped      bool     // index 2
}

// run lives it until the first error.
func (l *life) run(path string, hook disk.Hook) (err error) {
	clock := indextest.NewClock()
	dir, err := disk.OpenDir(path, disk.Options{Hook: hook, Clock: clock.Now})
	if err != nil {
		return err
	}
	e := local.Open(dir.Sub("indexes"), local.Options{Clock: clock.Now, Workers: 1})
	defer func() { err = errors.Join(err, e.Close(), dir.Close()) }()
	ctx := context.Background()
	x, err := e.Create(ctx, 1, index.Config{Dimensions: 4, Metric: index.Cosine})
	if err != nil {
		return err
	}
	l.made = true
	y, err := e.Create(ctx, 2, index.Config{Dimensions: 4, Metric: index.Euclidean})
	if err != nil {
		return err
	}
	steps := []func() error{
		func() error { _, err := x.Upsert(ctx, records(0, 20, 1), index.Scope{}); return err },
		func() error {
			_, err := x.CreateMetadataIndex(ctx, index.MetadataIndex{Property: "name", Type: filter.String}, true)
			return err
		},
		func() error { _, err := x.Upsert(ctx, records(10, 30, 2), index.Scope{}); return err },
		func() error { _, err := y.Upsert(ctx, records(0, 2, 1), index.Scope{}); return err },
		func() error { clock.Advance(time.Hour); return local.Purge(ctx, x) },
		func() error { _, err := x.Delete(ctx, []index.VectorID{"r00003", "r00012"}, index.Scope{}); return err },
		func() error {
			if err := e.Drop(ctx, 2); err != nil {
				return err
			}
			l.dropped = true
			return nil
		},
		func() error { clock.Advance(time.Hour); return local.Purge(ctx, x) },
		func() error { _, err := x.Insert(ctx, records(0, 40, 3), index.Scope{}); return err },
		func() error {
			_, err := x.UpdateMetadata(ctx, index.Selection{Prefix: "r0001"}, index.MetadataUpdate{Set: []byte(`{"new":1}`)}, index.Scope{})
			return err
		},
		func() error {
			_, err := x.DeleteSelected(ctx, index.Selection{Prefix: "r0002"}, index.Scope{})
			return err
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
		got, err := contents(x)
		if err != nil {
			return err
		}
		l.acknowledged = append(l.acknowledged, got)
	}
	return nil
}

// contents is what an index answers, without the ids and times of mutations, which differ from life to life.
func contents(x index.Index) (string, error) {
	info, err := x.Info(context.Background(), index.Read{})
	if err != nil {
		return "", err
	}
	text, err := answers(x)
	if err != nil {
		return "", err
	}
	lines := strings.Split(text, "\n")
	lines[2] = fmt.Sprint(info.Count, info.Mutation.Sequence)
	return strings.Join(lines, "\n"), nil
}

func TestCrashAtAnyFileOperationLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	var whole life
	count := disktest.Count()
	if err := whole.run(t.TempDir(), count.Hook); err != nil {
		t.Fatal(err)
	}
	total := count.Operations()
	var points []int
	for k := 1; k <= total; k++ {
		points = append(points, k)
	}
	if !*long {
		rand.Shuffle(total, func(i, j int) { points[i], points[j] = points[j], points[i] })
		points = points[:min(total, 15)]
	}
	t.Logf("%d of %d file operations", len(points), total)
	for _, k := range points {
		path := t.TempDir()
		var l life
		if err := l.run(path, disktest.CrashAt(k).Hook); err == nil {
			continue // a failure that nothing depended on, such as a checkpoint's at the very end
		}
		l.checkAfter(t, k, path, whole)
	}
}

// checkAfter opens what a crash left and compares it with what was acknowledged.
func (l *life) checkAfter(t *testing.T, k int, path string, whole life) {
	t.Helper()
	dir, err := disk.OpenDir(path, disk.Options{})
	if err != nil {
		t.Errorf("crash at operation %d: %v", k, err)
		return
	}
	e := local.Open(dir.Sub("indexes"), local.Options{Clock: indextest.NewClock().Now, Workers: 1})
	defer func() {
		if err := errors.Join(e.Close(), dir.Close()); err != nil {
			t.Errorf("crash at operation %d: %v", k, err)
		}
	}()
	ctx := context.Background()
	x, err := e.Open(ctx, 1)
	if err != nil {
		if l.made || !fault.Is(err, fault.NotFound) {
			t.Errorf("crash at operation %d: %v", k, err)
		}
		return
	}
	got, err := contents(x)
	if err != nil {
		t.Errorf("crash at operation %d: %v", k, err)
		return
	}
	// What was acknowledged is there; the mutation in flight is there whole or not at all.
	done := len(l.acknowledged)
	possible := whole.acknowledged[max(0, done-1):min(len(whole.acknowledged), done+1)]
	if done > 0 && !slices.Contains(possible, got) || done == 0 && got != possible[0] && count(t, x) != 0 {
		t.Errorf("crash at operation %d, after %d steps: the index answers neither as before nor as after the step in flight", k, done)
	}
	if _, err := e.Open(ctx, 2); l.dropped && !fault.Is(err, fault.NotFound) {
		t.Errorf("crash at operation %d: the dropped index opens again: %v", k, err)
	}
	if _, err := x.Upsert(ctx, records(0, 5, 9), index.Scope{}); err != nil {
		t.Errorf("crash at operation %d: the index takes no writes: %v", k, err)
	}
}

func TestCrashWhileGapsAreClosedLosesNothing(t *testing.T) {
	t.Parallel()
	h := openHome(t, nil)
	x := h.create(t, 1)
	for version := range 10 {
		upsert(t, x, records(0, 500, version)...)
		h.clock.Advance(time.Hour)
		purge(t, x)
	}
	want, err := answers(x)
	if err != nil {
		t.Fatal(err)
	}
	h.close(t)
	files := disktest.ReadTree(t, h.path)
	path := filepath.Join(t.TempDir(), "data")
	opening := func(hook disk.Hook) (string, error) {
		dir, err := disk.OpenDir(path, disk.Options{Hook: hook})
		if err != nil {
			return "", err
		}
		e := local.Open(dir.Sub("indexes"), local.Options{Clock: indextest.NewClock().Now, Workers: 1})
		x, err := e.Open(context.Background(), 1)
		var got string
		if err == nil {
			got, err = answers(x)
		}
		return got, errors.Join(err, e.Close(), dir.Close())
	}
	files.Lay(t, path)
	count := disktest.Count()
	if got, err := opening(count.Hook); err != nil || got != want {
		t.Fatalf("other answers after the gaps were closed, or %v", err)
	}
	step := count.Operations()/sample(10, 100) + 1
	for k := 1; k <= count.Operations(); k += step {
		files.Lay(t, path)
		if got, err := opening(disktest.CrashAt(k).Hook); err == nil && got != want {
			t.Errorf("crash at operation %d: other answers, no error", k)
		}
		if got, err := opening(nil); err != nil || got != want {
			t.Errorf("after a crash at operation %d of %d: other answers, or %v", k, count.Operations(), err)
		}
	}
}
