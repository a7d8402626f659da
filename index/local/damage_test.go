package local_test

import (
	"context"
	"encoding/json"
	"flag"
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

var every = flag.Bool("every", false, "damage every byte instead of a sample: takes hours")

// listing is index.Page as the golden files have it.
type listing struct {
	IDs     []index.VectorID
	Total   int
	Next    string
	Expires time.Time
}

// answer is index.Result as the golden files have it: of scans.
type answer struct {
	Matches   []index.Match
	Explain   explain
	Unindexed []string
}

type explain struct {
	Plan       index.Plan
	Candidates int
	Matching   int
	Exhaustive bool
	Sequence   index.Sequence
}

func explained(e index.Explain) explain {
	return explain{e.Plan, e.Candidates, e.Matching, e.Exhaustive, e.Sequence}
}

// answers asks an index everything that it can be asked and writes the answers down.
func answers(x index.Index) (string, error) {
	ctx := context.Background()
	var b strings.Builder
	write := func(v any, err error) error {
		text, _ := json.Marshal(v)
		fmt.Fprintf(&b, "%s\n", text)
		return err
	}
	eq, _ := filter.Parse([]byte(`{"name":"n3","even":{"$ne":true}}`))
	page, err := x.List(ctx, "", 1000, index.Read{})
	if err := write(listing{page.IDs, page.Total, page.Next, page.Expires}, err); err != nil {
		return "", err
	}
	got, err := x.Get(ctx, page.IDs, index.Read{})
	if err := write(got, err); err != nil {
		return "", err
	}
	info, err := x.Info(ctx, index.Read{})
	if err := write([]any{info.Config, info.Count, info.Namespaces, info.Mutation}, err); err != nil {
		return "", err
	}
	metadata, err := x.MetadataIndexes(ctx, index.Read{})
	if err := write(metadata, err); err != nil {
		return "", err
	}
	for _, q := range []index.Query{
		{Vector: []float32{1, 2, 3, 4}, TopK: 10, Values: true, Metadata: index.AllMetadata, Text: true},
		{ID: "r00003", TopK: 1000},
		{Vector: []float32{-1, 2, 3, 4}, TopK: 10, Namespace: "b", Metadata: index.IndexedMetadata},
		{Vector: []float32{1, -2, 3, 4}, TopK: 10, Filter: eq},
	} {
		result, err := x.Query(ctx, q, index.Read{})
		if err := write(answer{result.Matches, explained(result.Explain), result.Unindexed}, err); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// fillSmall gives an index records of several versions, deleted ones, and metadata indexes.
func fillSmall(t testing.TB, x index.Index) {
	t.Helper()
	ctx := context.Background()
	upsert(t, x, records(0, 30, 1)...)
	for _, m := range []index.MetadataIndex{{Property: "name", Type: filter.String}, {Property: "even", Type: filter.Boolean}, {Property: "version", Type: filter.Number}} {
		if _, err := x.CreateMetadataIndex(ctx, m, m.Property == "name"); err != nil {
			t.Fatal(err)
		}
	}
	upsert(t, x, records(5, 25, 2)...)
	if _, err := x.Delete(ctx, []index.VectorID{"r00001", "r00007", "r00029"}, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.DeleteMetadataIndex(ctx, "version"); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Insert(ctx, records(20, 40, 3), index.Scope{}); err != nil {
		t.Fatal(err)
	}
}

// smallTrees returns a small data directory as it is after it was closed, and after the process was killed.
func smallTrees(t *testing.T) (trees map[string]disktest.Tree, want string) {
	h := openHome(t, nil)
	x := h.create(t, 1)
	fillSmall(t, x)
	want, err := answers(x)
	if err != nil {
		t.Fatal(err)
	}
	killed := disktest.ReadTree(t, h.path)
	h.close(t)
	return map[string]disktest.Tree{"closed": disktest.ReadTree(t, h.path), "killed": killed}, want
}

// reading opens index number 1 of a data directory and returns its answers.
func reading(path string) (got string, err error) {
	dir, err := disk.OpenDir(path, disk.Options{})
	if err != nil {
		return "", err
	}
	defer dir.Close()
	e := local.Open(dir.Sub("indexes"), local.Options{Clock: indextest.NewClock().Now, Workers: 1})
	defer e.Close()
	x, err := e.Open(context.Background(), 1)
	if err != nil {
		return "", err
	}
	return answers(x)
}

// sample is how many of many cases a test tries.
func sample(short, withLong int) int {
	if *long {
		return withLong
	}
	return short
}

// judge fails the test unless a damaged directory gives the right answers, or an error that names a file of it.
func judge(t *testing.T, root, what, want string) (detected bool) {
	t.Helper()
	got, err := reading(root)
	switch {
	case err == nil && got != want:
		t.Errorf("%s: other answers, no error", what)
	case err != nil && !strings.Contains(err.Error(), root):
		t.Errorf("%s: the error names no file: %v", what, err)
	case err != nil && fault.As(err) == nil:
		t.Errorf("%s: not a fault: %v", what, err)
	}
	return err != nil
}

func TestFlippedBytesChangeNoAnswer(t *testing.T) {
	t.Parallel()
	trees, want := smallTrees(t)
	for state, files := range trees {
		t.Run(state, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
			type flip struct {
				name string
				at   int
			}
			var flips []flip
			for name, content := range files {
				for at := range content {
					flips = append(flips, flip{name, at})
				}
			}
			slices.SortFunc(flips, func(a, b flip) int { return strings.Compare(a.name, b.name) })
			if !*every {
				rnd.Shuffle(len(flips), func(i, j int) { flips[i], flips[j] = flips[j], flips[i] })
				flips = flips[:sample(60, 2000)]
			}
			root := filepath.Join(t.TempDir(), "data")
			detected := map[string]int{}
			for _, f := range flips {
				damaged := slices.Clone(files[f.name])
				bit := rnd.IntN(8)
				damaged[f.at] ^= 1 << bit
				whole := files[f.name]
				files[f.name] = damaged
				files.Lay(t, root)
				files[f.name] = whole
				if judge(t, root, fmt.Sprintf("%s: bit %d of byte %d of %s", state, bit, f.at, f.name), want) {
					detected[f.name]++
				}
			}
			t.Logf("%d flips; refused by file: %v", len(flips), detected)
		})
	}
}

func TestCutAndMissingFilesChangeNoAnswer(t *testing.T) {
	t.Parallel()
	trees, want := smallTrees(t)
	for state, files := range trees {
		root := filepath.Join(t.TempDir(), "data")
		for name, whole := range files {
			for _, n := range []int{-1, 0, 1, len(whole) / 2, len(whole) - 1} {
				if n < 0 {
					delete(files, name)
				} else {
					files[name] = whole[:n]
				}
				files.Lay(t, root)
				files[name] = whole
				judge(t, root, fmt.Sprintf("%s: %s cut to %d bytes", state, name, n), want)
			}
		}
	}
}

func TestSlotThatCannotBeIsDamage(t *testing.T) {
	t.Parallel()
	for _, slot := range []int64{-1, 1 << 31, 1 << 40} {
		h := openHome(t, func(h *home) { h.broken = true })
		x := h.create(t, 1)
		fillSmall(t, x)
		h.close(t)
		h.openDir(t)
		db, err := h.dir.Sub("indexes").Sub("1").OpenDB("records.db", disk.Schema{Application: "nearside index", Version: 1})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(t.Context(), func(tx *disk.Tx) error { return tx.Exec(`UPDATE records SET slot = ? WHERE slot = 3`, slot) }, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		h.close(t)
		h.open(t)
		if _, err := h.Open(t.Context(), 1); !fault.Is(err, fault.Corrupt) {
			t.Errorf("slot %d: %v", slot, err)
		}
	}
}
