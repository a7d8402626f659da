package vectorize

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"nearside/fault"
	"nearside/index"
)

// everybody is more writers than there can be.
const everybody = 1 << 30

// room is how much may be added to a storage for certain without counting anew:
// counting what it holds at every write would cost more than the write. Its door is
// open to writers unless somebody holds them back.
type room struct {
	door *semaphore.Weighted // each writer takes one of everybody, who holds them back takes all

	mu                  sync.Mutex // guards the fields; held for arithmetic only
	vectors, namespaces int
}

// room returns the room of a storage.
func (s *Service) room(n index.Number) *room {
	if r, ok := s.rooms.Load(n); ok {
		return r.(*room)
	}
	r, _ := s.rooms.LoadOrStore(n, &room{door: semaphore.NewWeighted(everybody)})
	return r.(*room)
}

// take takes from the room, if there is enough.
func (r *room) take(vectors, namespaces int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if vectors > r.vectors || namespaces > r.namespaces {
		return false
	}
	r.vectors -= vectors
	r.namespaces -= namespaces
	return true
}

// set says how much there is after a count.
func (r *room) set(vectors, namespaces int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.vectors, r.namespaces = max(0, vectors), max(0, namespaces)
}

// admit checks a batch against the rules, and against how much the index may
// hold. That is counted before the write: writers at the very same moment may
// pass a limit together, by a batch each.
func (x *Index) admit(ctx context.Context, records []index.Record) error {
	l := x.limits
	if err := checkRecords(records, x.Definition.Dimensions, l); err != nil {
		return err
	}
	if l.Vectors == 0 && l.Namespaces == 0 {
		return nil
	}
	named := namespaces(records)
	if x.room.take(len(records), len(named)) {
		return nil
	}
	info, err := x.Info(ctx, index.Read{})
	if err != nil {
		return err
	}
	if err := x.admitVectors(ctx, records, info.Count); err != nil {
		return err
	}
	if err := x.admitNamespaces(ctx, named, info.Namespaces); err != nil {
		return err
	}
	x.room.set(unlimited(l.Vectors)-info.Count-len(records), unlimited(l.Namespaces)-info.Namespaces-len(named))
	return nil
}

// unlimited turns a limit of zero into one that is never reached.
func unlimited(limit int) int {
	if limit == 0 {
		return 1 << 40
	}
	return limit
}

// namespaces returns the namespaces of a batch, "" not among them.
func namespaces(records []index.Record) map[string]bool {
	named := map[string]bool{}
	for i := range records {
		if n := records[i].Namespace; n != "" {
			named[n] = true
		}
	}
	return named
}

// admitVectors refuses a batch that would take the index past its most records.
// Ids that exist already add none, but looking them up is only worth it near the limit.
func (x *Index) admitVectors(ctx context.Context, records []index.Record, held int) error {
	most := unlimited(x.limits.Vectors)
	if held+len(records) <= most {
		return nil
	}
	fresh := map[index.VectorID]bool{}
	var ids []index.VectorID
	for i := range records {
		if id := records[i].ID; !fresh[id] {
			fresh[id] = true
			ids = append(ids, id)
		}
	}
	existing, err := x.Index.Get(ctx, ids, index.Read{})
	if err != nil {
		return err
	}
	if added := len(ids) - len(existing); held+added > most {
		return fault.For(ReasonVectors, "the index holds %d vectors and may hold %d; the batch would add %d. Delete some, or use another index", held, most, added)
	}
	return nil
}

// admitNamespaces refuses a batch that would give the index too many namespaces.
func (x *Index) admitNamespaces(ctx context.Context, named map[string]bool, held int) error {
	most := unlimited(x.limits.Namespaces)
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
