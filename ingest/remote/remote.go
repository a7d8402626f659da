// Package remote is the index of a server as package ingest loads it: Target and Manifest over the public API.
//
// Promises: a server that is busy is asked again when it says, and one that went away is waited
// for, up to Options.Patience, after which the call fails as the last attempt did. One that was never there is not. What waits says so once. Calls are repeated whole: all
// that are made here may be, because records and items are put by their names.
//
// It does not find out what may be loaded, or how: that is package ingest's.
package remote

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"nearside/client"
	"nearside/doc/chunk"
	"nearside/fault"
	"nearside/ingest"
)

// Options are the choices of Open.
type Options struct {
	// Vocabulary returns the tokenizer of the built-in encoder, nil if it is not on this machine; nil = it is not.
	Vocabulary func() (chunk.Tokenizer, error)
	Patience   time.Duration        // that a server may be away; DefaultPatience
	Renew      time.Duration        // how often a claim is renewed; DefaultRenew
	Log        func(message string) // is told of waits; may be nil
}

// Defaults of the options: a server is waited for as long as an update of its machine takes. A claim ends after 30 seconds.
const (
	DefaultPatience = 5 * time.Minute
	DefaultRenew    = 10 * time.Second
)

// Target is an index on a server.
type Target struct {
	client *client.Client
	index  string
	Options

	mu     sync.Mutex
	met    bool // the server has answered
	absent bool // the server is away, and it was said
}

var (
	_ ingest.Target = (*Target)(nil)
	_ ingest.Timer  = (*Target)(nil)
)

// Open returns the index of a server. Nothing is asked yet.
func Open(c *client.Client, index string, o Options) *Target {
	o.Patience, o.Renew = cmp.Or(o.Patience, DefaultPatience), cmp.Or(o.Renew, DefaultRenew)
	return &Target{client: c, index: index, Options: o}
}

// path returns where a call about the index goes.
func (t *Target) path(call string) string {
	return "/nearside/indexes/" + url.PathEscape(t.index) + call
}

// builtin is how fingerprints of the built-in encoder begin; the window follows.
const builtin = "bert:mean:"

// Describe returns what the index is.
func (t *Target) Describe(ctx context.Context) (ingest.Description, error) {
	var x struct {
		Config      struct{ Dimensions int }
		Model       string
		Fingerprint string
		Embeds      *struct {
			Model   string
			Window  int
			Neurons float64 `json:"neurons_per_million_tokens"`
		}
	}
	if err := t.call(ctx, http.MethodGet, "", nil, &x); err != nil {
		return ingest.Description{}, err
	}
	d := ingest.Description{Model: x.Model, Dimensions: x.Config.Dimensions}
	if e := x.Embeds; e != nil {
		d.Model, d.Window, d.Neurons = cmp.Or(d.Model, e.Model), e.Window, e.Neurons
	}
	if d.Model == "" {
		return d, fault.New(fault.Invalid, "the index %q takes vectors only; documents need one with an embedding model: nearside index create NAME --model @nearside/all-minilm-l6-v2", t.index)
	}
	rest, ours := strings.CutPrefix(x.Fingerprint, builtin)
	if !ours {
		return d, nil
	}
	window, _, _ := strings.Cut(rest, ":")
	if n, err := strconv.Atoi(window); err == nil {
		d.Window = n
	}
	if t.Vocabulary == nil {
		return d, nil
	}
	var err error
	d.Tokenizer, err = t.Vocabulary()
	return d, err
}

// Upsert embeds records and stores them. Those whose text the index has already are not embedded again.
func (t *Target) Upsert(ctx context.Context, records []ingest.Record) (stored ingest.Stored, err error) {
	type text struct {
		ID        string          `json:"id"`
		Text      string          `json:"text"`
		Namespace string          `json:"namespace,omitempty"`
		Metadata  json.RawMessage `json:"metadata,omitempty"`
	}
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	lines.SetEscapeHTML(false)
	for _, r := range records {
		if err := lines.Encode(text(r)); err != nil {
			return stored, fmt.Errorf("write the record %s as JSON: %w", r.ID, err)
		}
	}
	var result struct {
		Tokens    int
		Truncated []struct {
			ID      string
			Dropped int
		}
	}
	err = t.patiently(ctx, func() error {
		res, err := t.client.Open(ctx, http.MethodPost, t.path("/texts?reuse=true"), "application/x-ndjson", bytes.NewReader(body.Bytes()))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if stored.Neurons, err = strconv.ParseFloat(cmp.Or(res.Header.Get("cf-ai-neurons"), "0"), 64); err != nil {
			return fault.New(fault.Internal, "the server said that the call cost %q neurons, which is no number", res.Header.Get("cf-ai-neurons"))
		}
		return client.Result(res, &result)
	})
	stored.Tokens = result.Tokens
	if len(result.Truncated) > 0 {
		stored.Truncated = map[string]int{}
		for _, cut := range result.Truncated {
			stored.Truncated[cut.ID] = cut.Dropped
		}
	}
	return stored, err
}

// Delete removes records.
func (t *Target) Delete(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return t.call(ctx, http.MethodPost, "/delete", map[string]any{"ids": ids}, nil)
}

// Missing returns those of the ids that the index does not have.
func (t *Target) Missing(ctx context.Context, ids []string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var result struct{ Missing []string }
	err := t.call(ctx, http.MethodPost, "/missing", map[string]any{"ids": ids}, &result)
	return result.Missing, err
}

// Time embeds texts without storing them. Words of chance are put before them: what was embedded before would take no time.
func (t *Target) Time(ctx context.Context, texts []string) (time.Duration, error) {
	fresh := make([]string, len(texts))
	for i, text := range texts {
		fresh[i] = rand.Text()[:4] + " " + text
	}
	d, err := t.Describe(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	err = t.client.Do(ctx, http.MethodPost, "/ai/run/"+d.Model, map[string]any{"text": fresh}, nil)
	return time.Since(began), err
}

// call makes a call about the index, patiently.
func (t *Target) call(ctx context.Context, method, path string, body, result any) error {
	return t.patiently(ctx, func() error { return t.client.Do(ctx, method, t.path(path), body, result) })
}

// The waits between attempts, where the server does not say when to come back.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 5 * time.Second
)

// patiently makes a call, again and again while the server is busy or away.
func (t *Target) patiently(ctx context.Context, call func() error) error {
	wait, since := firstWait, time.Now()
	for {
		err := call()
		if !passing(err) {
			t.back(err)
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		pause := wait
		if f := fault.As(err); f != nil && f.RetryAfter > 0 {
			pause = f.RetryAfter
		}
		if time.Since(since)+pause > t.Patience || !t.away(err) {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		wait = min(wait*2, lastWait)
	}
}

// passing reports whether an error may be another one in a while, or none.
func passing(err error) bool {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case fault.As(err) == nil: // a reply that broke off
		return true
	}
	switch fault.KindOf(err) {
	case fault.Busy, fault.Unavailable:
		return true
	}
	return false
}

// away reports whether the server is worth waiting for, and says once that it is waited for. That it is busy
// is nothing to be told of.
func (t *Target) away(err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if fault.Is(err, fault.Busy) {
		return true
	}
	if t.met && !t.absent {
		t.absent = true
		t.log(fmt.Sprintf("waiting up to %v for the server: %v", t.Patience, err))
	}
	return t.met
}

// back notes that the server answered, and says so if it was away.
func (t *Target) back(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.met = t.met || err == nil
	if !t.absent || err != nil {
		return
	}
	t.absent = false
	t.log("the server is back")
}

func (t *Target) log(message string) {
	if t.Log != nil {
		t.Log(message)
	}
}
