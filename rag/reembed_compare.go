package rag

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nearside/fault"
	"nearside/index"
	"nearside/llm"
)

const (
	// embeddedAtOnce is how many texts one call embeds, and how many are lost by a crash at most.
	embeddedAtOnce = 64
	// embeddedBytes bounds the text of one call.
	embeddedBytes = 256 << 10
)

// compare makes some records of the twin the same as they are in the index.
func (b *builder) compare(ctx context.Context, ids []index.VectorID) error {
	have, err := recordsOf(ctx, b.x.Index, ids)
	if err != nil {
		return err
	}
	built, err := recordsOf(ctx, b.into, ids)
	if err != nil {
		return err
	}
	copies := b.twin.Fingerprint == b.x.Definition.Fingerprint // only the metric is another
	var gone []index.VectorID
	var ready, texts []index.Record
	for _, id := range ids {
		want, there := have[id]
		old, had := built[id]
		if there && !copies && !hasText(want) {
			if there = false; !b.leaveOut {
				return b.vectorsOnly(ctx)
			}
			b.done.LeftOut++
		}
		switch {
		case !there && had:
			gone = append(gone, id)
		case !there || had && sameRecord(want, old) && (!copies || slices.Equal(want.Values, old.Values)):
		case copies:
			ready = append(ready, want)
		case had && contentOf(want) == contentOf(old):
			want.Values = old.Values
			ready = append(ready, want)
		default:
			texts = append(texts, want)
		}
	}
	if err := b.embed(ctx, texts); err != nil {
		return err
	}
	if err := b.store(ctx, ready); err != nil {
		return err
	}
	if len(gone) > 0 {
		if _, err := b.into.Delete(ctx, gone, index.Scope{}); err != nil {
			return err
		}
	}
	return b.tell(ctx)
}

// tell says how far the twin is to whoever watches.
func (b *builder) tell(ctx context.Context) error {
	if b.work.Tell == nil {
		return nil
	}
	all, err := b.x.Info(ctx, index.Read{})
	if err != nil {
		return err
	}
	built, err := b.into.Info(ctx, index.Read{})
	if err != nil {
		return err
	}
	b.done.Total, b.done.Done = all.Count, built.Count
	b.work.Tell(b.done)
	return nil
}

// embed makes vectors of records' texts and stores them, batch by batch.
func (b *builder) embed(ctx context.Context, records []index.Record) error {
	for len(records) > 0 {
		n := batchOf(records)
		if err := b.embedBatch(ctx, records[:n]); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

// batchOf is how many of the records are embedded at once: one at least.
func batchOf(records []index.Record) int {
	size := 0
	for n, r := range records[:min(len(records), embeddedAtOnce)] {
		if size += len(r.Title) + len(r.Text); size > embeddedBytes && n > 0 {
			return n
		}
	}
	return min(len(records), embeddedAtOnce)
}

func (b *builder) embedBatch(ctx context.Context, records []index.Record) error {
	texts := make([]string, len(records))
	for i, r := range records {
		texts[i] = contentOf(r)
	}
	call := llm.Call{Payer: b.work.Payer, Model: b.twin.Model}
	if b.work.Once != nil {
		call.Once = b.work.Once(digestOf(texts))
	}
	embedded, err := b.service.models.EmbedFor(ctx, call, holderOf(b.twin), texts)
	if err != nil {
		return err
	}
	for i := range records {
		records[i].Values = embedded.Vectors[i]
		if embedded.Dropped[i] > 0 {
			b.done.Truncated++
		}
	}
	b.done.Embedded += len(records)
	b.done.Tokens += embedded.Tokens
	b.done.Neurons += embedded.Neurons
	if err := b.store(ctx, records); err != nil {
		return err
	}
	return b.tell(ctx)
}

// digestOf names a batch: the same texts are charged once, if a crash has them embedded twice.
func digestOf(texts []string) string {
	h := sha256.New()
	for _, text := range texts {
		fmt.Fprintf(h, "%d %s", len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// store writes records into the twin. It waits while the twin has more new records than its graph takes in.
func (b *builder) store(ctx context.Context, records []index.Record) error {
	if len(records) == 0 {
		return nil
	}
	for {
		_, err := b.into.Upsert(ctx, records, index.Scope{})
		f := fault.As(err)
		if f == nil || f.Kind != fault.Busy {
			if err == nil {
				b.done.Stored += len(records)
			}
			return err
		}
		pause := time.NewTimer(max(f.RetryAfter, 100*time.Millisecond))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return errors.Join(ctx.Err(), err)
		}
	}
}

// vectorsOnly is the fault of an index with records that cannot be embedded.
func (b *builder) vectorsOnly(ctx context.Context) error {
	found, err := b.service.survey(ctx, b.x, 0)
	if err != nil {
		return err
	}
	return found.refuse(b.twin.Name)
}

// recordsOf returns those of the records that a storage has, by id.
func recordsOf(ctx context.Context, x index.Index, ids []index.VectorID) (map[index.VectorID]index.Record, error) {
	records, err := x.Get(ctx, ids, index.Read{})
	if err != nil {
		return nil, err
	}
	byID := make(map[index.VectorID]index.Record, len(records))
	for _, r := range records {
		byID[r.ID] = r
	}
	return byID, nil
}

// hasText reports whether a record was made from a text.
func hasText(r index.Record) bool { return strings.TrimSpace(r.Text) != "" }

// contentOf is what is embedded of a record.
func contentOf(r index.Record) string { return Text{Title: r.Title, Text: r.Text}.content() }

// sameRecord reports whether two records differ in their vectors only.
func sameRecord(a, b index.Record) bool {
	return a.Namespace == b.Namespace && a.Title == b.Title && a.Text == b.Text && bytes.Equal(a.Metadata, b.Metadata)
}

// contains reports whether there is such a metadata index among some.
func contains(list []index.MetadataIndex, m index.MetadataIndex) bool {
	return slices.Contains(list, m)
}

// unique returns the ids, sorted, each once.
func unique(ids []index.VectorID) []index.VectorID {
	slices.Sort(ids)
	return slices.Compact(ids)
}
