package server

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strings"

	"nearside/bulk"
	"nearside/fault"
	"nearside/index"
	"nearside/vectorize"
)

// Media types of uploads. Everything else is refused with 1005.
const (
	typeNDJSON    = "application/x-ndjson"
	typeMultipart = "multipart/form-data"
)

// reasonUpload is an upload, or a line of it, that cannot be read.
const reasonUpload fault.Reason = "upload"

// uploadBuffer is read ahead of the decoder, and has to hold the keys before
// "vectors" when they all stand in one object.
const uploadBuffer = 64 << 10

// maxLine is the longest text of one record: 1,536 numbers and the largest
// metadata that --relaxed allows, all of it escaped, have a third of it.
const maxLine = 16 << 20

// upload decodes the vectors of a request body. It takes the five encodings that
// Cloudflare's clients send, in any of the media types:
//
//   - lines of JSON, one record each (npm cloudflare 5 and 7, LangChain);
//   - a multipart form with such lines in the part called "vectors", or in a
//     file part of any name, the empty one included (wrangler; the Go SDK);
//   - a JSON string that holds such lines (npm cloudflare 4, the Python SDK);
//   - an object {"vectors": […]} (Workers without the NDJSON flag);
//   - and each of the others within a part of the second.
//
// Beside them there is a sixth of our own, by its media type: package bulk's.
//
// The body is read as a stream. What is held at a time is one record's text and
// the records so far, whose values are four bytes a number.
type upload struct {
	operation  string // "insert" or "upsert", for messages
	dimensions int    // of the index: how much room a vector gets
	limits     vectorize.Limits
	discard    bool // pass over records that cannot be read
	whole      bool // keep titles and texts, which Vectorize does not know

	records   []index.Record
	seen      int   // records, read or not
	discarded []int // lines passed over
	room      []float32
}

// decode reads a body of the given content type. If reading the body failed,
// that is the error, whatever the decoder made of it.
func (u *upload) decode(body io.Reader, contentType string) error {
	source := &watched{r: body}
	media, params, err := mime.ParseMediaType(strings.TrimRight(contentType, "; "))
	switch {
	case err == nil && media == typeMultipart:
		err = u.form(multipart.NewReader(source, params["boundary"]))
	case err == nil && media == bulk.ContentType:
		err = u.rows(source)
	default:
		err = u.lines(source)
	}
	if source.err != nil {
		return source.err
	}
	return err
}

// watched remembers why its reader failed.
type watched struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (f *watched) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// form decodes the part called "vectors", or else the first file. The form is
// read to its end: one without an end was cut on its way.
func (u *upload) form(parts *multipart.Reader) error {
	found, named := false, false
	var failure error
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return u.unreadable("the multipart form: %v", err)
		}
		isNamed := part.FormName() == "vectors"
		if named || !isNamed && (found || !isFile(part)) {
			continue
		}
		found, named = true, isNamed
		u.records, u.discarded, u.seen = u.records[:0], u.discarded[:0], 0
		failure = u.lines(part)
	}
	if !found {
		return u.unreadable(`the multipart form has neither a part called "vectors" nor a file`)
	}
	return failure
}

// isFile reports whether a part has a file name, be it empty.
func isFile(part *multipart.Part) bool {
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	_, has := params["filename"]
	return err == nil && has
}

// lines decodes everything that is not a form.
func (u *upload) lines(body io.Reader) error {
	r := bufio.NewReaderSize(body, uploadBuffer)
	first, err := firstByte(r)
	if err != nil {
		return u.unreadable("the body cannot be read: %v", err)
	}
	if first == '"' {
		if _, err := r.Discard(1); err != nil {
			return u.unreadable("the body cannot be read: %v", err)
		}
		r = bufio.NewReaderSize(&literal{r: r}, uploadBuffer)
		if _, err := firstByte(r); err != nil {
			return u.unreadable("the JSON string around the lines: %v", err)
		}
	}
	if holdsVectors(r) {
		err = u.object(r)
	} else {
		err = u.split(r)
	}
	if err != nil {
		return err
	}
	return u.limits.CheckBatch(u.seen)
}

// firstByte moves past white space and a byte order mark, and returns what comes; 0 at the end.
func firstByte(r *bufio.Reader) (byte, error) {
	if mark, err := r.Peek(3); err == nil && string(mark) == "\ufeff" {
		if _, err := r.Discard(3); err != nil {
			return 0, err
		}
	}
	for {
		b, err := r.ReadByte()
		if err == io.EOF {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		if !isSpace(b) {
			return b, r.UnreadByte()
		}
	}
}

// split decodes line by line.
func (u *upload) split(r *bufio.Reader) error {
	var long []byte // a line longer than r's buffer
	for number := 1; ; number++ {
		line, err := r.ReadSlice('\n')
		long = long[:0]
		for err == bufio.ErrBufferFull {
			if long = append(long, line...); len(long) > maxLine {
				return u.unreadable("line %d is longer than %d bytes; is a line end missing?", number, maxLine)
			}
			line, err = r.ReadSlice('\n')
		}
		if len(long) > 0 {
			long = append(long, line...)
			line = long
		}
		if err != nil && err != io.EOF {
			return u.unreadable("line %d: %v", number, err)
		}
		if text := bytes.TrimSpace(line); len(text) > 0 {
			if err := u.add(text, "line", number); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// add decodes one record and keeps it. Beyond the limit records are only counted.
func (u *upload) add(text []byte, unit string, number int) error {
	u.seen++
	if u.limits.Batch > 0 && u.seen > u.limits.Batch {
		return nil
	}
	record, err := u.record(text)
	return u.keep(record, err, unit, number)
}

// keep keeps a record, or says or passes over what is wrong with it.
func (u *upload) keep(record index.Record, err error, unit string, number int) error {
	if err == nil {
		u.records = append(u.records, record)
		return nil
	}
	if f := fault.As(err); f != nil && f.Reason == index.ReasonDimensions {
		return err
	}
	if u.discard {
		u.discarded = append(u.discarded, number)
		return nil
	}
	return u.unreadable("%s %d: %v", unit, number, err)
}

// record decodes one record.
func (u *upload) record(text []byte) (index.Record, error) {
	var r index.Record
	s := scanner{data: text}
	hasID, numbers := false, 0
	err := s.fields(func(key string) (err error) {
		switch key {
		case "id":
			var id string
			id, err = s.text()
			r.ID, hasID = index.VectorID(id), true
		case "values":
			r.Values, numbers, err = s.floats(u.vector(), index.MaxDimensions)
		case "namespace":
			if r.Namespace = ""; !s.null() {
				r.Namespace, err = s.text()
			}
		case "metadata":
			r.Metadata, err = s.metadata()
		default:
			err = u.beyond(&s, &r, key)
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", quoteShort(key), err)
		}
		return err
	})
	if err == nil {
		err = s.end()
	}
	if err == nil && !hasID {
		err = errors.New(`"id" is missing`)
	}
	if err == nil && numbers > index.MaxDimensions {
		err = fault.For(index.ReasonDimensions, `invalid vector for id="%s", expected %d dimensions, and got %d dimensions`, r.ID, u.dimensions, numbers)
	}
	u.room = u.room[min(len(u.room), len(r.Values)):]
	return r, err
}

// beyond reads a field that Vectorize does not know: it is passed over, unless records are wanted whole.
func (u *upload) beyond(s *scanner, r *index.Record, key string) (err error) {
	field := map[string]*string{"title": &r.Title, "text": &r.Text}[key]
	if !u.whole || field == nil {
		_, err = s.value()
		return err
	}
	if *field = ""; !s.null() {
		*field, err = s.text()
	}
	return err
}

// vector returns room for a vector of the index's length. Rooms are cut from
// larger pieces, so that a batch is not thousands of allocations.
func (u *upload) vector() []float32 {
	const piece = 64 // vectors
	if len(u.room) < u.dimensions {
		u.room = make([]float32, piece*u.dimensions)
	}
	return u.room[:0:min(len(u.room), u.dimensions)]
}

// metadata reads an object, or null, and returns it compact.
func (s *scanner) metadata() ([]byte, error) {
	if s.null() {
		return nil, nil
	}
	if s.at >= len(s.data) || s.data[s.at] != '{' {
		return nil, s.wrong("an object")
	}
	raw, err := s.value()
	if err != nil {
		return nil, err
	}
	return slices.Clip(compact(make([]byte, 0, len(raw)), raw)), nil
}

// unreadable is the fault of an upload that cannot be decoded.
func (u *upload) unreadable(format string, args ...any) error {
	return fault.For(reasonUpload, "failed to parse %s vectors request in json format: %s", u.operation, fmt.Sprintf(format, args...))
}
