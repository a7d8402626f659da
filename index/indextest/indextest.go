// Package indextest judges implementations of index.Engine.
//
// Run is the conformance suite: each sentence of the contract in package index
// has a test in it. Random drives an engine and the oracle, index.Memory, side
// by side through random operations, restarts, restores and concurrent readers,
// and compares every answer whole.
//
// The tests of an engine call both:
//
//	func TestConformance(t *testing.T) { indextest.Run(t, open) }
//	func TestRandomOperations(t *testing.T) { indextest.Random(t, open) }
package indextest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
)

// Harness is an engine under test.
type Harness struct {
	Engine index.Engine
	Clock  *Clock // where the engine takes the time from
	// Remembers is how far back Read.Age surely reaches, for states at least a second apart; a minute or more.
	Remembers time.Duration
	// Recall is the share of the nearest that answers must have which do not claim to be
	// exhaustive, over all queries of a test; 0: every answer is to be exhaustive.
	Recall float64
	// Settle waits until the engine has nothing to do in the background for an index. Nil if it never has.
	Settle func(n index.Number)
	// Restart closes the engine and opens it again on what it stored. Nil if it stores nothing.
	Restart func(t *testing.T) index.Engine
}

// Clock is a clock that stands still until it is advanced. It may be used from any goroutine.
type Clock struct{ nanos atomic.Int64 }

// NewClock returns a clock that shows some moment of 2026.
func NewClock() *Clock {
	c := new(Clock)
	c.nanos.Store(time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC).UnixNano())
	return c
}

// Now returns the time the clock shows.
func (c *Clock) Now() time.Time { return time.Unix(0, c.nanos.Load()).UTC() }

// Advance moves the clock; a negative duration sets it back.
func (c *Clock) Advance(d time.Duration) { c.nanos.Add(int64(d)) }

// Run checks an engine against the contract. Each test opens one of its own;
// open arranges for its end with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	groups := []struct {
		name  string
		tests []test
	}{
		{"engine", engineTests},
		{"mutation", mutationTests},
		{"get", getTests},
		{"list", listTests},
		{"query", queryTests},
		{"filter", filterTests},
		{"metadata", metadataTests},
		{"scope", scopeTests},
		{"selection", selectionTests},
		{"age", ageTests},
		{"snapshot", snapshotTests},
		{"changes", changeTests},
		{"concurrency", concurrencyTests},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, test := range g.tests {
				t.Run(test.name, func(t *testing.T) { test.run(&rig{T: t, Harness: open(t)}) })
			}
		})
	}
}

// test is one property of the contract.
type test struct {
	name string
	run  func(r *rig)
}

// rig is what a test works with: an engine, and shorthands that fail the test if something goes wrong.
type rig struct {
	*testing.T
	Harness
	numbers index.Number // handed out so far
}

// tick is the time between two mutations of a test.
const tick = 2 * time.Second

// create makes an index under a new number.
func (r *rig) create(dimensions int, m index.Metric) index.Index {
	r.Helper()
	r.numbers++
	return must(r.Engine.Create(r.Context(), r.numbers, index.Config{Dimensions: dimensions, Metric: m}))(r)
}

// restart restarts the engine if it stores anything, and returns the index opened again.
func (r *rig) restart(x index.Index, n index.Number) index.Index {
	r.Helper()
	if r.Restart == nil {
		return x
	}
	r.Engine = r.Restart(r.T)
	return must(r.Engine.Open(r.Context(), n))(r)
}

func (r *rig) insert(x index.Index, records ...index.Record) index.Mutation {
	r.Helper()
	r.Clock.Advance(tick)
	return must(x.Insert(r.Context(), records, index.Scope{}))(r)
}

func (r *rig) upsert(x index.Index, records ...index.Record) index.Mutation {
	r.Helper()
	r.Clock.Advance(tick)
	return must(x.Upsert(r.Context(), records, index.Scope{}))(r)
}

func (r *rig) remove(x index.Index, ids ...index.VectorID) index.Mutation {
	r.Helper()
	r.Clock.Advance(tick)
	return must(x.Delete(r.Context(), ids, index.Scope{}))(r)
}

func (r *rig) indexMetadata(x index.Index, property string, t filter.Type, backfill bool) index.Mutation {
	r.Helper()
	r.Clock.Advance(tick)
	return must(x.CreateMetadataIndex(r.Context(), index.MetadataIndex{Property: property, Type: t}, backfill))(r)
}

func (r *rig) unindexMetadata(x index.Index, property string) index.Mutation {
	r.Helper()
	r.Clock.Advance(tick)
	return must(x.DeleteMetadataIndex(r.Context(), property))(r)
}

func (r *rig) get(x index.Index, read index.Read, ids ...index.VectorID) []index.Record {
	r.Helper()
	return must(x.Get(r.Context(), ids, read))(r)
}

func (r *rig) info(x index.Index, read index.Read) index.Info {
	r.Helper()
	return must(x.Info(r.Context(), read))(r)
}

func (r *rig) query(x index.Index, q index.Query, read index.Read) index.Result {
	r.Helper()
	return must(x.Query(r.Context(), q, read))(r)
}

// all lists the ids that a read shows.
func (r *rig) all(x index.Index, read index.Read) []index.VectorID {
	r.Helper()
	page := must(x.List(r.Context(), "", 10_000, read))(r)
	if page.Next != "" || page.Total != len(page.IDs) {
		r.Fatalf("a page of 10,000 has %d of %d ids and next %q", len(page.IDs), page.Total, page.Next)
	}
	return page.IDs
}

// must returns a function that returns v, or fails the test if there was an error.
func must[T any](v T, err error) func(r *rig) T {
	return func(r *rig) T {
		r.Helper()
		if err != nil {
			r.Fatalf("%v", err)
		}
		return v
	}
}

// refused fails the test unless err is a fault of the given kind and reason whose message has all the words.
func (r *rig) refused(err error, k fault.Kind, reason fault.Reason, words ...string) {
	r.Helper()
	f := fault.As(err)
	if f == nil || f.Kind != k || f.Reason != reason {
		r.Fatalf("got %s, want a fault of kind %v and reason %q", describe(err), k, reason)
	}
	for _, w := range words {
		if !contains(f.Error(), w) {
			r.Errorf("the message %q does not name %q", f.Error(), w)
		}
	}
}

func describe(err error) string {
	if f := fault.As(err); f != nil {
		return fmt.Sprintf("a fault of kind %v and reason %q: %v", f.Kind, f.Reason, err)
	}
	return fmt.Sprintf("%v", err)
}

// parse returns the filter that a text stands for.
func (r *rig) parse(text string) filter.Filter {
	r.Helper()
	return must(filter.Parse([]byte(text)))(r)
}
