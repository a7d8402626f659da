package vecfile

import (
	"bufio"
	"encoding/binary"
	"io"

	"nearside/fault"
)

// The numbers of .fvecs, .bvecs and .ivecs (corpus-texmex.irisa.fr), little-endian.
var (
	fvecs = elements(binary.LittleEndian)["f4"]
	bvecs = elements(binary.LittleEndian)["u1"]
	ivecs = of(4, func(b []byte) float32 { return float32(int32(binary.LittleEndian.Uint32(b))) })
)

// countBytes is what a row has before its numbers.
const countBytes = 4

// vecs reads rows that each begin with how many numbers they have.
type vecs struct {
	name       string
	src        *bufio.Reader
	element    element
	dimensions int // of the first row, and so of all
	row        int64
	raw        []byte
}

func openVecs(e element) func(string, io.Reader, int64) (matrix, error) {
	return func(name string, src io.Reader, size int64) (matrix, error) {
		v := &vecs{name: name, src: bufio.NewReaderSize(src, readAhead), element: e}
		first, err := v.src.Peek(countBytes)
		if err == io.EOF && len(first) == 0 {
			return v, nil // no rows
		}
		if err != nil {
			return nil, fault.New(fault.Invalid, "%s is cut off in row 1", name).Because(err)
		}
		if v.dimensions, err = v.count(first); err != nil {
			return nil, err
		}
		v.raw = make([]byte, v.dimensions*e.size)
		if row := int64(countBytes + len(v.raw)); size >= 0 && size%row != 0 {
			return nil, fault.New(fault.Invalid, "%s has %d bytes, which rows of %d numbers, %d bytes each, do not divide; it is cut off in row %d, or its rows have different lengths", name, size, v.dimensions, row, size/row+1)
		}
		return v, nil
	}
}

// count checks how many numbers a row says it has.
func (v *vecs) count(raw []byte) (int, error) {
	n := int32(binary.LittleEndian.Uint32(raw))
	if n < 1 || n > maxDimensions {
		return 0, fault.New(fault.Invalid, "%s says that row %d has %d numbers; 1 to %d are possible. It is damaged, or of another format than its name says", v.name, v.row+1, n, maxDimensions)
	}
	return int(n), nil
}

func (v *vecs) next(room []float32) ([]float32, error) {
	var head [countBytes]byte
	if _, err := io.ReadFull(v.src, head[:]); err == io.EOF {
		return nil, io.EOF
	} else if err != nil {
		return nil, v.cutOff(err)
	}
	n, err := v.count(head[:])
	if err != nil {
		return nil, err
	}
	v.row++
	if n != v.dimensions {
		return nil, fault.New(fault.Invalid, "%s says that row %d has %d numbers, and the rows before have %d; all rows must have as many", v.name, v.row, n, v.dimensions)
	}
	if _, err := io.ReadFull(v.src, v.raw); err != nil {
		v.row--
		return nil, v.cutOff(err)
	}
	return v.element.decode(room, v.raw), nil
}

func (v *vecs) cutOff(err error) error {
	return fault.New(fault.Invalid, "%s is cut off in row %d", v.name, v.row+1).Because(err)
}

func (v *vecs) skip(rows int64) error {
	v.row += rows
	return discard(v.name, v.src, rows*int64(countBytes+len(v.raw)))
}
