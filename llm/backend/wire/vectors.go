package wire

import (
	"math"

	"nearside/llm/backend"
)

// CheckVectors makes sure that there is a vector for each text, that all are of one
// length, and that every number is one.
func CheckVectors(c *Client, model string, vectors [][]float32, texts int) error {
	if len(vectors) != texts {
		return c.Error(model, backend.Broken, nil, "it returned %d vectors for %d texts", len(vectors), texts)
	}
	for i, v := range vectors {
		if len(v) == 0 || len(v) != len(vectors[0]) {
			return c.Error(model, backend.Broken, nil, "it returned a vector of %d dimensions beside one of %d", len(v), len(vectors[0]))
		}
		for _, x := range v {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return c.Error(model, backend.Broken, nil, "its vector %d has a number that is none (NaN or Inf)", i)
			}
		}
	}
	return nil
}
