//go:build !amd64 && !arm64

package vek

func (q *Int8) setRow(row []byte) { q.setRowGeneric(row) }

func (q *Int8) plane(plane *byte, stride int, at []uint32, out []int32) {
	q.planeGeneric(plane, stride, at, out)
}
