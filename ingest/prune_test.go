package ingest_test

import (
	"errors"
	"fmt"
	"testing"

	"nearside/ingest"
)

// many is a source of n small files, without those that are left out.
func many(n int, without ...int) *files {
	f := &files{at: map[string]entry{}}
	for i := range n {
		f.at[fmt.Sprintf("f%02d.md", i)] = entry{text: fmt.Sprintf("Words of %d.", i)}
	}
	for _, i := range without {
		delete(f.at, fmt.Sprintf("f%02d.md", i))
	}
	return f
}

func TestMoreThanAFifthIsPrunedOnlyIfSaid(t *testing.T) {
	for _, c := range []struct {
		name           string
		gone           []int
		prune, confirm bool
		asked          bool
		pruned         int64
		refused        bool
	}{
		{name: "without prune nothing goes", gone: []int{1}},
		{name: "a fifth goes", gone: []int{1, 2}, prune: true, pruned: 2},
		{name: "more is asked", gone: []int{1, 2, 3}, prune: true, asked: true, refused: true},
		{name: "and goes if the answer is yes", gone: []int{1, 2, 3}, prune: true, confirm: true, asked: true, pruned: 3},
	} {
		w := newWorld(t)
		load(t, options(w, many(10)))
		o, asked := options(w, many(10, c.gone...)), false
		o.Prune = c.prune
		o.ConfirmPrune = func(gone, known int) bool {
			asked = true
			if gone != len(c.gone) || known != 10 {
				t.Errorf("%s: asked of %d of %d", c.name, gone, known)
			}
			return c.confirm
		}
		r := load(t, o)
		if asked != c.asked || r.Pruned != c.pruned || r.PruneRefused != c.refused || r.Gone != int64(len(c.gone)) || len(w.records) != 10-int(c.pruned) {
			t.Errorf("%s: asked %v, %+v, refused %v, %d records", c.name, asked, r.Totals, r.PruneRefused, len(w.records))
		}
	}
}

func TestNobodyToAskIsNo(t *testing.T) {
	w := newWorld(t)
	load(t, options(w, many(10)))
	o := options(w, &files{})
	o.ConfirmPrune = nil
	if r := load(t, o); !r.PruneRefused || len(w.records) != 10 {
		t.Errorf("%+v, %d records", r, len(w.records))
	}
}

func TestAWalkThatDidNotEndPrunesNothing(t *testing.T) {
	w := newWorld(t)
	load(t, options(w, many(10)))
	source := many(3)
	source.fails = errors.New("the disk is away")
	r, err := ingest.Load(t.Context(), options(w, source))
	if !errors.Is(err, source.fails) || r.Complete || r.Error == "" || len(w.records) != 10 {
		t.Errorf("%v, %+v, %d records", err, r, len(w.records))
	}
	if last := len(w.released) - 1; w.released[last] {
		t.Error("the source was given back as seen whole")
	}
}

func TestWhatLiesBelowAFolderThatCannotBeReadIsNotGone(t *testing.T) {
	w := newWorld(t)
	at := map[string]entry{}
	for _, path := range []string{"a/b-c.md", "a/b.md", "a/b/x.md", "a/b/y/z.md", "a/bc.md", "d.md"} {
		at[path] = entry{text: "Words of " + path}
	}
	load(t, options(w, &files{at: at}))
	r := load(t, options(w, &files{at: map[string]entry{
		"a/b-c.md": at["a/b-c.md"], "a/b/": {folder: true, problem: errors.New("no right to read it")}, "d.md": at["d.md"],
	}}))
	if r.Pruned != 2 || r.Failed != 1 {
		t.Errorf("%+v", r.Totals)
	}
	for _, path := range []string{"a/b/x.md", "a/b/y/z.md"} {
		if w.items[path].State != ingest.Loaded {
			t.Errorf("%s was pruned", path)
		}
	}
	if _, there := w.items["a/b/"]; there || len(w.records) != 4 {
		t.Errorf("%d records, the folder is remembered: %v", len(w.records), there)
	}
}

func TestWhatComesBackAfterAPruneThatCrashedIsLoaded(t *testing.T) {
	for at := 1; at <= 3; at++ {
		w := newWorld(t)
		load(t, options(w, many(10)))
		w.changes, w.crashAt, w.after = 0, at, true
		if _, err := ingest.Load(t.Context(), options(w, many(10, 4))); err == nil {
			t.Fatalf("a prune made %d changes only", w.changes)
		}
		w.revive()
		load(t, options(w, many(10)))
		same(t, "after the file came back", w, clean(t, many(10)))
	}
}
