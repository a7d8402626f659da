package vectorize

import (
	"context"

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
}

// Within returns the scope of a key's limits.
func Within(l catalog.Limits) (index.Scope, error) {
	scope := index.Scope{Namespaces: l.Namespaces}
	if l.Filter == nil {
		return scope, nil
	}
	var err error
	scope.Filter, err = filter.Parse(l.Filter)
	return scope, err
}

// Insert checks the batch and adds the records whose ids are new.
func (x *Index) Insert(ctx context.Context, records []index.Record, within index.Scope) (index.Mutation, error) {
	if err := x.admit(ctx, records); err != nil {
		return index.Mutation{}, err
	}
	return x.Index.Insert(ctx, records, within)
}

// Upsert checks the batch and adds or replaces its records.
func (x *Index) Upsert(ctx context.Context, records []index.Record, within index.Scope) (index.Mutation, error) {
	if err := x.admit(ctx, records); err != nil {
		return index.Mutation{}, err
	}
	return x.Index.Upsert(ctx, records, within)
}

// Delete checks the ids and removes their records.
func (x *Index) Delete(ctx context.Context, ids []index.VectorID, within index.Scope) (index.Mutation, error) {
	if err := checkIDs(ids, x.limits.DeleteIDs); err != nil {
		return index.Mutation{}, err
	}
	return x.Index.Delete(ctx, ids, within)
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
	known := false
	for _, e := range existing {
		known = known || e.Property == m.Property
	}
	if most := x.limits.MetadataIndexes; most > 0 && len(existing) >= most && !known {
		return index.Mutation{}, fault.For(index.ReasonTooManyMeta, "the index has %d metadata indexes and may have %d; delete one before creating one for %q", len(existing), most, m.Property)
	}
	return x.Index.CreateMetadataIndex(ctx, m, backfill || x.limits.Backfill)
}

// admit checks a batch against the rules and against what the index holds. The
// counts are of the newest state before the write: writers at the very same
// moment may pass a limit together, by a batch each.
func (x *Index) admit(ctx context.Context, records []index.Record) error {
	if err := checkRecords(records, x.Definition.Dimensions, x.limits); err != nil {
		return err
	}
	if x.limits.Vectors == 0 && x.limits.Namespaces == 0 {
		return nil
	}
	info, err := x.Info(ctx, index.Read{})
	if err != nil {
		return err
	}
	if err := x.admitVectors(ctx, records, info.Count); err != nil {
		return err
	}
	return x.admitNamespaces(ctx, records, info.Namespaces)
}

// admitVectors refuses a batch that would take the index past its most records.
// Ids that exist already add none, but looking them up is only worth it near the limit.
func (x *Index) admitVectors(ctx context.Context, records []index.Record, held int) error {
	most := x.limits.Vectors
	if most == 0 || held+len(records) <= most {
		return nil
	}
	fresh := map[index.VectorID]bool{}
	for i := range records {
		fresh[records[i].ID] = true
	}
	ids := make([]index.VectorID, 0, len(fresh))
	for id := range fresh {
		ids = append(ids, id)
	}
	existing, err := x.Index.Get(ctx, ids, index.Read{})
	if err != nil {
		return err
	}
	if added := len(fresh) - len(existing); held+added > most {
		return fault.For(ReasonVectors, "the index holds %d vectors and may hold %d; the batch would add %d. Delete some, or use another index", held, most, added)
	}
	return nil
}

// admitNamespaces refuses a batch that would give the index too many namespaces.
func (x *Index) admitNamespaces(ctx context.Context, records []index.Record, held int) error {
	most := x.limits.Namespaces
	if most == 0 {
		return nil
	}
	named := map[string]bool{}
	for i := range records {
		if records[i].Namespace != "" {
			named[records[i].Namespace] = true
		}
	}
	if held+len(named) <= most {
		return nil
	}
	added := 0
	for namespace := range named {
		page, err := x.Index.List(ctx, "", 1, index.Read{Within: index.Scope{Namespaces: []string{namespace}}})
		if err != nil {
			return err
		}
		if page.Total == 0 {
			added++
		}
	}
	if held+added > most {
		return fault.For(ReasonNamespaces, "the index has %d namespaces and may have %d; the batch would add %d. Use existing ones, or tell records apart by metadata", held, most, added)
	}
	return nil
}
