package vecfile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"nearside/fault"
)

// parquetFile reads the rows of a Parquet file.
type parquetFile struct {
	name    string
	file    *os.File
	size    int64
	count   int64 // rows, as the file says
	columns []parquetColumn
	groups  []parquet.RowGroup // that were not begun
	rows    parquet.Rows       // of the group being read; nil between two
	batch   []parquet.Row      // read and not handed out
	room    []parquet.Row
	row     int64
}

// rowsAtOnce are read in one piece.
const rowsAtOnce = 64

func openParquet(name string, f *os.File, size int64) (r Reader, err error) {
	defer recovered(name, &err)
	file, err := parquet.OpenFile(f, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s is no Parquet file, or cut off: %s", name, err).Because(err)
	}
	columns, err := columnsOf(file)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s cannot be loaded: %s", name, err)
	}
	return &parquetFile{name: name, file: f, size: size, count: file.NumRows(), columns: columns, groups: file.RowGroups(), room: make([]parquet.Row, rowsAtOnce)}, nil
}

// recovered makes an error of a panic of the library, which damaged files can cause.
func recovered(name string, err *error) {
	if r := recover(); r != nil {
		*err = fault.New(fault.Invalid, "%s is damaged, or of a kind of Parquet that is not known here", name).Because(fmt.Errorf("%v", r))
	}
}

// Next implements Reader.
func (p *parquetFile) Next() (r Record, err error) {
	defer recovered(p.name, &err)
	for len(p.batch) == 0 {
		if err := p.fill(); err != nil {
			return Record{}, err
		}
	}
	p.row++
	r, err = p.record(p.batch[0])
	p.batch = p.batch[1:]
	if err != nil {
		return Record{}, &RowError{p.row, err}
	}
	return r, nil
}

// fill reads the next rows, from the next group if need be.
func (p *parquetFile) fill() error {
	if p.rows == nil {
		if len(p.groups) == 0 {
			return io.EOF
		}
		p.rows, p.groups = p.groups[0].Rows(), p.groups[1:]
	}
	n, err := p.rows.ReadRows(p.room)
	p.batch = p.room[:n]
	if err == io.EOF || err == nil && n == 0 {
		err = p.rows.Close()
		p.rows = nil
	}
	if err != nil {
		return fault.New(fault.Invalid, "%s is damaged after row %d: %s", p.name, p.row+int64(n), err).Because(err)
	}
	return nil
}

// record makes a record of a row.
func (p *parquetFile) record(row parquet.Row) (r Record, err error) {
	var properties []byte
	hasID, hasValues := false, false
	for _, v := range row {
		c := p.columns[v.Column()]
		if v.IsNull() && (c.role != valuesColumn || v.DefinitionLevel() != c.hole) {
			continue
		}
		switch c.role {
		case idColumn:
			r.ID, err = plainText(v)
			hasID = true
		case valuesColumn:
			hasValues = true
			err = appendValue(&r.Values, v)
		case namespaceColumn:
			r.Namespace, err = plainText(v)
		case titleColumn:
			r.Title, err = plainText(v)
		case textColumn:
			r.Text, err = plainText(v)
		case metadataColumn:
			r.Metadata, err = object(v.ByteArray())
		case propertyColumn:
			properties, err = appendProperty(properties, c.name, v)
		}
		if err != nil {
			return r, fault.New(fault.Invalid, "column %q: %s", c.name, err)
		}
	}
	if properties != nil {
		r.Metadata = append(properties, '}')
	}
	return r, p.complete(&r, hasID, hasValues)
}

// complete checks that a record has what the file has columns for.
func (p *parquetFile) complete(r *Record, hasID, hasValues bool) error {
	for _, c := range p.columns {
		switch {
		case c.role == idColumn && (!hasID || r.ID == ""):
			return fault.New(fault.Invalid, "its id, in column %q, is empty", c.name)
		case c.role == valuesColumn && !hasValues && r.Text == "":
			return fault.New(fault.Invalid, "its vector, in column %q, is empty", c.name)
		}
	}
	return CheckValues(r.Values)
}

func appendValue(to *[]float32, v parquet.Value) error {
	if v.IsNull() {
		return fmt.Errorf("value %d is null", len(*to)+1)
	}
	if len(*to) == maxDimensions {
		return fmt.Errorf("it has more than %d numbers", maxDimensions)
	}
	switch v.Kind() {
	case parquet.Float:
		*to = append(*to, v.Float())
	case parquet.Double:
		*to = append(*to, float32(v.Double()))
	default: // see fits: a float16
		*to = append(*to, half(binary.LittleEndian.Uint16(v.ByteArray())))
	}
	return nil
}

// plainText returns a string, or a whole number as one.
func plainText(v parquet.Value) (string, error) {
	switch v.Kind() {
	case parquet.Int32:
		return strconv.Itoa(int(v.Int32())), nil
	case parquet.Int64:
		return strconv.FormatInt(v.Int64(), 10), nil
	}
	if !utf8.Valid(v.ByteArray()) {
		return "", errors.New("it is not UTF-8")
	}
	return string(v.ByteArray()), nil
}

// object checks that metadata is a JSON object and returns a copy, nil for none.
func object(raw []byte) ([]byte, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if raw[0] != '{' || !json.Valid(raw) || !utf8.Valid(raw) {
		return nil, errors.New("it is no JSON object")
	}
	return bytes.Clone(raw), nil
}

// appendProperty appends a property to an object that has no end yet. NaN and infinities are left out, as null is.
func appendProperty(to []byte, name string, v parquet.Value) ([]byte, error) {
	value := []byte(nil)
	switch v.Kind() {
	case parquet.Boolean:
		value = strconv.AppendBool(nil, v.Boolean())
	case parquet.Int32, parquet.Int64:
		text, err := plainText(v)
		if err != nil {
			return to, err
		}
		value = []byte(text)
	case parquet.Float, parquet.Double:
		number, bits := v.Double, 64
		if v.Kind() == parquet.Float {
			number, bits = func() float64 { return float64(v.Float()) }, 32
		}
		if n := number(); !math.IsNaN(n) && !math.IsInf(n, 0) {
			value = strconv.AppendFloat(nil, n, 'g', -1, bits)
		}
	default:
		text, err := plainText(v)
		if err != nil {
			return to, err
		}
		value = appendText(nil, text)
	}
	if value == nil {
		return to, nil
	}
	separator := byte(',')
	if to == nil {
		separator = '{'
	}
	to = append(to, separator)
	to = append(appendText(to, name), ':')
	return append(to, value...), nil
}

// Skip implements Reader.
func (p *parquetFile) Skip(n int64) (err error) {
	defer recovered(p.name, &err)
	p.row += n
	for n > 0 && len(p.groups) > 0 {
		group := p.groups[0]
		p.groups = p.groups[1:]
		if n < group.NumRows() {
			p.rows = group.Rows()
			return p.rows.SeekToRow(n)
		}
		n -= group.NumRows()
	}
	return nil
}

// Done implements Reader: the share of the file that its rows have on average.
func (p *parquetFile) Done() int64 {
	return int64(float64(p.size) * float64(p.row) / float64(max(p.count, 1)))
}

// Close implements Reader.
func (p *parquetFile) Close() error {
	var err error
	if p.rows != nil {
		err = p.rows.Close()
	}
	return errors.Join(err, p.file.Close())
}
