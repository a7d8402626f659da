package backend_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nearside/llm/backend"
	"nearside/llm/chat"
)

var seed = flag.Uint64("guard-seed", 0, "seed of the random test; 0: a new one")

// fake is a backend whose chats do what the test says.
type fake struct {
	chat   func(ctx context.Context, yield func(chat.Piece) error) (chat.End, error)
	list   func() error
	calls  atomic.Int64
	closed atomic.Int64
}

func (f *fake) Name() string { return "fake" }

func (f *fake) List(context.Context) ([]backend.Found, error) {
	if f.list == nil {
		return nil, nil
	}
	return nil, f.list()
}

func (f *fake) Chat(ctx context.Context, _ string, _ *chat.Request, yield func(chat.Piece) error) (chat.End, error) {
	f.calls.Add(1)
	return f.chat(ctx, yield)
}

func (f *fake) Close() error { f.closed.Add(1); return nil }

// fails returns a chat that fails at once.
func fails(kind backend.Kind) func(context.Context, func(chat.Piece) error) (chat.End, error) {
	return func(context.Context, func(chat.Piece) error) (chat.End, error) {
		return chat.End{}, &backend.Error{Backend: "fake", Model: "m", Kind: kind, Message: "as the test wants"}
	}
}

func works(context.Context, func(chat.Piece) error) (chat.End, error) {
	return chat.End{Reason: chat.Stopped}, nil
}

// hangs is a chat that lasts until its context ends.
func hangs(ctx context.Context, _ func(chat.Piece) error) (chat.End, error) {
	<-ctx.Done()
	return chat.End{}, ctx.Err()
}

// call makes a call that takes every piece.
func call(ctx context.Context, b backend.Chatter) error {
	_, err := b.Chat(ctx, "m", &chat.Request{}, func(chat.Piece) error { return nil })
	return err
}

// is reports whether err is an *Error of the kind.
func is(err error, kind backend.Kind) bool {
	var e *backend.Error
	return errors.As(err, &e) && e.Kind == kind
}

func started(err error) bool {
	var e *backend.Error
	return errors.As(err, &e) && e.Started
}

func TestNoMoreCallsAreUnderWayThanAllowedAndNoMoreWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{chat: hangs}
		g := backend.NewGuard(f, backend.Limits{Concurrency: 2, Queue: 3, FirstByte: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if err := call(ctx, g); err != context.Canceled {
					t.Errorf("a call that waits: %v", err)
				}
			})
		}
		synctest.Wait()
		if s := g.State(); s.InFlight != 2 || s.Queued != 3 || f.calls.Load() != 2 {
			t.Errorf("state %+v after %d calls", s, f.calls.Load())
		}
		if err := call(ctx, g); !is(err, backend.Busy) || !strings.Contains(err.Error(), "2 calls are under way and 3 wait") {
			t.Errorf("a sixth call: %v", err)
		}
		cancel()
		all.Wait()
		if s := g.State(); s.InFlight != 0 || s.Queued != 0 || s.Rejected != 1 || s.Failures != 0 || s.Phase != backend.Closed {
			t.Errorf("state %+v", s)
		}
	})
}

func TestACallThatDoesNotWaitIsBusyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := backend.NewGuard(&fake{chat: hangs}, backend.Limits{Concurrency: 1, FirstByte: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		var first sync.WaitGroup
		first.Go(func() { _ = call(backend.RejectIfBusy(ctx), g) }) // there is room for the first
		synctest.Wait()
		before := time.Now()
		if err := call(backend.RejectIfBusy(t.Context()), g); !is(err, backend.Busy) || time.Since(before) != 0 {
			t.Errorf("after %v: %v", time.Since(before), err)
		}
		if s := g.State(); s.InFlight != 1 {
			t.Errorf("state %+v", s)
		}
		cancel()
		first.Wait()
		none := backend.NewGuard(&fake{chat: works}, backend.Limits{Concurrency: 1, Queue: -1})
		if err := call(t.Context(), none); err != nil {
			t.Errorf("without a queue: %v", err)
		}
	})
}

func TestATurnThatDoesNotComeInTimeIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The first call is not slow: it says something every ten seconds.
		f := &fake{chat: func(ctx context.Context, yield func(chat.Piece) error) (chat.End, error) {
			for {
				select {
				case <-time.After(10 * time.Second):
				case <-ctx.Done():
					return chat.End{}, ctx.Err()
				}
				if err := yield(chat.Piece{Content: "x"}); err != nil {
					return chat.End{}, err
				}
			}
		}}
		g := backend.NewGuard(f, backend.Limits{Concurrency: 1, FirstByte: 30 * time.Second, BetweenTokens: 20 * time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		var first sync.WaitGroup
		first.Go(func() { _ = call(ctx, g) })
		synctest.Wait()
		before := time.Now()
		if err := call(t.Context(), g); !is(err, backend.Busy) || time.Since(before) != 30*time.Second {
			t.Errorf("after %v: %v", time.Since(before), err)
		}
		cancel()
		first.Wait()
	})
}

// isOpen reports whether calls to the model m are left alone for its failures of the
// kind: the whole backend if it was not reached, else only the model.
func isOpen(s backend.State, kind backend.Kind) bool {
	if kind == backend.Unreachable {
		return s.Phase == backend.Open && s.Alone == nil
	}
	return s.Phase == backend.Closed && slices.Equal(s.Alone, []string{"m"})
}

func TestFailuresInARowOpenTheBreaker(t *testing.T) {
	for _, kind := range []backend.Kind{backend.Unreachable, backend.Slow, backend.Broken} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{chat: fails(kind)}
			g := backend.NewGuard(f, backend.Limits{Failures: 3, Cooldown: 10 * time.Second})
			for range 2 {
				if err := call(t.Context(), g); !is(err, kind) || errors.Is(err, backend.ErrOpen) {
					t.Fatalf("%s: got %v", kind, err)
				}
			}
			f.chat = works // a success between them begins the count anew
			if err := call(t.Context(), g); err != nil {
				t.Fatal(err)
			}
			f.chat = fails(kind)
			for range 3 {
				if s := g.State(); s.Phase != backend.Closed || s.Alone != nil {
					t.Fatalf("%s: open too early: %+v", kind, s)
				}
				_ = call(t.Context(), g)
			}
			s := g.State()
			if !isOpen(s, kind) || s.LastKind != kind || s.Failures != 5 {
				t.Errorf("%s: state %+v", kind, s)
			}
			if s.Phase == backend.Open && !s.OpenUntil.Equal(time.Now().Add(10*time.Second)) {
				t.Errorf("open until %v", s.OpenUntil)
			}
			asked := f.calls.Load()
			err := call(t.Context(), g)
			var e *backend.Error
			if !errors.As(err, &e) || e.Kind != backend.Unreachable || !errors.Is(err, backend.ErrOpen) || !e.Elsewhere() || e.RetryAfter != 10*time.Second || f.calls.Load() != asked {
				t.Errorf("%s: while open: %v", kind, err)
			}
			if !strings.Contains(err.Error(), "failed as "+string(kind)+" 3 times in a row and is left alone for 10s more") {
				t.Errorf("%s: %v", kind, err)
			}
		})
	}
}

func TestOneProbeAtATimeFindsTheBackendWellAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{chat: fails(backend.Unreachable)}
		g := backend.NewGuard(f, backend.Limits{Failures: 1, Cooldown: 10 * time.Second, FirstByte: time.Hour})
		_ = call(t.Context(), g)
		time.Sleep(10*time.Second + 1)
		if s := g.State(); s.Phase != backend.HalfOpen {
			t.Errorf("state %+v", s)
		}
		_ = call(t.Context(), g) // the probe fails
		if s := g.State(); s.Phase != backend.Open {
			t.Errorf("after a probe that failed: %+v", s)
		}
		time.Sleep(10*time.Second + 1)
		end := make(chan struct{})
		f.chat = func(context.Context, func(chat.Piece) error) (chat.End, error) { <-end; return chat.End{}, nil }
		var probe sync.WaitGroup
		probe.Go(func() {
			if err := call(t.Context(), g); err != nil {
				t.Errorf("the probe: %v", err)
			}
		})
		synctest.Wait()
		if err := call(t.Context(), g); !errors.Is(err, backend.ErrOpen) || !strings.Contains(err.Error(), "one call is trying it now") {
			t.Errorf("beside the probe: %v", err)
		}
		close(end)
		probe.Wait()
		if s := g.State(); s.Phase != backend.Closed {
			t.Errorf("after the probe: %+v", s)
		}
		if err := call(t.Context(), g); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestOneProbeAtATimeFindsAModelWellAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{chat: fails(backend.Broken)}
		g := backend.NewGuard(f, backend.Limits{Failures: 1, Cooldown: 10 * time.Second, FirstByte: time.Hour})
		_ = call(t.Context(), g)
		time.Sleep(10*time.Second + 1)
		_ = call(t.Context(), g) // the probe fails
		if s := g.State(); !isOpen(s, backend.Broken) {
			t.Errorf("after a probe that failed: %+v", s)
		}
		time.Sleep(10*time.Second + 1)
		end := make(chan struct{})
		f.chat = func(context.Context, func(chat.Piece) error) (chat.End, error) { <-end; return chat.End{}, nil }
		var probe sync.WaitGroup
		probe.Go(func() {
			if err := call(t.Context(), g); err != nil {
				t.Errorf("the probe: %v", err)
			}
		})
		synctest.Wait()
		if err := call(t.Context(), g); !errors.Is(err, backend.ErrOpen) || !strings.Contains(err.Error(), "this model failed as broken 1 times in a row, and one call is trying it now") {
			t.Errorf("beside the probe: %v", err)
		}
		close(end)
		probe.Wait()
		if err := call(t.Context(), g); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestAModelThatAlwaysFailsDoesNotShutOffTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		g := backend.NewGuard(f, backend.Limits{Failures: 3, Cooldown: 10 * time.Second})
		ask := func(model string) error {
			f.chat = works
			if model == "crashes" {
				f.chat = fails(backend.Broken)
			}
			_, err := g.Chat(t.Context(), model, &chat.Request{}, func(chat.Piece) error { return nil })
			return err
		}
		for range 20 {
			_ = ask("crashes")
			if err := ask("good"); err != nil {
				t.Fatal(err)
			}
		}
		if s := g.State(); s.Phase != backend.Closed || !slices.Equal(s.Alone, []string{"crashes"}) || s.Failures != 3 || s.Rejected != 17 {
			t.Errorf("state %+v", s)
		}
		// A backend that is gone is gone for all models.
		f.chat = fails(backend.Unreachable)
		for range 3 {
			_, _ = g.Chat(t.Context(), "good", &chat.Request{}, func(chat.Piece) error { return nil })
		}
		if err := ask("another"); !errors.Is(err, backend.ErrOpen) || !strings.Contains(err.Error(), ": it failed as unreachable 3 times") {
			t.Errorf("got %v", err)
		}
		// That one model fails shows that the backend is reached again.
		time.Sleep(10*time.Second + 1)
		_ = ask("crashes")
		if err := ask("good"); err != nil || g.State().Phase != backend.Closed {
			t.Errorf("got %v, %+v", err, g.State())
		}
	})
}

// A call that began before the failures says nothing about the time after them.
func TestALateAnswerDoesNotEndTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		f := &fake{chat: func(context.Context, func(chat.Piece) error) (chat.End, error) { <-end; return chat.End{}, nil }}
		g := backend.NewGuard(f, backend.Limits{Failures: 2, FirstByte: time.Hour})
		var late sync.WaitGroup
		late.Go(func() {
			if err := call(t.Context(), g); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		f.chat = fails(backend.Broken)
		for range 2 {
			_ = call(t.Context(), g)
		}
		close(end)
		late.Wait()
		if s := g.State(); !isOpen(s, backend.Broken) {
			t.Errorf("state %+v", s)
		}
	})
}

func TestFailingModelsAreRememberedWithinBounds(t *testing.T) {
	g := backend.NewGuard(&fake{chat: fails(backend.Broken)}, backend.Limits{Failures: 1})
	for i := range 3000 {
		_, _ = g.Chat(t.Context(), fmt.Sprint(i), &chat.Request{}, func(chat.Piece) error { return nil })
	}
	if n := len(g.State().Alone); n != 1000 {
		t.Errorf("%d models are remembered", n)
	}
}

func TestWhatSaysNothingOfTheBackendsHealthDoesNotCount(t *testing.T) {
	for _, kind := range []backend.Kind{backend.Missing, backend.Busy, backend.Refused, backend.Unable} {
		f := &fake{chat: fails(kind)}
		g := backend.NewGuard(f, backend.Limits{Failures: 1})
		for range 10 {
			if err := call(t.Context(), g); !is(err, kind) {
				t.Errorf("%s: %v", kind, err)
			}
		}
		if s := g.State(); s.Phase != backend.Closed || s.Alone != nil || s.Failures != 0 || f.calls.Load() != 10 {
			t.Errorf("%s: %+v after %d calls", kind, s, f.calls.Load())
		}
	}
	g := backend.NewGuard(&fake{chat: hangs}, backend.Limits{Failures: 1})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := call(gone, g); err != context.Canceled || g.State().Phase != backend.Closed {
		t.Errorf("a caller who went away: %v, %+v", err, g.State())
	}
	unwanted := errors.New("enough")
	g = backend.NewGuard(&fake{chat: func(_ context.Context, yield func(chat.Piece) error) (chat.End, error) {
		return chat.End{}, yield(chat.Piece{Content: "x"})
	}}, backend.Limits{Failures: 1})
	if _, err := g.Chat(t.Context(), "m", nil, func(chat.Piece) error { return unwanted }); err != unwanted || g.State().Phase != backend.Closed {
		t.Errorf("a caller who has enough: %v, %+v", err, g.State())
	}
}

func TestListsCountOnlyWhenTheyFail(t *testing.T) {
	f := &fake{chat: fails(backend.Broken)}
	g := backend.NewGuard(f, backend.Limits{Failures: 2})
	_ = call(t.Context(), g)
	if _, err := g.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = call(t.Context(), g)
	if s := g.State(); !isOpen(s, backend.Broken) {
		t.Errorf("a list that came from memory counted: %+v", s)
	}
	f.list = func() error { return &backend.Error{Kind: backend.Unreachable} }
	g = backend.NewGuard(f, backend.Limits{Failures: 2})
	for range 2 {
		if _, err := g.List(t.Context()); !is(err, backend.Unreachable) {
			t.Errorf("got %v", err)
		}
	}
	if s := g.State(); s.Phase != backend.Open || s.Failures != 2 {
		t.Errorf("lists that failed did not count: %+v", s)
	}
	if err := call(t.Context(), g); !errors.Is(err, backend.ErrOpen) {
		t.Errorf("got %v", err)
	}
}

func TestSilenceEndsACall(t *testing.T) {
	stalls := func(pieces int, empty bool) func(context.Context, func(chat.Piece) error) (chat.End, error) {
		return func(ctx context.Context, yield func(chat.Piece) error) (chat.End, error) {
			for range pieces {
				time.Sleep(9 * time.Second)
				p := chat.Piece{Content: "x"}
				if empty {
					p = chat.Piece{}
				}
				if err := yield(p); err != nil {
					return chat.End{}, err
				}
			}
			return hangs(ctx, yield)
		}
	}
	for name, test := range map[string]struct {
		pieces  int
		empty   bool
		after   time.Duration
		started bool
	}{
		"before the first piece": {0, false, 30 * time.Second, false},
		"between pieces":         {5, false, 45*time.Second + 10*time.Second, true},
		"after signs of life":    {5, true, 45*time.Second + 30*time.Second, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := backend.NewGuard(&fake{chat: stalls(test.pieces, test.empty)}, backend.Limits{FirstByte: 30 * time.Second, BetweenTokens: 10 * time.Second})
			given, before := 0, time.Now()
			_, err := g.Chat(t.Context(), "m", nil, func(chat.Piece) error { given++; return nil })
			if !is(err, backend.Slow) || started(err) != test.started || time.Since(before) != test.after {
				t.Errorf("%s: after %v: %v", name, time.Since(before), err)
			}
			if want := test.pieces; test.empty && given != 0 || !test.empty && given != want {
				t.Errorf("%s: %d pieces were given out", name, given)
			}
		})
	}
}

func TestACallerMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{chat: func(_ context.Context, yield func(chat.Piece) error) (chat.End, error) {
			for range 3 {
				if err := yield(chat.Piece{Content: "x"}); err != nil {
					return chat.End{}, err
				}
			}
			return chat.End{}, nil
		}}
		g := backend.NewGuard(f, backend.Limits{FirstByte: time.Second, BetweenTokens: time.Second})
		if _, err := g.Chat(t.Context(), "m", nil, func(chat.Piece) error { time.Sleep(time.Hour); return nil }); err != nil {
			t.Error(err)
		}
	})
}

func TestACallIsMadeOnceMoreOnlyWhenNothingWasReached(t *testing.T) {
	for _, test := range []struct {
		kind  backend.Kind
		piece bool
		calls int64
	}{
		{backend.Unreachable, false, 2},
		{backend.Unreachable, true, 1},
		{backend.Broken, false, 1},
		{backend.Slow, false, 1},
		{backend.Busy, false, 1},
		{backend.Missing, false, 1},
	} {
		f := &fake{}
		f.chat = func(ctx context.Context, yield func(chat.Piece) error) (chat.End, error) {
			if f.calls.Load() == 2 {
				return works(ctx, yield)
			}
			if test.piece {
				if err := yield(chat.Piece{Content: "x"}); err != nil {
					return chat.End{}, err
				}
			}
			return fails(test.kind)(ctx, yield)
		}
		g := backend.NewGuard(f, backend.Limits{})
		err := call(t.Context(), g)
		if f.calls.Load() != test.calls || (err == nil) != (test.calls == 2) || started(err) != test.piece {
			t.Errorf("%+v: %d calls, %v", test, f.calls.Load(), err)
		}
		if s := g.State(); s.Calls != 1 {
			t.Errorf("%+v: counted as %d calls", test, s.Calls)
		}
	}
	f := &fake{chat: fails(backend.Unreachable)}
	g := backend.NewGuard(f, backend.Limits{Failures: 2})
	if _ = call(t.Context(), g); f.calls.Load() != 2 || g.State().Failures != 1 || g.State().Phase != backend.Closed {
		t.Errorf("two attempts of one call: %d calls, %+v", f.calls.Load(), g.State())
	}
}

func TestTheCallersDeadlineComesBackAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := backend.NewGuard(&fake{chat: hangs}, backend.Limits{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := call(ctx, g); err != context.DeadlineExceeded || g.State().Failures != 0 {
			t.Errorf("got %v, %+v", err, g.State())
		}
	})
}

func TestErrorsThatAreNotTheContractsAreBroken(t *testing.T) {
	odd := errors.New("odd")
	g := backend.NewGuard(&fake{chat: func(context.Context, func(chat.Piece) error) (chat.End, error) { return chat.End{}, odd }}, backend.Limits{})
	if err := call(t.Context(), g); !is(err, backend.Broken) || !errors.Is(err, odd) {
		t.Errorf("got %v", err)
	}
}

func TestCloseEndsEveryCallAndTheBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{chat: hangs}
		g := backend.NewGuard(f, backend.Limits{Concurrency: 1})
		var calls sync.WaitGroup
		for range 3 { // one under way, two that wait
			calls.Go(func() {
				if err := call(t.Context(), g); !is(err, backend.Unreachable) || !errors.Is(err, backend.ErrClosed) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		for range 2 {
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		}
		calls.Wait()
		if err := call(t.Context(), g); !errors.Is(err, backend.ErrClosed) {
			t.Errorf("afterwards: %v", err)
		}
		if _, err := g.List(t.Context()); !errors.Is(err, backend.ErrClosed) {
			t.Errorf("a list afterwards: %v", err)
		}
		if n := f.closed.Load(); n != 1 || f.calls.Load() != 1 {
			t.Errorf("the backend was closed %d times after %d calls", n, f.calls.Load())
		}
	})
}

func TestAGuardCanWhatItsBackendCan(t *testing.T) {
	g := backend.NewGuard(&fake{chat: works}, backend.Limits{})
	if c, ok := backend.As[backend.Chatter](g); !ok || c != backend.Chatter(g) {
		t.Error("it is no Chatter, or not by itself")
	}
	if _, ok := backend.As[backend.Chatter](&fake{}); !ok {
		t.Error("without a guard it is no Chatter")
	}
	twice := backend.NewGuard(g, backend.Limits{})
	if _, ok := backend.As[backend.Chatter](twice); !ok {
		t.Error("behind two guards it is no Chatter")
	}
	_, embeds := backend.As[backend.Embedder](twice)
	_, ranks := backend.As[backend.Ranker](g)
	_, hears := backend.As[backend.Transcriber](g)
	_, speaks := backend.As[backend.Speaker](g)
	_, paints := backend.As[backend.Painter](g)
	if embeds || ranks || hears || speaks || paints {
		t.Error("it is more than its backend")
	}
	_, err := g.Embed(t.Context(), "m", nil)
	_, _, rankErr := g.Rank(t.Context(), "m", "", nil)
	_, printErr := g.Fingerprint(t.Context(), "m")
	_, hearErr := g.Transcribe(t.Context(), "m", backend.Transcribing{})
	_, speakErr := g.Speak(t.Context(), "m", backend.Speaking{})
	_, paintErr := g.Paint(t.Context(), "m", backend.Painting{})
	for _, err := range []error{err, rankErr, printErr, hearErr, speakErr, paintErr} {
		if !is(err, backend.Unable) {
			t.Errorf("got %v", err)
		}
	}
}

// TestRandomCallsLeaveNothingBehind makes calls of every outcome at once.
func TestRandomCallsLeaveNothingBehind(t *testing.T) {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-guard-seed %d", s)
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		random := rand.New(rand.NewPCG(s, 0))
		pick := func(n int) int { mu.Lock(); defer mu.Unlock(); return random.IntN(n) }
		var under, most atomic.Int64
		f := &fake{}
		f.chat = func(ctx context.Context, yield func(chat.Piece) error) (chat.End, error) {
			now := under.Add(1)
			defer under.Add(-1)
			for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
			}
			for range pick(4) {
				time.Sleep(time.Duration(pick(12)) * time.Second)
				if err := yield(chat.Piece{Content: "x"}); err != nil {
					return chat.End{}, err
				}
			}
			kinds := []backend.Kind{backend.Unreachable, backend.Missing, backend.Busy, backend.Broken, backend.Refused, backend.Unable}
			if n := pick(20); n < len(kinds) {
				return fails(kinds[n])(ctx, yield)
			} else if n < 8 {
				return hangs(ctx, yield)
			}
			return works(ctx, yield)
		}
		g := backend.NewGuard(f, backend.Limits{Concurrency: 4, Queue: 5, FirstByte: 10 * time.Second, BetweenTokens: 10 * time.Second, Failures: 3, Cooldown: 5 * time.Second})
		var calls sync.WaitGroup
		var outcomes sync.Map
		for range 300 {
			time.Sleep(time.Duration(pick(3)) * time.Second)
			calls.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+pick(60))*time.Second)
				defer cancel()
				if pick(4) == 0 {
					ctx = backend.RejectIfBusy(ctx)
				}
				err := call(ctx, g)
				var e *backend.Error
				if err != nil && !errors.As(err, &e) && err != ctx.Err() {
					t.Errorf("an error of no kind: %v", err)
				}
				outcome := fmt.Sprint(err == nil)
				if e != nil {
					outcome = string(e.Kind)
				}
				outcomes.Store(outcome, true)
			})
		}
		calls.Wait()
		state := g.State()
		if state.InFlight != 0 || state.Queued != 0 || under.Load() != 0 || most.Load() > 4 {
			t.Errorf("%+v, %d under way, %d at most", state, under.Load(), most.Load())
		}
		if state.Calls+state.Rejected > 300 || state.Calls == 0 {
			t.Errorf("%d calls and %d rejected of 300", state.Calls, state.Rejected)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		for _, want := range []string{"true", "slow", "busy", "broken", "unreachable"} {
			if _, ok := outcomes.Load(want); !ok {
				t.Logf("no call ended as %s", want)
			}
		}
	})
}
