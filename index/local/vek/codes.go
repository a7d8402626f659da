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

// Line is what strides of codes are multiples of, in bytes: a line of the cache.
const Line = 64

// bias is what is added to a number to make a byte of it.
const bias = 128

// Int8 is a query made ready for the code kernels. The zero value is a query of
// no numbers. It must not be set while another goroutine compares with it.
type Int8 struct {
	with   uint32  // the kernels in use when it was set: it stays with them
	values []int8  // the numbers, and zeros up to a multiple of Line; not set for kernels that read wide
	wide   []int16 // the numbers as the kernels of AVX2 read them: of every 32 those at even places, then the others
	biased int32   // what the bias of the codes adds to each sum that the kernels take
}

// Set makes q stand for the values, followed by zeros. The memory that q has is
// used again.
func (q *Int8) Set(values []int8) {
	q.grow((len(values) + Line - 1) / Line * Line)
	clear(q.values[copy(q.values, values):])
	code := bytesOf(q.values)
	flipSigns(code, code)
	q.prepare(code)
}

// SetCode makes q stand for a code of whole lines.
func (q *Int8) SetCode(code []byte) {
	if len(code)%Line != 0 {
		panic(fmt.Sprintf("vek: a code of %d bytes, which is no multiple of %d", len(code), Line))
	}
	q.grow(len(code))
	q.prepare(code)
}

// Stride is how many bytes of a row are compared: the length of the query in whole lines.
func (q *Int8) Stride() int { return len(q.values) }

// grow makes room for n numbers, on a line of the cache.
func (q *Int8) grow(n int) {
	q.with = active.Load()
	if cap(q.values) < n {
		memory := make([]int8, n+Line-1)
		skip := -int(uintptr(unsafe.Pointer(&memory[0]))) & (Line - 1)
		q.values = memory[skip:][:n:n]
	}
	q.values = q.values[:n]
	if q.with == useAVX2 && len(q.wide) < n {
		q.wide = make([]int16, n)
	}
}

// prepare makes q stand for a code of the length it has, which may stand where the values go.
func (q *Int8) prepare(code []byte) {
	if len(code) > 0 {
		q.setCode(code)
	}
}

func (q *Int8) setCodeGeneric(code []byte) {
	var sum int32
	for i, c := range code {
		v := int8(c - bias)
		q.values[i] = v
		sum += int32(v)
	}
	q.biased = bias * sum
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

// DotCodesAt sets out[i] to the dot product of q and the code that begins at
// codes[at[i]*stride], for every i. The stride is a multiple of Line, and at
// least that of q. If at is longer than out, rows that it numbers beyond may be
// prefetched: those to be compared next.
func DotCodesAt(q *Int8, codes []byte, stride int, at []uint32, out []int32) {
	if len(q.values) == 0 || len(out) == 0 {
		clear(out)
		return
	}
	checkStride(q, stride)
	// The kernels do not look whether a row lies within codes.
	_ = codes[int(slices.Max(at[:len(out)]))*stride+len(q.values)-1]
	q.compare(&codes[0], stride, at, out)
}

// DotCodesRows sets out[i] to the dot product of q and the code that begins at
// codes[i*stride], for every i.
func DotCodesRows(q *Int8, codes []byte, stride int, out []int32) {
	if len(q.values) == 0 || len(out) == 0 {
		clear(out)
		return
	}
	checkStride(q, stride)
	_ = codes[(len(out)-1)*stride+len(q.values)-1]
	for {
		n := min(len(out), len(order)-together)
		q.compare(&codes[0], stride, order[:n+together], out[:n])
		if out = out[n:]; len(out) == 0 {
			return
		}
		codes = codes[n*stride:]
	}
}

func checkStride(q *Int8, stride int) {
	if stride%Line != 0 || stride < len(q.values) {
		panic(fmt.Sprintf("vek: codes every %d bytes; a query of %d needs that many at least, and a multiple of %d", stride, len(q.values), Line))
	}
}

// compareGeneric sets out to the results of the first rows that at numbers.
func (q *Int8) compareGeneric(codes *byte, stride int, at []uint32, out []int32) {
	for i := range out {
		row := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(codes), int(at[i])*stride)), len(q.values))
		out[i] = dotCodesGeneric(q.values, row) - q.biased
	}
}

// dotCodesGeneric returns the sum of the products of the values and the bytes of the code.
func dotCodesGeneric(values []int8, code []byte) int32 {
	var s0, s1, s2, s3 int32
	for len(values) >= 8 && len(code) >= 8 {
		s0 += int32(values[0])*int32(code[0]) + int32(values[4])*int32(code[4])
		s1 += int32(values[1])*int32(code[1]) + int32(values[5])*int32(code[5])
		s2 += int32(values[2])*int32(code[2]) + int32(values[6])*int32(code[6])
		s3 += int32(values[3])*int32(code[3]) + int32(values[7])*int32(code[7])
		values, code = values[8:], code[8:]
	}
	return s0 + s1 + s2 + s3
}
