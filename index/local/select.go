package local

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/disk"
	"nearside/index"
)

// Select returns a page of the ids of a selection.
func (h *handle) Select(ctx context.Context, sel index.Selection, cursor string, count int, r index.Read) (index.Page, error) {
	return call(ctx, h, func(s *store) (index.Page, error) { return s.selectPage(ctx, sel, cursor, count, r) })
}

// selectPage returns a page of the ids of a selection. All pages of a listing answer
// from the state of the first, which its cursor names.
func (s *store) selectPage(ctx context.Context, sel index.Selection, cursor string, count int, r index.Read) (index.Page, error) {
	if err := index.CheckSelect(count); err != nil {
		return index.Page{}, err
	}
	v, after, err := s.listed(ctx, cursor, r)
	if err != nil {
		return index.Page{}, err
	}
	defer v.unpin()
	visible, err := s.visible(v, r.Within)
	if err != nil {
		return index.Page{}, err
	}
	selected, unindexed := s.selected(v, visible, sel)
	page := index.Page{Total: int(selected.GetCardinality()), Unindexed: unindexed}
	if count == 0 {
		return page, nil
	}
	ids, err := s.idsOf(ctx, v, selected, sel.Prefix, after, count+1)
	if err != nil {
		return index.Page{}, err
	}
	page.IDs = ids
	if len(ids) > count {
		page.IDs = ids[:count]
		page.Expires = s.options.Clock().UTC().Add(index.CursorLife).Truncate(time.Second)
		page.Next = index.Cursor{Sequence: v.sequence(), After: ids[count-1], Expires: page.Expires}.Encode(s.number)
		s.leases.renew(v, page.Expires)
	}
	return page, nil
}

// selected returns those of the visible slots that a selection has, and the
// properties of its filter that have no metadata index. The bitmap is not to be changed.
func (s *store) selected(v *view, visible *roaring.Bitmap, sel index.Selection) (*roaring.Bitmap, []string) {
	if sel.IDs != nil {
		named := roaring.New()
		for _, id := range sel.IDs {
			if at, found := v.table.find(string(id), v); found && visible.Contains(at) {
				named.Add(at)
			}
		}
		visible = named
	}
	selected, unindexed := s.matching(v, visible, index.Query{Namespace: sel.Namespace, Filter: sel.Filter})
	if sel.Prefix != "" {
		selected = withPrefix(v, selected, sel.Prefix)
	}
	return selected, unindexed
}

// withPrefix returns those of some slots whose ids begin with a prefix. It looks at
// the id of each: a few nanoseconds, for they lie in memory in the order of the slots.
func withPrefix(v *view, slots *roaring.Bitmap, prefix string) *roaring.Bitmap {
	var begin []uint32
	slots.Iterate(func(at slot) bool {
		if strings.HasPrefix(v.table.id(at), prefix) {
			begin = append(begin, at)
		}
		return true
	})
	return roaring.BitmapOf(begin...)
}

// selectBelow decides how a page is found: if fewer than one record in so many is
// visible, the visible ids are sorted in memory, else the index of records.db is
// walked and what is not visible passed over.
const selectBelow = 64

// idsOf returns the lowest ids above after, at most most, of the selected slots,
// all of whose ids begin with prefix.
func (s *store) idsOf(ctx context.Context, v *view, selected *roaring.Bitmap, prefix string, after index.VectorID, most int) ([]index.VectorID, error) {
	if selected.IsEmpty() {
		return nil, nil
	}
	if int(selected.GetCardinality()) < v.count/selectBelow {
		return sortedIDs(v, selected, after, most), nil
	}
	var ids []index.VectorID
	take := func(r *disk.Row) error {
		if selected.Contains(slot(r.Int(1))) {
			ids = append(ids, index.VectorID(r.Text(0)))
		}
		return nil
	}
	above, from := string(after), ">"
	if above < prefix {
		above, from = prefix, ">="
	}
	below := behind(prefix)
	err := s.db.View(ctx, func(tx *disk.Tx) error {
		// What the view shows is alive still, or has died since.
		err := each(tx, `SELECT id, slot FROM records WHERE died IS NULL AND id `+from+` ? AND id < ? ORDER BY id`, func(r *disk.Row) error {
			if len(ids) == most {
				return errEnough
			}
			return take(r)
		}, above, below)
		if err != nil {
			return err
		}
		return tx.Each(`SELECT id, slot FROM records WHERE died > ? AND id `+from+` ?`, take, uint64(v.sequence()), above)
	})
	slices.Sort(ids)
	return ids[:min(most, len(ids))], err
}

func sortedIDs(v *view, visible *roaring.Bitmap, after index.VectorID, most int) []index.VectorID {
	var ids []string
	visible.Iterate(func(at slot) bool {
		if id := v.table.id(at); id > string(after) {
			ids = append(ids, id)
		}
		return true
	})
	slices.Sort(ids)
	page := make([]index.VectorID, 0, min(most, len(ids)))
	for _, id := range ids[:min(most, len(ids))] {
		page = append(page, index.VectorID(strings.Clone(id)))
	}
	return page
}

// behind returns text that sorts after every id with a prefix, and before every other id that does.
func behind(prefix string) any {
	b := []byte(prefix)
	for len(b) > 0 && b[len(b)-1] == 0xff {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return []byte{} // SQLite sorts every BLOB after every TEXT
	}
	b[len(b)-1]++
	return string(b)
}
