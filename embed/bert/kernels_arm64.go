package bert

import "golang.org/x/sys/cpu"

// neon needs nothing but what every arm64 processor has.
var neon = kernels{
	name:      "neon",
	width:     panelWidth,
	tiles:     []tile{{4, neonTile4}},
	gelu:      func(x []float32) { neonGELU(&x[0], len(x), &geluConstants) },
	softmax:   func(x []float32, scale float32) { neonSoftmax(&x[0], len(x), scale, &expConstants) },
	normalize: neonNormalizeRow,
	codes:     neonCodes(),
}

// neonCodes returns the loops of int8 weights: processors before Armv8.2 have no
// instruction that adds products of bytes, and run plain Go.
func neonCodes() *codeKernels {
	if !cpu.ARM64.HasASIMDDP {
		return &genericCodes
	}
	k := genericCodes
	k.tiles = []codeTile{{4, sdotTile4}}
	return &k
}

// detected returns the sets that this processor can run, fastest first.
func detected() []*kernels { return []*kernels{&neon} }

func neonNormalizeRow(x, bias []float32, s scaling, epsilon float32) {
	bias, gain, shift := bias[:len(x)], s.gain[:len(x)], s.shift[:len(x)]
	neonNormalize(&x[0], &bias[0], &gain[0], &shift[0], len(x), epsilon)
}

//go:noescape
func neonTile4(depth int, a *float32, lda int, b *float32, ldb int, from *float32, ldf int, c *float32, ldc int)

//go:noescape
func sdotTile4(depth int, a *uint8, lda int, b *int8, ldb int, start *int32, sums *int32, lds int)

//go:noescape
func neonGELU(x *float32, n int, constants *[20][8]float32)

//go:noescape
func neonSoftmax(x *float32, n int, scale float32, constants *[12][8]float32)

//go:noescape
func neonNormalize(x, bias, gain, shift *float32, n int, epsilon float32)
