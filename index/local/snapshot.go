package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"time"

	"nearside/disk"
	"nearside/fault"
	"nearside/index"
)

// Manifest says what a snapshot holds.
type Manifest struct {
	Dimensions int            `json:"dimensions"`
	Metric     index.Metric   `json:"metric"`
	Sequence   index.Sequence `json:"sequence"` // of the last mutation in it
	Mutation   string         `json:"mutation"` // its id
	Count      int            `json:"count"`    // records
	Created    time.Time      `json:"created"`  // when the snapshot was taken
	Bytes      int64          `json:"bytes"`    // of records.db in it
}

// A snapshot is a stream:
//
//	24 bytes  magic
//	uint32    version of the format
//	frames    uint32 length, then so many bytes: together the file records.db
//	uint32    0: there are no more frames
//	uint32    length of the manifest
//	          the manifest, JSON
//	32 bytes  SHA-256 of all before it
//
// Numbers are little-endian. The manifest comes last because only then it is
// known which state the copy, made while writers go on, is of.
const (
	snapshotMagic    = "nearside index snapshot\n"
	snapshotVersion  = 1
	maxFrame         = 4 << 20
	maxManifestBytes = 64 << 10
)

// mark is a state of the index and the sequence that records.db had with it.
type mark struct {
	head  uint64
	state state
}

// snapshot writes a copy of the newest state, consistent to one sequence.
func (s *store) snapshot(ctx context.Context, w io.Writer) (index.Sequence, error) {
	s.beginCopy()
	sum := sha256.New()
	out := frameWriter{w: io.MultiWriter(w, sum)}
	out.raw([]byte(snapshotMagic))
	out.number(snapshotVersion)
	head, err := s.db.Backup(ctx, &out)
	copied := s.endCopy(head)
	if err != nil {
		return 0, err
	}
	manifest, err := json.Marshal(Manifest{
		Dimensions: s.config.Dimensions, Metric: s.config.Metric, Count: copied.count,
		Sequence: copied.mutation.Sequence, Mutation: copied.mutation.ID,
		Created: s.options.Clock().UTC(), Bytes: out.framed,
	})
	if err != nil {
		return 0, err
	}
	out.number(0)
	out.number(uint32(len(manifest)))
	out.raw(manifest)
	out.raw(sum.Sum(nil))
	return copied.mutation.Sequence, out.err
}

// beginCopy has states noted from the newest on, unless a copy in progress has them noted already.
func (s *store) beginCopy() {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if s.copying++; s.copying > 1 {
		return
	}
	v := s.views.newest.Load()
	s.marks = []mark{{0, state{mutation: v.mutation, slots: v.slots, count: v.count}}}
}

// endCopy returns the state that records.db had at a sequence of its own.
func (s *store) endCopy(head uint64) state {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	var copied state
	for _, m := range s.marks {
		if m.head <= head {
			copied = m.state
		}
	}
	if s.copying--; s.copying == 0 {
		s.marks = nil
	}
	return copied
}

// frameWriter writes the parts of a snapshot. After an error it writes nothing.
type frameWriter struct {
	w      io.Writer
	framed int64 // bytes in frames
	err    error
}

// Write writes a frame.
func (f *frameWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 && f.err == nil {
		n := min(len(p), maxFrame)
		f.number(uint32(n))
		f.raw(p[:n])
		p, written = p[n:], written+n
	}
	f.framed += int64(written)
	return written, f.err
}

func (f *frameWriter) number(n uint32) { f.raw(binary.LittleEndian.AppendUint32(nil, n)) }

func (f *frameWriter) raw(p []byte) {
	if f.err == nil {
		_, f.err = f.w.Write(p)
	}
}

// frameReader reads the frames of a snapshot as one stream. It ends with io.EOF
// only after the manifest and the checksum have been read and are right.
type frameReader struct {
	src      io.Reader
	sum      hash.Hash
	left     uint32 // bytes of the frame not read
	framed   int64
	manifest Manifest
	err      error
}

func newFrameReader(src io.Reader) (*frameReader, error) {
	f := &frameReader{src: src, sum: sha256.New()}
	head := make([]byte, len(snapshotMagic))
	if err := f.full(head); err != nil {
		return nil, err
	}
	if string(head) != snapshotMagic {
		return nil, fault.New(fault.Corrupt, "these bytes are not the snapshot of an index: they begin with %q instead of %q", head, snapshotMagic)
	}
	version, err := f.number()
	if err != nil {
		return nil, err
	}
	if version != snapshotVersion {
		return nil, fault.New(fault.Unsupported, "the snapshot has format version %d, this program reads version %d; use the nearside that wrote it", version, snapshotVersion)
	}
	return f, nil
}

// Read reads what the frames hold.
func (f *frameReader) Read(p []byte) (int, error) {
	for f.left == 0 && f.err == nil {
		f.left, f.err = f.number()
		if f.err == nil && f.left > maxFrame {
			f.err = damagedSnapshot("a frame of %d bytes, where %d is the most", f.left, maxFrame)
		}
		if f.err == nil && f.left == 0 {
			f.err = f.finish()
		}
	}
	if f.err != nil {
		return 0, f.err
	}
	p = p[:min(len(p), int(f.left))]
	if f.err = f.full(p); f.err != nil {
		return 0, f.err
	}
	f.left -= uint32(len(p))
	f.framed += int64(len(p))
	return len(p), nil
}

// finish reads what follows the frames; io.EOF says that all is right.
func (f *frameReader) finish() error {
	length, err := f.number()
	if err != nil {
		return err
	}
	if length > maxManifestBytes {
		return damagedSnapshot("a manifest of %d bytes, where %d is the most", length, maxManifestBytes)
	}
	manifest := make([]byte, length)
	if err := f.full(manifest); err != nil {
		return err
	}
	want := f.sum.Sum(nil)
	got := make([]byte, len(want))
	if err := f.full(got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return damagedSnapshot("its checksum is wrong")
	}
	if err := json.Unmarshal(manifest, &f.manifest); err != nil {
		return damagedSnapshot("its manifest is not JSON: %s", err)
	}
	if f.manifest.Bytes != f.framed {
		return damagedSnapshot("it holds %d bytes where its manifest says %d", f.framed, f.manifest.Bytes)
	}
	n, err := io.ReadFull(f.src, make([]byte, 1))
	if n > 0 {
		return damagedSnapshot("there is more behind its end")
	}
	return err
}

func (f *frameReader) number() (uint32, error) {
	var b [4]byte
	err := f.full(b[:])
	return binary.LittleEndian.Uint32(b[:]), err
}

// full reads all of p into the checksum too.
func (f *frameReader) full(p []byte) error {
	_, err := io.ReadFull(f.src, p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return damagedSnapshot("it is cut short")
	}
	f.sum.Write(p)
	return err
}

func damagedSnapshot(format string, args ...any) error {
	return fault.New(fault.Corrupt, "the snapshot is damaged: "+format, args...)
}

// VerifySnapshot reads what Snapshot wrote to its end, verifies all checksums and says what it holds.
func VerifySnapshot(src io.Reader) (Manifest, error) {
	f, err := newFrameReader(src)
	if err != nil {
		return Manifest{}, err
	}
	if err := disk.VerifyBackup(f, "the snapshot"); err != nil {
		return Manifest{}, err
	}
	return f.manifest, nil
}

// Restore makes an index under a new number from what Snapshot wrote. The bytes
// are verified whole before the index exists.
func (e *Engine) Restore(ctx context.Context, n index.Number, src io.Reader) (index.Index, error) {
	f, err := newFrameReader(src)
	if err != nil {
		return nil, err
	}
	return e.make(n, func(h *handle) (*store, error) {
		dir := e.dir.Sub(folder(n))
		if _, err := dir.InstallDB(ctx, recordsFile, f, schema); err != nil {
			return nil, err
		}
		s, err := e.openStore(ctx, h)
		if err != nil {
			return nil, err
		}
		v, m := s.views.newest.Load(), f.manifest
		if m.Count != v.count || m.Sequence != v.sequence() || m.Dimensions != s.config.Dimensions || m.Metric != s.config.Metric {
			err := damagedSnapshot("it holds %d records at sequence %d where its manifest says %d at %d", v.count, v.sequence(), m.Count, m.Sequence)
			return nil, errors.Join(err, s.close())
		}
		return s, nil
	})
}
