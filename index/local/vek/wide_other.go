//go:build !amd64 && !arm64

package vek

func wideDot(a, b *float32, n int) float64 { return wideDotGeneric(a, b, n) }

func wideDots(a, b *float32, n int) (ab, bb float64) { return wideDotsGeneric(a, b, n) }

func wideSquaredL2(a, b *float32, n int) float64 { return wideSquaredL2Generic(a, b, n) }
