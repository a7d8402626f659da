package indextest

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"nearside/index"
)

var (
	seed = flag.Uint64("seed", 0, "seed of the random operations; 0 takes one from the clock")
	ops  = flag.Int("ops", 250, "random operations of each kind of index")
)

// Random does random operations on an engine and on the oracle, side by side, and
// compares all answers. In between the engine is restarted, restored from its
// snapshots, and read while it is written. The flags -seed and -ops say which
// operations and how many; a failure prints the seed and the latest operations.
func Random(t *testing.T, open func(t *testing.T) Harness) {
	first := *seed
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	kinds := []struct {
		config index.Config
		values values
	}{
		{index.Config{Dimensions: 2, Metric: index.Cosine}, integers},
		{index.Config{Dimensions: 2, Metric: index.Euclidean}, integers},
		{index.Config{Dimensions: 3, Metric: index.DotProduct}, integers},
		{index.Config{Dimensions: 19, Metric: index.Cosine}, reals},
		{index.Config{Dimensions: 32, Metric: index.Euclidean}, reals},
		{index.Config{Dimensions: 5, Metric: index.DotProduct}, reals},
	}
	for i, k := range kinds {
		t.Run(fmt.Sprintf("%s of %d %s", k.config.Metric, k.config.Dimensions, k.values), func(t *testing.T) {
			t.Logf("repeat with -seed=%d -ops=%d", first, *ops)
			s := newSession(t, open(t), k.config, generator{rand.New(rand.NewPCG(first, uint64(i))), k.config, k.values})
			for range *ops {
				s.step()
			}
			s.compareAll()
			t.Logf("%d of %d nearest found in answers that were not exhaustive", s.found, s.expected)
			if float64(s.found) < s.Recall*float64(s.expected) {
				t.Errorf("recall %.3f, want %.3f", float64(s.found)/float64(s.expected), s.Recall)
			}
		})
	}
}

// session drives an index and the oracle's.
type session struct {
	*rig
	generator
	oracle  *index.Memory
	number  index.Number // of both indexes
	tested  index.Index
	truth   index.Index
	since   time.Time                    // states older than this are not known to both
	times   map[index.Sequence]time.Time // when each of the latest states came to be
	cursors []listing
	trace   []string // the operations so far, for the report of a failure

	found, expected int // of the nearest, in answers that were not exhaustive
}

// listing is one that can be continued.
type listing struct {
	tested, truth index.Page
	within        index.Scope
}

func newSession(t *testing.T, h Harness, c index.Config, g generator) *session {
	s := &session{rig: &rig{T: t, Harness: h}, generator: g, oracle: index.NewMemory(h.Clock.Now), number: 1, since: h.Clock.Now()}
	s.times = map[index.Sequence]time.Time{0: s.since}
	s.tested = must(h.Engine.Create(t.Context(), 1, c))(s.rig)
	s.truth = must(s.oracle.Create(t.Context(), 1, c))(s.rig)
	t.Cleanup(func() {
		if t.Failed() {
			for _, line := range s.trace[max(0, len(s.trace)-25):] {
				t.Log(line)
			}
		}
	})
	return s
}

// did notes what is about to be done.
func (s *session) did(format string, args ...any) {
	s.trace = append(s.trace, fmt.Sprintf("%d: ", len(s.trace)+1)+fmt.Sprintf(format, args...))
}

// step does one operation.
func (s *session) step() {
	s.Helper()
	switch n := s.IntN(100); {
	case n < 35:
		s.mutate()
	case n < 60:
		s.compareQuery()
	case n < 70:
		s.compareGet()
	case n < 76:
		s.compareList()
	case n < 79:
		s.compareSelect()
	case n < 80:
		s.compareFacets()
	case n < 86:
		s.compareInfo()
		s.compareChanged()
	case n < 90:
		s.compareAll()
	case n < 94:
		s.race()
	case n < 97:
		s.restartTested()
	case n < 98:
		s.restore()
	case n < 99 && s.Settle != nil:
		s.did("settle")
		s.Settle(s.number)
	default:
		s.did("time passes")
		s.Clock.Advance(time.Duration(s.IntN(400)) * time.Second)
	}
}

// mutate does the same mutation to both.
func (s *session) mutate() {
	s.Helper()
	s.Clock.Advance(tick)
	m := s.mutation()
	s.did("%s", m)
	got, gotErr := m.do(s.Context(), s.tested)
	want, wantErr := m.do(s.Context(), s.truth)
	if s.bothFailed(gotErr, wantErr) {
		return
	}
	s.times[want.Sequence] = want.Time
	if got.Sequence != want.Sequence || got.Changed != want.Changed || !got.Time.Equal(want.Time) {
		s.Fatalf("%s: receipt %+v, want %+v", m, got, want)
	}
}

// bothFailed reports whether both calls failed. It fails the test unless they did so for the same reason.
func (s *session) bothFailed(got, want error) bool {
	s.Helper()
	s.same(differentFault(got, want))
	return want != nil
}

// read returns a random read that both can answer.
func (s *session) read() index.Read {
	r := index.Read{Within: s.scope()}
	if s.IntN(4) == 0 {
		reach := min(s.Clock.Now().Sub(s.since), s.Remembers)
		// States lie whole seconds apart; half a second asks between two of them.
		r.Age = time.Duration(s.Int64N(int64(min(reach, time.Minute)/time.Second)+1)) * time.Second
		if s.IntN(2) == 0 && r.Age > 0 {
			r.Age -= time.Second / 2
		}
	}
	return r
}

func (s *session) compareQuery() {
	s.Helper()
	q, r := s.question(), s.read()
	s.did("query %s, %s", describeQuery(q), describeRead(r))
	got, gotErr := s.tested.Query(s.Context(), q, r)
	want, wantErr := s.truth.Query(s.Context(), q, r)
	if !s.bothFailed(gotErr, wantErr) {
		s.compareResults(q, r, got, want)
	}
}

// everything is a topK above the records of any test.
const everything = 10_000

// compareResults compares an answer with the exact one: whole if it claims to be exhaustive,
// else each match with what the oracle has of it.
func (s *session) compareResults(q index.Query, r index.Read, got, want index.Result) {
	s.Helper()
	if got.Explain.Exhaustive || s.Recall == 0 {
		s.same(differentResults(got, want))
		return
	}
	q.TopK = everything
	found := 0
	all := must(s.truth.Query(s.Context(), q, r))(s.rig)
	s.same(differentApproximation(got, want, all))
	for _, m := range want.Matches {
		if slices.ContainsFunc(got.Matches, func(g index.Match) bool { return g.ID == m.ID || g.Score == m.Score }) {
			found++
		}
	}
	s.found, s.expected = s.found+found, s.expected+len(want.Matches)
}

func (s *session) compareGet() {
	s.Helper()
	ids, r := s.someIDs(8), s.read()
	s.did("get %q, %s", ids, describeRead(r))
	got, gotErr := s.tested.Get(s.Context(), ids, r)
	want, wantErr := s.truth.Get(s.Context(), ids, r)
	if !s.bothFailed(gotErr, wantErr) {
		s.same(differentRecords(got, want))
	}
}

// compareList begins a listing, or goes on with one.
func (s *session) compareList() {
	s.Helper()
	r, count := s.read(), 1+s.IntN(20)
	var tested, truth string
	if len(s.cursors) > 0 && s.IntN(3) > 0 {
		i := s.IntN(len(s.cursors))
		c := s.cursors[i]
		tested, truth, r.Within = c.tested.Next, c.truth.Next, c.within
		now := s.Clock.Now()
		if expired := !now.Before(c.tested.Expires); expired == now.Before(c.truth.Expires) {
			return // one engine's cursors may live a little longer than another's
		} else if expired {
			s.cursors = slices.Delete(s.cursors, i, i+1)
		}
	}
	s.did("list %d after %q, %s", count, truth, describeRead(r))
	got, gotErr := s.tested.List(s.Context(), tested, count, r)
	want, wantErr := s.truth.List(s.Context(), truth, count, r)
	if !s.bothFailed(gotErr, wantErr) {
		s.same(differentPage(got, want))
	}
	if want.Next != "" {
		s.cursors = append(s.cursors, listing{got, want, r.Within})
	}
}

// compareSelect lists a page of a selection.
func (s *session) compareSelect() {
	s.Helper()
	sel, r, count := s.selection(), s.read(), s.IntN(20)
	s.did("select %d of %s, %s", count, describeSelection(sel), describeRead(r))
	got, gotErr := s.tested.Select(s.Context(), sel, "", count, r)
	want, wantErr := s.truth.Select(s.Context(), sel, "", count, r)
	if !s.bothFailed(gotErr, wantErr) {
		s.same(differentPage(got, want))
	}
}

// compareFacets counts the values of a property.
func (s *session) compareFacets() {
	s.Helper()
	property, sel, r, most := pick(s.generator, properties...), s.selection(), s.read(), 1+s.IntN(5)
	s.did("%d facets of %s of %s, %s", most, property, describeSelection(sel), describeRead(r))
	got, gotErr := s.tested.Facets(s.Context(), property, sel, most, r)
	want, wantErr := s.truth.Facets(s.Context(), property, sel, most, r)
	if !s.bothFailed(gotErr, wantErr) && fmt.Sprint(got) != fmt.Sprint(want) {
		s.Fatalf("facets %v, want %v", got, want)
	}
}

func (s *session) compareInfo() {
	s.Helper()
	r := s.read()
	s.did("info, %s", describeRead(r))
	got, gotErr := s.tested.Info(s.Context(), r)
	want, wantErr := s.truth.Info(s.Context(), r)
	if !s.bothFailed(gotErr, wantErr) {
		s.same(differentInfo(got, want))
	}
}

// compareAll compares the whole of the newest state.
func (s *session) compareAll() {
	s.Helper()
	s.did("compare everything")
	s.same(differentInfo(s.info(s.tested, index.Read{}), s.info(s.truth, index.Read{})))
	got := must(s.tested.MetadataIndexes(s.Context(), index.Read{}))(s.rig)
	want := must(s.truth.MetadataIndexes(s.Context(), index.Read{}))(s.rig)
	if !slices.Equal(got, want) {
		s.Fatalf("metadata indexes %v, want %v", got, want)
	}
	ids := s.all(s.truth, index.Read{})
	s.ids(s.all(s.tested, index.Read{}), ids...)
	s.same(differentRecords(s.get(s.tested, index.Read{}, ids...), s.get(s.truth, index.Read{}, ids...)))
	for _, m := range want {
		for _, text := range []string{`{%q:null}`, `{%q:{"$ne":null}}`} {
			q := index.Query{Vector: s.vector(), TopK: 1000, Filter: s.parse(fmt.Sprintf(text, m.Property)), Metadata: index.IndexedMetadata}
			s.compareResults(q, index.Read{}, s.query(s.tested, q, index.Read{}), s.query(s.truth, q, index.Read{}))
		}
	}
}

func (s *session) restartTested() {
	s.Helper()
	s.did("restart")
	s.tested = s.restart(s.tested, s.number)
	s.compareAll()
}

// restore takes snapshots of both, and goes on with what is restored from them.
func (s *session) restore() {
	s.Helper()
	s.did("snapshot and restore")
	old := s.number
	s.number++
	copied := func(e index.Engine, x index.Index) index.Index {
		var file bytes.Buffer
		must(x.Snapshot(s.Context(), &file))(s.rig)
		y := must(e.Restore(s.Context(), s.number, &file))(s.rig)
		must(0, e.Drop(s.Context(), old))(s.rig)
		return y
	}
	s.tested, s.truth = copied(s.Engine, s.tested), copied(s.oracle, s.truth)
	// Nothing says whether a restored index remembers states before its newest one.
	s.since = s.times[s.info(s.truth, index.Read{}).Mutation.Sequence]
	s.cursors = nil
	s.compareAll()
}
