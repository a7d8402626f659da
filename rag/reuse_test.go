package rag_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"nearside/index"
	"nearside/rag"
)

func TestATextThatIsThereIsWrittenAgainAndNotEmbedded(t *testing.T) {
	w := newWorld(t)
	weights, calls := newWords(minilm, "minilm-1"), 0
	weights.during = func() { calls++ }
	s := w.service(weights)
	if _, _, err := s.Create(t.Context(), account, rag.Definition{Name: "shop", Model: minilm}); err != nil {
		t.Fatal(err)
	}
	upsert := func(texts ...rag.Text) rag.Receipt {
		t.Helper()
		for i := range texts {
			texts[i].Reuse = true
		}
		receipt, err := s.Upsert(t.Context(), payer, "shop", texts, index.Scope{})
		if err != nil {
			t.Fatal(err)
		}
		return receipt
	}
	upsert(shop[0], shop[1])
	before := stored(t, w, "refund", "hours")
	moved := shop[1]
	moved.Namespace, moved.Metadata = "us", json.RawMessage(`{"line":7}`)
	if r := upsert(moved, shop[0]); calls != 1 || r.Embedded.Tokens != 0 || r.Mutation.ID == "" {
		t.Errorf("%d calls of the model, %d tokens", calls, r.Embedded.Tokens)
	}
	after := stored(t, w, "refund", "hours")
	if !reflect.DeepEqual(after[0], before[0]) || !reflect.DeepEqual(after[1].Values, before[1].Values) || after[1].Namespace != "us" || string(after[1].Metadata) != `{"line":7}` {
		t.Errorf("was %v, is %v", before, after)
	}
	renamed := shop[0]
	renamed.Title = "Money"
	if r := upsert(renamed, shop[1], shop[2]); calls != 2 || r.Embedded.Tokens == 0 {
		t.Errorf("%d calls of the model, %d tokens", calls, r.Embedded.Tokens)
	}
	if got := stored(t, w, "refund", "hours", "post"); len(got) != 3 || reflect.DeepEqual(got[0].Values, before[0].Values) || !reflect.DeepEqual(got[1].Values, before[1].Values) {
		t.Errorf("vectors went to other texts: %v", got)
	}
}

func TestATextIsEmbeddedAgainUnlessItMayBeReused(t *testing.T) {
	w, s := filled(t)
	receipt, err := s.Upsert(t.Context(), payer, "shop", shop, index.Scope{})
	if err != nil || receipt.Embedded.Tokens == 0 || w.count("shop") != 3 {
		t.Errorf("%d tokens, %v", receipt.Embedded.Tokens, err)
	}
}

// stored returns records of the shop.
func stored(t *testing.T, w *world, ids ...index.VectorID) []index.Record {
	t.Helper()
	x, err := w.indexes.Open(t.Context(), account, "shop")
	if err != nil {
		t.Fatal(err)
	}
	records, err := x.Get(t.Context(), ids, index.Read{})
	if err != nil {
		t.Fatal(err)
	}
	return records
}
