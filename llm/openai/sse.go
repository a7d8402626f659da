package openai

import (
	"bytes"
	"errors"
	"io"

	"nearside/llm/backend"
	"nearside/llm/backend/wire"
)

// lineReader gives lines without their ends, and io.EOF after the last.
type lineReader interface {
	Next() ([]byte, error)
}

// events reads server-sent events
// (html.spec.whatwg.org/multipage/server-sent-events.html, "event stream interpretation").
// Of an event only its data counts here. Lines end with LF or CRLF; a CR alone, which
// the standard allows and nobody sends, ends none.
type events struct {
	lines  lineReader
	tooBig error  // the error of an event that is longer than wire.MaxLine
	data   []byte // of the event that is being read
	some   bool   // there was a data line
	begun  bool   // the first line was read
}

func newEvents(l lineReader, c *wire.Client, model string) *events {
	return &events{lines: l, tooBig: c.Error(model, backend.Broken, nil, "a part of its answer is longer than %d MB", wire.MaxLine>>20)}
}

// Next returns the data of the next event, until the next call of Next. An event
// that the end of the stream cuts off before its blank line counts, because servers
// end their last one so. At the end err is io.EOF.
func (e *events) Next() ([]byte, error) {
	e.data, e.some = e.data[:0], false
	for {
		line, err := e.lines.Next()
		if errors.Is(err, io.EOF) && e.some {
			return e.data, nil
		}
		if err != nil {
			return nil, err
		}
		if !e.begun {
			line, e.begun = bytes.TrimPrefix(line, []byte("\ufeff")), true
		}
		if len(line) == 0 {
			if e.some {
				return e.data, nil
			}
			continue
		}
		if err := e.field(line); err != nil {
			return nil, err
		}
	}
}

// field takes over a line. Comments, and fields other than data, are passed over.
func (e *events) field(line []byte) error {
	name, value, _ := bytes.Cut(line, []byte(":"))
	if string(name) != "data" {
		return nil
	}
	if e.some {
		e.data = append(e.data, '\n')
	}
	e.data, e.some = append(e.data, bytes.TrimPrefix(value, []byte(" "))...), true
	if len(e.data) > wire.MaxLine {
		return e.tooBig
	}
	return nil
}
