package indextest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"nearside/index"
)

// race mutates while others read, and then compares what they read with the states
// they may have seen: none older than the last mutation acknowledged before the
// read began, none newer than the last one begun before it ended.
func (s *session) race() {
	s.Helper()
	s.did("race")
	at := s.info(s.truth, index.Read{}).Mutation.Sequence
	var acknowledged atomic.Uint64
	acknowledged.Store(uint64(at))
	var over atomic.Bool
	sightings := make([][]sighting, 3)
	var readers sync.WaitGroup
	for i := range sightings {
		g := s.generator
		g.Rand = rand.New(rand.NewPCG(s.Uint64(), s.Uint64()))
		readers.Go(func() {
			for n := 0; n < 5 || n < 40 && !over.Load(); n++ {
				sightings[i] = append(sightings[i], s.look(g, &acknowledged))
			}
		})
	}
	for range 2 + s.IntN(8) {
		s.mutate()
		acknowledged.Store(uint64(s.info(s.truth, index.Read{}).Mutation.Sequence))
	}
	over.Store(true)
	readers.Wait()
	for _, seen := range sightings {
		for _, sight := range seen {
			s.judge(sight)
		}
	}
}

// sighting is what a reader saw.
type sighting struct {
	what          string
	oldest, after index.Sequence // acknowledged before the read, and after it
	err           error
	// differs says how the answer differs from what the oracle says of an age.
	differs func(x index.Index, r index.Read) (string, error)
}

// look does one random read of the newest state.
func (s *session) look(g generator, acknowledged *atomic.Uint64) (seen sighting) {
	r := index.Read{Within: g.scope()}
	seen.oldest = index.Sequence(acknowledged.Load())
	defer func() { seen.after = index.Sequence(acknowledged.Load()) }()
	switch g.IntN(4) {
	case 0:
		ids := g.someIDs(8)
		got, err := s.tested.Get(s.Context(), ids, r)
		seen.what, seen.err = fmt.Sprintf("get %q %s", ids, describeRead(r)), err
		seen.differs = func(x index.Index, r index.Read) (string, error) {
			want, err := x.Get(s.Context(), ids, r)
			return differentRecords(got, want), err
		}
	case 1:
		got, err := s.tested.List(s.Context(), "", 10, r)
		seen.what, seen.err = "list "+describeRead(r), err
		seen.differs = func(x index.Index, r index.Read) (string, error) {
			want, err := x.List(s.Context(), "", 10, r)
			return differentPage(got, want), err
		}
	default:
		q := g.question()
		got, err := s.tested.Query(s.Context(), q, r)
		seen.what, seen.err = fmt.Sprintf("query %s %s", describeQuery(q), describeRead(r)), err
		seen.differs = func(x index.Index, r index.Read) (string, error) {
			want, err := x.Query(s.Context(), q, r)
			if got.Explain.Exhaustive || s.Recall == 0 || err != nil {
				return differentResults(got, want), err
			}
			all := q
			all.TopK = everything
			every, err := x.Query(s.Context(), all, r)
			return differentApproximation(got, want, every), err
		}
	}
	within := r.Within
	differs := seen.differs
	seen.differs = func(x index.Index, r index.Read) (string, error) {
		r.Within = within
		return differs(x, r)
	}
	return seen
}

// judge fails the test unless some state that the reader may have seen gives the same answer.
func (s *session) judge(seen sighting) {
	s.Helper()
	var reasons []string
	for at := seen.oldest; at <= seen.after+1; at++ {
		since, known := s.times[at]
		if !known {
			continue
		}
		reason, err := seen.differs(s.truth, index.Read{Age: s.Clock.Now().Sub(since)})
		if err != nil || seen.err != nil {
			reason = differentFault(seen.err, err)
		}
		if reason == "" {
			return
		}
		reasons = append(reasons, fmt.Sprintf("\n  state %d of %v: %s", at, since.Format(time.TimeOnly), reason))
	}
	s.Fatalf("%s: the answer fits no state that there was meanwhile:%s", seen.what, reasons)
}
