package remote

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"nearside/fault"
	"nearside/ingest"
)

// Manifest is what a server remembers of a source and an index, for the one that has it claimed.
type Manifest struct {
	target *Target
	source int64
	claim  string // "" = the source is only looked at

	lost    chan struct{}
	losing  sync.Once
	stop    context.CancelFunc
	renewal sync.WaitGroup
}

var _ ingest.Manifest = (*Manifest)(nil)

// Claim claims a source of an index by its name. The holder is whom another loader is told
// of that comes while this one is at work. The claim is renewed until the manifest is released.
func Claim(ctx context.Context, t *Target, source, holder string) (*Manifest, error) {
	var claimed struct {
		ID    int64
		Claim string
	}
	err := t.call(ctx, http.MethodPost, "/sources", map[string]string{"name": source, "holder": holder}, &claimed)
	if err != nil {
		return nil, err
	}
	m := &Manifest{target: t, source: claimed.ID, claim: claimed.Claim, lost: make(chan struct{})}
	ctx, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	m.renewal.Go(func() { m.renew(ctx) })
	return m, nil
}

// Source is a source as a server lists it.
type Source struct {
	ID     int64
	Name   string
	Holder string // "" = nobody loads it now
}

// Find returns a source by its name; its ID is 0 if the index has none of that name.
func Find(ctx context.Context, t *Target, name string) (Source, error) {
	var sources []Source
	err := t.call(ctx, http.MethodGet, "/sources", nil, &sources)
	for _, s := range sources {
		if s.Name == name {
			return s, err
		}
	}
	return Source{}, err
}

// Look returns what is remembered of a source without claiming it: nothing can be put. A source that is not there has no items.
func Look(ctx context.Context, t *Target, name string) (*Manifest, error) {
	found, err := Find(ctx, t, name)
	return &Manifest{target: t, source: found.ID}, err
}

func (m *Manifest) path(call string) string {
	return "/sources/" + strconv.FormatInt(m.source, 10) + call
}

// item is an item on the wire.
type item struct {
	Path     string       `json:"path"`
	State    ingest.State `json:"state"`
	Size     int64        `json:"size"`
	Modified time.Time    `json:"modified_on,omitzero"`
	Digest   string       `json:"digest,omitempty"`
	Recipe   string       `json:"recipe,omitempty"`
	Records  []string     `json:"records,omitempty"`
	Reason   string       `json:"reason,omitempty"`
}

func newItem(k ingest.Known) item {
	return item{k.Path, k.State, k.Size, k.Modified, k.Digest, k.Recipe, k.Records, k.Reason}
}

func (i item) known() ingest.Known {
	return ingest.Known{Path: i.Path, State: i.State, Size: i.Size, Modified: i.Modified, Digest: i.Digest, Recipe: i.Recipe, Records: i.Records, Reason: i.Reason}
}

// Items returns known items after a path.
func (m *Manifest) Items(ctx context.Context, after string, limit int) ([]ingest.Known, error) {
	if m.source == 0 {
		return nil, nil
	}
	query := url.Values{"after": {after}, "limit": {strconv.Itoa(limit)}, "records": {"true"}}
	var items []item
	err := m.target.call(ctx, http.MethodGet, m.path("/items?"+query.Encode()), nil, &items)
	known := make([]ingest.Known, len(items))
	for i := range items {
		known[i] = items[i].known()
	}
	return known, err
}

// Put puts items and forgets others.
func (m *Manifest) Put(ctx context.Context, items []ingest.Known, forget []string) error {
	if m.claim == "" {
		return fault.New(fault.Internal, "the source was not claimed, and cannot be changed")
	}
	change := struct {
		Claim  string   `json:"claim"`
		Items  []item   `json:"items,omitempty"`
		Remove []string `json:"remove,omitempty"`
	}{Claim: m.claim, Remove: forget}
	for _, k := range items {
		change.Items = append(change.Items, newItem(k))
	}
	err := m.target.call(ctx, http.MethodPost, m.path("/items"), change, nil)
	m.check(err)
	return err
}

// Lost is closed when another loader has the source.
func (m *Manifest) Lost() <-chan struct{} { return m.lost }

// check closes Lost if an error says so.
func (m *Manifest) check(err error) {
	if fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) {
		m.losing.Do(func() { close(m.lost) })
	}
}

// renew prolongs the claim now and then. A server that is away does not end it.
func (m *Manifest) renew(ctx context.Context) {
	ticker := time.NewTicker(m.target.Renew)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			m.check(m.target.client.Do(ctx, http.MethodPost, m.target.path(m.path("/renew")), map[string]string{"claim": m.claim}, nil))
		}
	}
}

// Release gives the source back.
func (m *Manifest) Release(ctx context.Context, complete bool) error {
	if m.claim == "" {
		return nil
	}
	m.stop()
	m.renewal.Wait()
	again := false
	err := m.target.patiently(ctx, func() error {
		err := m.target.client.Do(ctx, http.MethodPost, m.target.path(m.path("/release")), map[string]any{"claim": m.claim, "complete": complete}, nil)
		if again && fault.Is(err, fault.Conflict) {
			return nil // it was given back by the attempt before, whose reply did not come
		}
		again = true
		return err
	})
	if err != nil {
		return fmt.Errorf("give the source back: %w", err)
	}
	return nil
}
