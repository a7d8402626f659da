package local

import (
	"context"

	"nearside/index/local/quant"
)

// trainOn is how many vectors a codec is trained on.
const trainOn = 4096

// train returns a codec made from a sample of the vectors that a view shows, evenly
// spread over their slots: the same view gives the same codec.
func (s *store) train(ctx context.Context, v *view) (quant.Codec, error) {
	n := min(v.count, trainOn)
	sample := make([][]float32, 0, n)
	for i := range n {
		at, err := v.alive.Select(uint32(i * v.count / n))
		if err != nil {
			break // the bitmap has fewer than the view says: impossible, and of no harm here
		}
		vector, err := s.vector(ctx, at, nil)
		if err != nil {
			return quant.Codec{}, err
		}
		sample = append(sample, vector)
	}
	return quant.Train(s.config.Metric, s.config.Dimensions, sample), nil
}
