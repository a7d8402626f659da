package backend

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// fuses leave a backend alone after failures in a row: all of it when it cannot be
// reached, and one model when that one is slow or broken, which says nothing about
// the others.
type fuses struct {
	limits Limits
	whole  *fuse

	mu     sync.Mutex       // guards what follows; nothing waits under it
	models map[string]*fuse // of those that failed since they last answered
}

// maxFuses is how many failing models are remembered, several times the catalogue's.
const maxFuses = 1000

func newFuses(limits Limits) *fuses {
	return &fuses{limits: limits, whole: newFuse(limits), models: map[string]*fuse{}}
}

// fuse is a circuit breaker that knows until when it is open, and why.
type fuse struct {
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]

	mu    sync.Mutex // guards what follows; the breaker may hold its own lock when it is taken, never the other way round
	until time.Time
	kind  Kind // of the latest failure
}

func newFuse(limits Limits) *fuse {
	f := &fuse{}
	f.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:     limits.Cooldown,
		ReadyToTrip: func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= limits.Failures },
		IsExcluded:  func(err error) bool { return err == errNoSign },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.until = time.Now().Add(limits.Cooldown)
			}
		},
	})
	return f
}

// errNoSign is a sign that says nothing about health.
var errNoSign = errors.New("no sign")

// open reports whether no call goes through now, not even a probe.
func (f *fuse) open() bool { return f.breaker.State() == gobreaker.StateOpen }

// allow lets a call through whose sign must be told to done, or refuses it.
func (f *fuse) allow() (done func(sign error), ok bool) {
	tell, err := f.breaker.Allow()
	if err != nil {
		return nil, false
	}
	return func(sign error) {
		if e := (*Error)(nil); errors.As(sign, &e) {
			f.mu.Lock()
			f.kind = e.Kind
			f.mu.Unlock()
		}
		tell(sign)
	}, true
}

// openUntil returns when the next probe may go, and what failed.
func (f *fuse) openUntil() (time.Time, Kind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.until, f.kind
}

// signOfAll is what the outcome of a call says about the whole backend.
func signOfAll(outcome error) error {
	switch kind := kindOf(outcome); {
	case outcome == nil, kind == Broken: // it was reached
		return nil
	case kind == Unreachable:
		return outcome
	}
	return errNoSign
}

// signOfModel is what the outcome of a call says about the model.
func signOfModel(outcome error) error {
	if kind := kindOf(outcome); outcome == nil || kind == Slow || kind == Broken {
		return outcome
	}
	return errNoSign
}

func kindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// blown is a fuse that lets no call through.
type blown struct {
	*fuse
	ofModel bool
}

// open returns the fuse that leaves the model alone; nil if there is none.
func (f *fuses) open(model string) *blown {
	if f.whole.open() {
		return &blown{f.whole, false}
	}
	if one := f.of(model); one != nil && one.open() {
		return &blown{one, true}
	}
	return nil
}

// allow lets a call to a model through whose outcome must be told to done, or
// says which fuse does not.
func (f *fuses) allow(model string) (done func(outcome error), not *blown) {
	doneWhole, ok := f.whole.allow()
	if !ok {
		return nil, &blown{f.whole, false}
	}
	doneModel := func(sign error) { f.fail(model, sign) }
	if one := f.of(model); one != nil {
		if doneModel, ok = one.allow(); !ok {
			doneWhole(errNoSign)
			return nil, &blown{one, true}
		}
	}
	return func(outcome error) {
		doneWhole(signOfAll(outcome))
		sign := signOfModel(outcome)
		doneModel(sign)
		if sign == nil {
			f.forget(model)
		}
	}, nil
}

// of returns the fuse of a model that has failed; nil for others.
func (f *fuses) of(model string) *fuse {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.models[model]
}

// fail counts what may be the first failure of a model.
func (f *fuses) fail(model string, sign error) {
	if sign == nil || sign == errNoSign {
		return
	}
	f.mu.Lock()
	one := f.models[model]
	if one == nil {
		one = newFuse(f.limits)
		f.makeRoomLocked()
		f.models[model] = one
	}
	f.mu.Unlock()
	if done, ok := one.allow(); ok {
		done(sign)
	}
}

// makeRoomLocked drops the fuse of any one model when there are too many.
func (f *fuses) makeRoomLocked() {
	for model := range f.models {
		if len(f.models) < maxFuses {
			return
		}
		delete(f.models, model)
	}
}

// forget drops the fuse of a model that answered, unless that is open: the answer
// is to a call from before then.
func (f *fuses) forget(model string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one := f.models[model]; one != nil && !one.open() {
		delete(f.models, model)
	}
}

// alone lists the models that are left alone now while others are not, in order.
func (f *fuses) alone() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []string
	for model, one := range f.models {
		if one.open() {
			list = append(list, model)
		}
	}
	slices.Sort(list)
	return list
}
