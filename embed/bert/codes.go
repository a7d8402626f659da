package bert

import "math"

// Precision is how the weights of the matrices are kept.
type Precision string

// The precisions of Options.
const (
	Float32 Precision = "float32" // as they come
	Int8    Precision = "int8"    // one byte each
)

// Codes are bytes that stand for numbers. A weight's is -codeMost to codeMost; an
// input's has codeBias added and no sign, because the widest instruction for sums
// of products of bytes takes one factor of each kind.
const (
	codeMost = 127
	codeBias = 128
)

// codePanels is a matrix of weights as codes, cut into panels of panelWidth outputs
// as panels is. Within a panel the weights from four inputs to one output lie side by
// side, which is what one lane of such an instruction adds up:
//
//	values[(output/panelWidth*depth + input/4*4)*panelWidth + output%panelWidth*4 + input%4]
//
// A weight is its code times its output's gain.
type codePanels struct {
	depth, width int
	values       []int8
	start        []int32   // of each output: what sums begin with, to take away what codeBias adds
	gains        []float32 // of each output: its largest weight over codeMost
}

func newCodePanels(depth, width int) codePanels {
	return codePanels{depth, width, make([]int8, depth*width), make([]int32, width), make([]float32, width)}
}

// pack stores weights given as rows, one an output, for the outputs from first on.
func (p codePanels) pack(first int, weights []float32) {
	for n := range len(weights) / p.depth {
		row := weights[n*p.depth:][:p.depth]
		output := first + n
		inverse, gain := codeScale(row)
		p.gains[output] = gain
		for input, w := range row {
			code := int8(math.RoundToEven(float64(w * inverse)))
			p.values[p.at(output, input)] = code
			p.start[output] -= codeBias * int32(code)
		}
	}
}

// at returns where the weight from an input to an output is.
func (p codePanels) at(output, input int) int {
	return (output/panelWidth*p.depth+input/4*4)*panelWidth + output%panelWidth*4 + input%4
}

// least keeps the scale of numbers that are all next to nothing finite.
const least = 1e-30

// codeScale returns what turns numbers into codes, and what turns codes back. The
// latter is no finite number if one of the numbers is none.
func codeScale(x []float32) (inverse, scale float32) {
	var most float32
	for _, v := range x {
		most = max(most, v, -v)
	}
	if most != most {
		return 0, most
	}
	return codeMost / max(most, least), most / codeMost
}

// codeBlock rows are computed at a time: their sums stay in the second-level cache.
const codeBlock = 48

// codeRoom is the memory of a product of codes.
type codeRoom struct {
	codes  []uint8   // of a block's inputs
	scales []float32 // of its rows
	sums   []int32
}

func newCodeRoom(depth, width int) codeRoom {
	return codeRoom{make([]uint8, codeBlock*depth), make([]float32, codeBlock), make([]int32, codeBlock*width)}
}

// codeKernels is one set of the loops over codes. A row's codes and sums are the
// same numbers in all sets, whatever rows are beside it.
type codeKernels struct {
	width int        // outputs that a tile covers
	tiles []codeTile // highest first, as in kernels
	// code writes the codes of x, whose length is a multiple of pairWidth, and returns their scale.
	code func(x []float32, codes []uint8) (scale float32)
	// settle sets out to from + sums·scale·gains. The length is a multiple of panelWidth.
	settle func(sums []int32, scale float32, gains, from, out []float32)
}

// codeTile computes a block of sums with a fixed number of rows:
//
//	sums[r] = start + a[r]·b    for width outputs
//
// with strides as in tile, in bytes for a and b and in numbers for sums. depth is a
// multiple of pairWidth.
type codeTile struct {
	rows    int
	compute func(depth int, a *uint8, lda int, b *int8, ldb int, start *int32, sums *int32, lds int)
}

func (t codeTile) height() int { return t.rows }

// multiply sets c to base + a·w for a number of rows, in bytes.
func (k *codeKernels) multiply(rows int, a matrix, w codePanels, base, c matrix, room codeRoom) {
	for first := 0; first < rows; first += codeBlock {
		n := min(codeBlock, rows-first)
		for r := range n {
			room.scales[r] = k.code(a.row(first+r, w.depth), room.codes[r*w.depth:][:w.depth])
		}
		k.sum(roundUp(n, rowStep), w, room)
		for r := range n {
			k.settle(room.sums[r*w.width:][:w.width], room.scales[r], w.gains, base.row(first+r, w.width), c.row(first+r, w.width))
		}
	}
}

// sum sets a block's sums from its codes.
func (k *codeKernels) sum(rows int, w codePanels, room codeRoom) {
	for output := 0; output < w.width; output += k.width {
		b := &w.values[w.at(output, 0)]
		for r := 0; r < rows; {
			t := highest(k.tiles, rows-r)
			t.compute(w.depth, &room.codes[r*w.depth], w.depth, b, w.depth*panelWidth, &w.start[output], &room.sums[r*w.width+output], w.width)
			r += t.rows
		}
	}
}

// genericCodes is plain Go, as generic is.
var genericCodes = codeKernels{width: panelWidth, tiles: []codeTile{{4, genericCodeTile4}}, code: genericCode, settle: genericSettle}

func genericCodeTile4(depth int, a *uint8, lda int, b *int8, _ int, start *int32, sums *int32, lds int) {
	weights := view(b, depth*panelWidth)
	for r := range 4 {
		out := view(offset(sums, r*lds), panelWidth)
		copy(out, view(start, panelWidth))
		for i, x := range view(offset(a, r*lda), depth) {
			at := weights[i/4*4*panelWidth+i%4:]
			for n := range out {
				out[n] += int32(x) * int32(at[4*n])
			}
		}
	}
}

func genericCode(x []float32, codes []uint8) float32 {
	inverse, scale := codeScale(x)
	for i, v := range x {
		codes[i] = uint8(codeBias + int32(math.RoundToEven(float64(v*inverse))))
	}
	return scale
}

func genericSettle(sums []int32, scale float32, gains, from, out []float32) {
	for i, s := range sums {
		out[i] = from[i] + float32(s)*scale*gains[i]
	}
}
