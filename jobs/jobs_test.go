package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/fault"
	"nearside/jobs"
	"nearside/llm/neuron"
)

func TestAJobIsDoneAndToldOf(t *testing.T) {
	c := newClock()
	h := open(t, t.TempDir(), jobs.Options{Clock: c.time})
	defer h.shut()
	var told []jobs.Job
	h.Handle("k", jobs.Handler{Run: func(_ context.Context, r *jobs.Run) error {
		if string(r.Spec) != `{"a":1}` || r.Payer != alice || r.Index != "docs" || r.State != jobs.Running {
			t.Errorf("the run has %+v", r.Job)
		}
		r.Progress(jobs.Progress{Documents: 2, Failed: 1, Total: 3, Chunks: 9, Tokens: 90, Neurons: 5, Note: "writing"})
		r.Failure("b.pdf", "it is encrypted")
		return nil
	}, Ended: func(j jobs.Job) { told = append(told, j) }})
	before := h.add("docs")
	if before.State != jobs.Queued || before.Progress.Total != 3 || !reflect.DeepEqual(h.job(before.Number).Created, c.now) {
		t.Errorf("before: %+v", before)
	}
	stop := h.run()
	j := h.reach(before.Number, jobs.Done)
	stop()
	want := jobs.Progress{Documents: 2, Failed: 1, Total: 3, Chunks: 9, Tokens: 90, Neurons: 5, Note: "writing"}
	if j.Progress != want || !slices.Equal(j.Failures, []jobs.Failure{{Path: "b.pdf", Reason: "it is encrypted"}}) || !j.Started.Equal(c.now) || !j.Ended.Equal(c.now) || j.Reason != "" {
		t.Errorf("after: %+v", j)
	}
	if len(told) != 1 || told[0].Number != j.Number || told[0].State != jobs.Done {
		t.Errorf("told of the end: %+v", told)
	}
}

func TestProgressIsSeenWhileAJobRunsAndWrittenOnceInAWhile(t *testing.T) {
	path := t.TempDir()
	h := open(t, path, jobs.Options{WriteEvery: time.Millisecond})
	h.handle(func(ctx context.Context, r *jobs.Run) error {
		for i := range 10_000 {
			r.Progress(jobs.Progress{Documents: int64(i + 1)})
		}
		r.Failure("a", "b")
		return untilEnd(ctx, r)
	})
	stop := h.run()
	j := h.add("docs")
	until(t, "progress", func() bool { return h.job(j.Number).Progress.Documents == 10_000 && len(h.job(j.Number).Failures) == 1 })
	if l, err := h.Jobs(t.Context(), "alice", jobs.Look{Limit: 1}); err != nil || l[0].Progress.Documents != 10_000 {
		t.Errorf("the list has %+v, %v", l, err)
	}
	stop()
	if j := h.job(j.Number); j.State != jobs.Queued || j.Progress.Documents != 10_000 || len(j.Failures) != 1 {
		t.Errorf("afterwards: %+v", j)
	}
	h.shut()
}

func TestAJobThatFailsOrPanicsFailsAlone(t *testing.T) {
	h := open(t, t.TempDir(), jobs.Options{})
	defer h.shut()
	h.handle(func(_ context.Context, r *jobs.Run) error {
		switch r.Index {
		case "fault":
			return fmt.Errorf("load: %w", fault.New(fault.NotFound, "the index is gone"))
		case "secret":
			return errors.New("password 1234")
		case "panic":
			panic("text of a document")
		}
		return nil
	})
	defer h.run()()
	for index, words := range map[string]string{"fault": "the index is gone", "secret": "internal error", "panic": "internal error"} {
		if j := h.reach(h.add(index).Number, jobs.Failed); !strings.Contains(j.Reason, words) || strings.Contains(j.Reason, "1234") {
			t.Errorf("%s: %q", index, j.Reason)
		}
	}
	h.reach(h.add("fine").Number, jobs.Done)
	other, err := h.Add(t.Context(), jobs.Order{Payer: alice, Kind: "unheard of", Index: "docs"})
	if err != nil {
		t.Fatal(err)
	}
	if j := h.reach(other.Number, jobs.Failed); !strings.Contains(j.Reason, "unheard of") {
		t.Errorf("%q", j.Reason)
	}
}

func TestJobsOfAnIndexComeOneAfterTheOtherAndAccountsInTurn(t *testing.T) {
	h := open(t, t.TempDir(), jobs.Options{AtOnce: 2})
	defer h.shut()
	var mu sync.Mutex
	running, most, order := map[string]int{}, 0, []string{}
	started, proceed := make(chan string, 100), make(chan bool)
	h.handle(func(_ context.Context, r *jobs.Run) error {
		name := r.Account + "/" + r.Index
		mu.Lock()
		running[name]++
		all := 0
		for _, n := range running {
			all += n
			if n > 1 {
				t.Errorf("%s has %d jobs at once", name, n)
			}
		}
		most, order = max(most, all), append(order, fmt.Sprint(r.Number))
		mu.Unlock()
		started <- name
		<-proceed
		mu.Lock()
		running[name]--
		mu.Unlock()
		return nil
	})
	var want []string
	for range 5 {
		want = append(want, fmt.Sprint(h.add("docs").Number))
	}
	h.add("notes")
	h.add("shop")
	bob := h.addFor(neuron.Payer{Account: "bob"}, "docs")
	stop := h.run()
	first, second := <-started, <-started
	if got := []string{first, second}; !slices.Contains(got, "alice/docs") || !slices.Contains(got, "bob/docs") {
		t.Errorf("first run %q: bob waits for all of alice's", got)
	}
	close(proceed)
	until(t, "last job", func() bool {
		l, err := h.Jobs(context.Background(), "alice", jobs.Look{State: jobs.Done, Limit: 10})
		return err == nil && len(l) == 7
	})
	until(t, "bob's job", func() bool {
		j, err := h.Job(context.Background(), "bob", bob.Number)
		return err == nil && j.State == jobs.Done
	})
	stop()
	docs := slices.DeleteFunc(order, func(n string) bool { return !slices.Contains(want, n) })
	if most != 2 || !slices.Equal(docs, want) {
		t.Errorf("%d at once, in the order %q, want 2 and %q", most, docs, want)
	}
}

func TestAJobThatWaitsIsTriedAgainAndGivenUpInTheEnd(t *testing.T) {
	c := newClock()
	h := open(t, t.TempDir(), jobs.Options{Clock: c.time, GiveUp: 3 * time.Hour})
	defer h.shut()
	var mu sync.Mutex
	runs, chunks := 0, int64(1)
	h.handle(func(_ context.Context, r *jobs.Run) error {
		mu.Lock()
		defer mu.Unlock()
		runs++
		if runs < 3 {
			chunks++
		}
		r.Progress(jobs.Progress{Chunks: chunks})
		return jobs.Wait(fault.New(fault.Quota, "used up"), time.Hour)
	})
	j := h.add("docs")
	ran := func(n int) func() bool {
		return func() bool { mu.Lock(); defer mu.Unlock(); return runs == n }
	}
	for n := 1; n <= 5; n++ { // the last that got on is the second
		stop := h.run()
		until(t, "run", ran(n))
		until(t, "end of the run", func() bool { return h.job(j.Number).State != jobs.Running })
		stop()
		got := h.job(j.Number)
		if n == 5 {
			if got.State != jobs.Failed || !strings.Contains(got.Reason, "given up") || !strings.Contains(got.Reason, "used up") {
				t.Errorf("in the end: %+v", got)
			}
			break
		}
		if got.State != jobs.Queued || got.Reason != "used up" || !got.Due.Equal(c.time().Add(time.Hour)) {
			t.Errorf("after run %d: %+v", n, got)
		}
		c.move(time.Hour)
	}
}

func TestOthersOfTheIndexRunWhileAJobWaits(t *testing.T) {
	h := open(t, t.TempDir(), jobs.Options{})
	defer h.shut()
	first := h.add("docs")
	h.handle(func(_ context.Context, r *jobs.Run) error {
		if r.Number == first.Number {
			return jobs.Wait(fault.New(fault.Quota, "used up"), time.Hour)
		}
		return nil
	})
	defer h.run()()
	h.reach(h.add("docs").Number, jobs.Done)
	if j := h.job(first.Number); j.State != jobs.Queued || j.Reason != "used up" {
		t.Errorf("%+v", j)
	}
}

func TestWhatARunRemembersIsThereInTheNext(t *testing.T) {
	path := t.TempDir()
	h := open(t, path, jobs.Options{})
	h.handle(func(ctx context.Context, r *jobs.Run) error {
		if r.Memory == nil || len(r.Memory) != 0 {
			t.Errorf("a first run remembers %q", r.Memory)
		}
		wantKind(t, r.Remember(ctx, make([]byte, jobs.MaxMemory+1)), fault.Invalid)
		if err := r.Remember(ctx, []byte("so far")); err != nil {
			t.Error(err)
		}
		r.Progress(jobs.Progress{Note: "remembered"})
		return untilEnd(ctx, r)
	})
	j := h.add("docs")
	stop := h.run()
	until(t, "note", func() bool { return h.job(j.Number).Progress.Note != "" })
	stop()
	h.shut()
	h = open(t, path, jobs.Options{})
	defer h.shut()
	h.handle(func(_ context.Context, r *jobs.Run) error {
		if string(r.Memory) != "so far" || r.Job.Progress.Note != "remembered" {
			t.Errorf("the next run has %+v", r.Job)
		}
		return nil
	})
	defer h.run()()
	h.reach(j.Number, jobs.Done)
}

func TestJobsAreOnlyTheirAccounts(t *testing.T) {
	h := open(t, t.TempDir(), jobs.Options{})
	defer h.shut()
	j := h.add("docs")
	_, err := h.Job(t.Context(), "bob", j.Number)
	wantKind(t, err, fault.NotFound)
	_, err = h.Cancel(t.Context(), "bob", j.Number)
	wantKind(t, err, fault.NotFound)
	if l, err := h.Jobs(t.Context(), "bob", jobs.Look{Limit: 1}); err != nil || len(l) != 0 {
		t.Errorf("%+v, %v", l, err)
	}
	if h.job(j.Number).State != jobs.Queued {
		t.Error("it was cancelled")
	}
}

func TestJobsAreListedNewestFirstInPages(t *testing.T) {
	h := open(t, t.TempDir(), jobs.Options{})
	defer h.shut()
	var all []int64
	for i := range 5 {
		all = append(all, h.add([]string{"docs", "notes"}[i%2]).Number)
	}
	slices.Reverse(all)
	if _, err := h.Cancel(t.Context(), "alice", all[0]); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		look jobs.Look
		want []int64
	}{
		"all":           {jobs.Look{Limit: 10}, all},
		"a page":        {jobs.Look{Limit: 2}, all[:2]},
		"the next page": {jobs.Look{Limit: 2, Before: all[1]}, all[2:4]},
		"an index":      {jobs.Look{Limit: 10, Index: "notes"}, []int64{all[1], all[3]}},
		"indexes":       {jobs.Look{Limit: 1, Indexes: []string{"notes"}}, []int64{all[1]}},
		"no index":      {jobs.Look{Limit: 10, Indexes: []string{}}, nil},
		"a state":       {jobs.Look{Limit: 10, State: jobs.Cancelled}, all[:1]},
		"a kind":        {jobs.Look{Limit: 10, Kind: "other"}, nil},
		"a key":         {jobs.Look{Limit: 10, Key: "k1"}, all},
		"another key":   {jobs.Look{Limit: 10, Key: "k2"}, nil},
	} {
		list, err := h.Jobs(t.Context(), "alice", c.look)
		var got []int64
		for _, j := range list {
			got = append(got, j.Number)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, c.want)
		}
	}
	for _, l := range []jobs.Look{{}, {Limit: -1}, {Limit: jobs.MaxPage + 1}, {Limit: 1, State: "lost"}} {
		_, err := h.Jobs(t.Context(), "alice", l)
		wantKind(t, err, fault.Invalid)
	}
}

func TestLimits(t *testing.T) {
	h := open(t, t.TempDir(), jobs.Options{MaxOpen: 2})
	defer h.shut()
	for name, o := range map[string]jobs.Order{
		"no account": {Kind: "k", Index: "i"}, "no kind": {Payer: alice, Index: "i"}, "no index": {Payer: alice, Kind: "k"},
		"a long spec": {Payer: alice, Kind: "k", Index: "i", Spec: make([]byte, jobs.MaxSpec+1)},
	} {
		if _, err := h.Add(t.Context(), o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.Add(t.Context(), jobs.Order{Payer: alice, Kind: "k", Index: "i", Spec: make([]byte, jobs.MaxSpec)}); err != nil {
		t.Error(err)
	}
	h.add("docs")
	_, err := h.Add(t.Context(), jobs.Order{Payer: alice, Kind: "k", Index: "i"})
	if wantKind(t, err, fault.Busy); !strings.Contains(err.Error(), "2 jobs") || fault.As(err).RetryAfter == 0 {
		t.Error(err)
	}
	h.addFor(neuron.Payer{Account: "bob"}, "docs")
}

func TestFailuresAndReasonsAreCut(t *testing.T) {
	h := open(t, t.TempDir(), jobs.Options{})
	defer h.shut()
	h.handle(func(_ context.Context, r *jobs.Run) error {
		for i := range jobs.MaxFailures + 10 {
			r.Failure(fmt.Sprint(i, strings.Repeat("é", 5000)), strings.Repeat("\xff", 5000))
		}
		r.Progress(jobs.Progress{Failed: jobs.MaxFailures + 10, Note: strings.Repeat("n", 5000)})
		return fault.New(fault.Invalid, "%s", strings.Repeat("x", 5000))
	})
	defer h.run()()
	j := h.reach(h.add("docs").Number, jobs.Failed)
	if len(j.Failures) != jobs.MaxFailures || j.Progress.Failed != jobs.MaxFailures+10 || len(j.Failures[0].Path) > 4096 ||
		len(j.Failures[0].Reason) > jobs.MaxReason || len(j.Progress.Note) > jobs.MaxReason || len(j.Reason) > jobs.MaxReason {
		t.Errorf("%d failures, reason of %d bytes", len(j.Failures), len(j.Reason))
	}
}

func TestOldJobsAndTooManyArePurgedWithTheirReceipts(t *testing.T) {
	c := newClock()
	h := open(t, t.TempDir(), jobs.Options{Clock: c.time, Keep: time.Hour, MaxKept: 3})
	defer h.shut()
	h.handle(func(_ context.Context, r *jobs.Run) error { r.Failure("a", "b"); return nil })
	stop := h.run()
	var all []int64
	for range 5 {
		all = append(all, h.reach(h.add("docs").Number, jobs.Done).Number)
		c.move(time.Minute)
	}
	stop()
	queued := h.add("docs")
	left := func() (n int) {
		if err := h.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		l, err := h.Jobs(t.Context(), "alice", jobs.Look{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return len(l)
	}
	if n := left(); n != 4 {
		t.Errorf("%d are left, want 3 and the one that is queued", n)
	}
	if _, err := h.Job(t.Context(), "alice", all[1]); !fault.Is(err, fault.NotFound) {
		t.Errorf("the second: %v", err)
	}
	c.move(time.Hour - 3*time.Minute)
	if n := left(); n != 3 {
		t.Errorf("%d are left an hour after the third", n)
	}
	c.move(24 * time.Hour)
	if n := left(); n != 1 || h.job(queued.Number).State != jobs.Queued {
		t.Errorf("%d are left after a day", n)
	}
}
