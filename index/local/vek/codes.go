package vek

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"
)

// Codes are vectors of one byte a number: the number, from -128 to 127, plus 128.
// They stand in rows whose length, the stride, is a multiple of Line; a code that
// is shorter is padded with 128, which stands for 0. Sums of codes are exact, and
// so the same from every kernel, for vectors of fewer than 2^17 numbers.
//
// A row has its code in two planes: the upper four bits of all bytes, then the lower
// four. Most rows that a walk compares turn out to be far by their upper halves, and then
// the lower ones are never read from memory. Of every 64 bytes of a code, 32 bytes of a plane
// have the first 32 in their lower halves and the others in their upper halves.

// Line is what strides of codes are multiples of, in bytes: a line of the cache.
const Line = 64

// bias is what is added to a number to make a byte of it.
const bias = 128

// Pack writes the row of a code of whole lines to the first len(code) bytes of row.
func Pack(row, code []byte) {
	checkLines(code)
	half := len(code) / 2
	upper, lower := row[:half], row[half:2*half]
	for i := 0; i < half; i += 8 {
		at := i/32*64 + i%32
		a, b := binary.NativeEndian.Uint64(code[at:]), binary.NativeEndian.Uint64(code[at+32:])
		binary.NativeEndian.PutUint64(upper[i:], a>>4&lowerBits|b&^lowerBits)
		binary.NativeEndian.PutUint64(lower[i:], a&lowerBits|b&lowerBits<<4)
	}
}

// Unpack writes the code of a row of whole lines to the first len(row) bytes of code.
func Unpack(code, row []byte) {
	checkLines(row)
	half := len(row) / 2
	upper, lower := row[:half], row[half:]
	for i := 0; i < half; i += 8 {
		at := i/32*64 + i%32
		u, l := binary.NativeEndian.Uint64(upper[i:]), binary.NativeEndian.Uint64(lower[i:])
		binary.NativeEndian.PutUint64(code[at:], u&lowerBits<<4|l&lowerBits)
		binary.NativeEndian.PutUint64(code[at+32:], u&^lowerBits|l>>4&lowerBits)
	}
}

// lowerBits are the lower four bits of each byte.
const lowerBits = 0x0f0f0f0f0f0f0f0f

func checkLines(b []byte) {
	if len(b)%Line != 0 {
		panic(fmt.Sprintf("vek: a code of %d bytes, which is no multiple of %d", len(b), Line))
	}
}

// Int8 is a query made ready for the code kernels. The zero value is a query of
// no numbers. It must not be set while another goroutine compares with it.
type Int8 struct {
	with   uint32 // the kernels in use when it was set: it stays with them
	values []int8 // the numbers, and zeros up to a multiple of Line
	sum    int32  // of the numbers
}

// Set makes q stand for the values, followed by zeros. The memory that q has is
// used again.
func (q *Int8) Set(values []int8) {
	q.grow((len(values) + Line - 1) / Line * Line)
	clear(q.values[copy(q.values, values):])
	q.addUp()
}

// SetCode makes q stand for a code of whole lines, as Pack takes it.
func (q *Int8) SetCode(code []byte) {
	checkLines(code)
	q.grow(len(code))
	flipSigns(bytesOf(q.values), code)
	q.addUp()
}

// SetRow makes q stand for the code of a row of whole lines.
func (q *Int8) SetRow(row []byte) {
	checkLines(row)
	q.grow(len(row))
	if len(row) > 0 {
		q.setRow(row)
	}
}

func (q *Int8) setRowGeneric(row []byte) {
	code := bytesOf(q.values)
	Unpack(code, row)
	flipSigns(code, code)
	q.addUp()
}

// addUp sets the sum of the values.
func (q *Int8) addUp() {
	q.sum = 0
	for _, v := range q.values {
		q.sum += int32(v)
	}
}

// Stride is how many bytes of a row are compared: the length of the query in whole lines.
func (q *Int8) Stride() int { return len(q.values) }

// Sum returns the sum of the numbers of q.
func (q *Int8) Sum() int32 { return q.sum }

// grow makes room for n numbers, on a line of the cache.
func (q *Int8) grow(n int) {
	q.with = active.Load()
	q.sum = 0
	if cap(q.values) < n {
		memory := make([]int8, n+Line-1)
		skip := -int(uintptr(unsafe.Pointer(&memory[0]))) & (Line - 1)
		q.values = memory[skip:][:n:n]
	}
	q.values = q.values[:n]
}

// flipSigns turns numbers into the bytes of a code, or those into numbers, in whole lines.
func flipSigns(to, from []byte) {
	for ; len(to) >= 8 && len(from) >= 8; to, from = to[8:], from[8:] {
		binary.NativeEndian.PutUint64(to, binary.NativeEndian.Uint64(from)^0x8080808080808080)
	}
}

func bytesOf(v []int8) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v))
}

// DotCodesAt sets out[i] to the dot product of q and the code whose row begins at
// rows[at[i]*stride], for every i. The stride is a multiple of Line, and at
// least that of q. If at is longer than out, rows that it numbers beyond may be
// prefetched: those to be compared next.
func DotCodesAt(q *Int8, rows []byte, stride int, at []uint32, out []int32) {
	clear(out)
	if q.within(rows, stride, at, len(out)) {
		q.plane(&rows[0], stride, at, out)
		q.plane(&rows[stride/2], stride, at, out)
		q.unbias(out)
	}
}

// UppersAt sets out[i] to the sum of the products of q and the upper halves, 0 to 15, of the bytes of
// the code whose row begins at rows[at[i]*stride], for every i. It reads only
// half of each row. DotCodesFrom makes a dot product of such a sum.
func UppersAt(q *Int8, rows []byte, stride int, at []uint32, out []int32) {
	clear(out)
	if q.within(rows, stride, at, len(out)) {
		q.plane(&rows[0], stride, at, out)
	}
}

// DotCodesFrom does the rest of DotCodesAt, when out[i] is what UppersAt said of row at[i].
func DotCodesFrom(q *Int8, rows []byte, stride int, at []uint32, out []int32) {
	if q.within(rows, stride, at, len(out)) {
		q.plane(&rows[stride/2], stride, at, out)
		q.unbias(out)
	}
}

// within reports whether there is anything to compare, and panics unless the rows are there:
// the kernels do not look.
func (q *Int8) within(rows []byte, stride int, at []uint32, count int) bool {
	if len(q.values) == 0 || count == 0 {
		return false
	}
	if stride != len(q.values) {
		panic(fmt.Sprintf("vek: codes every %d bytes and a query of %d", stride, len(q.values)))
	}
	_ = rows[(int(slices.Max(at[:count]))+1)*stride-1]
	return true
}

// unbias takes off what the bias of the codes adds to sums.
func (q *Int8) unbias(out []int32) {
	for i := range out {
		out[i] -= bias * q.sum
	}
}

// DotCodesRows sets out[i] to the dot product of q and the code whose row begins at
// rows[i*stride], for every i.
func DotCodesRows(q *Int8, rows []byte, stride int, out []int32) {
	for len(out) > 0 {
		n := min(len(out), len(order)-together)
		DotCodesAt(q, rows, stride, order[:n], out[:n])
		if out = out[n:]; len(out) > 0 {
			rows = rows[n*stride:]
		}
	}
}

// planeGeneric is the plain Go version of the kernels: it sets each out[i] to 16 times itself plus
// the sum of the products of q and the halves of bytes in a plane of row at[i].
func (q *Int8) planeGeneric(plane *byte, stride int, at []uint32, out []int32) {
	for i := range out {
		row := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(plane), int(at[i])*stride)), len(q.values)/2)
		out[i] = out[i]<<4 + dotPlaneGeneric(q.values, row)
	}
}

func dotPlaneGeneric(values []int8, plane []byte) (sum int32) {
	for ; len(values) >= 64 && len(plane) >= 32; values, plane = values[64:], plane[32:] {
		var s0, s1 int32
		for i, b := range plane[:32] {
			s0 += int32(values[i]) * int32(b&15)
			s1 += int32(values[i+32]) * int32(b>>4)
		}
		sum += s0 + s1
	}
	return sum
}
