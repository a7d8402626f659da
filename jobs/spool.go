package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"nearside/disk"
	"nearside/fault"
)

// ReasonSpool is a file that the spool has no room for.
const ReasonSpool fault.Reason = "spool"

// Spool keeps files that came for jobs until the jobs end. Files are in parcels, a folder each, and are numbered:
// no name that somebody chose becomes a name on the disk.
type Spool struct {
	dir  *disk.Dir
	most int64

	mu   sync.Mutex
	held map[string]int64 // bytes of each parcel, those on their way too
	all  int64
}

// OpenSpool opens a spool of at most so many bytes. Parcels that no job needs are removed by Keep.
func OpenSpool(dir *disk.Dir, most int64) (*Spool, error) {
	s := &Spool{dir: dir, most: most, held: map[string]int64{}}
	parcels, err := dir.Names()
	if err != nil {
		return nil, err
	}
	for _, parcel := range parcels {
		files, err := dir.Sub(parcel).Names()
		if err != nil {
			return nil, err
		}
		for _, name := range files {
			info, err := os.Stat(dir.Path(parcel, name))
			if err != nil {
				return nil, fmt.Errorf("look at the spool: %w", err)
			}
			s.held[parcel] += info.Size()
		}
		s.all += s.held[parcel]
	}
	return s, nil
}

// Keep removes all parcels but those that are needed: what a crash left of uploads and of jobs that have ended.
func (s *Spool) Keep(needed map[string]bool) error {
	parcels, err := s.dir.Names()
	if err != nil {
		return err
	}
	for _, parcel := range parcels {
		if !needed[parcel] {
			if err := s.Remove(parcel); err != nil {
				return err
			}
		}
	}
	return nil
}

// Bytes is what all parcels hold.
func (s *Spool) Bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

// Parcel is files on their way into the spool. It is for one goroutine.
type Parcel struct {
	Name  string
	spool *Spool
	files int
}

// Spooled is a file in the spool.
type Spooled struct {
	Name   string `json:"name"` // within its parcel
	Size   int64  `json:"size"`
	Digest string `json:"digest"` // SHA-256 of its content, in hex
}

// NewParcel begins a parcel.
func (s *Spool) NewParcel() *Parcel { return &Parcel{Name: uuid.NewString(), spool: s} }

// Put reads a file of at most so many bytes into the parcel. When it returns nil the file is durable.
// A file that is too large is a fault, and so is one for which the spool has no room.
func (p *Parcel) Put(r io.Reader, most int64) (f Spooled, err error) {
	f.Name = strconv.Itoa(p.files)
	sum := sha256.New()
	err = p.spool.dir.Sub(p.Name).WriteAtomic(f.Name, func(w io.Writer) (err error) {
		in := &metered{parcel: p, w: io.MultiWriter(w, sum)}
		if f.Size, err = io.Copy(in, io.LimitReader(r, most+1)); err == nil && f.Size > most {
			err = fault.New(fault.TooLarge, "the file has more than %d bytes, which is the most that one can have", most)
		}
		return err
	})
	if err != nil {
		return f, err
	}
	p.files++
	f.Digest = hex.EncodeToString(sum.Sum(nil))
	return f, nil
}

// Drop removes the parcel.
func (p *Parcel) Drop() error { return p.spool.Remove(p.Name) }

// metered counts what is written of a parcel, and refuses what there is no room for.
type metered struct {
	parcel *Parcel
	w      io.Writer
}

// Write implements io.Writer.
func (m *metered) Write(b []byte) (int, error) {
	if err := m.parcel.spool.reserve(m.parcel.Name, int64(len(b))); err != nil {
		return 0, err
	}
	return m.w.Write(b)
}

func (s *Spool) reserve(parcel string, n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all+n > s.most {
		return &fault.Error{Kind: fault.Busy, Reason: ReasonSpool, RetryAfter: time.Minute, Message: fmt.Sprintf(
			"the files that wait to be loaded have %d bytes, of at most %d; send this one when some jobs have ended", s.all, s.most)}
	}
	s.held[parcel] += n
	s.all += n
	return nil
}

// Path is where a file of a parcel lies.
func (s *Spool) Path(parcel, name string) string { return s.dir.Path(parcel, name) }

// Remove removes a parcel, if it is there.
func (s *Spool) Remove(parcel string) error {
	err := s.dir.RemoveAll(parcel)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.all -= s.held[parcel]
		delete(s.held, parcel)
	}
	return err
}
