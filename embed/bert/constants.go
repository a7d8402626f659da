//go:build amd64 || arm64

package bert

// The numbers of the assembly in rows_amd64.s and rows_arm64.s.

import "math"

// spread repeats each number over the eight places of a register.
func spread(numbers []float32, out [][8]float32) {
	for i, v := range numbers {
		for j := range out[i] {
			out[i][j] = v
		}
	}
}

// geluBound is where Φ is within 4e-8 of 0 and 1.
const geluBound = 5.4

// geluConstants are the coefficients of P, highest first, then what the code
// around the polynomial needs. P(2x²/bound²-1) is the minimax fit of
// (Φ(x)-1/2)/x, weighted by x, on 0…bound; x·Φ(x) comes out within 1e-6.
var geluConstants = func() (table [20][8]float32) {
	spread([]float32{
		0.00039285836, -0.0010283687, 0.000874935, -0.0011864108, 0.0036589208, -0.0067153377, 0.0096511971, -0.01396332,
		0.019645143, -0.025746457, 0.032116596, -0.039206814, 0.048499592, -0.065328054, 0.13092811,
		geluBound, -geluBound, 2 / (geluBound * geluBound), 1, 0.5,
	}, table[:])
	return table
}()

// lowestExponent bounds e^x from below so far from zero that no share of
// attention is a denormal number, which processors multiply slowly.
const lowestExponent = -80

// expConstants are for e^x = 2^n·e^r: ln(2) comes in two parts of which the
// first has few enough bits that n times it is exact; e^r is Taylor's polynomial.
var expConstants = func() (table [12][8]float32) {
	spread([]float32{
		math.Log2E, 0.693359375, math.Ln2 - 0.693359375, lowestExponent, math.Float32frombits(127),
		1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2, 1, 1,
	}, table[:])
	return table
}()
