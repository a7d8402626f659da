package rows

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"

	"nearside/fault"
)

// maxLine bounds a line: a vector of 1,536 numbers with 10 KiB of metadata needs well under 100 KiB.
const maxLine = 16 << 20

// byteOrderMark is what editors on Windows put before the first line.
var byteOrderMark = []byte("\ufeff")

// file is one input, not yet open.
type file struct {
	path string
	size int64 // bytes on disk, compressed or not: what progress is counted in
}

// line is one record as it was read.
type line struct {
	at  Position
	raw []byte
}

// batch is a run of lines of one kind.
type batch struct {
	kind  kind
	lines []line
	read  int64 // bytes of the file that the batch accounts for
}

// openAll checks that every path is a file that can be read, so that a typing error in the last one costs nothing.
func openAll(paths []string) (files []file, total int64, err error) {
	var wrong []error
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			wrong = append(wrong, fault.New(fault.Invalid, "cannot read %s", path).Because(err))
		case info.IsDir():
			wrong = append(wrong, fault.New(fault.Invalid, "%s is a directory; name files of JSON lines (.jsonl, .ndjson, also .gz)", path))
		default:
			files = append(files, file{path, info.Size()})
			total += info.Size()
		}
	}
	return files, total, errors.Join(wrong...)
}

// batches reads the file and hands over its batches in order.
func (f file) batches(ctx context.Context, o Options, hand func(batch)) error {
	input, err := os.Open(f.path)
	if err != nil {
		return fault.New(fault.Invalid, "cannot read %s", f.path).Because(err)
	}
	defer input.Close()
	counted := &countingReader{r: input}
	plain, err := decompress(f.path, counted)
	if err != nil {
		return err
	}
	scanner := bufio.NewScanner(plain)
	scanner.Buffer(make([]byte, 64<<10), maxLine)
	c := collector{file: f, o: o, counted: counted, hand: hand}
	// What comes before a reading error is half a line, and no record.
	for n := 1; scanner.Scan() && scanner.Err() == nil; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		raw := scanner.Bytes()
		if n == 1 {
			raw = bytes.TrimPrefix(raw, byteOrderMark)
		}
		if err := c.add(n, raw); err != nil {
			return err
		}
	}
	if err := scanner.Err(); err != nil {
		return fault.New(fault.Invalid, "cannot read %s to its end, which is cut off, or has a line of more than %d bytes", f.path, maxLine).Because(err)
	}
	c.flush()
	return nil
}

// collector gathers lines into batches.
type collector struct {
	file    file
	o       Options
	counted *countingReader
	hand    func(batch)

	known     bool // kind was seen
	kind      kind
	lines     []line
	bytes     int
	accounted int64 // of the bytes read from the file, those that earlier batches account for
}

func (c *collector) add(number int, raw []byte) error {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return nil
	}
	at := Position{c.file.path, number}
	if !c.known {
		kind, err := kindOf(at, raw)
		if err != nil {
			return err
		}
		c.kind, c.known = kind, true
	}
	c.lines = append(c.lines, line{at, bytes.Clone(raw)})
	c.bytes += len(raw)
	limit := c.o.BatchLines
	if limit == 0 {
		limit = c.kind.batchLines()
	}
	if c.bytes >= c.o.BatchBytes || len(c.lines) >= limit {
		c.flush()
	}
	return nil
}

func (c *collector) flush() {
	if len(c.lines) == 0 {
		return
	}
	read := c.counted.n - c.accounted
	c.accounted = c.counted.n
	c.hand(batch{c.kind, c.lines, read})
	c.lines, c.bytes = nil, 0
}

// kindOf tells from the first record of a file what the file holds.
func kindOf(at Position, raw []byte) (kind, error) {
	var record struct {
		Values json.RawMessage `json:"values"`
		Text   *string         `json:"text"`
	}
	if err := json.Unmarshal(raw, &record); err != nil {
		return 0, fault.New(fault.Invalid, "%s is not a JSON object; each line is {\"id\",\"text\",…} or {\"id\",\"values\",…}", at).Because(err)
	}
	switch {
	case record.Values != nil:
		return vectors, nil
	case record.Text != nil:
		return texts, nil
	}
	return 0, fault.New(fault.Invalid, "%s has neither \"text\" nor \"values\"; each line is {\"id\",\"text\",…} or {\"id\",\"values\",…}", at)
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
