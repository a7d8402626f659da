package local

import (
	"encoding/json"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/disk"
	"nearside/index"
	"nearside/index/filter"
)

// living returns the versions that a selection has of those alive in a write
// transaction, within a scope.
//
// The newest view answers for all that it knows. What was done since, by mutations
// that share the transaction or were committed a moment ago, is read from
// records.db; so is everything, should the view know other metadata indexes than
// the transaction does.
func (s *store) living(tx *disk.Tx, sel index.Selection, gate *scopeGate) (*roaring.Bitmap, error) {
	columns, err := readColumns(tx)
	if err == nil {
		err = sel.Check(indexesOf(columns))
	}
	if err != nil {
		return nil, err
	}
	v := s.views.pinNewest()
	defer v.unpin()
	found, since := roaring.New(), slot(0)
	if sameColumns(v.columns, columns) {
		if found, err = s.livingIn(v, sel, gate.scope); err != nil {
			return nil, err
		}
		since = v.slots
	}
	err = tx.Each(`SELECT slot FROM records WHERE died > ?`, func(r *disk.Row) error {
		found.Remove(slot(r.Int(0)))
		return nil
	}, uint64(v.sequence()))
	if err != nil {
		return nil, err
	}
	err = tx.Each(`SELECT slot, born, id, namespace, metadata FROM records WHERE slot >= ? AND died IS NULL`, func(r *disk.Row) error {
		value := valuesIn(columns, index.Sequence(r.Int(1)), rawJSON(r, 4))
		namespace := r.Text(3)
		if sel.HasID(index.VectorID(r.Text(2))) && sel.HasNamespace(namespace) && sel.Filter.Match(value) && gate.scope.Holds(namespace, value) {
			found.Add(slot(r.Int(0)))
		}
		return nil
	}, int64(since))
	return found, err
}

// livingIn returns the slots that a selection has in a view, in a bitmap of the caller's own.
func (s *store) livingIn(v *view, sel index.Selection, scope index.Scope) (*roaring.Bitmap, error) {
	visible, err := s.visible(v, scope)
	if err != nil {
		return nil, err
	}
	selected, _ := s.selected(v, visible, sel)
	return roaring.Or(selected, roaring.New()), nil // not Clone, which writes to a bitmap that others read
}

// sameColumns reports whether two lists are of the same metadata indexes.
func sameColumns(a, b []*column) bool {
	return slices.EqualFunc(a, b, func(x, y *column) bool { return x.created == y.created })
}

// valuesIn returns what the metadata indexes know of a version.
func valuesIn(columns []*column, born index.Sequence, metadata json.RawMessage) func(property string) filter.Value {
	return func(property string) filter.Value {
		for _, c := range columns {
			if c.Property == property && c.covers(born) {
				return filter.Extract(metadata, property, c.Type)
			}
		}
		return filter.Value{}
	}
}
