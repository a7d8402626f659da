package parse

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"nearside/fault"
)

// headBytes is how much of a file is looked at to know its format and encoding.
const headBytes = 64 << 10

// peek returns the first bytes of a file, and a reader of the whole of it that fails when ctx ends.
func peek(ctx context.Context, f File) ([]byte, io.Reader, error) {
	body := f.Body
	if body == nil && f.At != nil {
		body = io.NewSectionReader(f.At, 0, f.Size)
	}
	if body == nil {
		return nil, nil, errors.New("it has no bytes to read")
	}
	r := bufio.NewReaderSize(&ctxReader{ctx, body}, headBytes)
	head, err := r.Peek(headBytes)
	if err == io.EOF {
		err = nil
	}
	return head, r, err
}

// ctxReader reads until its context ends.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// readAll returns the whole of a file that its format needs to be held in memory.
func readAll(f File, o Options) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f.Body, o.Bytes+1))
	if err != nil {
		return nil, readError(f, err)
	}
	if int64(len(data)) > o.Bytes {
		return nil, tooLarge(f, o)
	}
	return data, nil
}

// atRandom sets At and Size of a file, by reading it into memory if there is no other way.
func atRandom(f File, o Options) (File, error) {
	if f.At != nil {
		return f, nil
	}
	data, err := readAll(f, o)
	if err != nil {
		return f, err
	}
	f.At, f.Size, f.Body = bytes.NewReader(data), int64(len(data)), bytes.NewReader(data)
	return f, nil
}

func tooLarge(f File, o Options) error {
	return fault.New(fault.TooLarge, "%s: it is larger than %d bytes, the limit for a file whose format must be held in memory; "+
		"split it, or raise the limit", f.Name, o.Bytes)
}

// readError makes a fault of an error of reading; that of a context, and a fault, stay what they are.
func readError(f File, err error) error {
	if err == nil || fault.As(err) != nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fault.New(fault.Invalid, "%s: it cannot be read", f.Name).Because(fmt.Errorf("%w", err))
}
