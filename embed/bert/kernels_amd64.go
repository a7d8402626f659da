package bert

import "golang.org/x/sys/cpu"

// avx2 needs AVX2 and FMA; avx512 differs in its tiles only, which is where the time goes. Its
// int8 tiles need VNNI, which the first processors with AVX-512 lack.
var (
	avx2 = kernels{
		name:      "avx2",
		width:     panelWidth,
		tiles:     []tile{{6, avx2Tile6}, {4, avx2Tile4}},
		gelu:      func(x []float32) { avx2GELU(&x[0], len(x), &geluConstants) },
		softmax:   func(x []float32, scale float32) { avx2Softmax(&x[0], len(x), scale, &expConstants) },
		normalize: avx2NormalizeRow,
		codes:     &avx2Codes,
	}
	avx512 = kernels{
		name:      "avx512",
		width:     pairWidth,
		tiles:     []tile{{12, avx512Tile12}, {8, avx512Tile8}, {4, avx512Tile4}},
		gelu:      avx2.gelu,
		softmax:   avx2.softmax,
		normalize: avx2.normalize,
		codes:     &avx2Codes,
	}
	avx2Codes = codeKernels{
		width: panelWidth / 2,
		tiles: []codeTile{{4, avx2CodeTile4}},
		code:  func(x []float32, codes []uint8) float32 { return avx2Code(&x[0], len(x), &codes[0]) },
		settle: func(sums []int32, scale float32, gains, from, out []float32) {
			gains, from, out = gains[:len(sums)], from[:len(sums)], out[:len(sums)]
			avx2Settle(&sums[0], len(sums), scale, &gains[0], &from[0], &out[0])
		},
	}
	vnniCodes = codeKernels{
		width:  pairWidth,
		tiles:  []codeTile{{12, vnniTile12}, {4, vnniTile4}},
		code:   avx2Codes.code,
		settle: avx2Codes.settle,
	}
)

// detected returns the sets that this processor can run, fastest first. The
// cpu package also asks the operating system whether it keeps the wide registers.
func detected() (sets []*kernels) {
	if !cpu.X86.HasAVX2 || !cpu.X86.HasFMA {
		return nil
	}
	if cpu.X86.HasAVX512VNNI {
		avx512.codes = &vnniCodes
	}
	if cpu.X86.HasAVX512F {
		sets = append(sets, &avx512)
	}
	return append(sets, &avx2)
}

func avx2NormalizeRow(x, bias []float32, s scaling, epsilon float32) {
	bias, gain, shift := bias[:len(x)], s.gain[:len(x)], s.shift[:len(x)]
	avx2Normalize(&x[0], &bias[0], &gain[0], &shift[0], len(x), epsilon)
}

//go:noescape
func avx2Tile6(depth int, a *float32, lda int, b *float32, ldb int, from *float32, ldf int, c *float32, ldc int)

//go:noescape
func avx2Tile4(depth int, a *float32, lda int, b *float32, ldb int, from *float32, ldf int, c *float32, ldc int)

//go:noescape
func avx512Tile12(depth int, a *float32, lda int, b *float32, ldb int, from *float32, ldf int, c *float32, ldc int)

//go:noescape
func avx512Tile8(depth int, a *float32, lda int, b *float32, ldb int, from *float32, ldf int, c *float32, ldc int)

//go:noescape
func avx512Tile4(depth int, a *float32, lda int, b *float32, ldb int, from *float32, ldf int, c *float32, ldc int)

//go:noescape
func vnniTile12(depth int, a *uint8, lda int, b *int8, ldb int, start *int32, sums *int32, lds int)

//go:noescape
func vnniTile4(depth int, a *uint8, lda int, b *int8, ldb int, start *int32, sums *int32, lds int)

//go:noescape
func avx2CodeTile4(depth int, a *uint8, lda int, b *int8, ldb int, start *int32, sums *int32, lds int)

//go:noescape
func avx2Code(x *float32, n int, codes *uint8) (scale float32)

//go:noescape
func avx2Settle(sums *int32, n int, scale float32, gains, from, out *float32)

//go:noescape
func avx2GELU(x *float32, n int, constants *[20][8]float32)

//go:noescape
func avx2Softmax(x *float32, n int, scale float32, constants *[12][8]float32)

//go:noescape
func avx2Normalize(x, bias, gain, shift *float32, n int, epsilon float32)
