//go:build !amd64

package quant

func encodeLanes(x []float32, offset, factor float32, code []byte, s *sums) {
	encodeGeneric(x, offset, factor, code, s)
}

func measureLanes(x []float32, m *measured) { measureGeneric(x, m) }
