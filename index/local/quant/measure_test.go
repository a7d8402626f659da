package quant_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unsafe"

	"nearside/index"
	"nearside/index/local/quant"
)

// TestMeasure measures what codes cost in recall, and how many rows bounds leave to be
// scored, on made sets: go test -run TestMeasure -sets FOLDER -v. The files are
// uint32 count, uint32 dimensions, and the float32 of the rows.
func TestMeasure(t *testing.T) {
	if *sets == "" {
		t.Skip("-sets is not given")
	}
	for _, set := range []struct {
		name   string
		metric index.Metric
	}{
		{"mnist784", index.Euclidean}, {"lid768", index.Cosine}, {"gmm128", index.Cosine}, {"lid768", index.DotProduct},
	} {
		base, queries := readVectors(t, set.name+".base.fbin"), readVectors(t, set.name+".query.fbin")
		measureSet(t, set.name, set.metric, base, queries[:measuredQueries])
	}
}

const (
	measuredQueries = 500
	measuredK       = 10
)

func readVectors(t *testing.T, name string) [][]float32 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(*sets, name))
	if err != nil {
		t.Fatal(err)
	}
	count, dimensions := int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:]))
	numbers := unsafe.Slice((*float32)(unsafe.Pointer(&b[8])), count*dimensions)
	return slices.Collect(slices.Chunk(numbers, dimensions))
}

// measureSet logs figures of one set.
func measureSet(t *testing.T, name string, metric index.Metric, base, queries [][]float32) {
	r := rand.New(rand.NewPCG(1, 2))
	sample := make([][]float32, 4096)
	for i := range sample {
		sample[i] = base[r.IntN(len(base))]
	}
	s := store(quant.Train(metric, len(base[0]), sample), base)
	losses := slices.Clone(s.losses)
	slices.Sort(losses)
	t.Logf("%s %s %+v", name, metric, s.c)
	t.Logf("  loss: median %.5f, 99 %% %.5f, largest %.5f", losses[len(losses)/2], losses[len(losses)*99/100], losses[len(losses)-1])
	for _, share := range []float64{1, .1, .01} {
		rows := r.Perm(len(base))[:int(share*float64(len(base)))]
		measureRows(t, s, queries, rows)
	}
}

// rescored are the numbers of candidates for which recall is measured.
var rescored = []int{10, 11, 12, 14, 16, 20, 40}

func measureRows(t *testing.T, s *stored, queries [][]float32, rows []int) {
	var q quant.Query
	found := make([]int, len(rescored))
	left, least := 0, 0
	at := make([]uint32, len(rows))
	for i, row := range rows {
		at[i] = uint32(row)
	}
	keys, order := make([]int32, len(rows)), make([]int, len(rows))
	for _, query := range queries {
		q.Set(&s.c, query)
		q.Keys(s.codes, s.c.Stride(), s.terms, at, keys)
		for i := range order {
			order[i] = i
		}
		lowers, uppers := make([]float64, len(rows)), make([]float64, len(rows))
		for i, key := range keys {
			lowers[i], uppers[i] = q.Bounds(key, s.terms[at[i]], s.losses[at[i]])
		}
		limit := kth(uppers, measuredK)
		var candidates []int
		for i, lower := range lowers {
			if lower <= limit {
				candidates = append(candidates, i)
			}
		}
		left += len(candidates)
		truth := make(map[int]float64, len(candidates))
		for _, i := range candidates {
			truth[i] = ranked(s.c.Metric, query, s.vectors[at[i]])
		}
		slices.SortFunc(candidates, func(a, b int) int { return int(math.Copysign(1, truth[a]-truth[b])) })
		tenth := truth[candidates[measuredK-1]]
		for _, i := range candidates {
			if lowers[i] <= tenth {
				least++
			}
		}
		slices.SortFunc(candidates, func(a, b int) int { return int(keys[a]) - int(keys[b]) })
		for i, n := range rescored {
			for _, c := range candidates[:min(n, len(candidates))] {
				if truth[c] <= tenth {
					found[i]++
				}
			}
		}
	}
	t.Logf("  %d rows: bounds leave %.1f, %.1f if the %d-th is known", len(rows), float64(left)/float64(len(queries)), float64(least)/float64(len(queries)), measuredK)
	for i, n := range rescored {
		t.Logf("    recall@%d of the best %d rescored: %.4f", measuredK, n, float64(found[i])/float64(measuredK*len(queries)))
	}
}

func kth(values []float64, k int) float64 {
	lowest := slices.Clone(values)
	slices.Sort(lowest)
	return lowest[k-1]
}
