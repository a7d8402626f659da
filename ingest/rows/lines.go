package rows

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"nearside/fault"
)

// maxLine bounds a line: a vector of 1,536 numbers with 10 KiB of metadata needs well under
// 100 KiB, one with a text of 1 MiB and everything in it escaped 7 MiB.
const maxLine = 16 << 20

// byteOrderMark is what editors on Windows put before the first line.
var byteOrderMark = []byte("\ufeff")

// lineFile is a file of JSON lines, plain or gzipped. Lines are handed out as they are, for
// the server to judge; only what kind they are is looked at.
type lineFile struct {
	path    string
	file    io.Closer
	counted *countingReader
	scanner *bufio.Scanner
	number  int64
	kind    kind // of the line before
}

// openLines opens a file of lines, or standard input if the path is "-".
func openLines(path string, stdin io.Reader) (*lineFile, error) {
	f := &lineFile{path: path}
	if path == standardInput {
		f.counted, f.path = &countingReader{r: stdin}, "standard input"
	} else {
		file, err := os.Open(path)
		if err != nil {
			return nil, fault.New(fault.Invalid, "cannot read %s", path).Because(err)
		}
		f.file, f.counted = file, &countingReader{r: file}
	}
	plain, err := decompress(path, f.counted)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	f.scanner = bufio.NewScanner(plain)
	f.scanner.Buffer(make([]byte, 64<<10), maxLine)
	return f, nil
}

func (f *lineFile) next() (record, error) {
	// What comes before a reading error is half a line, and no record.
	for f.scanner.Scan() && f.scanner.Err() == nil {
		f.number++
		raw := f.scanner.Bytes()
		if f.number == 1 {
			raw = bytes.TrimPrefix(raw, byteOrderMark)
		}
		if raw = bytes.TrimSpace(raw); len(raw) == 0 {
			continue
		}
		at := Position{Path: f.path, Line: f.number}
		kind, err := kindOf(f.kind, raw)
		if err != nil && f.kind == unknown {
			return record{}, fault.New(fault.Invalid, "%s %s; each line is {\"id\",\"text\",…} or {\"id\",\"values\",…}", at, err).Because(err)
		}
		if err == nil {
			f.kind = kind
		}
		return record{at: at, rows: f.number, kind: f.kind, raw: bytes.Clone(raw)}, nil
	}
	if err := f.scanner.Err(); err != nil {
		return record{}, fault.New(fault.Invalid, "cannot read %s to its end, which is cut off, or has a line of more than %d bytes", f.path, maxLine).Because(err)
	}
	return record{}, io.EOF
}

// skip passes over the first lines, of which one at least was a record.
func (f *lineFile) skip(lines int64) error {
	f.kind = vectors // until a line says something else: one that cannot be read is refused, and no reason to end
	for f.number < lines && f.scanner.Scan() {
		f.number++
	}
	return nil
}

func (f *lineFile) done() int64 { return f.counted.n }

// Close closes the file.
func (f *lineFile) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// kindOf tells what a line holds, by the kind of the line before unless there is reason to look.
func kindOf(before kind, raw []byte) (kind, error) {
	hasText := bytes.Contains(raw, []byte(`"text"`)) || bytes.Contains(raw, []byte(`"title"`))
	switch {
	case before == vectors && !hasText:
		return vectors, nil
	case before == texts && !bytes.Contains(raw, []byte(`"values"`)):
		return texts, nil
	}
	var record struct {
		Values json.RawMessage `json:"values"`
		Text   *string         `json:"text"`
		Title  *string         `json:"title"`
	}
	if err := json.Unmarshal(raw, &record); err != nil {
		return unknown, errors.New("is not a JSON object")
	}
	switch hasValues := record.Values != nil && string(record.Values) != "null"; {
	case hasValues && (record.Text != nil || record.Title != nil):
		return whole, nil
	case hasValues:
		return vectors, nil
	case record.Text != nil:
		return texts, nil
	}
	return unknown, fmt.Errorf(`has neither "text" nor "values"`)
}

// decompress returns what a file says, through gzip if its name ends in .gz.
func decompress(path string, r io.Reader) (io.Reader, error) {
	if !strings.HasSuffix(path, ".gz") {
		return r, nil
	}
	plain, err := gzip.NewReader(r)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s is not gzip, though its name says so", path).Because(err)
	}
	return plain, nil
}

// countingReader counts the bytes read through it.
type countingReader struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
