package batch_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nearside/fault"
	"nearside/llm"
	"nearside/llm/batch"
	"nearside/llm/neuron"
)

// failing returns the error that a backend is said to fail with.
func failing(reason fault.Reason, kind fault.Kind) error {
	return &fault.Error{Kind: kind, Reason: reason, Message: "no"}
}

var (
	unreachable = failing(llm.ReasonNoBackend, fault.Unavailable)
	busy        = failing(llm.ReasonBusy, fault.Busy)
	broken      = failing(llm.ReasonBroken, fault.Unavailable)
	slow        = failing(llm.ReasonSlow, fault.Canceled)
	exhausted   = failing(neuron.ReasonExhausted, fault.Quota)
	refused     = failing(llm.ReasonInput, fault.Invalid)
)

func TestAnItemIsTriedAgainAsLongAsItMayHelp(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		tries int           // 0: many
		ends  time.Duration // at least
	}{
		"unreachable": {unreachable, 0, anHour},
		"busy":        {busy, 0, anHour},
		"broken":      {broken, batch.Tries, time.Second},
		"slow":        {slow, batch.Tries, time.Second},
		"exhausted":   {exhausted, 1, 0},
		"refused":     {refused, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, t.TempDir(), batch.Options{GiveUp: anHour})
				defer h.shut()
				began, tries := time.Now(), 0
				id := h.add(1)
				stop := h.run(h.charging(func(context.Context, batch.Task) error { tries++; return c.err }))
				for h.look(id).State != batch.Ended {
					time.Sleep(time.Minute)
				}
				stop()
				took := time.Since(began)
				if got := h.look(id).Responses[0]; got.Result != nil || !strings.HasPrefix(got.Failure.Message, "no") || strings.Contains(got.Failure.Message, "given up") != (c.tries == 0) {
					t.Errorf("%+v", got)
				}
				if tries != c.tries && (c.tries != 0 || tries < 60) || took < c.ends || took > c.ends+3*time.Minute {
					t.Errorf("%d tries in %v", tries, took)
				}
				if sum, calls := h.charged(); sum != 0 || calls != 0 {
					t.Errorf("charged %s for %d calls", sum, calls)
				}
			})
		})
	}
}

func TestAnItemWaitsForABackendThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := t.TempDir()
		h := open(t, path, batch.Options{GiveUp: anHour})
		id := h.add(20)
		began := time.Now()
		down := func(context.Context, batch.Task) error {
			if time.Since(began) < 50*time.Minute {
				return unreachable
			}
			return nil
		}
		stop := h.run(h.charging(down))
		time.Sleep(40 * time.Minute)
		if r := h.look(id); r.State != batch.Running || r.Open != 20 || r.Waiting != "no" {
			t.Errorf("while it is down: %+v", r)
		}
		stop()
		h = reopenWith(h, path, batch.Options{GiveUp: anHour}) // its clock goes on
		defer func() { h.shut() }()
		stop = h.run(h.charging(down))
		defer func() { stop() }()
		time.Sleep(15 * time.Minute)
		if r := h.look(id); r.State != batch.Ended || len(r.Responses) != 20 || r.Responses[19].Result == nil || r.Waiting != "" {
			t.Errorf("after it came back: %+v", r)
		}
	})
}

func TestGivingUpIsRememberedOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := t.TempDir()
		h := open(t, path, batch.Options{GiveUp: anHour})
		id := h.add(100)
		for range 3 {
			stop := h.run(h.charging(func(context.Context, batch.Task) error { return unreachable }))
			time.Sleep(anHour/2 - time.Minute)
			stop()
			if r := h.look(id); r.State == batch.Ended && len(r.Responses) == 100 {
				h.shut()
				return
			}
			h = reopenWith(h, path, batch.Options{GiveUp: anHour})
		}
		t.Errorf("after an hour and a half: %+v", h.look(id).State)
		h.shut()
	})
}

func TestABatchWhoseBackendIsGoneDoesNotHoldTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, t.TempDir(), batch.Options{})
		defer h.shut()
		dead := h.add(50)
		id, err := h.Add(t.Context(), batch.Batch{Payer: alice, Model: "alive", Items: items(50)})
		if err != nil {
			t.Fatal(err)
		}
		defer h.run(h.charging(func(_ context.Context, task batch.Task) error {
			if task.Model == "m" {
				return unreachable
			}
			return nil
		}))()
		time.Sleep(time.Minute)
		if r := h.look(id); r.State != batch.Ended {
			t.Errorf("%+v", r)
		}
		if r := h.look(dead); r.State != batch.Running || r.Open != 50 {
			t.Errorf("%+v", r)
		}
	})
}

// An item that always fails, because it kills its backend perhaps, goes behind the others.
func TestAnItemThatAlwaysFailsDoesNotHoldItsBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, t.TempDir(), batch.Options{GiveUp: anHour})
		defer h.shut()
		id := h.add(30)
		defer h.run(h.charging(func(_ context.Context, task batch.Task) error {
			if string(task.Input) == `{"prompt":"0"}` {
				return unreachable
			}
			return nil
		}))()
		time.Sleep(time.Minute)
		if r := h.look(id); r.Open != 1 {
			t.Errorf("%d are open", r.Open)
		}
		time.Sleep(anHour)
		if r := h.look(id); r.State != batch.Ended || r.Responses[0].Result != nil || r.Responses[1].Result == nil {
			t.Errorf("%+v", r)
		}
	})
}
