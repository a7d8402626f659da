package router_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
	"nearside/measure/router"
)

// parrot serves a model at a pace until the test ends.
func parrot(t *testing.T, pace router.Pace) router.Target {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := router.Serve(ctx, listener, pace); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); serving.Wait() })
	return router.Target{URL: "http://" + listener.Addr().String() + "/v1", Model: router.Model}
}

// proxy serves a Proxy before a target until the test ends.
func proxy(t *testing.T, to router.Target, data *disk.Dir) router.Target {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := router.Proxy(ctx, listener, to.URL, data); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); serving.Wait() })
	return router.Target{URL: "http://" + listener.Addr().String(), Model: to.Model}
}

func silent(string, ...any) {}

// A pause is never shorter than asked for, so what is measured is never less.
func TestWhatTheSlowerTargetAddsIsSeen(t *testing.T) {
	fast := parrot(t, router.Pace{Pieces: 4})
	slow := parrot(t, router.Pace{First: 30 * time.Millisecond, Between: 10 * time.Millisecond, Pieces: 4})
	rows, err := router.Compare(t.Context(), router.Targets{Direct: fast, Proxy: fast, Synced: slow, Nearside: slow}, router.Plan{Concurrency: []int{1, 3}, Calls: 4, Rounds: 3, Pause: time.Millisecond}, silent)
	if err != nil || len(rows) != 4 {
		t.Fatalf("%v: %d rows", err, len(rows))
	}
	for _, r := range rows {
		if r.Calls != 12 || r.Nearside.P50 < 60 || r.Nearside.P99 < r.Nearside.P50 || r.Direct.P50 <= 0 || r.Direct.Rate <= r.Nearside.Rate || r.Added.P50 > r.Nearside.P50 || r.SyncedAdds.P50 < 30 || r.ProxyAdds.P50 > 30 {
			t.Errorf("got %+v", r)
		}
		if !r.Stream {
			if r.Nearside.FirstP50 != 0 || r.Nearside.GapP50 != 0 {
				t.Errorf("whole replies have pieces: %+v", r)
			}
			continue
		}
		if r.Nearside.FirstP50 < 30 || r.Nearside.GapMean <= 0 || r.Nearside.FirstP50 > r.Nearside.P50 {
			t.Errorf("got %+v", r)
		}
	}
}

// Every call goes through both proxies, and every reply of the one ends with a sync.
func TestAProxyPassesCallsOnAndSyncsBeforeAReplyEnds(t *testing.T) {
	fast := parrot(t, router.Pace{Pieces: 3})
	var syncs atomic.Int64
	data := disktest.OpenDir(t, t.TempDir(), disk.Options{Hook: func(op disk.Op, path string) error {
		if op == disk.OpSync && strings.HasSuffix(path, "pages") {
			syncs.Add(1)
		}
		return nil
	}})
	targets := router.Targets{Direct: fast, Proxy: proxy(t, fast, nil), Synced: proxy(t, fast, data), Nearside: fast}
	rows, err := router.Compare(t.Context(), targets, router.Plan{Concurrency: []int{1, 3}, Calls: 6, Rounds: 1}, silent)
	if err != nil || len(rows) != 4 {
		t.Fatalf("%v: %d rows", err, len(rows))
	}
	const once, calls = 1, 4 * 2 * 6 // when the file is made; a round goes before those that count
	if n := syncs.Load(); n != once+calls {
		t.Errorf("%d syncs", n)
	}
}

func TestATargetThatFailsEndsTheMeasurement(t *testing.T) {
	fast := parrot(t, router.Pace{Pieces: 2})
	for name, answer := range map[string]func(w http.ResponseWriter){
		"a status": func(w http.ResponseWriter) { http.Error(w, "no", http.StatusServiceUnavailable) },
		"a stream cut short": func(w http.ResponseWriter) {
			_, _ = w.Write([]byte(`data: {"choices":[{"delta":{"content":"a"}}]}` + "\n\n"))
		},
		"a stream of no pieces": func(w http.ResponseWriter) { _, _ = w.Write([]byte("data: [DONE]\n\n")) },
	} {
		failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
		_, err := router.Compare(t.Context(), router.Targets{Direct: fast, Proxy: fast, Synced: fast, Nearside: router.Target{URL: failing.URL}}, router.Plan{Concurrency: []int{2}, Calls: 2, Rounds: 1}, silent)
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
		failing.Close()
	}
}

func TestFailoverTellsTriesFromBeingLeftAlone(t *testing.T) {
	fast, slow := parrot(t, router.Pace{Pieces: 1}), parrot(t, router.Pace{First: 30 * time.Millisecond, Pieces: 1})
	row, err := router.Failover(t.Context(), fast, []router.Target{slow, slow}, 3)
	if err != nil || row.Calls != 6 || row.Before < 30 || row.After < 30 || row.First <= 0 || row.First >= 30 {
		t.Errorf("%v: %+v", err, row)
	}
}

func TestChargesTakeAtLeastASync(t *testing.T) {
	row, err := router.Durable(t.Context(), t.TempDir(), []int{1, 8}, 1)
	if err != nil || row.FsyncP50 <= 0 || row.SettleP50 <= 0 || row.SettleP99 < row.SettleP50 || len(row.Charges) != 2 || row.Charges[0].PerSecond <= 0 || row.Charges[1].Callers != 8 {
		t.Errorf("%v: %+v", err, row)
	}
}

func TestAnInterruptedMeasurementEnds(t *testing.T) {
	fast := parrot(t, router.Pace{Pieces: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := router.Compare(ctx, router.Targets{Direct: fast, Proxy: fast, Synced: fast, Nearside: fast}, router.Plan{Concurrency: []int{1}, Calls: 1, Rounds: 1}, silent); !errors.Is(err, context.Canceled) {
		t.Errorf("compare: %v", err)
	}
	if _, err := router.Durable(ctx, t.TempDir(), []int{1}, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("durable: %v", err)
	}
}
