package gateway

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"nearside/fault"
)

// errLate ends the context of an attempt that takes too long.
var errLate = errors.New("the attempt took longer than its caller would wait")

// Try makes attempts until one succeeds, as many as the options allow, as long as
// they fail in a way that may pass. pause waits before the next one. The context of
// an attempt ends when its time is over before it has returned; that of the
// one that succeeds lives as long as ctx, for an answer that is still coming.
func (o *Options) Try(ctx context.Context, pause func(context.Context, time.Duration) error, attempt func(context.Context) error) error {
	for n := 1; ; n++ {
		err := o.once(ctx, attempt)
		if err == nil || n >= o.Attempts || ctx.Err() != nil || !mayPass(err) {
			return err
		}
		if err := pause(ctx, o.pauseAfter(n)); err != nil {
			return err
		}
	}
}

// once makes one attempt, in the time that it has.
func (o *Options) once(ctx context.Context, attempt func(context.Context) error) error {
	if o.Timeout == 0 {
		return attempt(ctx)
	}
	limited, cancel := context.WithCancelCause(ctx)
	var over atomic.Bool // the attempt has returned, or its time has come: whichever was first
	timer := time.AfterFunc(o.Timeout, func() {
		if over.CompareAndSwap(false, true) {
			cancel(errLate)
		}
	})
	err := attempt(limited)
	timer.Stop()
	over.Store(true)
	if err == nil {
		return nil
	}
	late := context.Cause(limited) == errLate
	cancel(nil)
	if !late {
		return err
	}
	return &fault.Error{Kind: fault.Canceled, Reason: ReasonTimeout,
		Message: "no answer began within the " + o.Timeout.String() + " that the caller allows; requestTimeoutMs (cf-aig-request-timeout) sets them"}
}

// mayPass reports whether a failure may be over in a moment: too many calls, a
// backend that is not there or broke, an answer that took too long.
func mayPass(err error) bool {
	switch fault.KindOf(err) {
	case fault.Busy, fault.Unavailable, fault.Canceled:
		return true
	}
	return false
}

// pauseAfter is the pause after the n-th attempt, from 1.
func (o *Options) pauseAfter(n int) time.Duration {
	switch o.Backoff {
	case Linear:
		return o.delay() * time.Duration(n)
	case Exponential:
		return o.delay() << (n - 1) // n is below MaxAttempts
	}
	return o.delay()
}

func (o *Options) delay() time.Duration {
	if o.Delay == nil {
		return defaultDelay
	}
	return *o.Delay
}
