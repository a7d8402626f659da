package quant_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
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
		name    string
		metric  index.Metric
		falling bool // each dimension is divided by the root of its number
	}{
		{"mnist784", index.Euclidean, false},
		{"lid768", index.Cosine, false},
		{"gmm128", index.Cosine, false},
		{"lid768", index.DotProduct, true},
		{"lid768", index.Cosine, true},
	} {
		base, queries := readVectors(t, set.name+".base.fbin"), readVectors(t, set.name+".query.fbin")[:measuredQueries]
		if set.falling {
			fall(base)
			fall(queries)
		}
		t.Logf("%s, %s, falling %v", set.name, set.metric, set.falling)
		measureSet(t, set.metric, base, queries)
	}
}

const measuredQueries = 500

// fall makes the dimensions of vectors differ.
func fall(vectors [][]float32) {
	for _, v := range vectors {
		for j := range v {
			v[j] /= float32(math.Sqrt(float64(j + 1)))
		}
	}
}

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

// measureSet logs figures of one set: for all rows, and for some as a filter leaves them.
func measureSet(t *testing.T, metric index.Metric, base, queries [][]float32) {
	r := seeded(1)
	sample := make([][]float32, 4096)
	for i := range sample {
		sample[i] = base[r.IntN(len(base))]
	}
	s := store(quant.Train(metric, len(base[0]), sample), base)
	losses := slices.Sorted(slices.Values(s.losses))
	t.Logf("  %+v", s.c)
	t.Logf("  loss: median %.5f, 99 %% %.5f, largest %.5f", losses[len(losses)/2], losses[len(losses)*99/100], losses[len(losses)-1])
	for _, share := range []float64{1, .1, .01} {
		at := make([]uint32, 0, len(base))
		for _, row := range r.Perm(len(base))[:int(share*float64(len(base)))] {
			at = append(at, uint32(row))
		}
		measureRows(t, s, queries, at)
	}
}

var (
	measuredK = []int{1, 10, 50, 100}
	extra     = []int{0, 1, 2, 4, 6, 10, 20, 30} // rescored beyond k
)

// A tally is what was counted for one k.
type tally struct {
	left  int    // rows that bounds leave
	known int    // rows that bounds leave if the score of the k-th is known
	found [8]int // right ones among the k and extra best keys
}

func measureRows(t *testing.T, s *stored, queries [][]float32, at []uint32) {
	var q quant.Query
	keys, lowers, uppers := make([]int32, len(at)), make([]float64, len(at)), make([]float64, len(at))
	tallies := make([]tally, len(measuredK))
	for _, query := range queries {
		q.Set(&s.c, query)
		q.Keys(s.codes, s.c.Stride(), s.terms, at, keys)
		for i, key := range keys {
			lowers[i], uppers[i] = q.Bounds(key, s.terms[at[i]], s.losses[at[i]])
		}
		highest := slices.Sorted(slices.Values(uppers))
		candidates, truth := map[int]float64{}, []float64(nil)
		for i, lower := range lowers {
			if lower <= highest[measuredK[len(measuredK)-1]-1] {
				candidates[i] = ranked(s.c.Metric, query, s.vectors[at[i]])
				truth = append(truth, candidates[i])
			}
		}
		slices.Sort(truth)
		byKey := slices.SortedFunc(maps.Keys(candidates), func(a, b int) int { return int(keys[a]) - int(keys[b]) })
		for i, k := range measuredK {
			tallies[i].count(k, candidates, byKey, lowers, highest[k-1], truth[k-1])
		}
	}
	n := float64(len(queries))
	for i, k := range measuredK {
		line := fmt.Sprintf("  %6d rows, k %3d: bounds leave %6.1f, %6.1f if the last is known; recall", len(at), k, float64(tallies[i].left)/n, float64(tallies[i].known)/n)
		for j, more := range extra {
			line += fmt.Sprintf(" %d: %.4f", k+more, float64(tallies[i].found[j])/n/float64(k))
		}
		t.Log(line)
	}
}

// count adds one query, whose k-th best row has the true number last, and whose k-th lowest upper bound is limit.
func (y *tally) count(k int, truth map[int]float64, byKey []int, lowers []float64, limit, last float64) {
	for place, row := range byKey {
		if lowers[row] <= limit {
			y.left++
		}
		if lowers[row] <= last {
			y.known++
		}
		for j, more := range extra {
			if place < k+more && truth[row] <= last {
				y.found[j]++
			}
		}
	}
}
