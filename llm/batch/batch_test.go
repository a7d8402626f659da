package batch_test

import (
	"strings"
	"testing"

	"nearside/fault"
	"nearside/llm/batch"
	"nearside/llm/neuron"
)

func TestEveryItemIsAnsweredInItsPlaceAndTheCostAddsUp(t *testing.T) {
	h := open(t, t.TempDir(), batch.Options{})
	defer h.shut()
	id := h.add(40)
	if r := h.look(id); r.State != batch.Queued || r.Open != 40 || r.Responses != nil || r.Model != "m" {
		t.Errorf("before: %+v", r)
	}
	r := h.ended(h.charging(nil), id)
	bytes := 0
	for i, item := range items(40) {
		bytes += len(item.Input)
		if got := r.Responses[i]; string(got.Result) != string(item.Input) || got.Reference != item.Reference {
			t.Errorf("item %d: %+v", i, got)
		}
	}
	sum, calls := h.charged()
	if r.Neurons != sum || sum != neuron.Micro(bytes)*one || calls != 40 || r.Usage.Prompt != bytes || r.Usage.Completion != 40 {
		t.Errorf("told %s and %+v, charged %s for %d calls", r.Neurons, r.Usage, sum, calls)
	}
}

func TestABatchIsOnlyItsAccounts(t *testing.T) {
	h := open(t, t.TempDir(), batch.Options{})
	defer h.shut()
	id := h.add(1)
	for _, c := range [][2]string{{"bob", id}, {"alice", "no-such-batch"}, {"alice", ""}, {"", id}} {
		if _, err := h.Look(t.Context(), c[0], c[1]); !fault.Is(err, fault.NotFound) {
			t.Errorf("account %q, id %q: %v", c[0], c[1], err)
		}
	}
}

func TestLimits(t *testing.T) {
	h := open(t, t.TempDir(), batch.Options{HeldBytes: 12 << 20})
	defer h.shut()
	big := batch.Item{Input: make([]byte, batch.MaxBytes)}
	for name, c := range map[string]struct {
		items []batch.Item
		kind  fault.Kind // Internal: none
	}{
		"no item":            {nil, fault.Invalid},
		"most items":         {make([]batch.Item, batch.MaxItems), fault.Internal},
		"an item too many":   {make([]batch.Item, batch.MaxItems+1), fault.Invalid},
		"a byte too many":    {[]batch.Item{big, {Input: []byte("1")}}, fault.TooLarge},
		"longest reference":  {[]batch.Item{{Reference: strings.Repeat("r", batch.MaxReference)}}, fault.Internal},
		"too long reference": {[]batch.Item{{Reference: strings.Repeat("r", batch.MaxReference+1)}}, fault.Invalid},
	} {
		if err := (batch.Batch{Items: c.items}).Validate(); err != nil != (c.kind != fault.Internal) || fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	full := batch.Batch{Payer: alice, Model: "m", Items: []batch.Item{big}}
	if _, err := h.Add(t.Context(), full); err != nil {
		t.Error(err)
	}
	if _, err := h.Add(t.Context(), full); !fault.Is(err, fault.Busy) || fault.As(err).RetryAfter == 0 {
		t.Errorf("more than is held: %v", err)
	}
	h.add(1) // a refused batch holds nothing
}
