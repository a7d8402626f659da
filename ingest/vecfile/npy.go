package vecfile

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"

	"nearside/fault"
)

// A .npy file (numpy.org/doc/stable/reference/generated/numpy.lib.format.html):
//
//	6 bytes   "\x93NUMPY"
//	u8 u8     major and minor version
//	u16       bytes of the header, little-endian; u32 from version 2 on
//	header    a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
//	data      the numbers, row after row
const npyMagic = "\x93NUMPY"

const (
	maxNpyHeader = 64 << 10 // NumPy itself believes 10,000 bytes
	readAhead    = 1 << 20
)

// npy reads an array row by row.
type npy struct {
	name       string
	src        *bufio.Reader
	element    element
	rows       int64
	dimensions int
	row        int64
	raw        []byte
}

func openNpy(name string, src io.Reader, size int64) (matrix, error) {
	n := &npy{name: name, src: bufio.NewReaderSize(src, readAhead)}
	text, at, err := readNpyHeader(n.src)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s is no .npy file: %s", name, err)
	}
	if err := n.describe(text); err != nil {
		return nil, fault.New(fault.Invalid, "%s cannot be read: %s", name, err)
	}
	bytes := int64(n.dimensions * n.element.size)
	n.raw = make([]byte, bytes)
	if has := size - at; size >= 0 && (has/bytes < n.rows || has != n.rows*bytes) {
		return nil, fault.New(fault.Invalid, "%s says that it has %d rows of %d bytes, and %d bytes follow its header; it is cut off, or damaged after row %d", name, n.rows, bytes, has, min(n.rows, has/bytes))
	}
	return n, nil
}

// readNpyHeader returns the header, and where the data begins.
func readNpyHeader(src io.Reader) (text string, end int64, err error) {
	start := make([]byte, len(npyMagic)+2)
	if _, err := io.ReadFull(src, start); err != nil || string(start[:len(npyMagic)]) != npyMagic {
		return "", 0, fmt.Errorf("it does not begin with %q", npyMagic)
	}
	width := 4
	switch major := start[len(npyMagic)]; major {
	case 1:
		width = 2
	case 2, 3:
	default:
		return "", 0, fmt.Errorf("its version is %d; 1, 2 and 3 are known here", major)
	}
	number := make([]byte, 4)
	if _, err := io.ReadFull(src, number[:width]); err != nil {
		return "", 0, fmt.Errorf("it is cut off in its header")
	}
	length := binary.LittleEndian.Uint32(number)
	if length > maxNpyHeader {
		return "", 0, fmt.Errorf("its header claims to have %d bytes; at most %d are read", length, maxNpyHeader)
	}
	header := make([]byte, length)
	if _, err := io.ReadFull(src, header); err != nil {
		return "", 0, fmt.Errorf("it is cut off in its header")
	}
	return string(header), int64(len(start)+width) + int64(length), nil
}

// describe takes what the header says, if it can be loaded.
func (n *npy) describe(text string) error {
	h, err := parseNpyHeader(text)
	if err != nil {
		return err
	}
	var order binary.ByteOrder = binary.LittleEndian
	if strings.HasPrefix(h.descr, ">") {
		order = binary.BigEndian
	}
	var known bool
	if n.element, known = elements(order)[strings.TrimLeft(h.descr, "<>|=")]; !known {
		return fmt.Errorf("its numbers are of the type %q; save them as float32, with array.astype('float32')", h.descr)
	}
	if len(h.shape) != 2 {
		return fmt.Errorf("its shape has %d dimensions; vectors are an array of two, one row each", len(h.shape))
	}
	if h.fortran && h.shape[0] > 1 && h.shape[1] > 1 {
		return fmt.Errorf("it is in Fortran order, column after column; save it row after row, with numpy.ascontiguousarray(array)")
	}
	if h.shape[1] < 1 || h.shape[1] > maxDimensions {
		return fmt.Errorf("its rows have %d numbers; 1 to %d are possible", h.shape[1], maxDimensions)
	}
	n.rows, n.dimensions = h.shape[0], int(h.shape[1])
	return nil
}

func (n *npy) next(room []float32) ([]float32, error) {
	if n.row == n.rows {
		return nil, io.EOF
	}
	n.row++
	if _, err := io.ReadFull(n.src, n.raw); err != nil {
		return nil, fault.New(fault.Invalid, "%s is cut off in row %d of %d", n.name, n.row, n.rows).Because(err)
	}
	return n.element.decode(room, n.raw), nil
}

func (n *npy) skip(rows int64) error {
	rows = min(rows, n.rows-n.row)
	n.row += rows
	return discard(n.name, n.src, rows*int64(len(n.raw)))
}

// npyHeader is what a header says.
type npyHeader struct {
	descr   string
	fortran bool
	shape   []int64
}

// parseNpyHeader reads the Python literal of a header.
func parseNpyHeader(text string) (h npyHeader, err error) {
	p := literal{text}
	seen := map[string]bool{}
	if !p.take("{") {
		return h, fmt.Errorf("its header is not a dictionary")
	}
	for !p.take("}") {
		key, ok := p.text()
		if !ok || !p.take(":") || seen[key] {
			return h, fmt.Errorf("its header is not understood: %.40q", p.rest)
		}
		seen[key] = true
		switch key {
		case "descr":
			if h.descr, ok = p.text(); !ok {
				return h, fmt.Errorf("its rows are records of several fields; save the vectors alone")
			}
		case "fortran_order":
			h.fortran = p.take("True")
			ok = h.fortran || p.take("False")
		case "shape":
			h.shape, ok = p.tuple()
		default:
			ok = false
		}
		if !ok {
			return h, fmt.Errorf("its header is not understood at %q", key)
		}
		if p.take(",") {
			continue
		}
		if !p.take("}") {
			return h, fmt.Errorf("its header is not understood: %.40q", p.rest)
		}
		break
	}
	if strings.TrimSpace(p.rest) != "" || !seen["descr"] || !seen["fortran_order"] || !seen["shape"] {
		return h, fmt.Errorf("its header lacks descr, fortran_order or shape, or says more")
	}
	return h, nil
}

// literal reads the parts of a Python literal that headers have.
type literal struct{ rest string }

// take moves past white space and a word, if that is what comes.
func (l *literal) take(word string) (ok bool) {
	l.rest = strings.TrimLeft(l.rest, " \t\n")
	l.rest, ok = strings.CutPrefix(l.rest, word)
	return ok
}

func (l *literal) text() (string, bool) {
	for _, quote := range []string{"'", `"`} {
		if l.take(quote) {
			text, rest, ok := strings.Cut(l.rest, quote)
			l.rest = rest
			return text, ok
		}
	}
	return "", false
}

func (l *literal) tuple() (numbers []int64, ok bool) {
	if !l.take("(") {
		return nil, false
	}
	for !l.take(")") {
		end := strings.IndexFunc(l.rest, func(r rune) bool { return r < '0' || r > '9' })
		if end < 1 {
			return nil, false
		}
		n, err := strconv.ParseInt(l.rest[:end], 10, 64)
		if err != nil {
			return nil, false
		}
		numbers, l.rest = append(numbers, n), strings.TrimPrefix(l.rest[end:], "L") // Python 2 wrote 3L
		if l.take(",") {
			continue
		}
		if !l.take(")") {
			return nil, false
		}
		break
	}
	return numbers, true
}

// NpyHeader returns what a .npy file of rows of float32 begins with.
func NpyHeader(rows int64, dimensions int) []byte {
	const align = 64 // NumPy maps files into memory
	text := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, dimensions)
	before := len(npyMagic) + 4
	pad := align - (before+len(text)+1)%align
	text += strings.Repeat(" ", pad%align) + "\n"
	header := append([]byte(npyMagic), 1, 0)
	header = binary.LittleEndian.AppendUint16(header, uint16(len(text)))
	return append(header, text...)
}
