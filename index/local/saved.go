package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"nearside/fault"
	"nearside/index"
	"nearside/index/local/hnsw"
	"nearside/index/local/quant"
)

// graphFile is the snapshot of an index's graph, in the format of package hnsw.
//
// It is derived: where it is absent, damaged, or not of these rows, the graph is
// built anew, and answers are exact meanwhile. It is written when the graph has grown by
// an eighth, and when the index is closed; what came later is the tail when the
// index is next opened.
const graphFile = "graph.hnsw"

const (
	// saveFrom and saveShare say when an idle builder writes a snapshot: when so many
	// slots were absorbed since the last, and so large a part of all.
	saveFrom, saveShare = 4096, 8
	// closeFrom and closeShare say it for an index that is closed. To insert a slot takes the
	// time of writing some hundred.
	closeFrom, closeShare = 64, 128
)

// save writes a snapshot if enough has changed. A graph that cannot be written is built
// anew when the index is next opened; that is no reason to fail.
func (b *builder) save(c *cover, from, share uint32) {
	unsaved := c.upTo.Load() - c.saved
	if unsaved < from || unsaved < uint32(c.graph.Nodes())/share || b.trouble.Load() != nil || b.discarded {
		return
	}
	s := b.store
	var unreadable error
	err := s.dir.WriteAtomic(graphFile, func(w io.Writer) error {
		covered := hnsw.Cover{Index: uint64(s.number), Sequence: c.since.Load(), UpTo: c.upTo.Load()}
		err := c.graph.Save(w, covered, func(at slot) uint32 {
			sum, err := s.rows.checksum(at)
			unreadable = errors.Join(unreadable, err)
			return sum
		})
		return errors.Join(err, unreadable)
	})
	if err != nil {
		s.options.Log.Warn("the graph of an index could not be saved; it is tried again later", "index", s.number, "error", err)
		return
	}
	c.saved = c.upTo.Load()
}

// adopt takes the graph of the snapshot, if there is one that fits what is stored.
func (b *builder) adopt(ctx context.Context) {
	s := b.store
	c, err := s.loadGraph()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		s.options.Log.Warn("the snapshot of an index's graph is of no use; the graph is built anew, and answers are exact and slower meanwhile", "index", s.number, "error", err)
		return
	}
	if err := b.missing(c); err != nil {
		s.options.Log.Warn("the snapshot of an index's graph does not fit the records; the graph is built anew, and answers are exact and slower meanwhile", "index", s.number, "error", err)
		b.closeGraph(c)
		return
	}
	b.current.Store(c)
	b.measure(ctx, c)
	b.progress.ring()
}

// loadGraph reads the snapshot. Nodes whose slots are no more, or hold other vectors, are killed.
func (s *store) loadGraph() (*cover, error) {
	f, err := s.dir.OpenFile(graphFile, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	v := s.views.newest.Load()
	stored := s.stored()
	expect := hnsw.Expect{Codec: s.checkCodec, Capacity: graphCapacity(int(v.slots)), Slots: uint32(v.slots), Bytes: size}
	g, covered, err := hnsw.Load(f, expect, func(at, sum uint32) bool {
		if at >= v.slots || !stored(at) {
			return false
		}
		is, err := s.rows.checksum(at)
		return err == nil && is == sum
	})
	if err != nil {
		return nil, err
	}
	if covered.Index != uint64(s.number) {
		return nil, errors.Join(fault.New(fault.Corrupt, "%s is of index number %d", s.dir.Path(graphFile), covered.Index), g.Close())
	}
	c := &cover{graph: g, saved: covered.UpTo, measured: covered.UpTo}
	c.upTo.Store(covered.UpTo)
	c.since.Store(covered.Sequence)
	return c, nil
}

// stored returns a function that says whether a slot may still be shown by a view.
func (s *store) stored() func(slot) bool {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	kept := s.alive.Clone()
	for _, g := range s.graves.list {
		kept.Add(g.slot)
	}
	return kept.Contains
}

func (s *store) checkCodec(c quant.Codec) error {
	if c.Metric != s.config.Metric || c.Dimensions != s.config.Dimensions {
		return fmt.Errorf("it is for %d dimensions and the metric %s", c.Dimensions, c.Metric)
	}
	return nil
}

// missing returns an error if a graph lacks a record that it should have.
func (b *builder) missing(c *cover) (err error) {
	upTo := c.upTo.Load()
	b.store.views.newest.Load().alive.Iterate(func(at slot) bool {
		if at >= upTo {
			return false
		}
		if node, ok := c.graph.Node(at); !ok || c.graph.Killed(node) {
			err = fmt.Errorf("it lacks the vector of slot %d", at)
		}
		return err == nil
	})
	return err
}

// checksum returns the checksum that stands in the row of a slot below those of some view.
func (r *rows) checksum(s slot) (sum uint32, err error) {
	if r.extents[extentOf(s)].Load() == nil {
		return 0, r.damaged(s)
	}
	defer r.catch(&err, setPanicOnFault())
	return binary.LittleEndian.Uint32(bytesOf(r.row(s))[r.stride-4:]), nil
}

// checkGraph verifies the snapshot of a graph, for Check. rows are those of the index.
func (c *checking) checkGraph() error {
	path := c.dir.Path(graphFile)
	f, err := c.dir.OpenFile(graphFile, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	expect := hnsw.Expect{Codec: c.checkCodec, Capacity: graphCapacity(int(c.state.slots)), Slots: uint32(c.state.slots), Bytes: size}
	g, covered, err := hnsw.Load(f, expect, nil)
	if err != nil {
		c.find(path, anew, "%s", err)
		return nil
	}
	if covered.Index != uint64(c.number) || index.Sequence(covered.Sequence) > c.state.mutation.Sequence {
		c.find(path, anew, "it is of index number %d at mutation %d", covered.Index, covered.Sequence)
	}
	if _, err := g.Check(); err != nil {
		c.find(path, anew, "the graph is not sound: %s", err)
	}
	return g.Close()
}

const anew = "nothing is lost: the graph is built anew when the index is next opened"
