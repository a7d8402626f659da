package backend_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"nearside/llm/backend"
	"nearside/llm/backend/backendtest"
	"nearside/llm/chat"
	"nearside/llm/ollama"
)

// pieces is a backend that gives out so many pieces at once, and does nothing else.
func pieces(n int) *fake {
	return &fake{chat: func(_ context.Context, yield func(chat.Piece) error) (chat.End, error) {
		for range n {
			if err := yield(chat.Piece{Content: "x"}); err != nil {
				return chat.End{}, err
			}
		}
		return chat.End{Reason: chat.Stopped}, nil
	}}
}

// inParallel makes b.N calls, so many at once.
func inParallel(b *testing.B, concurrency int, c backend.Chatter) {
	b.Helper()
	b.ReportAllocs()
	var turn atomic.Int64
	var callers sync.WaitGroup
	b.ResetTimer()
	for range concurrency {
		callers.Go(func() {
			for turn.Add(1) <= int64(b.N) {
				if _, err := c.Chat(b.Context(), "chat", hello(), func(chat.Piece) error { return nil }); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
}

// BenchmarkGuard shows what a guard adds to a call, and to each piece of it.
func BenchmarkGuard(b *testing.B) {
	limits := backend.Limits{Concurrency: 64}
	for _, concurrency := range []int{1, 64} {
		for _, n := range []int{1, 101} {
			b.Run(fmt.Sprintf("direct/concurrency=%d/pieces=%d", concurrency, n), func(b *testing.B) {
				inParallel(b, concurrency, pieces(n))
			})
			b.Run(fmt.Sprintf("guarded/concurrency=%d/pieces=%d", concurrency, n), func(b *testing.B) {
				inParallel(b, concurrency, backend.NewGuard(pieces(n), limits))
			})
		}
	}
}

// BenchmarkOllama shows the same over connections to the test server.
func BenchmarkOllama(b *testing.B) {
	s := backendtest.New(b)
	for _, concurrency := range []int{1, 64} {
		direct, err := ollama.New(ollama.Options{Name: "ollama", URL: s.URL})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("direct/concurrency=%d", concurrency), func(b *testing.B) { inParallel(b, concurrency, direct) })
		guarded := backend.NewGuard(direct, backend.Limits{Concurrency: 64})
		b.Run(fmt.Sprintf("guarded/concurrency=%d", concurrency), func(b *testing.B) { inParallel(b, concurrency, guarded) })
		if err := guarded.Close(); err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkLeftAlone shows how soon a call comes back while the breaker is open.
func BenchmarkLeftAlone(b *testing.B) {
	g := backend.NewGuard(&fake{chat: fails(backend.Broken)}, backend.Limits{Failures: 1, Cooldown: 1 << 40})
	_ = call(b.Context(), g)
	b.ReportAllocs()
	for b.Loop() {
		if err := call(b.Context(), g); !is(err, backend.Unreachable) {
			b.Fatal(err)
		}
	}
}
