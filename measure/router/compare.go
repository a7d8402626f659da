package router

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Targets are what is compared: a model server, and three ways to it.
type Targets struct {
	Direct   Target
	Proxy    Target // a bare Proxy
	Synced   Target // a Proxy that syncs a page before a reply ends
	Nearside Target
}

// Row is what calls of one kind took, directly and through nearside. Times are milliseconds.
type Row struct {
	Concurrency int     `json:"concurrency"`
	Stream      bool    `json:"stream"`
	Calls       int     `json:"calls"` // of each, in all rounds
	Direct      Figures `json:"direct"`
	Nearside    Figures `json:"nearside"`
	Added       Figures `json:"added"`       // by nearside: the median of the rounds' differences
	ProxyAdds   Figures `json:"proxy_adds"`  // the same of a bare proxy
	SyncedAdds  Figures `json:"synced_adds"` // of one that syncs
}

// Figures are percentiles of one kind of calls.
type Figures struct {
	P50      float64 `json:"p50_ms"` // of whole calls
	P99      float64 `json:"p99_ms"`
	FirstP50 float64 `json:"first_p50_ms,omitempty"` // until the first piece of a stream
	FirstP99 float64 `json:"first_p99_ms,omitempty"`
	GapP50   float64 `json:"gap_p50_ms,omitempty"` // between two pieces
	GapP99   float64 `json:"gap_p99_ms,omitempty"`
	GapMean  float64 `json:"gap_mean_ms,omitempty"`
	Rate     float64 `json:"calls_per_second"`
}

// Plan says how much is asked.
type Plan struct {
	Concurrency []int
	Calls       int // of each target and kind in a round, or as many as are made at once
	Rounds      int
	// Pause is the most that each of several callers waits before each call, at random:
	// callers that move in step would come all at once, and wait for each other.
	Pause time.Duration
}

// Tell says what goes on.
type Tell func(format string, args ...any)

// Compare asks a model server directly and by the ways to it, in turns.
func Compare(ctx context.Context, t Targets, p Plan, tell Tell) ([]Row, error) {
	var rows []Row
	for _, concurrency := range p.Concurrency {
		asks := newCaller(concurrency)
		defer asks.close()
		for _, stream := range []bool{false, true} {
			row := Row{Concurrency: concurrency, Stream: stream}
			ways := [...]Target{t.Direct, t.Proxy, t.Synced, t.Nearside}
			var seen [len(ways)][]Figures
			for round := range p.Rounds + 1 {
				calls := max(p.Calls, concurrency)
				tally, err := asks.round(ctx, ways[:], crowd{concurrency, calls, p.Pause}, stream)
				if err != nil {
					return rows, err
				}
				if round == 0 {
					continue // connections are opened, models are looked up
				}
				row.Calls += calls
				for i := range seen {
					seen[i] = append(seen[i], tally[i].figures())
				}
				tell("%d at once, stream %t: round %d of %d", concurrency, stream, round, p.Rounds)
			}
			row.Direct, row.Nearside = medians(seen[0]), medians(seen[3])
			row.ProxyAdds = medians(differences(seen[0], seen[1]))
			row.SyncedAdds = medians(differences(seen[0], seen[2]))
			row.Added = medians(differences(seen[0], seen[3]))
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// tally is the calls of one round to one target.
type tally struct {
	mu      sync.Mutex // guards what follows
	calls   []times
	seconds float64
}

func (t *tally) add(one times) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = append(t.calls, one)
}

// crowd is callers who make so many calls together.
type crowd struct {
	callers, calls int
	pause          time.Duration
}

// round asks each target so often: one caller alternates, several take turns together.
func (c *caller) round(ctx context.Context, targets []Target, who crowd, stream bool) (tallies []*tally, err error) {
	turns := 1
	if who.callers == 1 {
		turns, who = who.calls, crowd{1, 1, 0}
	}
	for range targets {
		tallies = append(tallies, &tally{})
	}
	for range turns {
		for i, t := range targets {
			if err := c.many(ctx, t, tallies[i], who, stream); err != nil {
				return tallies, err
			}
		}
	}
	return tallies, nil
}

// many has a crowd make its calls.
func (c *caller) many(ctx context.Context, t Target, into *tally, who crowd, stream bool) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for range min(who.callers, who.calls) {
		group.Go(func() error {
			for next.Add(1) <= int64(who.calls) {
				if who.pause > 0 && !pause(ctx, rand.N(who.pause)) {
					return ctx.Err()
				}
				one, err := c.ask(ctx, t, stream)
				if err != nil {
					return err
				}
				into.add(one)
			}
			return nil
		})
	}
	err := group.Wait()
	into.seconds += time.Since(began).Seconds()
	return err
}

func (t *tally) figures() Figures {
	var whole, first, gaps []float64
	for _, c := range t.calls {
		whole = append(whole, milliseconds(c.whole))
		if c.first > 0 {
			first = append(first, milliseconds(c.first))
		}
		for _, g := range c.gaps {
			gaps = append(gaps, milliseconds(g))
		}
	}
	f := Figures{P50: at(whole, .50), P99: at(whole, .99), FirstP50: at(first, .50), FirstP99: at(first, .99), GapP50: at(gaps, .50), GapP99: at(gaps, .99)}
	for _, g := range gaps {
		f.GapMean += g / float64(len(gaps))
	}
	f.Rate = float64(len(t.calls)) / t.seconds
	return f
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// at is a percentile, 0 of nothing.
func at(values []float64, share float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

// fields are the figures, to go through.
func (f *Figures) fields() []*float64 {
	return []*float64{&f.P50, &f.P99, &f.FirstP50, &f.FirstP99, &f.GapP50, &f.GapP99, &f.GapMean, &f.Rate}
}

// medians takes the median of each figure by itself.
func medians(rounds []Figures) (m Figures) {
	for i, field := range m.fields() {
		var values []float64
		for r := range rounds {
			values = append(values, *rounds[r].fields()[i])
		}
		*field = at(values, .5)
	}
	return m
}

// differences are what each round took more than its other half.
func differences(of, than []Figures) []Figures {
	more := make([]Figures, len(of))
	for r := range more {
		for i, field := range more[r].fields() {
			*field = *than[r].fields()[i] - *of[r].fields()[i]
		}
	}
	return more
}
