package source

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
)

// spooledInMemory is up to how many bytes something is kept in memory that can be had only once. What is
// longer goes to a temporary file that no name leads to.
const spooledInMemory = 1 << 20

// spool keeps what can be had only once, to be read several times.
type spool struct {
	at   io.ReaderAt
	size int64
	file *os.File // nil while it is in memory
	left string   // the file's name, where an open file cannot be removed
}

// keep reads r to its end. What keep returns must be closed.
func keep(r io.Reader) (*spool, error) {
	var head bytes.Buffer
	n, err := io.CopyN(&head, r, spooledInMemory)
	if err == io.EOF {
		return &spool{at: bytes.NewReader(head.Bytes()), size: n}, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp("", "nearside-*")
	if err != nil {
		return nil, err
	}
	s := &spool{at: f, file: f}
	if os.Remove(f.Name()) != nil {
		s.left = f.Name() // it is removed when it is closed
	}
	if s.size, err = io.Copy(f, io.MultiReader(&head, r)); err != nil {
		return nil, also(err, s.Close())
	}
	return s, nil
}

// reader reads all of it.
func (s *spool) reader() io.Reader { return io.NewSectionReader(s.at, 0, s.size) }

// Close gives the space back.
func (s *spool) Close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if s.left != "" {
		if gone := os.Remove(s.left); !errors.Is(gone, fs.ErrNotExist) {
			err = also(err, gone)
		}
	}
	s.file, s.left = nil, ""
	return err
}
