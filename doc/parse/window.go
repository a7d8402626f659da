package parse

import (
	"context"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"nearside/fault"
)

// stretchBytes is how much of a long file is looked at, and of a long text yielded, at a time.
const stretchBytes = 1 << 20

// window goes over a file of text in bounded memory: a stretch of it at a time, each of which
// begins where the reader of the one before stopped.
type window struct {
	f    File
	o    Options
	buf  []byte
	base int64
	line int
	size int // bytes to have at once
	eof  bool
	set  charset
	sure bool // set is known; otherwise each stretch is guessed
	seen bool // sequences of UTF-8 that are not ASCII: bad bytes later on are damage
	note string
}

func newWindow(f File, o Options) *window {
	return &window{f: f, o: o, line: 1, size: stretchBytes}
}

// each hands out the text of the file, a stretch at a time. read returns how many of its bytes it has read; what it
// has not, the next stretch begins with. A file that has no more is at eof.
func (w *window) each(ctx context.Context, read func(text *decoded) (int, error)) error {
	for !w.done() {
		if err := ctx.Err(); err != nil {
			return err
		}
		text, err := w.next()
		if err != nil {
			return err
		}
		n, err := read(text)
		if err != nil {
			return err
		}
		if err := w.advance(text, n); err != nil {
			return err
		}
	}
	return nil
}

// next returns the text from where the last one was left. It is the last if eof is set.
func (w *window) next() (*decoded, error) {
	for len(w.buf) < w.size && !w.eof {
		if len(w.buf) == cap(w.buf) {
			w.buf = slices.Grow(w.buf, min(w.size, max(4<<10, 2*len(w.buf)))-len(w.buf))
		}
		n, err := w.f.Body.Read(w.buf[len(w.buf):min(w.size, cap(w.buf))])
		w.buf = w.buf[:len(w.buf)+n]
		if err == io.EOF {
			w.eof = true
		} else if err != nil {
			return nil, readError(w.f, err)
		}
	}
	if w.base == 0 {
		if mark := marked(w.buf); mark != nil {
			w.set, w.sure, w.base = *mark, true, int64(mark.mark)
			w.buf = w.buf[mark.mark:]
		}
	}
	data := w.buf
	if !w.eof {
		data = w.whole()
	}
	if !w.sure {
		if w.set = guess(data); w.set.other == nil && !w.seen {
			w.seen = hasWide(data)
		} else if w.seen {
			w.set = charset{}
		}
	}
	d := decode(data, w.set, w.base, w.line)
	if w.note == "" {
		w.note = d.note
	}
	return d, w.checkZero(d)
}

// whole returns the bytes without a character at the end that is not whole.
func (w *window) whole() []byte {
	if w.set.order != nil {
		n := len(w.buf) &^ 1
		if n > 2 && w.set.order.Uint16(w.buf[n-2:])&0xFC00 == 0xD800 {
			n -= 2
		}
		return w.buf[:n]
	}
	for n := 1; n <= min(3, len(w.buf)); n++ {
		if tail := w.buf[len(w.buf)-n:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return w.buf[:len(w.buf)-n]
			}
			break
		}
	}
	return w.buf
}

func hasWide(data []byte) bool {
	for _, b := range data {
		if b >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

// checkZero refuses a file that goes on as binary after it began as text.
func (w *window) checkZero(d *decoded) error {
	i := strings.IndexByte(d.text, 0)
	if i < 0 {
		return nil
	}
	return fault.New(fault.Unsupported, "%s: it has a zero byte at byte %d, so that it is binary from there on; it was read only up to about there", w.f.Name, d.fileAt(i))
}

// advance leaves the first bytes of the text that next returned behind. Without any, the next
// stretch is twice as long.
func (w *window) advance(d *decoded, read int) error {
	if read == 0 && !w.eof {
		if w.size *= 2; int64(w.size) > max(w.o.Bytes, stretchBytes) {
			return fault.New(fault.TooLarge, "%s: what begins on line %d is longer than %d bytes, the limit for what must be held in memory; "+
				"is a quote not closed, or is it all one line?", w.f.Name, w.line, w.o.Bytes)
		}
		return nil
	}
	to := d.fileAt(read)
	w.line = d.lineAt(read)
	if read == len(d.text) && read > 0 && d.text[read-1] == '\n' {
		w.line++
	}
	w.buf = append(w.buf[:0], w.buf[to-w.base:]...)
	w.base, w.size = to, stretchBytes
	return nil
}

// done reports whether all of the file was left behind.
func (w *window) done() bool { return w.eof && len(w.buf) == 0 }

// decodeAll reads the whole of a file as text, in the encoding that it names, or else as guessed.
func decodeAll(f File, o Options, named *charset) (*decoded, error) {
	data, err := readAll(f, o)
	if err != nil {
		return nil, err
	}
	set := guess(data)
	if mark := marked(data); mark != nil {
		set = *mark
	} else if named != nil {
		set = *named
	}
	d := decode(data[set.mark:], set, int64(set.mark), 1)
	return d, nil
}
