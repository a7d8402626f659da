//go:build !amd64 && !arm64

package vek

func (q *Int8) setCode(code []byte) { q.setCodeGeneric(code) }

func (q *Int8) compare(codes *byte, stride int, at []uint32, out []int32) {
	q.compareGeneric(codes, stride, at, out)
}
