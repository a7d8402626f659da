package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"nearside/llm/backend"
)

// drainTime is how long the end of a stream may take to come once its last line
// is here. A connection whose end came can be used again.
const drainTime = 50 * time.Millisecond

// Lines is a reply that is read line by line.
type Lines struct {
	ctx    context.Context
	client *Client
	model  string
	body   io.ReadCloser
	kind   string // its content type
	read   *bufio.Reader
	long   []byte // a line that is longer than the reader's buffer
	bytes  int
}

func newLines(ctx context.Context, c *Client, model string, reply *http.Response) *Lines {
	return &Lines{
		ctx: ctx, client: c, model: model, body: reply.Body,
		kind: reply.Header.Get("Content-Type"), read: bufio.NewReader(reply.Body),
	}
}

// IsJSON reports whether the reply is one JSON object and no stream.
func (l *Lines) IsJSON() bool { return strings.HasPrefix(l.kind, "application/json") }

// Next returns the next line, without its end (LF or CRLF), until the next call of
// Next. A last line that does not end is returned too, if the reply ended well.
// At the end err is io.EOF; otherwise it is a *backend.Error, or the context's.
func (l *Lines) Next() ([]byte, error) {
	l.long = l.long[:0]
	for {
		part, err := l.read.ReadSlice('\n')
		l.bytes += len(part)
		if len(l.long)+len(part) > MaxLine {
			return nil, l.client.Error(l.model, backend.Broken, nil, "a line of its answer is longer than %d MB", MaxLine>>20)
		}
		if l.bytes > MaxStream {
			return nil, l.client.Error(l.model, backend.Broken, nil, "its answer is longer than %d MB and does not end", MaxStream>>20)
		}
		switch {
		case err == nil && len(l.long) == 0:
			return trimEnd(part), nil
		case errors.Is(err, bufio.ErrBufferFull):
			l.long = append(l.long, part...)
			continue
		case err == nil, errors.Is(err, io.EOF) && len(l.long)+len(part) > 0:
			l.long = append(l.long, part...)
			return trimEnd(l.long), nil
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		}
		return nil, l.client.cut(l.ctx, l.model, err)
	}
}

func trimEnd(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

// All returns the whole reply, where nothing has been read of it yet.
func (l *Lines) All() ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(l.read, MaxReply+1))
	if err != nil {
		return nil, l.client.cut(l.ctx, l.model, err)
	}
	if len(b) > MaxReply {
		return nil, l.client.Error(l.model, backend.Broken, nil, "its reply is longer than %d MB", MaxReply>>20)
	}
	return b, nil
}

// Finish waits, very shortly, for the end of a stream whose last line was read, so
// that its connection can be used again.
func (l *Lines) Finish() {
	timer := time.AfterFunc(drainTime, func() { _ = l.body.Close() }) // ends the copy below
	defer timer.Stop()
	_, _ = io.CopyN(io.Discard, l.read, 1024) // whatever comes, the answer is complete
}

// Close ends the reply. A connection whose end has not come is closed.
func (l *Lines) Close() error { return l.body.Close() }
