package rows

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"nearside/fault"
	"nearside/ingest/vecfile"
)

// vectorFile is a file of vectors, with the files beside it that say more of each.
type vectorFile struct {
	path   string
	r      vecfile.Reader
	ids    *beside // the id of each row, a line each; nil: there is none
	more   *beside // what else each row has, a JSON object a line; nil: likewise
	prefix string  // of ids that are row numbers
	row    int64
}

func openVectors(o Options, path string) (*vectorFile, error) {
	r, err := vecfile.Open(path)
	if err != nil {
		return nil, err
	}
	f := &vectorFile{path: path, r: r, prefix: o.IDPrefix}
	if f.ids, err = openBeside(o.IDs); err == nil {
		f.more, err = openBeside(o.MetadataFile)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *vectorFile) next() (record, error) {
	v, err := f.r.Next()
	if err == io.EOF {
		if err := f.finish(); err != nil {
			return record{}, err
		}
		return record{}, io.EOF
	}
	var row *vecfile.RowError
	if err != nil && !errors.As(err, &row) {
		return record{}, err
	}
	f.row++
	r := record{at: Position{Path: f.path, Line: f.row, Row: true}, rows: f.row}
	if complement := f.complement(&v); complement != nil {
		return record{}, complement
	}
	if row != nil {
		r.refused = row.Err
		return r, nil
	}
	r.made(v)
	return r, nil
}

// complement adds what the files beside say of the row; an error ends the load.
func (f *vectorFile) complement(v *vecfile.Record) error {
	if f.more != nil {
		line, err := f.more.line(f.path, f.row)
		if err != nil {
			return err
		}
		more, err := vecfile.ParseLine(line)
		if err != nil {
			return fault.New(fault.Invalid, "%s:%d: %s", f.more.path, f.row, err)
		}
		more.Values = v.Values
		if more.ID == "" {
			more.ID = v.ID
		}
		*v = more
	}
	if f.ids != nil {
		line, err := f.ids.line(f.path, f.row)
		if err != nil {
			return err
		}
		v.ID = string(line)
	}
	if v.ID == "" {
		v.ID = f.prefix + strconv.FormatInt(f.row, 10)
	}
	return nil
}

// finish checks that the files beside end where the vectors do.
func (f *vectorFile) finish() error {
	return errors.Join(f.ids.finish(f.path, f.row), f.more.finish(f.path, f.row))
}

func (f *vectorFile) skip(rows int64) error {
	f.row = rows
	err := f.r.Skip(rows)
	for _, b := range []*beside{f.ids, f.more} {
		for n := int64(1); err == nil && b != nil && n <= rows; n++ {
			_, err = b.line(f.path, n)
		}
	}
	return err
}

func (f *vectorFile) done() int64 { return f.r.Done() }

// Close closes the files.
func (f *vectorFile) Close() error {
	return errors.Join(f.r.Close(), f.ids.close(), f.more.close())
}

// beside is a file with a line for each row of another.
type beside struct {
	path    string
	file    *os.File
	scanner *bufio.Scanner
}

func openBeside(path string) (*beside, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Invalid, "cannot read %s", path).Because(err)
	}
	plain, err := decompress(path, file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	b := &beside{path, file, bufio.NewScanner(plain)}
	b.scanner.Buffer(make([]byte, 64<<10), maxLine)
	return b, nil
}

// line returns the line of a row, without what is around it.
func (b *beside) line(path string, row int64) ([]byte, error) {
	if !b.scanner.Scan() {
		return nil, fault.New(fault.Invalid, "%s ends before row %d of %s; it must have a line for each row", b.path, row, path).Because(b.scanner.Err())
	}
	line := b.scanner.Bytes()
	if row == 1 {
		line = bytes.TrimPrefix(line, byteOrderMark)
	}
	if line = bytes.TrimRight(line, "\r"); len(bytes.TrimSpace(line)) == 0 {
		return nil, fault.New(fault.Invalid, "%s:%d is empty; it must have a line for each row of %s", b.path, row, path)
	}
	return line, nil
}

// finish checks that no line is left.
func (b *beside) finish(path string, rows int64) error {
	if b == nil {
		return nil
	}
	for b.scanner.Scan() {
		if strings.TrimSpace(b.scanner.Text()) != "" {
			return fault.New(fault.Invalid, "%s has more lines than the %d rows of %s; does it belong to another file? The rows were loaded with the first of its lines", b.path, rows, path)
		}
	}
	return nil
}

func (b *beside) close() error {
	if b == nil {
		return nil
	}
	return b.file.Close()
}
