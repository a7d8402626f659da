package server

import (
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nearside/catalog"
	"nearside/catalog/manifest"
	"nearside/disk"
	"nearside/index"
	"nearside/index/local"
	"nearside/vectorize"
)

const v2 = home + "/vectorize/v2/indexes"

// standingClock is a time that moves only when a test says so.
type standingClock struct{ nanos atomic.Int64 }

func newClock() *standingClock {
	c := &standingClock{}
	c.nanos.Store(time.Date(2026, 2, 3, 4, 5, 6, 789012000, time.UTC).UnixNano())
	return c
}

func (c *standingClock) now() time.Time       { return time.Unix(0, c.nanos.Load()).UTC() }
func (c *standingClock) pass(d time.Duration) { c.nanos.Add(int64(d)) }

// cloud is a server with Vectorize, on an engine of the test's choice.
type cloud struct {
	*harness
	clock *standingClock
}

// onEveryEngine runs a test on the engine in memory and on the one on disk.
func onEveryEngine(t *testing.T, config Config, limits vectorize.Limits, test func(t *testing.T, c *cloud)) {
	t.Helper()
	for _, engine := range []string{"memory", "local"} {
		t.Run(engine, func(t *testing.T) { test(t, newCloud(t, engine, config, limits)) })
	}
}

func newCloud(t *testing.T, engine string, config Config, limits vectorize.Limits) *cloud {
	t.Helper()
	return newCloudOn(t, engine, disk.Options{}, config, limits)
}

// newCloudOn is newCloud on a disk with options.
func newCloudOn(t *testing.T, engine string, options disk.Options, config Config, limits vectorize.Limits) *cloud {
	t.Helper()
	clock := newClock()
	options.Clock = clock.now
	dir, err := disk.OpenDir(t.TempDir(), options)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := catalog.Open(dir, clock.now)
	if err != nil {
		t.Fatal(err)
	}
	var indexes index.Engine = index.NewMemory(clock.now)
	if engine == "local" {
		indexes = local.Open(dir.Sub("indexes"), local.Options{Clock: clock.now, MaxAge: time.Minute, Workers: 1})
	}
	manifests, err := manifest.Open(dir, clock.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, closing := range []func() error{indexes.Close, manifests.Close, entries.Close, dir.Close} {
			if err := closing(); err != nil {
				t.Error(err)
			}
		}
	})
	service, err := vectorize.Open(t.Context(), entries, indexes, vectorize.Options{
		Limits: limits, Files: catalog.Files{Dir: dir.Sub("snapshots")}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &cloud{startWith(t, config, Parts{Projects: entries, Vectorize: service, Sources: manifests}), clock}
}

// send sends a body of a content type; "" is JSON if there is a body.
func (c *cloud) send(method, path, contentType, body string, headers ...string) answer {
	c.t.Helper()
	if contentType == "" && body != "" {
		contentType = typeJSON
	}
	if contentType != "" {
		headers = append(headers, "Content-Type: "+contentType)
	}
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	return c.do(method, path, r, headers...)
}

// films makes the index films of three dimensions under a metric and puts lines into it.
func (c *cloud) films(metric index.Metric, lines ...string) {
	c.t.Helper()
	c.send("POST", v2, "", `{"name":"films","config":{"dimensions":3,"metric":"`+string(metric)+`"}}`).want(c.t, 200, 0)
	if len(lines) > 0 {
		c.send("POST", v2+"/films/upsert", typeNDJSON, strings.Join(lines, "\n")).want(c.t, 200, 0)
	}
}

// resultOf decodes the result of a reply.
func resultOf[T any](t *testing.T, a answer) T {
	t.Helper()
	var envelope struct{ Result T }
	if err := json.Unmarshal([]byte(a.body), &envelope); err != nil || a.status != 200 {
		t.Fatalf("status %d, %v: %.300s", a.status, err, a.body)
	}
	return envelope.Result
}

// found returns the ids of a reply to a query, in order.
func found(t *testing.T, a answer) string {
	t.Helper()
	r := resultOf[struct {
		Count   int
		Matches []struct{ ID string }
	}](t, a)
	var ids []string
	for _, m := range r.Matches {
		ids = append(ids, m.ID)
	}
	if r.Count != len(ids) {
		t.Errorf("count %d of %d matches", r.Count, len(ids))
	}
	return strings.Join(ids, " ")
}

// lacks checks that the body has none of the fragments.
func (a answer) lacks(t *testing.T, fragments ...string) {
	t.Helper()
	for _, f := range fragments {
		if strings.Contains(a.body, f) {
			t.Errorf("the reply has %q: %.300s", f, a.body)
		}
	}
}
