package ann

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"nearside/disk"
	"nearside/fault"
	"nearside/index"
	"nearside/index/local/vek"
)

// Files of a set, all little-endian:
//
//	NAME.base.fbin    uint32 rows, uint32 dimensions, float32 values
//	NAME.query.fbin   the same
//	NAME.label.u32    uint32 rows, uint32 labels; NAME.qlabel.u32 those of the queries
//	NAME.gt           uint32 queries, uint32 k, uint32 rows of the k nearest of each
//	                  query, float32 distances of them (see Truth)
//
// .fvecs files (uint32 dimensions, then the values, for each row) are read as well.
const (
	baseSuffix   = ".base.fbin"
	querySuffix  = ".query.fbin"
	labelSuffix  = ".label.u32"
	qlabelSuffix = ".qlabel.u32"
	truthSuffix  = ".gt"
)

// maxDimensions bounds a row of a file.
const maxDimensions = 1 << 16

// IsFile reports whether data names a file rather than a set that Make knows.
func IsFile(data string) bool {
	return strings.HasSuffix(data, ".fbin") || strings.HasSuffix(data, ".fvecs")
}

// ReadSet reads a set from a file of vectors. Of NAME.base.fbin the queries are those
// of NAME.query.fbin beside it, of NAME_base.fvecs those of NAME_query.fvecs; if there
// is no such file, the last vectors of the file become queries, a hundredth of them
// and at most 1,000. Labels are read where they are.
func ReadSet(path string, metric index.Metric) (*Set, error) {
	base, err := ReadMatrix(path)
	if err != nil {
		return nil, err
	}
	s := &Set{Name: strings.TrimSuffix(filepath.Base(path), baseSuffix), Metric: metric, Base: base}
	queries := strings.NewReplacer(baseSuffix, querySuffix, "_base.fvecs", "_query.fvecs").Replace(path)
	if _, err := os.Stat(queries); err == nil && queries != path {
		if s.Queries, err = ReadMatrix(queries); err != nil {
			return nil, err
		}
	} else if err := s.splitQueries(path); err != nil {
		return nil, err
	}
	if s.Queries.Dimensions != s.Base.Dimensions {
		return nil, fault.New(fault.Invalid, "%s has %d dimensions, and %s has %d", queries, s.Queries.Dimensions, path, s.Base.Dimensions)
	}
	if err := s.toUnit(path); err != nil {
		return nil, err
	}
	prefix, whole := strings.CutSuffix(path, baseSuffix)
	if !whole {
		return s, nil
	}
	if s.Labels, err = readLabels(prefix+labelSuffix, s.Base.Rows); err == nil {
		s.QueryLabels, err = readLabels(prefix+qlabelSuffix, s.Queries.Rows)
	}
	return s, err
}

// splitQueries takes the queries from the end of the vectors.
func (s *Set) splitQueries(path string) error {
	all := s.Base
	count := min(max(all.Rows/100, 1), 1000)
	if all.Rows < 2 {
		return fault.New(fault.Invalid, "%s has %d vectors; some to search and some to ask for are needed", path, all.Rows)
	}
	s.Base = all.First(all.Rows - count)
	s.Queries = Matrix{count, all.Dimensions, all.Values[len(s.Base.Values):]}
	return nil
}

// toUnit scales vectors to length 1 under cosine, which does not look at lengths.
func (s *Set) toUnit(path string) error {
	if s.Metric != index.Cosine {
		return nil
	}
	for _, m := range []Matrix{s.Base, s.Queries} {
		for i := range m.Rows {
			row := m.Row(i)
			squares := vek.WideDot(row, row)
			if squares == 0 {
				return fault.New(fault.Invalid, "%s: a vector is all zero, which has no cosine; use --metric euclidean", path)
			}
			if math.Abs(squares-1) < 1e-4 {
				continue
			}
			for j := range row {
				row[j] = float32(float64(row[j]) / math.Sqrt(squares))
			}
		}
	}
	return nil
}

// ReadMatrix reads a .fbin or .fvecs file.
func ReadMatrix(path string) (Matrix, error) {
	f, err := os.Open(path)
	if err != nil {
		return Matrix{}, openError(path, err)
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return Matrix{}, err
	}
	in := bufio.NewReaderSize(f, 1<<20)
	if strings.HasSuffix(path, ".fvecs") {
		return readFvecs(path, in, info.Size())
	}
	return readFbin(path, in, info.Size())
}

func readFbin(path string, in io.Reader, size int64) (Matrix, error) {
	var header [2]uint32
	if err := binary.Read(in, binary.LittleEndian, &header); err != nil {
		return Matrix{}, fault.New(fault.Corrupt, "%s has %d bytes; a .fbin file has a header of 8", path, size)
	}
	rows, dimensions := int64(header[0]), int64(header[1])
	if dimensions == 0 || dimensions > maxDimensions || size != 8+4*rows*dimensions {
		return Matrix{}, fault.New(fault.Corrupt, "%s has %d bytes; %d vectors of %d dimensions, as its header says, take %d", path, size, rows, dimensions, 8+4*rows*dimensions)
	}
	m := NewMatrix(int(rows), int(dimensions))
	return m, readValues(path, in, m)
}

func readFvecs(path string, in *bufio.Reader, size int64) (Matrix, error) {
	first, err := in.Peek(4)
	if err != nil {
		return Matrix{}, fault.New(fault.Corrupt, "%s has %d bytes; a .fvecs file has a header of 4 for each vector", path, size)
	}
	dimensions := int64(binary.LittleEndian.Uint32(first))
	if dimensions == 0 || dimensions > maxDimensions || size%(4+4*dimensions) != 0 {
		return Matrix{}, fault.New(fault.Corrupt, "%s has %d bytes, which vectors of %d dimensions, as its header says, do not fill", path, size, dimensions)
	}
	m := NewMatrix(int(size/(4+4*dimensions)), int(dimensions))
	for i := range m.Rows {
		var d uint32
		if err := binary.Read(in, binary.LittleEndian, &d); err != nil {
			return Matrix{}, err
		}
		if int64(d) != dimensions {
			return Matrix{}, fault.New(fault.Corrupt, "%s: vector %d has %d dimensions, and those before it have %d", path, i, d, dimensions)
		}
		if err := readValues(path, in, Matrix{1, m.Dimensions, m.Row(i)}); err != nil {
			return Matrix{}, err
		}
	}
	return m, nil
}

// readValues fills m, and refuses what is no number.
func readValues(path string, in io.Reader, m Matrix) error {
	buffer := make([]byte, 4*m.Dimensions)
	for i := range m.Rows {
		if _, err := io.ReadFull(in, buffer); err != nil {
			return err
		}
		row := m.Row(i)
		for j := range row {
			row[j] = math.Float32frombits(binary.LittleEndian.Uint32(buffer[4*j:]))
			if row[j]-row[j] != 0 { // NaN or infinite
				return fault.New(fault.Corrupt, "%s: dimension %d of vector %d is %v", path, j, i, row[j])
			}
		}
	}
	return nil
}

// readLabels reads labels if there are any.
func readLabels(path string, rows int) ([]uint32, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(b) != 4+4*rows || binary.LittleEndian.Uint32(b) != uint32(rows) {
		return nil, fault.New(fault.Corrupt, "%s has %d bytes; the labels of %d vectors take %d", path, len(b), rows, 4+4*rows)
	}
	return numbersOf(b[4:]), nil
}

func numbersOf(b []byte) []uint32 {
	numbers := make([]uint32, len(b)/4)
	for i := range numbers {
		numbers[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return numbers
}

// WriteSet writes a set and its exact answers as files that begin with its name.
func WriteSet(dir string, s *Set, truth *Truth) error {
	prefix := filepath.Join(dir, s.Name)
	files := []struct {
		suffix string
		parts  []any
	}{
		{baseSuffix, []any{uint32(s.Base.Rows), uint32(s.Base.Dimensions), s.Base.Values}},
		{querySuffix, []any{uint32(s.Queries.Rows), uint32(s.Queries.Dimensions), s.Queries.Values}},
		{labelSuffix, []any{uint32(len(s.Labels)), s.Labels}},
		{qlabelSuffix, []any{uint32(len(s.QueryLabels)), s.QueryLabels}},
		{truthSuffix, truth.parts()},
	}
	for _, f := range files {
		if err := disk.WriteFileAtomic(prefix+f.suffix, writing(f.parts...)); err != nil {
			return err
		}
	}
	return nil
}

// chunk is how many numbers are encoded at a time.
const chunk = 1 << 16

// writing writes numbers and lists of numbers, one after the other.
func writing(parts ...any) func(io.Writer) error {
	return func(w io.Writer) error {
		for _, p := range parts {
			values, many := p.([]float32)
			if !many {
				if err := binary.Write(w, binary.LittleEndian, p); err != nil {
					return err
				}
			}
			for len(values) > 0 {
				n := min(len(values), chunk)
				if err := binary.Write(w, binary.LittleEndian, values[:n]); err != nil {
					return err
				}
				values = values[n:]
			}
		}
		return nil
	}
}

func openError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "there is no file %s", path)
	}
	return err
}
