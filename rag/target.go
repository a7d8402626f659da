package rag

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"nearside/catalog"
	"nearside/embed"
	"nearside/index"
	"nearside/ingest"
	"nearside/llm"
	"nearside/llm/neuron"
	"nearside/vectorize"
)

// target is an index of this server that is loaded, on somebody's bill.
type target struct {
	texts  *Service
	payer  neuron.Payer
	index  string
	within index.Scope
}

// How many ids one call to the index has: what Vectorize's limits let everybody delete, and list.
const (
	perDelete = 100
	perSelect = 1000
)

// Describe implements ingest.Target.
func (t *target) Describe(ctx context.Context) (ingest.Description, error) {
	x, err := t.texts.open(ctx, t.payer.Account, t.index)
	if err != nil {
		return ingest.Description{}, err
	}
	reading, err := t.texts.models.Reading(ctx, t.payer.Account, x.Definition.Model, indexHolder(x.Definition))
	if err != nil {
		return ingest.Description{}, err
	}
	d := ingest.Description{Model: reading.Model, Window: reading.Window, Neurons: float64(reading.Million) / 1e6, Dimensions: x.Definition.Dimensions}
	if reading.Counter != nil {
		d.Tokenizer = reading.Counter
	}
	return d, nil
}

// Upsert implements ingest.Target.
func (t *target) Upsert(ctx context.Context, records []ingest.Record) (ingest.Stored, error) {
	texts := make([]Text, len(records))
	for i, r := range records {
		texts[i] = Text{ID: index.VectorID(r.ID), Text: r.Text, Namespace: r.Namespace, Metadata: r.Metadata, Reuse: true}
	}
	receipt, err := t.texts.Upsert(ctx, t.payer, t.index, texts, t.within)
	if err != nil {
		return ingest.Stored{}, err
	}
	stored := ingest.Stored{Tokens: receipt.Embedded.Tokens, Neurons: float64(receipt.Embedded.Neurons) / 1e6, Truncated: map[string]int{}}
	for _, cut := range receipt.Truncated {
		stored.Truncated[string(cut.ID)] = cut.Dropped
	}
	return stored, nil
}

// Delete implements ingest.Target.
func (t *target) Delete(ctx context.Context, ids []string) error {
	return t.pages(ctx, ids, perDelete, func(x *vectorize.Index, some []index.VectorID) error {
		_, err := x.Delete(ctx, some, t.within)
		return err
	})
}

// Missing implements ingest.Target.
func (t *target) Missing(ctx context.Context, ids []string) (missing []string, err error) {
	there := make(map[index.VectorID]bool, len(ids))
	err = t.pages(ctx, ids, perSelect, func(x *vectorize.Index, some []index.VectorID) error {
		page, err := x.Select(ctx, index.Selection{IDs: some}, "", len(some), index.Read{Within: t.within})
		for _, id := range page.IDs {
			there[id] = true
		}
		return err
	})
	for _, id := range ids {
		if !there[index.VectorID(id)] {
			missing = append(missing, id)
		}
	}
	return missing, err
}

// pages works on ids, so many at a time.
func (t *target) pages(ctx context.Context, ids []string, most int, work func(x *vectorize.Index, some []index.VectorID) error) error {
	x, err := t.texts.indexes.Open(ctx, t.payer.Account, t.index)
	for len(ids) > 0 && err == nil {
		some := make([]index.VectorID, min(len(ids), most))
		for i := range some {
			some[i] = index.VectorID(ids[i])
		}
		ids = ids[len(some):]
		err = work(x, some)
	}
	return err
}

// indexHolder is an index as what has vectors, with which new ones must compare.
func indexHolder(d catalog.Index) llm.Holder {
	return llm.Holder{Name: fmt.Sprintf("index %q", d.Name), Fingerprint: embed.Fingerprint(d.Fingerprint)}
}

// chargedKey is the key of ChargedOnce in a context.
type chargedKey struct{}

// ChargedOnce makes calls to embed the same texts cost once that are made under the context, however often they are
// made and in whichever process: until the ledger forgets the group.
func ChargedOnce(ctx context.Context, group string) context.Context {
	return context.WithValue(ctx, chargedKey{}, group)
}

// onceFor is the name under which the ledger charges for texts; "" = each time.
func onceFor(ctx context.Context, weights string, texts []string) string {
	group, ok := ctx.Value(chargedKey{}).(string)
	if !ok {
		return ""
	}
	sum := sha256.New()
	for _, text := range append([]string{weights}, texts...) {
		fmt.Fprintf(sum, "%d ", len(text))
		_, _ = io.WriteString(sum, text) // a hash takes everything
	}
	return group + "/" + hex.EncodeToString(sum.Sum(nil)[:16])
}
