package quant_test

import (
	"testing"

	"nearside/index/local/quant"
)

// What walks rest on: of the stored vectors near a query few have a coarse key above their key, and
// of the far ones few could be taken for near.
func TestCoarseKeysAreLowerBoundsMostly(t *testing.T) {
	for _, metric := range metrics {
		r := random()
		vectors := normal(r, 900, 300, .5, 2)
		c := quant.Train(metric, 300, vectors)
		s := store(c, vectors)
		var b quant.Blurring
		var q quant.Query
		for i := range 100 {
			q.SetCode(&c, s.code(i), s.terms[i])
			b.Add(&q, s.codes, c.Stride(), s.at[:20])
		}
		blur := b.Blur()
		above, pairs := 0, 0
		check := func() {
			uppers, coarse := make([]int32, len(s.at)), make([]int32, len(s.at))
			q.Coarse(&blur, s.codes, c.Stride(), s.terms, s.at, uppers, coarse)
			q.Fine(s.codes, c.Stride(), s.terms, s.at, uppers)
			for i, key := range s.keys(&q) {
				if uppers[i] != key {
					t.Fatalf("%s: Fine says %d, Keys %d", metric, uppers[i], key)
				}
				if coarse[i] > key {
					above++
				}
				pairs++
			}
		}
		for i := range 50 {
			q.SetCode(&c, s.code(i+500), s.terms[i+500])
			check()
			q.Set(&c, vectors[i+800])
			check()
		}
		if share := float64(above) / float64(pairs); share > .005 {
			t.Errorf("%s: the coarse key of %.4f of the pairs is above the key, want .005 at the most (blur %+v)", metric, share, blur)
		}
	}
}

func TestBlurOfTooLittleSaysNothing(t *testing.T) {
	vectors := normal(random(), 10, 64, .5, 2)
	c := quant.Train("cosine", 64, vectors)
	s := store(c, vectors)
	var b quant.Blurring
	var q quant.Query
	q.SetCode(&c, s.code(0), s.terms[0])
	b.Add(&q, s.codes, c.Stride(), s.at)
	if blur := b.Blur(); blur != (quant.Blur{}) || blur.Known() {
		t.Errorf("ten pairs gave %+v", blur)
	}
}
