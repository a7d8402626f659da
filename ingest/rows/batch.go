package rows

import (
	"context"
	"io"
	"sync"

	"nearside/ingest/bookmark"
)

// batch is a run of records that are sent together.
type batch struct {
	kind    kind
	records []record
	read    int64 // of the source's size, what the batch accounts for
	marker  *marker
	turn    *turn
}

// collector gathers records into batches.
type collector struct {
	o      Options
	src    source
	marker *marker
	hand   func(batch)

	kind      kind
	records   []record
	bytes     int
	accounted int64 // of the source's size, what earlier batches account for
}

// run reads the source to its end.
func (c *collector) run(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := c.src.next()
		if err == io.EOF {
			c.flush()
			return nil
		}
		if err != nil {
			return err // what is behind the last batch is near the damage, and not sent
		}
		c.add(r)
	}
}

func (c *collector) add(r record) {
	if kind, ok := c.kind.with(r.kind); ok {
		c.kind = kind
	} else {
		c.flush()
		c.kind = r.kind
	}
	c.records = append(c.records, r)
	c.bytes += r.bytes()
	limit := c.o.BatchLines
	if limit == 0 {
		limit = c.kind.batchLines(c.o.Cloudflare != nil)
	}
	if c.bytes >= c.o.BatchBytes || len(c.records) >= limit {
		c.flush()
	}
}

func (c *collector) flush() {
	if len(c.records) == 0 {
		return
	}
	done := c.src.done()
	read := done - c.accounted
	c.accounted = done
	last := c.records[len(c.records)-1]
	c.hand(batch{c.kind, c.records, read, c.marker, c.marker.begin(last.rows, last.after)})
	c.kind, c.records, c.bytes = unknown, nil, 0
}

// marker keeps the mark of a source: the records up to it are all done, whatever order their batches end in.
type marker struct {
	keep *bookmark.Bookmark // nil: no mark is kept
	mu   sync.Mutex         // guards what follows; the bookmark is written under it, so that marks do not overtake each other
	mark bookmark.Mark
	open []*turn // in their order
}

// turn is a batch under way.
type turn struct {
	rows    int64
	after   string
	refused int64
	done    bool
}

func (m *marker) begin(rows int64, after string) *turn {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &turn{rows: rows, after: after}
	m.open = append(m.open, t)
	return t
}

// end moves the mark if nothing before the batch is under way.
func (m *marker) end(t *turn, refused int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t.done, t.refused = true, refused
	moved := false
	for len(m.open) > 0 && m.open[0].done {
		first := m.open[0]
		m.mark.Rows, m.mark.After, m.mark.Refused = first.rows, first.after, m.mark.Refused+first.refused
		m.open, moved = m.open[1:], true
	}
	if m.keep == nil || !moved {
		return nil
	}
	return m.keep.Write(m.mark)
}

// finish forgets the mark.
func (m *marker) finish() error {
	if m.keep == nil {
		return nil
	}
	return m.keep.Remove()
}
