package quant

import "nearside/index/local/vek"

// block is how many numbers the assembly takes at a time: a multiple of lanes.
const block = 4 * lanes

// native reports whether the assembly, which is for AVX2, may be used: all that vek
// chooses for this CPU has it, and what vek is told to leave out is left out here too.
func native() bool { return vek.Using() != vek.Generic }

func encodeLanes(x []float32, offset, factor float32, code []byte, s *sums) {
	if whole := len(x) / block * block; whole > 0 && native() {
		_ = code[whole-1]
		encodeAVX2(&x[0], whole, offset, factor, &code[0], s)
		x, code = x[whole:], code[whole:]
	}
	encodeGeneric(x, offset, factor, code, s)
}

func measureLanes(x []float32, m *measured) {
	if whole := len(x) / block * block; whole > 0 && native() {
		measureAVX2(&x[0], whole, m)
		x = x[whole:]
	}
	measureGeneric(x, m)
}

// encodeAVX2 is encodeGeneric for n numbers, a multiple of block that is not 0, from lane 0 on.
//
//go:noescape
func encodeAVX2(x *float32, n int, offset, factor float32, code *byte, s *sums)

// measureAVX2 is measureGeneric for n numbers, a multiple of block that is not 0, from lane 0 on.
//
//go:noescape
func measureAVX2(x *float32, n int, m *measured)
