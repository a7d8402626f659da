package bulk

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

// Reader reads a batch row by row.
type Reader struct {
	Dimensions int // of every vector
	Count      int // rows, as the header says

	r    *bufio.Reader
	read int    // rows so far
	row  []byte // the row being read, from its start
}

// readAhead is read in one piece: some rows of the largest index.
const readAhead = 64 << 10

// NewReader reads the header of a batch.
func NewReader(src io.Reader) (*Reader, error) {
	r := &Reader{r: bufio.NewReaderSize(src, readAhead)}
	header := make([]byte, headerBytes)
	n, err := io.ReadFull(r.r, header)
	if n >= len(magic) && string(header[:len(magic)]) != magic {
		return nil, fmt.Errorf("it is not of the form %s, which begins with %s", ContentType, magic)
	}
	if err != nil {
		return nil, cutOff(err, "the header")
	}
	body, sum := header[:headerBytes-sumBytes], binary.LittleEndian.Uint32(header[headerBytes-sumBytes:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, errors.New("the header is damaged: its checksum does not match")
	}
	if v := binary.LittleEndian.Uint32(header[8:]); v != version {
		return nil, fmt.Errorf("its version is %d; only %d is known here", v, version)
	}
	r.Dimensions, r.Count = int(binary.LittleEndian.Uint32(header[12:])), int(binary.LittleEndian.Uint32(header[16:]))
	if r.Dimensions < 1 || r.Dimensions > maxDimensions {
		return nil, fmt.Errorf("its vectors have %d dimensions; 1 to %d are possible", r.Dimensions, maxDimensions)
	}
	return r, nil
}

// Next returns the next row, with its values appended to room, or io.EOF after the
// last. The metadata is valid until the call after; nothing else is reused.
func (r *Reader) Next(room []float32) (Row, error) {
	if r.read == r.Count {
		if _, err := r.r.ReadByte(); err == nil {
			return Row{}, fmt.Errorf("more bytes follow the %d rows that the header announces", r.Count)
		} else if err != io.EOF {
			return Row{}, err
		}
		return Row{}, io.EOF
	}
	r.read++
	row, err := r.next(room)
	if err != nil {
		return Row{}, fmt.Errorf("row %d of %d: %w", r.read, r.Count, err)
	}
	return row, nil
}

func (r *Reader) next(room []float32) (row Row, err error) {
	r.row = r.row[:0]
	if err := r.more(fixedBytes); err != nil {
		return row, err
	}
	id, namespace := int(binary.LittleEndian.Uint16(r.row)), int(binary.LittleEndian.Uint16(r.row[2:]))
	metadata := int64(binary.LittleEndian.Uint32(r.row[4:]))
	if id == 0 || metadata > maxMetadata {
		return row, fmt.Errorf("it is damaged: it says that its id has %d bytes and its metadata %d", id, metadata)
	}
	values := 4 * r.Dimensions
	if err := r.more(values + id + namespace + int(metadata) + sumBytes); err != nil {
		return row, err
	}
	end := len(r.row) - sumBytes
	if crc32.Checksum(r.row[:end], castagnoli) != binary.LittleEndian.Uint32(r.row[end:]) {
		return row, errors.New("it is damaged: its checksum does not match")
	}
	rest := r.row[fixedBytes:end]
	for ; values > 0; values -= 4 {
		room = append(room, math.Float32frombits(binary.LittleEndian.Uint32(rest)))
		rest = rest[4:]
	}
	row = Row{ID: string(rest[:id]), Namespace: string(rest[id : id+namespace]), Values: room}
	if metadata > 0 {
		row.Metadata = rest[id+namespace:]
	}
	return row, nil
}

// more reads n more bytes of the row, taking memory as they arrive.
func (r *Reader) more(n int) error {
	if spare := cap(r.row) - len(r.row); n <= max(spare, readAhead) {
		start := len(r.row)
		r.row = append(r.row, make([]byte, n)...)
		_, err := io.ReadFull(r.r, r.row[start:])
		return cutOff(err, "it")
	}
	buffer := bytes.NewBuffer(r.row)
	_, err := io.CopyN(buffer, r.r, int64(n))
	r.row = buffer.Bytes()
	return cutOff(err, "it")
}

// cutOff says of an end that came too early what ended.
func cutOff(err error, what string) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%s is cut off", what)
	}
	return err
}
