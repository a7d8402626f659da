package backend_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nearside/llm/backend"
	"nearside/llm/backend/backendtest"
	"nearside/llm/chat"
	"nearside/llm/ollama"
	"nearside/llm/openai"
)

// both returns guarded backends of both kinds for a test server.
func both(t testing.TB, s *backendtest.Server, limits backend.Limits) map[string]*backend.Guard {
	t.Helper()
	a, err := ollama.New(ollama.Options{Name: "ollama", URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	b, err := openai.New(openai.Options{Name: "openai", URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	guards := map[string]*backend.Guard{"ollama": backend.NewGuard(a, limits), "openai": backend.NewGuard(b, limits)}
	t.Cleanup(func() {
		for name, g := range guards {
			if err := g.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	return guards
}

func hello() *chat.Request { return &chat.Request{Prompt: "hello there"} }

// settles waits, by yielding, until the condition holds, and fails after a minute.
func settles(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
		runtime.Gosched()
	}
}

// TestAbortedStreamsLeaveNoGoroutineAndNoConnection aborts 1,000 streams of each kind,
// in each way in which a caller can: its context ends, or it has enough.
func TestAbortedStreamsLeaveNoGoroutineAndNoConnection(t *testing.T) {
	s := backendtest.New(t)
	s.Lie(backendtest.StallMidway) // so that every stream is aborted in mid-stream
	before := runtime.NumGoroutine()
	for name, g := range both(t, s, backend.Limits{Concurrency: 16, Queue: 100}) {
		enough := errors.New("enough")
		var turn, streams atomic.Int64
		var callers sync.WaitGroup
		for range 32 {
			callers.Go(func() {
				for n := turn.Add(1); n <= 1000; n = turn.Add(1) {
					ctx, cancel := context.WithCancel(t.Context())
					pieces := 0
					end, err := g.Chat(ctx, "chat", hello(), func(chat.Piece) error {
						if pieces++; pieces < 2 {
							return nil
						}
						if n%2 == 0 {
							return enough
						}
						cancel()
						return nil
					})
					cancel()
					if err != enough && err != context.Canceled {
						t.Errorf("%s: %v", name, err)
					}
					if end.Usage.Completion == 0 {
						t.Errorf("%s: what was given out was not counted", name)
					}
					streams.Add(1)
				}
			})
		}
		callers.Wait()
		if state := g.State(); streams.Load() != 1000 || state.InFlight != 0 || state.Queued != 0 || state.Calls != 1000 || state.Failures != 0 {
			t.Errorf("%s: %d streams, %+v", name, streams.Load(), state)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		settles(t, name+": connections end", func() bool { return s.Conns() == 0 })
		settles(t, name+": goroutines end", func() bool { return runtime.NumGoroutine() <= before })
	}
}

func TestAConnectionIsUsedAgainAfterAWholeAnswer(t *testing.T) {
	s := backendtest.New(t)
	for name, g := range both(t, s, backend.Limits{}) {
		for range 50 {
			if err := call(t.Context(), g); err == nil || !is(err, backend.Missing) {
				t.Fatalf("%s: %v", name, err)
			}
			if _, err := g.Chat(t.Context(), "chat", hello(), func(chat.Piece) error { return nil }); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	if n := s.Opened(); n > 10 { // a few more than two: an end that comes late is not waited for
		t.Errorf("100 answers one after the other took %d connections", n)
	}
}

// TestLiesAreToldApartBehindAGuard has the time-outs of the guard meet real connections.
func TestLiesAreToldApartBehindAGuard(t *testing.T) {
	for lie, want := range map[backendtest.Lie]struct {
		kind    backend.Kind
		started bool
		calls   int
	}{
		backendtest.SlowHeaders:       {backend.Slow, false, 1},
		backendtest.StallFirst:        {backend.Slow, false, 1},
		backendtest.StallMidway:       {backend.Slow, true, 1},
		backendtest.CloseAfterHeaders: {backend.Unreachable, false, 2},
		backendtest.CloseMidway:       {backend.Broken, true, 1},
		backendtest.Status500:         {backend.Broken, false, 1},
		backendtest.Status429:         {backend.Busy, false, 1},
	} {
		s := backendtest.New(t)
		for name, g := range both(t, s, backend.Limits{FirstByte: 100 * time.Millisecond, BetweenTokens: 100 * time.Millisecond}) {
			if _, err := g.Fingerprint(t.Context(), "chat"); err != nil {
				t.Fatal(err)
			}
			s.Lie(lie)
			asked := len(s.Requests())
			_, err := g.Chat(t.Context(), "chat", hello(), func(chat.Piece) error { return nil })
			if !is(err, want.kind) || started(err) != want.started {
				t.Errorf("%s, %s: %v", name, lie, err)
			}
			more := len(s.Requests()) - asked
			if name == "ollama" {
				more-- // the question what the model can do
			}
			if more != want.calls {
				t.Errorf("%s, %s: asked %d times", name, lie, more)
			}
			s.Lie(backendtest.Honest)
		}
	}
}

func TestAServerThatDiesInMidStreamAndComesBackIsUsedAgain(t *testing.T) {
	s := backendtest.New(t)
	for name, g := range both(t, s, backend.Limits{}) {
		s.Lie(backendtest.StallMidway)
		pieces := 0
		_, err := g.Chat(t.Context(), "chat", hello(), func(chat.Piece) error {
			if pieces++; pieces == 2 {
				s.Down()
			}
			return nil
		})
		if !is(err, backend.Broken) || !started(err) {
			t.Errorf("%s: %v", name, err)
		}
		s.Lie(backendtest.Honest)
		if _, err := g.Chat(t.Context(), "chat", hello(), func(chat.Piece) error { return nil }); !is(err, backend.Unreachable) {
			t.Errorf("%s, down: %v", name, err)
		}
		s.Up()
		settles(t, name+": it is found again", func() bool {
			_, err := g.Chat(t.Context(), "chat", hello(), func(chat.Piece) error { return nil })
			return err == nil
		})
	}
}
