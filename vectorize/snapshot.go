package vectorize

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"nearside/catalog"
	"nearside/fault"
	"nearside/index"
)

// A snapshot is one file: a line that says which index it is of, and after it
// what the engine writes of the index, which carries its own checksums.
//
//	nearside-snapshot 1 <SHA-256 of the JSON, hex> <JSON of header>\n
//	<the engine's snapshot>
const (
	snapshotMark   = "nearside-snapshot 1"
	snapshotSuffix = ".snapshot"
	maxHeader      = 16 << 10 // bytes of the first line
)

// snapshotTime is the part of a snapshot's id that says when it was begun.
const snapshotTime = "20060102T150405.000000Z"

var snapshotID = regexp.MustCompile(`^[0-9]+-[0-9]{8}T[0-9]{6}\.[0-9]{6}Z$`)

// Files keeps snapshots. What WriteAtomic wrote is durable and whole, or absent.
type Files interface {
	WriteAtomic(name string, write func(io.Writer) error) error
	Open(name string) (io.ReadCloser, error)
	Size(name string) (int64, error)
	Names() ([]string, error)
	RemoveAll(name string) error
}

// header is the first line of a snapshot.
type header struct {
	Account     string       `json:"account"`
	Name        string       `json:"name"`
	Description string       `json:"description,omitempty"`
	Dimensions  int          `json:"dimensions"`
	Metric      index.Metric `json:"metric"`
	Preset      string       `json:"preset,omitempty"`
	Model       string       `json:"model,omitempty"`
	Fingerprint string       `json:"fingerprint,omitempty"`
	Created     time.Time    `json:"created"` // when the snapshot was begun
}

// Snapshot describes a snapshot that is kept.
type Snapshot struct {
	ID      string // the index's number and the time, for the calls below
	Index   string
	Created time.Time
	Bytes   int64
}

// Contents is what a verified snapshot holds.
type Contents struct {
	Index    string
	Config   index.Config
	Count    int
	Sequence index.Sequence
	Created  time.Time
}

// WriteSnapshot writes a copy of an index, consistent to the sequence it returns,
// while reads and writes go on.
func (s *Service) WriteSnapshot(ctx context.Context, account, name string, now time.Time, w io.Writer) (index.Sequence, error) {
	x, err := s.Open(ctx, account, name)
	if err != nil {
		return 0, err
	}
	if err := writeHeader(w, x.Definition, now); err != nil {
		return 0, err
	}
	return x.Snapshot(ctx, w)
}

// KeepSnapshot writes a copy of an index into the snapshots of the data directory.
func (s *Service) KeepSnapshot(ctx context.Context, account, name string, now time.Time) (Snapshot, index.Sequence, error) {
	x, err := s.catalog.Index(account, name)
	if err != nil {
		return Snapshot{}, 0, err
	}
	if err := s.keepsFiles(); err != nil {
		return Snapshot{}, 0, err
	}
	now = now.UTC().Truncate(time.Microsecond)
	id := fmt.Sprintf("%d-%s", x.Number, now.Format(snapshotTime))
	var sequence index.Sequence
	err = s.files.WriteAtomic(id+snapshotSuffix, func(w io.Writer) error {
		sequence, err = s.WriteSnapshot(ctx, account, name, now, w)
		return err
	})
	if err != nil {
		return Snapshot{}, 0, fmt.Errorf("write snapshot %s of index %q: %w", id, name, err)
	}
	size, err := s.files.Size(id + snapshotSuffix)
	return Snapshot{ID: id, Index: name, Created: now, Bytes: size}, sequence, err
}

// Snapshots lists the snapshots kept of an index, oldest first; those made before
// it was restored, or before it was deleted, are among them. Files whose first line
// cannot be read are nobody's; the log names them.
func (s *Service) Snapshots(account, name string) ([]Snapshot, error) {
	if err := s.keepsFiles(); err != nil {
		return nil, err
	}
	names, err := s.files.Names()
	if err != nil {
		return nil, err
	}
	list := []Snapshot{}
	for _, file := range names {
		id, ok := snapshotOf(file)
		if !ok {
			continue
		}
		h, err := s.snapshotHeader(id)
		switch {
		case fault.Is(err, fault.NotFound): // deleted just now
			continue
		case fault.Is(err, fault.Corrupt):
			s.log.Error("a damaged snapshot is left out of the list", "error", err)
			continue
		case err != nil:
			return nil, err
		}
		if h.Account != account || h.Name != name {
			continue
		}
		size, err := s.files.Size(file)
		if err != nil {
			return nil, err
		}
		list = append(list, Snapshot{ID: id, Index: h.Name, Created: h.Created, Bytes: size})
	}
	slices.SortFunc(list, func(a, b Snapshot) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

// OpenSnapshot opens a snapshot kept of an index.
func (s *Service) OpenSnapshot(account, name, id string) (io.ReadCloser, error) {
	if err := s.owns(account, name, id); err != nil {
		return nil, err
	}
	return s.files.Open(id + snapshotSuffix)
}

// DeleteSnapshot deletes a snapshot kept of an index.
func (s *Service) DeleteSnapshot(account, name, id string) error {
	if err := s.owns(account, name, id); err != nil {
		return err
	}
	return s.files.RemoveAll(id + snapshotSuffix)
}

// owns checks that a kept snapshot is one of the named index.
func (s *Service) owns(account, name, id string) error {
	if err := s.keepsFiles(); err != nil {
		return err
	}
	h, err := s.snapshotHeader(id)
	if err == nil && (h.Account != account || h.Name != name) {
		err = noSnapshot(id)
	}
	return err
}

// Verify reads a snapshot whole, as a restore would, and says what it holds.
// Nothing remains of it.
func (s *Service) Verify(ctx context.Context, src io.Reader) (Contents, error) {
	h, n, info, err := s.load(ctx, src)
	if err != nil {
		return Contents{}, err
	}
	s.drop(ctx, n)
	return h.contents(info), nil
}

// Restore puts the index of a snapshot in the place of the named one, or makes
// it anew if there is none of that name. Every byte is verified before the name
// moves to the restored records; calls in flight finish on the old ones.
func (s *Service) Restore(ctx context.Context, account, name string, src io.Reader) (Contents, error) {
	if err := CheckName(name); err != nil {
		return Contents{}, err
	}
	h, n, info, err := s.load(ctx, src)
	if err != nil {
		return Contents{}, err
	}
	old, err := s.catalog.Index(account, name)
	switch {
	case err != nil:
		_, err = s.catalog.AddIndex(ctx, catalog.Index{
			Account: account, Name: name, Number: catalog.Number(n), Description: h.Description, Dimensions: h.Dimensions, Metric: string(h.Metric),
			Preset: h.Preset, Model: h.Model, Fingerprint: h.Fingerprint,
		}, s.limits.Indexes)
	case old.Dimensions != h.Dimensions || old.Metric != string(h.Metric) || old.Fingerprint != h.Fingerprint:
		err = fault.For(ReasonSnapshot, "the snapshot is of an index with %d dimensions, %s, weights %q; index %q has %d, %s, %q. Restore it under another name", h.Dimensions, h.Metric, h.Fingerprint, name, old.Dimensions, old.Metric, old.Fingerprint)
	default:
		_, err = s.catalog.SwapNumber(ctx, account, name, old.Number, catalog.Number(n))
	}
	if err != nil {
		s.discard(ctx, n, err)
		return Contents{}, err
	}
	if old.Number != 0 {
		s.drop(ctx, index.Number(old.Number))
	}
	return h.contents(info), nil
}

// load restores a snapshot under a number that no name points to yet.
func (s *Service) load(ctx context.Context, src io.Reader) (header, index.Number, index.Info, error) {
	r := bufio.NewReaderSize(src, maxHeader)
	h, err := readHeader(r)
	if err != nil {
		return h, 0, index.Info{}, err
	}
	allocated, err := s.catalog.AllocateNumber(ctx)
	if err != nil {
		return h, 0, index.Info{}, err
	}
	n := index.Number(allocated)
	restored, err := s.engine.Restore(ctx, n, r)
	if err != nil {
		return h, 0, index.Info{}, fmt.Errorf("restore a snapshot of index %q: %w", h.Name, err)
	}
	info, err := restored.Info(ctx, index.Read{})
	if err == nil && info.Config != (index.Config{Dimensions: h.Dimensions, Metric: h.Metric}) {
		err = fault.For(ReasonSnapshot, "the snapshot is damaged: its first line says %d dimensions and %s, its records %d and %s", h.Dimensions, h.Metric, info.Dimensions, info.Metric)
	}
	if err != nil {
		s.drop(ctx, n)
		return h, 0, info, err
	}
	return h, n, info, nil
}

func (h header) contents(info index.Info) Contents {
	return Contents{Index: h.Name, Config: info.Config, Count: info.Count, Sequence: info.Mutation.Sequence, Created: h.Created}
}

func (s *Service) keepsFiles() error {
	if s.files == nil {
		return fault.New(fault.Unavailable, "this server keeps no snapshots; ask for the snapshot as a stream instead")
	}
	return nil
}

// snapshotHeader reads the first line of a kept snapshot.
func (s *Service) snapshotHeader(id string) (header, error) {
	if !snapshotID.MatchString(id) {
		return header{}, noSnapshot(id)
	}
	f, err := s.files.Open(id + snapshotSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return header{}, noSnapshot(id)
	}
	if err != nil {
		return header{}, err
	}
	h, err := readHeader(bufio.NewReaderSize(f, maxHeader))
	if err != nil {
		err = fault.New(fault.Corrupt, "the snapshot %s is damaged", id+snapshotSuffix).Because(err)
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	return h, err
}

// CheckSnapshot verifies a snapshot without a Service: its first line here, and
// what follows by records, which the engine that wrote it provides.
func CheckSnapshot(src io.Reader, records func(io.Reader) error) error {
	r := bufio.NewReaderSize(src, maxHeader)
	if _, err := readHeader(r); err != nil {
		return err
	}
	return records(r)
}

func noSnapshot(id string) error {
	return &fault.Error{Kind: fault.NotFound, Reason: ReasonSnapshot, Message: fmt.Sprintf("the index has no snapshot %.64q; list its snapshots first", id)}
}

func writeHeader(w io.Writer, x catalog.Index, now time.Time) error {
	text, err := json.Marshal(header{
		Account: x.Account, Name: x.Name, Description: x.Description, Dimensions: x.Dimensions, Metric: index.Metric(x.Metric),
		Preset: x.Preset, Model: x.Model, Fingerprint: x.Fingerprint, Created: now.UTC(),
	})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	_, err = fmt.Fprintf(w, "%s %x %s\n", snapshotMark, sum, text)
	return err
}

// readHeader reads the first line of a snapshot and checks its sum. r must
// buffer maxHeader bytes.
func readHeader(r *bufio.Reader) (header, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return header{}, fault.For(ReasonSnapshot, "these bytes are not a snapshot: they do not begin with a line of %q", snapshotMark).Because(err)
	}
	rest, ok := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\n")), []byte(snapshotMark+" "))
	if !ok {
		return header{}, fault.For(ReasonSnapshot, "these bytes are not a snapshot that this version reads: they do not begin with %q", snapshotMark)
	}
	sum, text, _ := bytes.Cut(rest, []byte(" "))
	actual := sha256.Sum256(text)
	if want, err := hex.DecodeString(string(sum)); err != nil || !bytes.Equal(want, actual[:]) {
		return header{}, fault.For(ReasonSnapshot, "the snapshot is damaged: its first line does not match its checksum")
	}
	var h header
	if err := json.Unmarshal(text, &h); err != nil {
		return header{}, fault.For(ReasonSnapshot, "the snapshot is damaged: its first line is not JSON").Because(err)
	}
	return h, nil
}

func snapshotOf(file string) (id string, ok bool) {
	id, ok = strings.CutSuffix(file, snapshotSuffix)
	return id, ok && snapshotID.MatchString(id)
}
