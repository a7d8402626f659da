package local

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/disk"
	"nearside/index"
	"nearside/index/filter"
)

// visible returns the slots of a view that lie in a scope. The bitmap is not to be changed.
func (s *store) visible(v *view, scope index.Scope) (*roaring.Bitmap, error) {
	if scope.IsAll() {
		return v.alive, nil
	}
	if err := scope.Check(v.metadataIndexes()); err != nil {
		return nil, err
	}
	universe := v.alive
	if scope.Namespaces != nil {
		var parts []*roaring.Bitmap
		for _, name := range scope.Namespaces {
			parts = append(parts, s.namespaces.slotsOf(name))
		}
		universe = roaring.And(universe, roaring.FastOr(parts...))
	}
	universe, _ = scope.Filter.Bitmap(v.values, universe)
	return universe, nil
}

// matching returns those of the visible slots that a query asks for, and the
// properties of its filter that have no metadata index. The bitmap is not to be changed.
func (s *store) matching(v *view, visible *roaring.Bitmap, q index.Query) (*roaring.Bitmap, []string) {
	if q.Namespace == "" && q.Filter.IsZero() {
		return visible, nil
	}
	if visible != v.alive { // what a key may see
		return s.evaluate(v, visible, q)
	}
	asked := q.Namespace + "\x00" + q.Filter.String()
	known, ok := s.evaluated.get(v.sequence(), asked)
	if !ok {
		known.matching, known.unindexed = s.evaluate(v, visible, q)
		s.evaluated.put(v.sequence(), asked, known)
	}
	return known.matching, known.unindexed
}

// evaluate is matching for what was not asked before.
func (s *store) evaluate(v *view, visible *roaring.Bitmap, q index.Query) (*roaring.Bitmap, []string) {
	if q.Namespace != "" {
		visible = roaring.And(visible, s.namespaces.slotsOf(q.Namespace))
	}
	if q.Filter.IsZero() {
		return visible, nil
	}
	return q.Filter.Bitmap(v.values, visible)
}

// values returns the column of a property, nil if it has no metadata index.
func (v *view) values(property string) *filter.Column {
	for _, c := range v.columns {
		if c.Property == property {
			return c.values
		}
	}
	return nil
}

// scopeGate decides inside a write transaction which records a mutation may touch.
type scopeGate struct {
	scope   index.Scope
	columns []*column // the metadata indexes as the transaction sees them; without values
}

func newScopeGate(tx *disk.Tx, scope index.Scope) (*scopeGate, error) {
	g := &scopeGate{scope: scope}
	if !g.needsMetadata() {
		return g, nil
	}
	var err error
	if g.columns, err = readColumns(tx); err != nil {
		return nil, err
	}
	return g, scope.Check(indexesOf(g.columns))
}

func (g *scopeGate) needsMetadata() bool { return !g.scope.Filter.IsZero() }

// checkNew refuses a record that would lie outside.
func (g *scopeGate) checkNew(r *index.Record) error {
	holds := g.scope.Holds(r.Namespace, func(property string) filter.Value {
		return filter.Extract(r.Metadata, property, g.column(property).Type)
	})
	if !holds {
		return g.scope.Refuse(r.ID)
	}
	return nil
}

// checkStored refuses to replace or delete a record that lies outside.
func (g *scopeGate) checkStored(id index.VectorID, l living) error {
	holds := g.scope.Holds(l.namespace, func(property string) filter.Value {
		if c := g.column(property); c.covers(l.born) {
			return filter.Extract(l.metadata, property, c.Type)
		}
		return filter.Value{}
	})
	if !holds {
		return g.scope.Refuse(id)
	}
	return nil
}

// column returns the metadata index on a property of the scope, which has one: it was checked.
func (g *scopeGate) column(property string) *column {
	return g.columns[slices.IndexFunc(g.columns, func(c *column) bool { return c.Property == property })]
}

// readColumns returns the metadata indexes that are not dropped, oldest first, without values.
func readColumns(tx *disk.Tx) ([]*column, error) {
	var columns []*column
	err := tx.Each(`SELECT number, property, type, created, backfilled FROM metadata_indexes WHERE dropped IS NULL ORDER BY number`, func(r *disk.Row) error {
		columns = append(columns, newColumn(r))
		return nil
	})
	return columns, err
}
