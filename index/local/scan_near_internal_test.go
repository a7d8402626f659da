package local

import (
	"cmp"
	"context"
	"math"
	"slices"
	"testing"

	"nearside/fault"
	"nearside/index"
	"nearside/index/local/quant"
)

// byCode returns slots in the order of their codes, with the bounds that those give.
func byCode(metric index.Metric, query []float32, vectors [][]float32) []candidate {
	codec := quant.Train(metric, len(query), vectors)
	codes := make([]byte, len(vectors)*codec.Stride())
	terms, losses := make([]int32, len(vectors)), make([]float32, len(vectors))
	at, keys := make([]uint32, len(vectors)), make([]int32, len(vectors))
	for i, v := range vectors {
		at[i] = uint32(i)
		terms[i], losses[i] = codec.Encode(v, codes[i*codec.Stride():(i+1)*codec.Stride()])
	}
	var q quant.Query
	q.Set(&codec, query)
	q.Keys(codes, codec.Stride(), terms, at, keys)
	near := make([]candidate, len(vectors))
	for i := range near {
		lower, _ := q.Bounds(keys[i], terms[i], losses[i])
		near[i] = candidate{slot: slot(i), lower: lower}
	}
	slices.SortFunc(near, func(a, b candidate) int { return cmp.Compare(keys[a.slot], keys[b.slot]) })
	return near
}

func TestRowsInTheOrderOfTheirCodesAreScoredAsAllAre(t *testing.T) {
	r, p := randomOf(t), startPool(t, 1)
	for range 40 {
		n, dimensions, copies := 1+r.IntN(60), 1+r.IntN(40), 1+r.IntN(4)
		vectors := randomVectors(r, n, dimensions)
		for i := range vectors {
			if i%copies != 0 {
				vectors[i] = vectors[i-i%copies]
			}
		}
		stored := storedRows(t, vectors)
		for _, metric := range metrics {
			query := vectors[0]
			if r.IntN(2) == 0 {
				query = randomVectors(r, 1, dimensions)[0]
			}
			s := scan{rows: stored, metric: metric, query: query, k: 1 + r.IntN(12), slots: slot(n), near: byCode(metric, query, vectors)}
			if r.IntN(2) == 0 {
				s.visible = func(at slot) bool { return at%3 != 1 }
			}
			checkScan(t, p, s, vectors)
		}
	}
}

// A row that is provably too far is not read: it may even be damaged.
func TestRowsThatAreProvablyTooFarAreNotRead(t *testing.T) {
	vectors := randomVectors(randomOf(t), 40, 64)
	stored, p := storedRows(t, vectors), startPool(t, 1)
	for _, metric := range metrics {
		near := byCode(metric, vectors[7], vectors)
		farthest := near[len(near)-1].slot
		b := readFile(t, stored.path)
		whole := slices.Clone(b)
		b[stored.offset(farthest)] ^= 1
		writeFile(t, stored.path, b)
		s := withDefaults(scan{rows: stored, metric: metric, query: vectors[7], k: 3, near: near})
		if _, _, err := s.run(context.Background(), p); err != nil {
			t.Errorf("%s: %v", metric, err)
		}
		near[len(near)-1].lower = math.Inf(-1)
		if _, _, err := s.run(context.Background(), p); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s, without a bound: error %v", metric, err)
		}
		writeFile(t, stored.path, whole)
	}
}
