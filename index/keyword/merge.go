package keyword

import (
	"errors"
	"fmt"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	seg "github.com/blevesearch/scorch_segment_api/v2"

	"nearside/fault"
)

const (
	// fanout is how many segments of like size become one. At 8 a document is written
	// again with every eightfold growth of the index, and there are at most seven
	// segments of a size.
	fanout = 8
	// smallest is the number of documents below which segments count as of like size.
	smallest = 512
	// largestBytes bounds what is merged with others, and so how long one merge takes.
	largestBytes = 2 << 30
	// deadShare: a segment is written anew when one in so many of its documents is dead.
	deadShare = 3
	// idleFlush is how long documents stay in memory only.
	idleFlush = 30 * time.Second
	// againAfter is when writing is tried again after it failed.
	againAfter = 5 * time.Second
)

// merge is the index's background work: it writes segments from memory to files, and
// keeps the files few.
func (x *Index) merge() {
	stop := x.stop
	idle := time.NewTicker(idleFlush)
	defer idle.Stop()
	for due := false; ; {
		x.mu.Lock()
		changed := x.changed
		_, count, size := x.tailLocked()
		due = due && x.covered > x.written.Covered || count >= flushSegments || size >= x.options.FlushBytes
		from, to := x.worthMergingLocked()
		x.mu.Unlock()
		var err error
		switch {
		case due:
			err = x.flush(stop)
			due = false
		case to > from:
			err = x.rewrite(from, to, stop)
		default:
			select {
			case <-stop:
				return
			case <-changed:
			case <-idle.C:
				due = true
			}
			continue
		}
		if !x.goOn(err, stop) {
			return
		}
	}
}

// goOn notes how writing went, and after a failure waits. It reports whether there is more to do.
func (x *Index) goOn(err error, stop chan struct{}) bool {
	select {
	case <-stop:
		return false
	default:
	}
	x.mu.Lock()
	x.trouble = err
	x.ringLocked()
	x.mu.Unlock()
	if err == nil {
		return true
	}
	if fault.Is(err, fault.Corrupt) {
		x.spoil(err)
		<-stop // only Reset and Close help
		return false
	}
	x.options.Log.Warn("a part of the keyword index could not be written; it is tried again", "folder", x.dir.Path(), "error", err)
	again := time.NewTimer(againAfter)
	defer again.Stop()
	select {
	case <-stop:
		return false
	case <-again.C:
		return true
	}
}

// flush writes what is in memory only to a file.
func (x *Index) flush(stop chan struct{}) error {
	x.mu.Lock()
	from, count, _ := x.tailLocked()
	to, current := from+count, x.covered == x.written.Covered
	x.mu.Unlock()
	if count == 0 && current {
		return nil
	}
	return x.rewrite(from, to, stop)
}

// worthMergingLocked returns segments next to each other that had better be one.
func (x *Index) worthMergingLocked() (from, to int) {
	tail, _, _ := x.tailLocked()
	for i, s := range x.segments[:tail] {
		if s.dead*deadShare > len(s.slots) {
			return i, i + 1
		}
	}
	// From the newest back: a segment belongs to a level, and fanout neighbours of at most
	// that level become one of the next.
	for level, end := smallest, tail; level < 1<<31; level *= fanout {
		from = end
		for from > 0 && len(x.segments[from-1].slots) <= level && x.segments[from-1].size < largestBytes {
			from--
		}
		if end-from >= fanout {
			return from, end
		}
	}
	return 0, 0
}

// countDead counts the documents with slots that nobody will ask for.
func (s *segment) countDead(kept *roaring.Bitmap) {
	if living := s.documents(kept); living != nil {
		s.dead = len(s.slots) - int(living.GetCardinality())
	}
}

// rewrite puts one file in the place of the segments from…to, without the documents
// that nobody will ask for. Only one goroutine at a time rewrites.
func (x *Index) rewrite(from, to int, stop chan struct{}) error {
	x.mu.Lock()
	old, kept, m := x.segments[from:to], x.kept, x.written
	if to == len(x.segments) {
		m.Covered = x.covered
	}
	for _, s := range old {
		s.pins++
	}
	x.mu.Unlock()
	made, err := x.mergeFile(old, kept, fmt.Sprintf("%d%s", m.Next, segmentSuffix), stop)
	m.Next++
	if err == nil {
		err = x.install(from, to, made, m)
	}
	return errors.Join(err, x.release(old))
}

// mergeFile merges segments into a file; nil if no document is left.
func (x *Index) mergeFile(old []*segment, kept *roaring.Bitmap, name string, stop chan struct{}) (*segment, error) {
	parts, drops, left := make([]seg.Segment, len(old)), make([]*roaring.Bitmap, len(old)), 0
	for i, s := range old {
		parts[i], left = s.Segment, left+len(s.slots)
		if living := s.documents(kept); living != nil {
			drops[i] = roaring.Flip(living, 0, uint64(len(s.slots)))
			left -= int(drops[i].GetCardinality())
		}
	}
	if left == 0 {
		return nil, nil
	}
	if err := x.dir.Make(); err != nil {
		return nil, err
	}
	made, err := contain(x.dir.Path(), func() (*segment, error) {
		if _, _, err := format.Merge(parts, drops, x.dir.Path(name), stop, nil); err != nil {
			return nil, err
		}
		size, sum, err := checksum(x.dir, name)
		if err != nil {
			return nil, err
		}
		return openSegment(x.dir.Path(name), name, size, sum)
	})
	if err != nil {
		return nil, errors.Join(err, x.dir.RemoveAll(name))
	}
	return made, nil
}

// install makes the manifest with a new segment in the place of from…to durable, and
// shows it to searches.
func (x *Index) install(from, to int, made *segment, m manifest) error {
	x.mu.Lock()
	segments := append([]*segment(nil), x.segments[:from]...)
	if made != nil {
		made.pins = 1
		segments = append(segments, made)
	}
	settled := len(segments)
	segments = append(segments, x.segments[to:]...)
	x.mu.Unlock()

	m.Segments = nil
	for _, s := range segments {
		if s.file != "" {
			m.Segments = append(m.Segments, segmentFile{File: s.file, Size: s.size, Sum: s.sum})
		}
	}
	if err := m.write(x.dir); err != nil {
		if made != nil {
			err = errors.Join(err, made.Close(), x.dir.RemoveAll(made.file))
		}
		return err
	}
	x.mu.Lock()
	old := x.segments[from:to]
	for _, s := range old {
		s.obsolete = true
	}
	if made != nil && x.kept != nil {
		made.countDead(x.kept)
	}
	// Others may have added segments at the end meanwhile.
	x.segments = append(segments[:settled:settled], x.segments[to:]...)
	x.written = m
	x.ringLocked()
	x.mu.Unlock()

	return x.release(old)
}
