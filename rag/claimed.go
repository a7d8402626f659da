package rag

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"nearside/catalog/manifest"
	"nearside/fault"
	"nearside/ingest"
	"nearside/jobs"
)

// claim claims the source of a job. A run that was killed has left its claim to the next run of the same job.
func (l *Loading) claim(ctx context.Context, r *jobs.Run, ix manifest.Index, name string) (manifest.Claim, error) {
	var c manifest.Claim
	if len(r.Memory) > 0 {
		if err := json.Unmarshal(r.Memory, &c); err != nil {
			return c, err
		}
		if c.Index == ix && l.sources.Renew(ctx, &c) == nil {
			return c, nil
		}
	}
	c, err := l.sources.Claim(ctx, ix, name, fmt.Sprintf("job %d", r.Number))
	if err != nil {
		return c, err
	}
	memory, err := json.Marshal(c)
	if err == nil {
		err = r.Remember(ctx, memory)
	}
	return c, err
}

// claimed is the part of a source that an upload is about, for whoever has the source claimed.
type claimed struct {
	store *manifest.Store
	paths []string // in order; items of others are not told of
	lost  chan struct{}

	mu    sync.Mutex // guards claim
	claim manifest.Claim

	stop     context.CancelFunc
	renewing sync.WaitGroup
}

// holding returns the manifest of a claimed source, as far as the paths go.
func holding(store *manifest.Store, c manifest.Claim, paths []string) *claimed {
	ctx, stop := context.WithCancel(context.Background())
	m := &claimed{store: store, paths: slices.Sorted(slices.Values(paths)), lost: make(chan struct{}), claim: c, stop: stop}
	m.renewing.Go(func() { m.renew(ctx) })
	return m
}

// renew prolongs the claim until it is released or lost.
func (m *claimed) renew(ctx context.Context) {
	every := time.NewTicker(manifest.ClaimFor / 3)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		m.mu.Lock()
		err := m.store.Renew(ctx, &m.claim)
		m.mu.Unlock()
		if fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) {
			close(m.lost)
			return
		}
	}
}

// ofFile looks for what is known of one file: itself, and its parts.
func ofFile(path string) manifest.Look {
	return manifest.Look{From: path, Until: path + "\x01", Limit: manifest.MaxPut, Records: true}
}

// Items implements ingest.Manifest.
func (m *claimed) Items(ctx context.Context, after string, limit int) (known []ingest.Known, err error) {
	m.mu.Lock()
	c := m.claim
	m.mu.Unlock()
	for _, path := range m.paths {
		look := ofFile(path)
		if look.Until <= after {
			continue
		}
		look.After, look.Limit = after, limit-len(known)
		items, err := m.store.Items(ctx, c.Index, c.Source, look)
		if err != nil {
			return nil, err
		}
		for _, i := range items {
			known = append(known, ingest.Known{
				Path: i.Path, State: ingest.State(i.State), Size: i.Size, Modified: i.Modified, Digest: i.Digest, Recipe: i.Recipe, Records: i.Records, Reason: i.Reason,
			})
		}
		if len(known) == limit {
			break
		}
	}
	return known, nil
}

// Put implements ingest.Manifest.
func (m *claimed) Put(ctx context.Context, items []ingest.Known, forget []string) error {
	put := make([]manifest.Item, len(items))
	for i, k := range items {
		put[i] = manifest.Item{
			Path: k.Path, State: manifest.State(k.State), Size: k.Size, Modified: k.Modified, Digest: k.Digest, Recipe: k.Recipe, Records: k.Records, Reason: k.Reason,
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.store.Put(ctx, &m.claim, put, forget)
}

// Lost implements ingest.Manifest.
func (m *claimed) Lost() <-chan struct{} { return m.lost }

// Release implements ingest.Manifest. A source of uploads has no end: nobody ever sees all of it at once.
func (m *claimed) Release(ctx context.Context, _ bool) error {
	m.stop()
	m.renewing.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.store.Release(ctx, m.claim, false)
}
