package source

import (
	"archive/tar"
	"errors"
	"io"
	"strings"

	"nearside/fault"
)

// tar hands out the members of a tar archive. Links and devices in it have no content of their own.
func (u *unpacker) tar(p packed) error {
	body := &ending{r: p.body}
	r := tar.NewReader(body)
	for n := 0; ; n++ {
		h, err := r.Next()
		if err == io.EOF && !body.ended {
			return nil
		}
		if err == io.EOF {
			err = fault.New(fault.Invalid, "the archive ends without its end mark: it is cut off")
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) { // a name is only a name
			return u.rest(p, n, damaged(p.name, err))
		}
		if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeGNUSparse && h.Typeflag != tar.TypeCont {
			continue
		}
		stop, err := u.member(candidate{name: h.Name, size: h.Size, open: func() (io.Reader, error) { return r, nil }, count: sparse(h)})
		switch {
		case err != nil:
			return err
		case stop != nil:
			return u.rest(p, n, stop)
		}
	}
}

// ending notes whether the end was read to. A tar archive is read to its end mark, which comes before.
type ending struct {
	r     io.Reader
	ended bool
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.ended = e.ended || n == 0 && err == io.EOF
	return n, err
}

// sparse reports whether a member has holes, which are no bytes of the archive.
func sparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}
