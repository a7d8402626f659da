package rag_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"nearside/fault"
	"nearside/index"
	"nearside/rag"
	"nearside/vectorize"
)

var someTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func reason(err error) fault.Reason {
	if f := fault.As(err); f != nil {
		return f.Reason
	}
	return ""
}

func create(t *testing.T, s *rag.Service, name string) {
	t.Helper()
	if _, _, err := s.Create(t.Context(), account, rag.Definition{Name: name, Model: minilm}); err != nil {
		t.Fatal(err)
	}
}

func upsert(t *testing.T, s *rag.Service, name string, texts ...rag.Text) {
	t.Helper()
	if _, err := s.Upsert(t.Context(), payer, name, texts, index.Scope{}); err != nil {
		t.Fatal(err)
	}
}

// otherShop is a world with the shop in it, and other weights at hand.
func otherShop(t *testing.T) (*world, *rag.Service) {
	t.Helper()
	w := newWorld(t)
	s := w.service(newWords(minilm, "minilm-1"), other())
	create(t, s, "shop")
	upsert(t, s, "shop", shop...)
	return w, s
}

func (w *world) open(name string) *vectorize.Index {
	w.t.Helper()
	x, err := w.indexes.Open(w.t.Context(), account, name)
	if err != nil {
		w.t.Fatal(err)
	}
	return x
}

func info(t *testing.T, x index.Index) index.Info {
	t.Helper()
	i, err := x.Info(t.Context(), index.Read{})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func id(i int) index.VectorID { return index.VectorID(fmt.Sprintf("r%03d", i)) }

// ledger is what an index should have. Each writer has ids of its own, so that the two agree.
type ledger struct {
	mu    sync.Mutex // guards the texts
	texts map[index.VectorID]index.Record
}

func (l *ledger) put(texts ...rag.Text) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range texts {
		l.texts[t.ID] = index.Record{ID: t.ID, Namespace: t.Namespace, Title: t.Title, Text: t.Text, Metadata: t.Metadata}
	}
}

// write does one random change of writer k, of three.
func (l *ledger) write(ctx context.Context, r *rand.Rand, k int, s *rag.Service, indexes *vectorize.Service) error {
	at := id(3*r.IntN(150) + k)
	switch r.IntN(4) {
	case 0, 1:
		n := r.IntN(1000)
		text := rag.Text{ID: at, Title: fmt.Sprint("title ", n%3), Text: fmt.Sprintf("words %d", n), Namespace: []string{"", "eu"}[n%2], Metadata: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))}
		if _, err := s.Upsert(ctx, payer, "shop", []rag.Text{text}, index.Scope{}); fault.Is(err, fault.Unavailable) {
			return nil // the model was away, and nothing was written
		} else if err != nil {
			return err
		}
		l.put(text)
	case 2:
		x, err := indexes.Open(ctx, account, "shop")
		if err != nil {
			return err
		}
		if _, err := x.Delete(ctx, []index.VectorID{at}, index.Scope{}); err != nil {
			return err
		}
		l.mu.Lock()
		delete(l.texts, at)
		l.mu.Unlock()
	case 3:
		return l.revise(ctx, at, r.IntN(1000), indexes)
	}
	return nil
}

// revise updates the metadata of a record, if it is there.
func (l *ledger) revise(ctx context.Context, at index.VectorID, n int, indexes *vectorize.Service) error {
	x, err := indexes.Open(ctx, account, "shop")
	if err != nil {
		return err
	}
	metadata := json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))
	if _, err := x.UpdateMetadata(ctx, index.Selection{IDs: []index.VectorID{at}}, index.MetadataUpdate{Set: metadata}, index.Scope{}); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if record, there := l.texts[at]; there {
		record.Metadata = metadata
		l.texts[at] = record
	}
	return nil
}
