package server

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"

	"nearside/fault"
)

// unpack undoes a content encoding.
func unpack(encoding string, packed *bufio.Reader) (io.Reader, error) {
	switch encoding {
	case "", "identity":
		return packed, nil
	case "gzip", "x-gzip":
		r, err := gzip.NewReader(packed)
		if err != nil {
			return nil, badPacking(encoding, err)
		}
		return r, nil
	case "deflate":
		// The standard says zlib; some clients send the bare stream.
		head, _ := packed.Peek(2)
		if len(head) == 2 && head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
			r, err := zlib.NewReader(packed)
			if err != nil {
				return nil, badPacking(encoding, err)
			}
			return r, nil
		}
		return flate.NewReader(packed), nil
	}
	return nil, fault.For(reasonEncoding, "the body's Content-Encoding is %s; gzip, deflate and none are understood", quoteShort(encoding))
}

func badPacking(encoding string, err error) error {
	if f := fault.As(err); f != nil {
		return f
	}
	return fault.For(reasonBodyCut, "the body is not the %s stream that its Content-Encoding says", encoding).Because(err)
}

// limited reads what a body unpacks to, which counts like the body itself against
// the route's limit and the server's budget: a few kilobytes can be many gigabytes.
type limited struct {
	body *body
	r    io.Reader
	read int64
}

// Read implements io.Reader.
func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.read += int64(n)
	if l.read > l.body.limit {
		return 0, tooLarge(l.body.limit, 0)
	}
	if err := l.body.reserve(int64(n)); err != nil {
		return 0, err
	}
	if err != nil && err != io.EOF {
		err = badPacking("packed", err)
	}
	return n, err
}
