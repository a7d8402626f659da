// Package vecfile reads and writes files of vectors, record by record.
//
//	.npy              a NumPy array of N × D numbers, versions 1 to 3, of either byte
//	                  order: float16, float32, float64, and integers of 8 and 16 bits
//	.fvecs            rows of a 32-bit count and as many float32, little-endian
//	.bvecs .ivecs     the same of bytes, and of 32-bit integers
//	.parquet          columns id, values, namespace, metadata, title and text, or what
//	                  others call them: see parquetNames
//	lines of JSON     AppendLine and ParseLine, a record each
//
// Open opens a file by its name; all but Parquet also gzipped (.gz). A Reader takes
// the memory of one record, or of one page of each Parquet column, however large the
// file is. Numbers become float32, as an index stores them.
//
// What a file says of itself is not believed: an array that is shorter than its header
// says, a row of another length than the first, or a size that rows do not divide is an
// error that names the row. A *RowError is about one record, and the next can be read;
// any other error ends the file.
//
// What the package does not do: it looks into no id, namespace or metadata, except that
// metadata is a JSON object. Arrays in Fortran order are refused. Parquet is read by a
// library, which takes as much memory as a page claims to need.
package vecfile

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nearside/fault"
)

// Record is a vector with what is stored beside it, or a text without its vector yet.
type Record struct {
	ID        string    // "" where the file has no ids
	Namespace string    // "" = none
	Values    []float32 // nil where the file has texts only
	Metadata  []byte    // a JSON object; nil = none
	Title     string
	Text      string // what the vector was made from; "" = nobody knows
}

// Reader hands out the records of a file in their order. It is for one goroutine.
type Reader interface {
	// Next returns the next record, which nothing else refers to; io.EOF after the last.
	Next() (Record, error)
	// Skip passes over n records, before the first call of Next.
	Skip(n int64) error
	// Done returns how many bytes of the file the records so far account for.
	Done() int64
	// Close closes the file.
	Close() error
}

// RowError is what is wrong with one record.
type RowError struct {
	Row int64 // from 1
	Err error
}

// Error implements error.
func (e *RowError) Error() string { return fmt.Sprintf("row %d: %v", e.Row, e.Err) }

// Unwrap returns what is wrong.
func (e *RowError) Unwrap() error { return e.Err }

// maxDimensions bounds what a header may claim: far more than any index takes.
const maxDimensions = 1 << 16

// openers open what has a name that ends so; size is -1 where nobody knows it.
var openers = map[string]func(name string, src io.Reader, size int64) (matrix, error){
	".npy": openNpy, ".fvecs": openVecs(fvecs), ".bvecs": openVecs(bvecs), ".ivecs": openVecs(ivecs),
}

const (
	parquetSuffix = ".parquet"
	gzipSuffix    = ".gz"
)

// Known reports whether a file with this name is one that Open opens.
func Known(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, parquetSuffix) || openers[filepath.Ext(strings.TrimSuffix(name, gzipSuffix))] != nil
}

// HasIDs reports whether files with this name have ids of their own, or may have.
func HasIDs(name string) bool { return strings.HasSuffix(strings.ToLower(name), parquetSuffix) }

// Open opens a file that Known knows.
func Open(path string) (Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Invalid, "cannot read %s", path).Because(err)
	}
	r, err := open(path, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

func open(path string, f *os.File) (Reader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	name := strings.ToLower(path)
	if strings.HasSuffix(name, parquetSuffix) {
		return openParquet(path, f, info.Size())
	}
	plain, packed := strings.CutSuffix(name, gzipSuffix)
	opener := openers[filepath.Ext(plain)]
	if opener == nil {
		return nil, fault.New(fault.Invalid, "%s is no file of vectors that is known here: %s, each also with .gz, or %s", path, strings.Join(slices.Sorted(keys(openers)), ", "), parquetSuffix)
	}
	counted := &counter{r: f}
	var src io.Reader = counted
	size := info.Size()
	if packed {
		if src, err = gzip.NewReader(counted); err != nil {
			return nil, fault.New(fault.Invalid, "%s is not gzip, though its name says so", path).Because(err)
		}
		size = -1
	}
	m, err := opener(path, src, size)
	if err != nil {
		return nil, err
	}
	return &vectors{matrix: m, read: counted, file: f}, nil
}

func keys[K comparable, V any](m map[K]V) func(yield func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// counter counts what is read through it.
type counter struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// matrix is a file of rows of numbers and nothing else.
type matrix interface {
	// next appends the numbers of the next row to room, or returns io.EOF.
	next(room []float32) ([]float32, error)
	// skip passes over n rows.
	skip(n int64) error
}

// vectors is the Reader of a matrix.
type vectors struct {
	matrix
	read *counter
	file io.Closer
	row  int64
	last int // dimensions of the row before
}

// Next implements Reader.
func (v *vectors) Next() (Record, error) {
	values, err := v.next(make([]float32, 0, v.last))
	if err != nil {
		return Record{}, err
	}
	v.row, v.last = v.row+1, len(values)
	if err := CheckValues(values); err != nil {
		return Record{}, &RowError{v.row, err}
	}
	return Record{Values: values}, nil
}

// Skip implements Reader.
func (v *vectors) Skip(n int64) error {
	v.row += n
	return v.skip(n)
}

// Done implements Reader.
func (v *vectors) Done() int64 { return v.read.n }

// Close implements Reader.
func (v *vectors) Close() error { return v.file.Close() }

// CheckValues reports a number that no index takes.
func CheckValues(values []float32) error {
	for i, v := range values {
		if v-v != 0 { // NaN, or an infinity
			kind := "infinite, or too large for a float32"
			if math.IsNaN(float64(v)) {
				kind = "not a number (NaN)"
			}
			return fault.New(fault.Invalid, "value %d is %s; an index takes finite numbers only", i+1, kind)
		}
	}
	return nil
}

// discard reads n bytes of a file that is called name, and throws them away.
func discard(name string, src io.Reader, n int64) error {
	got, err := io.CopyN(io.Discard, src, n)
	if err == io.EOF {
		return fault.New(fault.Invalid, "%s ends %d bytes before the row that was to be read next; is it the same file as before?", name, n-got)
	}
	return err
}
