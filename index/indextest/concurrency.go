package indextest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"

	"nearside/fault"
	"nearside/index"
)

var concurrencyTests = []test{
	{"a batch is seen whole or not at all, and a record is of one version", wholeBatches},
	{"concurrent mutations have consecutive sequences and none is lost", func(r *rig) {
		x := r.create(1, index.Euclidean)
		const writers, rounds = 8, 25
		sequences := make([][]index.Sequence, writers)
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				for i := range rounds {
					m, err := x.Insert(r.Context(), []index.Record{rec(index.VectorID(fmt.Sprintf("%d-%d", w, i)), 1)}, index.Scope{})
					if err != nil || m.Changed != 1 {
						r.Errorf("insert: %d changed, %v", m.Changed, err)
						return
					}
					sequences[w] = append(sequences[w], m.Sequence)
				}
			})
		}
		group.Wait()
		seen := map[index.Sequence]bool{}
		for w, own := range sequences {
			for i, s := range own {
				if seen[s] || s < 1 || s > writers*rounds || i > 0 && s <= own[i-1] {
					r.Fatalf("writer %d got the sequences %v", w, own)
				}
				seen[s] = true
			}
		}
		x = r.restart(x, 1)
		if info := r.info(x, index.Read{}); info.Count != writers*rounds || info.Mutation.Sequence != writers*rounds {
			r.Errorf("%d records at sequence %d, want %d", info.Count, info.Mutation.Sequence, writers*rounds)
		}
	}},
	{"of concurrent inserts of one id exactly one wins", func(r *rig) {
		x := r.create(1, index.Euclidean)
		for i := range 20 {
			var winners atomic.Int64
			var group sync.WaitGroup
			for w := range 4 {
				group.Go(func() {
					m, err := x.Insert(r.Context(), []index.Record{rec(index.VectorID(fmt.Sprint(i)), float32(w))}, index.Scope{})
					if err != nil {
						r.Error(err)
					}
					winners.Add(int64(m.Changed))
				})
			}
			group.Wait()
			if winners.Load() != 1 {
				r.Fatalf("%d inserts of one id won", winners.Load())
			}
		}
	}},
	{"a snapshot taken while writing is of one state", func(r *rig) {
		x := r.create(1, index.Euclidean)
		stop := r.writePairs(x, 2, 60)
		for n := index.Number(100); ; n++ {
			var file bytes.Buffer
			at := must(x.Snapshot(r.Context(), &file))(r)
			y := must(r.Engine.Restore(r.Context(), n, &file))(r)
			if info := r.info(y, index.Read{}); info.Mutation.Sequence != at {
				r.Errorf("a snapshot of sequence %d was restored at %d", at, info.Mutation.Sequence)
			}
			r.pairs(y)
			must(0, r.Engine.Drop(r.Context(), n))(r)
			if stop() {
				return
			}
		}
	}},
	{"closing waits for calls in flight", func(r *rig) {
		x := r.create(1, index.Euclidean)
		var acknowledged atomic.Int64
		var group sync.WaitGroup
		for w := range 4 {
			group.Go(func() {
				for i := 0; ; i++ {
					_, err := x.Insert(r.Context(), []index.Record{rec(index.VectorID(fmt.Sprintf("%d-%d", w, i)), 1)}, index.Scope{})
					if err != nil {
						if fault.KindOf(err) != fault.Unavailable {
							r.Errorf("insert into a closing index: %s", describe(err))
						}
						return
					}
					acknowledged.Add(1)
				}
			})
		}
		for acknowledged.Load() < 20 && !r.Failed() {
			r.info(x, index.Read{})
		}
		must(0, x.Close())(r)
		group.Wait()
		x = must(r.Engine.Open(r.Context(), 1))(r)
		if info := r.info(x, index.Read{}); int64(info.Count) != acknowledged.Load() {
			r.Errorf("%d records, %d were acknowledged", info.Count, acknowledged.Load())
		}
	}},
}

// writePairs starts writers that replace the records "<w>-left" and "<w>-right" in one
// batch, round after round. The function returned says whether they are done.
func (r *rig) writePairs(x index.Index, writers, rounds int) (done func() bool) {
	var group sync.WaitGroup
	var running atomic.Int64
	running.Store(int64(writers))
	for w := range writers {
		group.Go(func() {
			defer running.Add(-1)
			for i := range rounds {
				if _, err := x.Upsert(r.Context(), []index.Record{pairMember(w, "left", i), pairMember(w, "right", i)}, index.Scope{}); err != nil {
					r.Errorf("upsert: %v", err)
					return
				}
			}
		})
	}
	r.Cleanup(group.Wait)
	return func() bool { return running.Load() == 0 }
}

// pairMember returns a record all of whose fields tell the round.
func pairMember(writer int, side string, round int) index.Record {
	return index.Record{
		ID:        index.VectorID(fmt.Sprintf("%d-%s", writer, side)),
		Namespace: fmt.Sprint(round % 3),
		Values:    []float32{float32(round)},
		Metadata:  json.RawMessage(fmt.Sprintf(`{"round":%d}`, round)),
		Title:     side,
		Text:      fmt.Sprint(round),
	}
}

// pairs fails the test if a pair is torn, or a record mixed of several versions.
func (r *rig) pairs(x index.Index) {
	r.Helper()
	for w := range 2 {
		left, right := pairMember(w, "left", 0), pairMember(w, "right", 0)
		records := r.get(x, index.Read{}, left.ID, right.ID)
		if len(records) == 0 {
			continue
		}
		if len(records) != 2 || records[0].Text != records[1].Text {
			r.Fatalf("half a batch is visible: %+v", records)
		}
		r.oneVersion(records...)
	}
	result := r.query(x, index.Query{Vector: []float32{0}, TopK: 9, Values: true, Metadata: index.AllMetadata, Text: true}, index.Read{})
	if len(result.Matches)%2 != 0 {
		r.Fatalf("half a batch is visible: %q", matched(result))
	}
	for _, m := range result.Matches {
		r.oneVersion(m.Record)
		if m.Score != float64(m.Values[0]) {
			r.Fatalf("%q has value %v and score %v", m.ID, m.Values, m.Score)
		}
	}
}

func (r *rig) oneVersion(records ...index.Record) {
	r.Helper()
	for _, got := range records {
		var writer, round int
		if _, err := fmt.Sscanf(string(got.ID)+" "+got.Text, "%d-"+got.Title+" %d", &writer, &round); err != nil {
			r.Fatalf("record %+v: %v", got, err)
		}
		r.same(differentRecord(got, pairMember(writer, got.Title, round)))
	}
}

func wholeBatches(r *rig) {
	x := r.create(1, index.Euclidean)
	stop := r.writePairs(x, 2, 150)
	last := index.Sequence(0)
	for !stop() && !r.Failed() {
		r.pairs(x)
		info := r.info(x, index.Read{})
		if info.Mutation.Sequence < last || info.Count%2 != 0 {
			r.Fatalf("%d records at sequence %d after %d", info.Count, info.Mutation.Sequence, last)
		}
		last = info.Mutation.Sequence
	}
	r.pairs(x)
}
