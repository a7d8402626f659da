package vek

// Every arm64 CPU that Go runs on has NEON.
func nativeKernels() []Kernel { return []Kernel{NEON} }

// pair compares the n numbers at a with those at b.
func pair(k kind, a, b *float32, n int) float32 {
	switch k + kind(active.Load()) {
	case dot + useNEON:
		return dotNEON(a, b, n)
	case squaredL2 + useNEON:
		return squaredL2NEON(a, b, n)
	}
	return pairGeneric(k, a, b, n)
}

// fours compares the n numbers at q with groups of four rows, whose numbers stand
// at at; the row with number i begins at rows[i*stride]. If more is 1 rather than
// 0, at numbers four rows beyond the last group, to be prefetched.
func fours(k kind, q *float32, n int, rows *float32, stride int, at *uint32, groups, more int, out *float32) {
	switch k + kind(active.Load()) {
	case dot + useNEON:
		dotFoursNEON(q, n, rows, stride, at, groups, more, out)
	case squaredL2 + useNEON:
		squaredL2FoursNEON(q, n, rows, stride, at, groups, more, out)
	default:
		foursGeneric(k, q, n, rows, stride, at, groups, out)
	}
}

//go:noescape
func dotNEON(a, b *float32, n int) float32

//go:noescape
func squaredL2NEON(a, b *float32, n int) float32

//go:noescape
func dotFoursNEON(q *float32, n int, rows *float32, stride int, at *uint32, groups, more int, out *float32)

//go:noescape
func squaredL2FoursNEON(q *float32, n int, rows *float32, stride int, at *uint32, groups, more int, out *float32)
