package vek

// Every native kernel of amd64 has AVX2 and FMA, and wider ones win little here:
// most of the work is the conversion to float64.

func wideDot(a, b *float32, n int) float64 {
	if active.Load() == useGeneric {
		return wideDotGeneric(a, b, n)
	}
	return wideDotAVX2(a, b, n)
}

func wideDots(a, b *float32, n int) (ab, bb float64) {
	if active.Load() == useGeneric {
		return wideDotsGeneric(a, b, n)
	}
	return wideDotsAVX2(a, b, n)
}

func wideSquaredL2(a, b *float32, n int) float64 {
	if active.Load() == useGeneric {
		return wideSquaredL2Generic(a, b, n)
	}
	return wideSquaredL2AVX2(a, b, n)
}

//go:noescape
func wideDotAVX2(a, b *float32, n int) float64

//go:noescape
func wideDotsAVX2(a, b *float32, n int) (ab, bb float64)

//go:noescape
func wideSquaredL2AVX2(a, b *float32, n int) float64
