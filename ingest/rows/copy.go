package rows

import (
	"context"

	"nearside/ingest/bookmark"
	"nearside/ingest/vecfile"
)

// Source hands out records that are in no file. It is for one goroutine.
type Source interface {
	// Name is what records are reported as being of, such as index "films".
	Name() string
	// Next returns the next record, or io.EOF.
	Next(ctx context.Context) (vecfile.Record, error)
	// Skip passes over the records up to one that earlier calls handed out, before the first Next;
	// rows is how many there were. It returns false if that cannot be found: then nothing is passed over.
	Skip(ctx context.Context, rows int64, after string) (bool, error)
	// Size returns how many records there are, about.
	Size() int64
}

// Copy sends the records of a source to the index. With a bookmark it begins where an earlier call ended.
func Copy(ctx context.Context, o Options, from Source, keep *bookmark.Bookmark) (Report, error) {
	l := &load{Options: o.withDefaults(), total: from.Size()}
	m := &marker{keep: keep}
	s := &copied{from: from, ctx: ctx}
	if keep != nil {
		m.mark = keep.Read(l.Version)
	}
	if m.mark.Rows > 0 {
		found, err := from.Skip(ctx, m.mark.Rows, m.mark.After)
		if err != nil {
			return l.report(), err
		}
		if found {
			s.rows = m.mark.Rows
			l.doneBefore(m.mark)
			l.Resumed(from.Name(), m.mark.Rows)
		} else {
			m.mark = bookmark.Mark{Version: l.Version}
		}
	}
	err := l.all(ctx, s, m)
	return l.report(), err
}

// copied is a Source as Load reads it.
type copied struct {
	from Source
	ctx  context.Context // of the call of Copy, which it does not outlive
	rows int64
}

func (c *copied) next() (record, error) {
	v, err := c.from.Next(c.ctx)
	if err != nil {
		return record{}, err
	}
	c.rows++
	r := record{at: Position{Path: c.from.Name(), ID: v.ID}, rows: c.rows, after: v.ID}
	r.made(v)
	return r, nil
}

func (c *copied) done() int64 { return c.rows }
