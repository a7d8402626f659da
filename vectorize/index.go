package vectorize

import (
	"context"
	"slices"

	"nearside/catalog"
	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
)

// Index is an opened index with the limits in force. It is an index.Index;
// methods that need no check are those of the index itself.
type Index struct {
	index.Index
	Definition catalog.Index
	limits     Limits
	room       *room
	service    *Service
}

// Within returns the scope of a key's limits. A limit must hold for every record,
// so a filter that records without the property pass is refused: to a filter, a
// record older than the metadata index has no value, whatever it really has.
func Within(l catalog.Limits) (index.Scope, error) {
	scope := index.Scope{Namespaces: l.Namespaces}
	if l.Filter == nil {
		return scope, nil
	}
	var err error
	if scope.Filter, err = filter.Parse(l.Filter); err != nil {
		return scope, err
	}
	if open := scope.Filter.PassesAbsent(); len(open) > 0 {
		return scope, fault.For(filter.ReasonFilter, "a key cannot be limited by %s: a record without the property %q passes it, and one that is older than the metadata index counts as such; limit the key by $eq, $in or a range", l.Filter, open[0])
	}
	return scope, nil
}

// Insert checks the batch and adds the records whose ids are new.
func (x *Index) Insert(ctx context.Context, records []index.Record, within index.Scope) (index.Mutation, error) {
	return x.put(ctx, records, func(into *Index) (index.Mutation, error) { return into.Index.Insert(ctx, records, within) })
}

// Upsert checks the batch and adds or replaces its records.
func (x *Index) Upsert(ctx context.Context, records []index.Record, within index.Scope) (index.Mutation, error) {
	return x.put(ctx, records, func(into *Index) (index.Mutation, error) { return into.Index.Upsert(ctx, records, within) })
}

// put checks a batch and writes it into the storage that is the index's at the time.
func (x *Index) put(ctx context.Context, records []index.Record, write func(into *Index) (index.Mutation, error)) (index.Mutation, error) {
	return x.write(ctx, func(into *Index) (index.Mutation, error) {
		if err := into.takesVectorsOf(x); err != nil {
			return index.Mutation{}, err
		}
		if err := into.admit(ctx, records); err != nil {
			return index.Mutation{}, err
		}
		return write(into)
	})
}

// Delete checks the ids and removes their records.
func (x *Index) Delete(ctx context.Context, ids []index.VectorID, within index.Scope) (index.Mutation, error) {
	if err := x.limits.CheckDelete(ids); err != nil {
		return index.Mutation{}, err
	}
	return x.write(ctx, func(into *Index) (index.Mutation, error) { return into.Index.Delete(ctx, ids, within) })
}

// Get checks the ids and returns their records.
func (x *Index) Get(ctx context.Context, ids []index.VectorID, r index.Read) ([]index.Record, error) {
	if err := checkIDs(ids, x.limits.GetIDs); err != nil {
		return nil, err
	}
	return x.Index.Get(ctx, ids, r)
}

// List checks the page size and returns a page of ids.
func (x *Index) List(ctx context.Context, cursor string, count int, r index.Read) (index.Page, error) {
	if err := checkPage(count, x.limits); err != nil {
		return index.Page{}, err
	}
	return x.Index.List(ctx, cursor, count, r)
}

// Query checks the query and returns the nearest records.
func (x *Index) Query(ctx context.Context, q index.Query, r index.Read) (index.Result, error) {
	if err := checkQuery(q, x.Definition.Dimensions, x.limits); err != nil {
		return index.Result{}, err
	}
	return x.Index.Query(ctx, q, r)
}

// CreateMetadataIndex checks the property and makes it filterable. Whether
// records already stored are covered is up to the limits in force.
func (x *Index) CreateMetadataIndex(ctx context.Context, m index.MetadataIndex, backfill bool) (index.Mutation, error) {
	if err := filter.CheckProperty(m.Property); err != nil {
		return index.Mutation{}, err
	}
	existing, err := x.MetadataIndexes(ctx, index.Read{})
	if err != nil {
		return index.Mutation{}, err
	}
	known := slices.ContainsFunc(existing, func(e index.MetadataIndex) bool { return e.Property == m.Property })
	if most := x.limits.MetadataIndexes; most > 0 && len(existing) >= most && !known {
		return index.Mutation{}, fault.For(index.ReasonTooManyMeta, "the index has %d metadata indexes and may have %d; delete one before creating one for %q", len(existing), most, m.Property)
	}
	return x.write(ctx, func(into *Index) (index.Mutation, error) {
		return into.Index.CreateMetadataIndex(ctx, m, backfill || x.limits.Backfill)
	})
}

// DeleteMetadataIndex undoes CreateMetadataIndex.
func (x *Index) DeleteMetadataIndex(ctx context.Context, property string) (index.Mutation, error) {
	return x.write(ctx, func(into *Index) (index.Mutation, error) { return into.Index.DeleteMetadataIndex(ctx, property) })
}
