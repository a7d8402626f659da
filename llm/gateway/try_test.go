package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"nearside/fault"
	"nearside/llm/gateway"
)

// pauses notes the pauses that it is asked for, and makes none.
type pauses []time.Duration

func (p *pauses) pause(_ context.Context, d time.Duration) error {
	*p = append(*p, d)
	return nil
}

func options(t *testing.T, object string) *gateway.Options {
	t.Helper()
	o := &gateway.Options{}
	o.Object([]byte(object))
	return o
}

var errBusy = fault.New(fault.Busy, "busy")

func TestPausesGrowAsAskedFor(t *testing.T) {
	for object, want := range map[string]string{
		`{}`:                            "[]",
		`{"retries":{"maxAttempts":5}}`: "[500ms 500ms 500ms 500ms]",
		`{"retries":{"maxAttempts":5,"retryDelayMs":100,"backoff":"constant"}}`:    "[100ms 100ms 100ms 100ms]",
		`{"retries":{"maxAttempts":4,"retryDelayMs":100,"backoff":"linear"}}`:      "[100ms 200ms 300ms]",
		`{"retries":{"maxAttempts":9,"retryDelayMs":9e9,"backoff":"exponential"}}`: "[5s 10s 20s 40s]",
		`{"retries":{"maxAttempts":2,"retryDelayMs":0,"backoff":"sideways"}}`:      "[0s]",
	} {
		var p pauses
		attempts := 0
		err := options(t, object).Try(t.Context(), p.pause, func(context.Context) error { attempts++; return errBusy })
		if !errors.Is(err, errBusy) || attempts != len(p)+1 || fmt.Sprint([]time.Duration(p)) != want {
			t.Errorf("%s: %d attempts with pauses %v, want %s; %v", object, attempts, p, want, err)
		}
	}
}

func TestOnlyFailuresThatMayPassAreTriedAgain(t *testing.T) {
	for kind, again := range map[fault.Kind]bool{
		fault.Busy: true, fault.Unavailable: true, fault.Canceled: true,
		fault.Invalid: false, fault.NotFound: false, fault.Quota: false, fault.Unsupported: false, fault.Forbidden: false, fault.Conflict: false, fault.Internal: false, fault.Corrupt: false,
	} {
		var p pauses
		attempts := 0
		err := options(t, `{"retries":{"maxAttempts":3}}`).Try(t.Context(), p.pause, func(context.Context) error {
			if attempts++; attempts == 2 {
				return nil
			}
			return fault.New(kind, "no")
		})
		if again != (err == nil) || again != (attempts == 2) {
			t.Errorf("%s: %d attempts, %v", kind, attempts, err)
		}
	}
}

func TestNobodyTriesAgainForACallerWhoIsGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	attempts := 0
	var p pauses
	err := options(t, `{"retries":{"maxAttempts":5}}`).Try(ctx, p.pause, func(context.Context) error {
		attempts++
		cancel()
		return errBusy
	})
	if attempts != 1 || len(p) != 0 || !errors.Is(err, errBusy) {
		t.Errorf("%d attempts, %v", attempts, err)
	}
}

func TestAnAttemptThatTakesTooLongEndsWithASentence(t *testing.T) {
	attempts := 0
	var p pauses
	err := options(t, `{"requestTimeoutMs":1,"retries":{"maxAttempts":3}}`).Try(t.Context(), p.pause, func(ctx context.Context) error {
		attempts++
		<-ctx.Done()
		return fmt.Errorf("the backend: %w", ctx.Err())
	})
	f := fault.As(err)
	if attempts != 3 || f == nil || f.Reason != gateway.ReasonTimeout || errors.Is(err, context.Canceled) || f.Message != "no answer began within the 1ms that the caller allows; requestTimeoutMs (cf-aig-request-timeout) sets them" {
		t.Errorf("%d attempts, %v", attempts, err)
	}
}

// A stream goes on long after the time within which it had to begin.
func TestTheTimeOfAnAttemptIsNotThatOfItsAnswer(t *testing.T) {
	var answering context.Context
	err := options(t, `{"requestTimeoutMs":3600000}`).Try(t.Context(), nil, func(ctx context.Context) error {
		answering = ctx
		return nil
	})
	if err != nil || answering.Err() != nil {
		t.Errorf("%v, %v", err, answering.Err())
	}
	// A failure of its own is told as it is.
	err = options(t, `{"requestTimeoutMs":3600000}`).Try(t.Context(), nil, func(context.Context) error { return errBusy })
	if err != error(errBusy) {
		t.Errorf("got %v", err)
	}
}
