package bert

import "math"

// generic is plain Go: the oracle of the other sets, and what runs where there is none.
var generic = kernels{
	name:      "generic",
	width:     panelWidth,
	tiles:     []tile{{4, genericTile4}},
	gelu:      genericGELU,
	softmax:   genericSoftmax,
	normalize: genericNormalize,
	codes:     &genericCodes,
}

func genericTile4(depth int, a *float32, lda int, b *float32, _ int, from *float32, ldf int, c *float32, ldc int) {
	weights := view(b, depth*panelWidth)
	for r := range 4 {
		genericRow(weights, view(offset(a, r*lda), depth), view(offset(from, r*ldf), panelWidth), view(offset(c, r*ldc), panelWidth))
	}
}

// genericRow computes one row in four passes of four outputs, whose sums fit registers.
func genericRow(weights, inputs, from, sums []float32) {
	for n := 0; n < panelWidth; n += 4 {
		s0, s1, s2, s3 := from[n], from[n+1], from[n+2], from[n+3]
		at := n
		for _, x := range inputs {
			w := weights[at : at+4 : at+4]
			s0 += x * w[0]
			s1 += x * w[1]
			s2 += x * w[2]
			s3 += x * w[3]
			at += panelWidth
		}
		sums[n], sums[n+1], sums[n+2], sums[n+3] = s0, s1, s2, s3
	}
}

func genericGELU(x []float32) {
	for i, v := range x {
		x[i] = float32(float64(v) * 0.5 * (1 + math.Erf(float64(v)/math.Sqrt2)))
	}
}

func genericSoftmax(x []float32, scale float32) {
	highest := x[0]
	for _, v := range x {
		highest = max(highest, v)
	}
	var sum float64
	for i, v := range x {
		e := math.Exp(float64((v - highest) * scale))
		x[i] = float32(e)
		sum += e
	}
	inverse := float32(1 / sum)
	for i := range x {
		x[i] *= inverse
	}
}

func genericNormalize(x, bias []float32, s scaling, epsilon float32) {
	var sum, squares float64
	for i := range x {
		x[i] += bias[i]
		sum += float64(x[i])
	}
	mean := sum / float64(len(x))
	for _, v := range x {
		d := float64(v) - mean
		squares += d * d
	}
	inverse := 1 / math.Sqrt(squares/float64(len(x))+float64(epsilon))
	for i, v := range x {
		x[i] = float32((float64(v)-mean)*inverse)*s.gain[i] + s.shift[i]
	}
}
