package local

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/disk"
	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
)

// store is one open index.
type store struct {
	engine    *Engine
	handle    *handle
	options   *Options
	number    index.Number
	config    index.Config
	dir       *disk.Dir
	db        *disk.DB
	rows      *rows
	evaluated evaluated
	admitted  atomic.Int64 // memory that the engine has granted

	views  views
	leases leases
	purged atomic.Uint64         // index.Sequence: states before it are no longer whole
	damage atomic.Pointer[error] // set once a file is found to be damaged: the index is out of service

	publishing sync.Mutex // guards the fields below: what the next view is made of
	columns    []*column  // every metadata index that a state still readable has, oldest first
	alive      *roaring.Bitmap
	namespaces *namespaces
	graves     graves
	builder    *builder // nil: the index has no graph and never will; its field died is guarded too
	copying    int      // snapshots being taken; while there are any,
	marks      []mark   // these are the states since the first of them began

	stop       context.CancelFunc // ends background work
	background sync.WaitGroup
}

// column is a metadata index as memory holds it.
type column struct {
	index.MetadataIndex
	number     int64
	created    index.Sequence
	backfilled bool
	values     *filter.Column
	dropped    index.Sequence // 0 = it is not; guarded by store.publishing
}

// covers reports whether the column knows the versions that were born at a sequence.
func (c *column) covers(born index.Sequence) bool { return c.backfilled || born > c.created }

// add enters a slot, higher than all before it.
func (c *column) add(s slot, metadata json.RawMessage) {
	c.values.Set(s, filter.Extract(metadata, c.Property, c.Type))
}

// pin returns the view that a read answers from. The caller unpins it.
func (s *store) pin(r index.Read) *view {
	if r.Age <= 0 {
		return s.views.pinNewest()
	}
	return s.views.pin(s.options.Clock().Add(-r.Age))
}

// close ends background work and closes the files. No call is in flight.
func (s *store) close() error {
	s.stop()
	s.background.Wait()
	if s.builder != nil {
		s.builder.close()
	}
	return errors.Join(s.rows.close(), s.db.Close())
}

func (s *store) info(r index.Read) (index.Info, error) {
	v := s.pin(r)
	defer v.unpin()
	size, err := s.bytes()
	if err != nil {
		return index.Info{}, err
	}
	info := index.Info{Config: s.config, Count: v.count, Mutation: v.mutation, Bytes: size, Graph: s.graph(v)}
	if r.Within.IsAll() {
		info.Namespaces = v.namespaces()
		return info, nil
	}
	visible, err := s.visible(v, r.Within)
	if err != nil {
		return index.Info{}, err
	}
	info.Count, info.Namespaces = int(visible.GetCardinality()), s.countNamespaces(v, visible)
	return info, nil
}

// bytes is what the files of the index hold at this moment.
func (s *store) bytes() (int64, error) {
	names, err := s.dir.Names()
	if err != nil {
		return 0, err
	}
	sum := int64(0)
	for _, name := range names {
		info, err := os.Stat(s.dir.Path(name))
		switch {
		case errors.Is(err, fs.ErrNotExist): // replaced just now
		case err != nil:
			return 0, err
		default:
			sum += info.Size()
		}
	}
	return sum, nil
}

func (s *store) metadataIndexes(r index.Read) []index.MetadataIndex {
	v := s.pin(r)
	defer v.unpin()
	return v.metadataIndexes()
}

func (v *view) metadataIndexes() []index.MetadataIndex { return indexesOf(v.columns) }

func indexesOf(columns []*column) []index.MetadataIndex {
	var list []index.MetadataIndex
	for _, c := range columns {
		list = append(list, c.MetadataIndex)
	}
	return list
}

// damaged returns the fault that takes the index out of service.
func (s *store) damaged(format string, args ...any) error {
	return fault.New(fault.Corrupt, format, args...)
}

// noteDamage takes the index out of service if err says that a file of it is damaged.
func (s *store) noteDamage(err error) {
	if fault.Is(err, fault.Corrupt) && s.damage.CompareAndSwap(nil, &err) {
		s.engine.noteOpened(s.number, err)
		s.options.Log.Error("an index is damaged and out of service", "index", s.number, "error", err)
	}
}

// later returns t, or earlier if a clock was set back: times of mutations never decrease.
func later(t, earlier time.Time) time.Time {
	if t.Before(earlier) {
		return earlier
	}
	return t
}
