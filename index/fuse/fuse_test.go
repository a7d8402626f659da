package fuse_test

import (
	"cmp"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nearside/index/fuse"
)

var seed = flag.Uint64("seed", 1, "of the random tests")

type (
	hit   = fuse.Hit[string]
	fused = fuse.Fused[string]
)

func keys(list []fused) (keys []string) {
	for _, f := range list {
		keys = append(keys, f.Key)
	}
	return keys
}

func TestTheFusedScoreIsTheWeightedMeanOfTheShares(t *testing.T) {
	keyword := []hit{{"b", 8}, {"a", 6}, {"c", 2}}
	vector := []hit{{"a", .9}, {"d", .7}, {"b", .5}}
	for name, c := range map[string]struct {
		o    fuse.Options[string]
		want map[string]float64
		in   []string
	}{
		"min-max":      {fuse.Options[string]{}, map[string]float64{"a": (.75 + 1) / 2, "b": .5, "c": .125, "d": .25}, []string{"a", "b", "d", "c"}},
		"weights":      {fuse.Options[string]{Keyword: 3, Vector: 1}, map[string]float64{"a": .8125, "b": .75, "c": .1875, "d": .125}, []string{"a", "b", "c", "d"}},
		"keyword only": {fuse.Options[string]{Keyword: 1}, map[string]float64{"a": .75, "b": 1, "c": .25, "d": 0}, []string{"b", "a", "c", "d"}},
		"rrf":          {fuse.Options[string]{Method: fuse.RRF, K: 1}, map[string]float64{"a": (2./3 + 1) / 2, "b": (1 + .5) / 2, "c": .25, "d": 1. / 3}, []string{"a", "b", "d", "c"}},
		"max":          {fuse.Options[string]{Method: fuse.Max}, map[string]float64{"a": 1, "b": 1, "c": .25, "d": .5}, []string{"a", "b", "d", "c"}},
	} {
		got := fuse.Lists(keyword, vector, c.o)
		if !slices.Equal(keys(got), c.in) {
			t.Errorf("%s: %v, want %v", name, keys(got), c.in)
		}
		for _, f := range got {
			if math.Abs(f.Score-c.want[f.Key]) > 1e-12 {
				t.Errorf("%s: %s has %v, want %v", name, f.Key, f.Score, c.want[f.Key])
			}
		}
	}
}

func TestWhatHasTheRareTermsComesFirst(t *testing.T) {
	vector := []hit{{"a", .9}, {"b", .8}, {"c", .2}}
	got := fuse.Lists([]hit{{"c", 3}}, vector, fuse.Options[string]{Vector: 1, Exact: func(key string) bool { return key == "c" }})
	if !slices.Equal(keys(got), []string{"c", "a", "b"}) || !got[0].Exact || got[1].Exact {
		t.Errorf("got %+v", got)
	}
}

func TestEmptyAndLevelListsAreFused(t *testing.T) {
	if got := fuse.Lists[string](nil, nil, fuse.Options[string]{}); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
	got := fuse.Lists(nil, []hit{{"b", -1}}, fuse.Options[string]{})
	if len(got) != 1 || got[0].Score != .5 || got[0].Keyword != (fuse.Part{}) || got[0].Vector != (fuse.Part{Rank: 1, Score: -1, Share: 1}) {
		t.Errorf("of one: %+v", got)
	}
	level := fuse.Lists([]hit{{"b", 0}, {"a", 0}}, []hit{{"c", .5}, {"d", .5}}, fuse.Options[string]{})
	if !slices.Equal(keys(level), []string{"a", "b", "c", "d"}) {
		t.Errorf("where nothing tells: %v", keys(level))
	}
}

// The oracle looks up each key in both lists and computes what the package's documentation says.
func TestRandomListsAreFusedAsTheFormulasSay(t *testing.T) {
	random := rand.New(rand.NewPCG(*seed, 0))
	for round := range 500 {
		keyword, vector := randomList(random, 0), randomList(random, -1)
		o := fuse.Options[string]{Method: []fuse.Method{fuse.MinMax, fuse.RRF, fuse.Max}[round%3], Keyword: random.Float64() + .01, Vector: random.Float64(), K: 1 + 100*random.Float64()}
		got := fuse.Lists(keyword, vector, o)
		want := map[string]float64{}
		for _, h := range slices.Concat(keyword, vector) {
			k, v := share(o, keyword, h.Key, 0), share(o, vector, h.Key, math.Inf(-1))
			want[h.Key] = (o.Keyword*k + o.Vector*v) / (o.Keyword + o.Vector)
			if o.Method == fuse.Max {
				want[h.Key] = max(k, v)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("seed %d, round %d: %d hits, want %d", *seed, round, len(got), len(want))
		}
		for i, f := range got {
			if math.Abs(f.Score-want[f.Key]) > 1e-9 {
				t.Errorf("seed %d, round %d: %s of %s has %v, want %v", *seed, round, f.Key, o.Method, f.Score, want[f.Key])
			}
			if i > 0 && cmp.Or(cmp.Compare(f.Score, got[i-1].Score), cmp.Compare(got[i-1].Key, f.Key)) > 0 {
				t.Errorf("seed %d, round %d: %v stands after %v", *seed, round, f, got[i-1])
			}
		}
	}
}

// randomList has up to 20 hits with ties.
func randomList(random *rand.Rand, lowest float64) []hit {
	list := make([]hit, random.IntN(20))
	for i, key := range random.Perm(30)[:len(list)] {
		list[i] = hit{fmt.Sprintf("%02d", key), lowest + float64(random.IntN(8))/4}
	}
	slices.SortStableFunc(list, func(a, b hit) int { return cmp.Compare(b.Score, a.Score) })
	return list
}

// share is the plain reading of the formulas; floor -Inf = the worst of the list.
func share(o fuse.Options[string], list []hit, key string, floor float64) float64 {
	i := slices.IndexFunc(list, func(h hit) bool { return h.Key == key })
	switch {
	case i < 0:
		return 0
	case o.Method == fuse.RRF:
		return (o.K + 1) / (o.K + float64(i) + 1)
	}
	best, worst := list[0].Score, max(floor, list[len(list)-1].Score)
	if !math.IsInf(floor, -1) {
		worst = floor
	}
	if best == worst {
		return 1
	}
	return (list[i].Score - worst) / (best - worst)
}
