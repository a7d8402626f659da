package rag_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"nearside/fault"
	"nearside/index"
	"nearside/index/filter"
	"nearside/rag"
	"nearside/vectorize"
)

var seed = flag.Uint64("seed", 1, "seed of the random writers; 0 is not special")

// other are weights that put words on other axes.
func other() *words { return newWords(lexical, "lexical-1").rotated(100) }

// records returns all of an index, by id.
func (w *world) records(name string) map[index.VectorID]index.Record {
	w.t.Helper()
	x, err := w.indexes.Open(w.t.Context(), account, name)
	if err != nil {
		w.t.Fatal(err)
	}
	return all(w.t, x.Index)
}

func all(t *testing.T, x index.Index) map[index.VectorID]index.Record {
	t.Helper()
	found := map[index.VectorID]index.Record{}
	for cursor := ""; ; {
		page, err := x.List(t.Context(), cursor, 1000, index.Read{})
		if err != nil {
			t.Fatal(err)
		}
		records, err := x.Get(t.Context(), page.IDs, index.Read{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			found[r.ID] = r
		}
		if cursor = page.Next; cursor == "" {
			return found
		}
	}
}

// sameBut reports how two sets of records differ, vectors aside.
func sameBut(got, want map[index.VectorID]index.Record) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d records, want %d", len(got), len(want))
	}
	for id, w := range want {
		g, ok := got[id]
		if !ok || g.Namespace != w.Namespace || g.Title != w.Title || g.Text != w.Text || string(g.Metadata) != string(w.Metadata) {
			return fmt.Sprintf("%q: got %q %q %q %s, want %q %q %q %s", id, g.Namespace, g.Title, g.Text, g.Metadata, w.Namespace, w.Title, w.Text, w.Metadata)
		}
	}
	return ""
}

// madeBy checks that every vector is what the weights make of its record's text.
func madeBy(t *testing.T, weights *words, records map[index.VectorID]index.Record) {
	t.Helper()
	for id, r := range records {
		want, err := weights.Embed(t.Context(), []string{strings.TrimSpace(r.Title + " " + r.Text)})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(r.Values, want[0].Values) {
			t.Fatalf("record %q has a vector of other weights", id)
		}
	}
}

var toOther = rag.Reembedding{Index: "shop", Model: lexical}

func work(job int64) rag.Work { return rag.Work{Job: job, Payer: payer} }

func TestReembeddingKeepsEverythingButTheVectors(t *testing.T) {
	w := newWorld(t)
	weights := other()
	s := w.service(newWords(minilm, "minilm-1"), weights)
	create(t, s, "shop")
	upsert(t, s, "shop", shop...)
	x := w.open("shop")
	if _, err := x.CreateMetadataIndex(t.Context(), index.MetadataIndex{Property: "kind", Type: filter.String}, true); err != nil {
		t.Fatal(err)
	}
	before := w.records("shop")
	written := info(t, x).Mutation
	done, err := s.Reembed(t.Context(), toOther, work(1))
	if err != nil {
		t.Fatal(err)
	}
	if done.Embedded != len(shop) || done.Stored != len(shop) || done.Held <= 0 {
		t.Errorf("got %+v", done)
	}
	now := w.open("shop")
	if d := now.Definition; d.Model != lexical || d.Fingerprint != "lexical-1" || d.Dimensions != 384 || d.Metric != "cosine" || d.Number == x.Definition.Number || d.Origin != x.Definition.Number {
		t.Errorf("got %+v", d)
	}
	after := w.records("shop")
	if d := sameBut(after, before); d != "" {
		t.Error(d)
	}
	madeBy(t, weights, after)
	indexes, err := now.MetadataIndexes(t.Context(), index.Read{})
	if err != nil || len(indexes) != 1 || indexes[0].Property != "kind" {
		t.Errorf("metadata indexes %v, %v", indexes, err)
	}
	if m := info(t, now).Mutation; m.ID != written.ID || m.Time.Before(written.Time) {
		t.Errorf("processed up to %+v, want what was processed before, %+v", m, written)
	}
	if again, err := s.Reembed(t.Context(), toOther, work(1)); err != nil || again.Embedded != 0 {
		t.Errorf("the same job once more: %+v, %v", again, err)
	}
}

func TestAQuestionInFlightIsAnsweredByTheWeightsThatReadIt(t *testing.T) {
	w, s := otherShop(t)
	before := w.open("shop")
	if _, err := s.Reembed(t.Context(), toOther, work(1)); err != nil {
		t.Fatal(err)
	}
	if got := all(t, before.Index); len(got) != len(shop) || len(got["post"].Values) != 384 {
		t.Errorf("an index opened before the swap has %d records now", len(got))
	}
	answer, err := s.Search(t.Context(), payer, "shop", rag.Query{Text: "when opens the shop", TopK: 1}, index.Read{})
	if err != nil || answer.Matches[0].ID != "hours" || answer.Index.Model != lexical {
		t.Errorf("got %+v, %v", answer, err)
	}
}

func TestWritesOpenedBeforeASwapReachTheNewIndex(t *testing.T) {
	w, s := otherShop(t)
	opened := w.open("shop")
	if _, err := s.Reembed(t.Context(), toOther, work(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := opened.Delete(t.Context(), []index.VectorID{"post"}, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	if _, err := opened.UpdateMetadata(t.Context(), index.Selection{IDs: []index.VectorID{"hours"}}, index.MetadataUpdate{Set: json.RawMessage(`{"new":1}`)}, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	got := w.records("shop")
	if _, there := got["post"]; there || string(got["hours"].Metadata) != `{"kind":"hours","new":1}` {
		t.Errorf("got %v", got)
	}
	_, err := opened.Upsert(t.Context(), []index.Record{{ID: "late", Values: make([]float32, 384)}}, index.Scope{})
	if f := fault.As(err); f == nil || f.Kind != fault.Conflict || f.Reason != vectorize.ReasonReembedded {
		t.Errorf("a vector of the old weights: %v", err)
	}
}

func TestATextWhoseIndexIsSwappedWhileItIsEmbeddedIsEmbeddedAgain(t *testing.T) {
	w := newWorld(t)
	old, weights := newWords(minilm, "minilm-1"), other()
	s := w.service(old, weights)
	create(t, s, "shop")
	upsert(t, s, "shop", shop...)
	old.during = sync.OnceFunc(func() {
		if _, err := s.Reembed(t.Context(), toOther, work(1)); err != nil {
			t.Error(err)
		}
	})
	upsert(t, s, "shop", rag.Text{ID: "late", Text: "bicycles are repaired"})
	got := w.records("shop")
	if len(got) != len(shop)+1 {
		t.Errorf("%d records", len(got))
	}
	madeBy(t, weights, got)
}

func TestUndoBringsBackTheOldVectorsWithWhatWasWrittenSince(t *testing.T) {
	w := newWorld(t)
	old, weights := newWords(minilm, "minilm-1"), other()
	s := w.service(old, weights)
	create(t, s, "shop")
	upsert(t, s, "shop", shop...)
	if _, err := s.Reembed(t.Context(), toOther, work(1)); err != nil {
		t.Fatal(err)
	}
	upsert(t, s, "shop", rag.Text{ID: "late", Text: "bicycles are repaired"})
	if _, err := w.open("shop").Delete(t.Context(), []index.VectorID{"post"}, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	want := w.records("shop")
	done, err := s.Reembed(t.Context(), rag.Reembedding{Index: "shop", Undo: true}, work(2))
	if err != nil || done.Embedded != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	got := w.records("shop")
	if d := sameBut(got, want); d != "" {
		t.Error(d)
	}
	madeBy(t, old, got)
	if x := w.open("shop").Definition; x.Model != minilm || x.Dimensions != 384 {
		t.Errorf("got %+v", x)
	}
	if _, err := s.Reembed(t.Context(), rag.Reembedding{Index: "shop", Undo: true}, work(3)); err != nil { // and there again
		t.Fatal(err)
	}
	madeBy(t, weights, w.records("shop"))
}

func TestWhatIsKeptCanBeDropped(t *testing.T) {
	w, s := otherShop(t)
	if _, err := s.Reembed(t.Context(), toOther, work(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reembed(t.Context(), rag.Reembedding{Index: "shop", Model: minilm}, work(2)); reason(err) != rag.ReasonKept {
		t.Errorf("a second one while the first is kept: %v", err)
	}
	kept, err := s.DropKept(t.Context(), account, "shop")
	if err != nil || kept.Model != minilm {
		t.Fatalf("%+v, %v", kept, err)
	}
	if numbers, err := w.engine.Numbers(t.Context()); err != nil || len(numbers) != 1 {
		t.Errorf("storages %v, %v", numbers, err)
	}
	if _, err := s.DropKept(t.Context(), account, "shop"); reason(err) != rag.ReasonKept {
		t.Errorf("dropped twice: %v", err)
	}
	if w.count("shop") != len(shop) {
		t.Error("the index is not whole")
	}
}

func TestRecordsWithoutTextAreRefusedWithTheirNumber(t *testing.T) {
	w, s := otherShop(t)
	vector := make([]float32, 384)
	vector[0] = 1
	if _, err := w.open("shop").Upsert(t.Context(), []index.Record{{ID: "v1", Values: vector}, {ID: "v2", Values: vector}}, index.Scope{}); err != nil {
		t.Fatal(err)
	}
	_, err := s.EstimateReembedding(t.Context(), payer, toOther)
	if reason(err) != rag.ReasonVectorsOnly || !strings.Contains(err.Error(), "2 of the 5 records") || !strings.Contains(err.Error(), "--drop-vectors-only") {
		t.Errorf("estimate: %v", err)
	}
	if _, err := s.Reembed(t.Context(), toOther, work(1)); reason(err) != rag.ReasonVectorsOnly {
		t.Errorf("build: %v", err)
	}
	if got := w.open("shop").Definition.Model; got != minilm {
		t.Errorf("the index is %s's", got)
	}
	without := toOther
	without.DropVectorsOnly = true
	if done, err := s.Reembed(t.Context(), without, work(2)); err != nil || done.LeftOut != 2 || w.count("shop") != len(shop) {
		t.Errorf("%+v, %v, %d records", done, err, w.count("shop"))
	}
}

func TestTheNewWeightsMayHaveOtherDimensions(t *testing.T) {
	w, s := otherShop(t)
	before := w.records("shop")
	if _, err := s.Reembed(t.Context(), rag.Reembedding{Index: "shop", Model: bgeBase, Metric: index.Euclidean}, work(1)); err != nil {
		t.Fatal(err)
	}
	if d := w.open("shop").Definition; d.Dimensions != 768 || d.Metric != "euclidean" || d.Model != bgeBase {
		t.Errorf("got %+v", d)
	}
	if d := sameBut(w.records("shop"), before); d != "" {
		t.Error(d)
	}
	if _, err := s.Search(t.Context(), payer, "shop", rag.Query{Text: "parcels", TopK: 1}, index.Read{}); err != nil {
		t.Error(err)
	}
}

func TestAnIndexIsBroughtToBetterWeightsOfItsModel(t *testing.T) {
	w := newWorld(t)
	create(t, w.service(newWords(lexical, "lexical-1")), "shop") // a substitute, for want of better
	better := newWords(minilm, "minilm-1").rotated(50)
	router, s := w.routed(newWords(lexical, "lexical-1"), better)
	upsert(t, s, "shop", shop...)
	same := rag.Reembedding{Index: "shop", Model: minilm}
	if _, err := s.Reembed(t.Context(), same, work(1)); reason(err) != rag.ReasonSameWeights || !strings.Contains(err.Error(), "nearside models switch "+minilm) {
		t.Errorf("before the switch: %v", err)
	}
	if _, _, err := router.Switch(t.Context(), account, minilm); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reembed(t.Context(), same, work(2)); err != nil {
		t.Fatal(err)
	}
	madeBy(t, better, w.records("shop"))
}

func TestTheSameWeightsAreRefusedUnlessTheMetricIsAnother(t *testing.T) {
	w, s := otherShop(t)
	if _, err := s.Reembed(t.Context(), rag.Reembedding{Index: "shop", Model: minilm}, work(1)); reason(err) != rag.ReasonSameWeights {
		t.Errorf("got %v", err)
	}
	before := w.records("shop")
	done, err := s.Reembed(t.Context(), rag.Reembedding{Index: "shop", Model: minilm, Metric: index.DotProduct}, work(2))
	if err != nil || done.Embedded != 0 {
		t.Fatalf("vectors are the same, nothing need be embedded: %+v, %v", done, err)
	}
	after := w.records("shop")
	for id, r := range before {
		if !slices.Equal(after[id].Values, r.Values) {
			t.Errorf("%q has another vector", id)
		}
	}
	if got := w.open("shop").Definition.Metric; got != "dot-product" {
		t.Errorf("metric %s", got)
	}
}

func TestTheEstimateSaysWhatItWillTakeAndDoesNothing(t *testing.T) {
	w, s := otherShop(t)
	e, err := s.EstimateReembedding(t.Context(), payer, rag.Reembedding{Index: "shop", Model: bgeBase})
	if err != nil || e.Records != len(shop) || e.VectorsOnly != 0 || e.Tokens < 10 || e.Neurons == 0 || e.Weights.Model != bgeBase {
		t.Errorf("%+v, %v", e, err)
	}
	if _, there := w.indexes.Twin(account, "shop"); there {
		t.Error("there is a twin")
	}
}

func TestATwinIsNeitherListedNorCountedAndGoesWithItsIndex(t *testing.T) {
	w, s := otherShop(t)
	if _, err := s.Reembed(t.Context(), toOther, work(1)); err != nil {
		t.Fatal(err)
	}
	if list := w.indexes.List(account); len(list) != 1 || list[0].Name != "shop" {
		t.Errorf("listed: %v", list)
	}
	if _, err := vectorize.Open(t.Context(), w.catalog, w.engine, vectorize.Options{}); err != nil { // sweeps
		t.Fatal(err)
	}
	if numbers, err := w.engine.Numbers(t.Context()); err != nil || len(numbers) != 2 {
		t.Errorf("after a sweep there are the storages %v, %v", numbers, err)
	}
	if err := w.indexes.Delete(t.Context(), account, "shop"); err != nil {
		t.Fatal(err)
	}
	if numbers, err := w.engine.Numbers(t.Context()); err != nil || len(numbers) != 0 || len(w.catalog.Twins()) != 0 {
		t.Errorf("left: storages %v, twins %v, %v", numbers, w.catalog.Twins(), err)
	}
}

func TestDeletingTheIndexEndsItsReembedding(t *testing.T) {
	w := newWorld(t)
	weights := other()
	s := w.service(newWords(minilm, "minilm-1"), weights)
	create(t, s, "shop")
	upsert(t, s, "shop", shop...)
	weights.during = sync.OnceFunc(func() {
		if err := w.indexes.Delete(t.Context(), account, "shop"); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Reembed(t.Context(), toOther, work(1)); !fault.Is(err, fault.Gone) && !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	if numbers, err := w.engine.Numbers(t.Context()); err != nil || len(numbers) != 0 {
		t.Errorf("storages %v, %v", numbers, err)
	}
}

func TestACancelledReembeddingLeavesTheIndexAndNothingElse(t *testing.T) {
	w := newWorld(t)
	weights := other()
	s := w.service(newWords(minilm, "minilm-1"), weights)
	create(t, s, "shop")
	upsert(t, s, "shop", shop...)
	ctx, cancel := context.WithCancel(t.Context())
	weights.during = cancel
	if _, err := s.Reembed(ctx, toOther, work(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := s.EndReembedding(t.Context(), account, "shop", 1, true); err != nil {
		t.Fatal(err)
	}
	numbers, err := w.engine.Numbers(t.Context())
	if _, there := w.indexes.Twin(account, "shop"); there || err != nil || len(numbers) != 1 || w.count("shop") != len(shop) {
		t.Errorf("storages %v, %v", numbers, err)
	}
}

func TestARestoredIndexIsFollowed(t *testing.T) {
	w := newWorld(t)
	weights := other()
	s := w.service(newWords(minilm, "minilm-1"), weights)
	create(t, s, "shop")
	upsert(t, s, "shop", shop...)
	var snapshot strings.Builder
	if _, err := w.indexes.WriteSnapshot(t.Context(), account, "shop", someTime, &snapshot); err != nil {
		t.Fatal(err)
	}
	upsert(t, s, "shop", rag.Text{ID: "late", Text: "bicycles are repaired"})
	weights.during = sync.OnceFunc(func() {
		if _, err := w.indexes.Restore(t.Context(), account, "shop", strings.NewReader(snapshot.String())); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Reembed(t.Context(), toOther, work(1)); err != nil {
		t.Fatal(err)
	}
	got := w.records("shop")
	if _, there := got["late"]; there || len(got) != len(shop) {
		t.Errorf("%d records", len(got))
	}
	madeBy(t, weights, got)
}

// forgetful is an engine whose indexes have forgotten what changed, some times.
type forgetful struct {
	index.Engine
	times *int
}

func (e forgetful) Open(ctx context.Context, n index.Number) (index.Index, error) {
	x, err := e.Engine.Open(ctx, n)
	return forgetfulIndex{x, e.times}, err
}

type forgetfulIndex struct {
	index.Index
	times *int
}

func (x forgetfulIndex) Changed(ctx context.Context, since index.Sequence) ([]index.VectorID, index.Sequence, error) {
	if *x.times > 0 {
		*x.times--
		return nil, 0, index.Forgotten(since, since+1, since+2)
	}
	return x.Index.Changed(ctx, since)
}

func TestWhatIsForgottenIsComparedAgainAndNotEmbeddedAgain(t *testing.T) {
	w := newWorld(t)
	times := 3
	var err error
	if w.indexes, err = vectorize.Open(t.Context(), w.catalog, forgetful{w.engine, &times}, vectorize.Options{Limits: vectorize.Cloudflare()}); err != nil {
		t.Fatal(err)
	}
	weights := other()
	s := w.service(newWords(minilm, "minilm-1"), weights)
	create(t, s, "shop")
	upsert(t, s, "shop", shop...)
	weights.during = sync.OnceFunc(func() {
		if _, err := w.open("shop").Delete(t.Context(), []index.VectorID{"post"}, index.Scope{}); err != nil {
			t.Error(err)
		}
	})
	done, err := s.Reembed(t.Context(), toOther, work(1))
	if err != nil || done.Embedded != len(shop) || times != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	got := w.records("shop")
	if _, there := got["post"]; there || len(got) != len(shop)-1 {
		t.Errorf("%d records: what was deleted is there", len(got))
	}
}

// TestWritersDuringTheWholeBuildLoseNothing has writers change an index, and a plain map the same way,
// while it is re-embedded there and back, with batches that fail: at the end they agree.
func TestWritersDuringTheWholeBuildLoseNothing(t *testing.T) {
	w := newWorld(t)
	old, weights := newWords(minilm, "minilm-1"), other()
	s := w.service(old, weights)
	create(t, s, "shop")
	t.Logf("repeat with -seed=%d", *seed)
	oracle := &ledger{texts: map[index.VectorID]index.Record{}}
	var first []rag.Text
	for i := range 300 {
		first = append(first, rag.Text{ID: id(i), Text: fmt.Sprintf("passage %d of the beginning", i), Metadata: json.RawMessage(`{"n":0}`)})
	}
	upsert(t, s, "shop", first...)
	oracle.put(first...)

	stop := make(chan struct{})
	var writers sync.WaitGroup
	for k := range 3 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(*seed, uint64(k)))
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := oracle.write(t.Context(), r, k, s, w.indexes); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	failing := rand.New(rand.NewPCG(*seed, 99))
	weights.fail = func() error {
		if failing.IntN(4) == 0 {
			return fault.New(fault.Unavailable, "the model is away")
		}
		return nil
	}
	rebuild := func(r rag.Reembedding, job int64) {
		for tries := 0; ; tries++ {
			_, err := s.Reembed(t.Context(), r, work(job))
			if err == nil {
				t.Logf("job %d ended at try %d", job, tries+1)
				return
			}
			if !fault.Is(err, fault.Unavailable) {
				t.Fatal(err)
			}
		}
	}
	rebuild(toOther, 1)
	rebuild(rag.Reembedding{Index: "shop", Undo: true}, 2)
	rebuild(rag.Reembedding{Index: "shop", Undo: true}, 3)
	close(stop)
	writers.Wait()
	weights.fail = nil
	got := w.records("shop")
	if d := sameBut(got, oracle.texts); d != "" {
		t.Error(d)
	}
	madeBy(t, weights, got)
}
