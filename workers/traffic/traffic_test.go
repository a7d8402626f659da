package traffic_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/workers/traffic"
)

// keeper keeps in memory what a Recorder writes.
type keeper struct {
	mu     sync.Mutex
	texts  map[string]map[string][]byte // project → day → text
	fails  error
	oldest string // that it was told last
}

func newKeeper() *keeper { return &keeper{texts: map[string]map[string][]byte{}} }

func (k *keeper) KeepTraffic(_ context.Context, project, day, oldest string, change func([]byte) ([]byte, error)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fails != nil {
		return k.fails
	}
	k.oldest = oldest
	if k.texts[project] == nil {
		k.texts[project] = map[string][]byte{}
	}
	for range 2 { // as a transaction that is tried again
		text, err := change(k.texts[project][day])
		if err != nil {
			return err
		}
		defer func() { k.texts[project][day] = text }()
	}
	return nil
}

func (k *keeper) Traffic(_ context.Context, project string) (map[string][]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.texts[project], nil
}

func (k *keeper) ForgetTraffic(_ context.Context, project string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.texts, project)
	return nil
}

// watch is a clock that a test sets.
type watch struct{ at time.Time }

func (w *watch) now() time.Time { return w.at }

// recorder returns a Recorder that writes only when it is asked for its days.
func recorder(t *testing.T, k traffic.Keeper) (*traffic.Recorder, *watch) {
	t.Helper()
	w := &watch{time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}
	r := traffic.New(k, traffic.Options{Clock: w.now, After: time.Hour})
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r, w
}

// call makes a call of an index.
func call(r *traffic.Recorder, index, method string, notes func(c *traffic.Call)) {
	c := r.Begin("p")
	c.On(index)
	if notes != nil {
		notes(c)
	}
	c.End(method, false)
}

// total is what the project p did.
func total(t *testing.T, r *traffic.Recorder) *traffic.Record {
	t.Helper()
	days, err := r.Days(t.Context(), "p", traffic.MaxDays)
	if err != nil {
		t.Fatal(err)
	}
	var report traffic.Report
	report.Sum(days)
	return report.Total
}

func TestEveryCallIsCountedByItsMethodAndTheLargestIsKept(t *testing.T) {
	r, w := recorder(t, newKeeper())
	call(r, "docs", "query", func(c *traffic.Call) { c.Query(20, false); c.Searched(768, []string{"genre"}) })
	call(r, "docs", "query", func(c *traffic.Call) { c.Query(7, false); c.Searched(768, []string{"genre"}) })
	call(r, "docs", "queryById", func(c *traffic.Call) { c.Query(60, true) })
	call(r, "docs", "upsert", func(c *traffic.Call) { c.Batch(1200, 300) })
	call(r, "docs", "insert", func(c *traffic.Call) { c.Batch(3, 2000) })
	call(r, "docs", "getByIds", func(c *traffic.Call) { c.IDs(9) })
	call(r, "docs", "deleteByIds", func(c *traffic.Call) { c.IDs(101) })
	failed := r.Begin("p")
	failed.On("docs")
	failed.Batch(4000, 1)
	failed.End("upsert", true)
	w.at = w.at.Add(time.Minute)
	ai := r.Begin("p")
	ai.Asked(traffic.Asked{Model: "@cf/a/b", Served: "x", Substitute: true, In: 5, Out: 7, MicroNeurons: 11, InputBytes: 40, Gateway: "mine"})
	ai.Asked(traffic.Asked{Model: "@cf/a/b", Failed: true, InputBytes: 90})
	ai.End("run", false)

	got := total(t, r)
	want := &traffic.Record{
		First: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), Last: w.at,
		AI: map[string]*traffic.Count{"run": {Calls: 1}},
		Indexes: map[string]*traffic.Index{"docs": {
			Methods: map[string]*traffic.Count{"query": {Calls: 2}, "queryById": {Calls: 1}, "upsert": {Calls: 2, Failed: 1}, "insert": {Calls: 1}, "getByIds": {Calls: 1}, "deleteByIds": {Calls: 1}},
			TopK:    20, TopKFull: 60, Batch: 4000, GetIDs: 9, DeleteIDs: 101, MetadataBytes: 2000, Written: 1203, Searched: 2, Dimensions: 1536,
			Unindexed: map[string]int64{"genre": 2}, Early: 1, EarlyBy: 1,
		}},
		Models: map[string]*traffic.Model{"@cf/a/b": {
			Count: traffic.Count{Calls: 2, Failed: 1}, Substitute: 1, Served: "x", In: 5, Out: 7, Neurons: 11, Input: 90, Peak: 2,
		}},
		Gateways: map[string]int64{"mine": 1},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", text(t, got), text(t, want))
	}
	if got.Calls() != 9 {
		t.Errorf("%d calls", got.Calls())
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestAReadIsEarlyOnlySoonAfterAWriteOfThatIndexThatSucceeded(t *testing.T) {
	for _, test := range []struct {
		name, writes, index, reads string
		failed                     bool
		after                      time.Duration
		early, by                  int64
	}{
		{"at once", "upsert", "docs", "query", false, 0, 1, 1},
		{"a second after a deletion", "deleteByIds", "docs", "getByIds", false, time.Second, 1, 1000},
		{"by id", "insert", "docs", "queryById", false, 20 * time.Millisecond, 1, 20},
		{"of version 1", "v1.insert", "docs", "v1.query", false, time.Second, 1, 1000},
		{"when it is over", "upsert", "docs", "query", false, traffic.Window, 0, 0},
		{"of another index", "upsert", "films", "query", false, 0, 0, 0},
		{"after a write that failed", "upsert", "docs", "query", true, 0, 0, 0},
		{"after a read", "query", "docs", "query", false, 0, 0, 0},
		{"that looks at no vector", "upsert", "docs", "describe", false, 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, w := recorder(t, newKeeper())
			c := r.Begin("p")
			c.On(test.index)
			c.End(test.writes, test.failed)
			w.at = w.at.Add(test.after)
			call(r, "docs", test.reads, nil)
			if x := total(t, r).Indexes["docs"]; x.Early != test.early || x.EarlyBy != test.by {
				t.Errorf("%d early reads, the first after %d ms", x.Early, x.EarlyBy)
			}
		})
	}
}

func TestThePeakIsTheMostCallsInOneMinute(t *testing.T) {
	r, w := recorder(t, newKeeper())
	for _, wait := range []time.Duration{0, 59 * time.Second, time.Second, 0, 0, time.Minute} {
		w.at = w.at.Add(wait)
		c := r.Begin("p")
		c.Asked(traffic.Asked{Model: "m"})
		c.End("run", false)
	}
	if m := total(t, r).Models["m"]; m.Peak != 3 || m.Calls != 6 {
		t.Errorf("%d of %d calls in a minute", m.Peak, m.Calls)
	}
}

func TestWhatWasWrittenIsAddedToAlsoByTheNextRecorder(t *testing.T) {
	k := newKeeper()
	for range 3 {
		r, _ := recorder(t, k)
		for range 2 {
			call(r, "docs", "describe", nil)
			total(t, r)
		}
		call(r, "docs", "describe", nil)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r, _ := recorder(t, k)
	if n := total(t, r).Calls(); n != 9 {
		t.Errorf("%d calls of 9", n)
	}
	if k.oldest != "2026-10-22" {
		t.Errorf("days before %s are forgotten", k.oldest)
	}
}

func TestWhatCannotBeWrittenIsWrittenLater(t *testing.T) {
	k := newKeeper()
	r, _ := recorder(t, k)
	k.fails = errors.New("the disk is full")
	call(r, "docs", "describe", nil)
	if _, err := r.Days(t.Context(), "p", 1); !errors.Is(err, k.fails) {
		t.Errorf("got %v", err)
	}
	call(r, "docs", "describe", nil)
	k.fails = nil
	if n := total(t, r).Calls(); n != 2 {
		t.Errorf("%d calls of 2", n)
	}
}

func TestDaysAreThoseAskedFor(t *testing.T) {
	r, w := recorder(t, newKeeper())
	for range 3 {
		call(r, "docs", "query", func(c *traffic.Call) { c.Searched(3, nil) })
		w.at = w.at.AddDate(0, 0, 1)
	}
	w.at = w.at.AddDate(0, 0, -1) // it is the third day
	days, err := r.Days(t.Context(), "p", 2)
	if err != nil {
		t.Fatal(err)
	}
	var report traffic.Report
	report.Sum(days)
	if want := []traffic.Spent{{"2026-11-22", 1, 0, 3}, {"2026-11-23", 1, 0, 3}}; !reflect.DeepEqual(report.Days, want) {
		t.Errorf("got %+v", report.Days)
	}
}

func TestForgottenTrafficBeginsAnew(t *testing.T) {
	r, _ := recorder(t, newKeeper())
	call(r, "docs", "describe", nil)
	if err := r.Forget(t.Context(), "p"); err != nil {
		t.Fatal(err)
	}
	call(r, "docs", "describe", nil)
	if n := total(t, r).Calls(); n != 1 {
		t.Errorf("%d calls of 1", n)
	}
}

func TestADamagedRecordIsBegunAnew(t *testing.T) {
	k := newKeeper()
	k.texts["p"] = map[string][]byte{"2026-11-21": []byte(`{"first":7`)}
	r, _ := recorder(t, k)
	call(r, "docs", "describe", nil)
	if n := total(t, r).Calls(); n != 1 {
		t.Errorf("%d calls of 1", n)
	}
}

func TestARecordStaysSmallWhateverNamesAreSent(t *testing.T) {
	k := newKeeper()
	r, _ := recorder(t, k)
	name := func(i int) string { return fmt.Sprint(strings.Repeat("n", 500), i) }
	for i := range 300 {
		call(r, name(i), "query", func(c *traffic.Call) {
			for j := range 50 {
				c.Searched(1, []string{name(j)})
			}
		})
		c := r.Begin("p")
		c.Asked(traffic.Asked{Model: name(i), Gateway: name(i)})
		c.Asked(traffic.Asked{Model: strings.Repeat("m", 1000), Gateway: strings.Repeat("m", 1000)})
		c.End("run", false)
	}
	got := total(t, r)
	if len(got.Indexes) != 50 || len(got.Models) != 50 || len(got.Gateways) != 50 || got.Beyond == 0 {
		t.Errorf("%d indexes, %d models, %d gateways, %d beyond", len(got.Indexes), len(got.Models), len(got.Gateways), got.Beyond)
	}
	if size := len(k.texts["p"]["2026-11-21"]); size > 1<<20 {
		t.Errorf("the record has %d bytes", size)
	}
}

func TestNobodyRecordsOnNil(t *testing.T) {
	var r *traffic.Recorder
	call(r, "docs", "query", func(c *traffic.Call) {
		c.Query(1, true)
		c.Searched(1, nil)
		c.Batch(1, 1)
		c.IDs(1)
		c.Asked(traffic.Asked{})
	})
	if days, err := r.Days(t.Context(), "p", 1); err != nil || len(days) != 0 || r.Forget(t.Context(), "p") != nil {
		t.Errorf("got %v, %v", days, err)
	}
}

// In whatever order and parts records are added, the sum is the same.
func TestTheSumOfRecordsDependsOnNoOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	var calls []func(*traffic.Call) string
	for range 200 {
		n, kind := random.IntN(100)+1, random.IntN(4)
		calls = append(calls, func(c *traffic.Call) string {
			switch kind {
			case 0:
				c.On("a")
				c.Query(n, n%2 == 0)
				c.Searched(n, []string{fmt.Sprint("p", n%7)})
				return "query"
			case 1:
				c.On("b")
				c.Batch(n, 2*n)
				return "upsert"
			case 2:
				c.On("b")
				c.IDs(n)
				return "deleteByIds"
			}
			c.Asked(traffic.Asked{Model: fmt.Sprint("m", n%5), In: n, MicroNeurons: int64(n), InputBytes: n})
			return "run"
		})
	}
	sum := func() *traffic.Record {
		r, _ := recorder(t, newKeeper())
		for _, notes := range calls {
			c := r.Begin("p")
			c.End(notes(c), false)
			if random.IntN(10) == 0 {
				total(t, r)
			}
		}
		return total(t, r)
	}
	want := sum()
	random.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
	if got := sum(); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", text(t, got), text(t, want))
	}
}
