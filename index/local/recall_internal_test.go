package local

import (
	"math"
	"slices"
	"testing"
	"time"
)

// judged is a gauge that was given one judgement many times over.
func judged(t *testing.T, o GraphOptions, found ...int) *recallGauge {
	t.Helper()
	g := newRecallGauge(o.withDefaults())
	judgeAll(t, g, found...)
	return g
}

// judgeAll fills the gauge with queries of which each rung found so many of 100.
func judgeAll(t *testing.T, g *recallGauge, found ...int) {
	t.Helper()
	for i := range g.samples {
		now := time.Unix(0, g.taken.Load()).Add(sampleEvery)
		if !g.offer(now, []float32{float32(i)}, 10) {
			t.Fatal("the sample was not taken")
		}
		at := (g.count - 1) % len(g.samples)
		g.judge(g.samples[at], at, &judgement{of: 100, found: append(slices.Clone(found), slices.Repeat([]int{100}, len(g.ladder)-len(found))...)})
	}
}

func TestEFFollowsTheTargetAndDoesNotGoToAndFro(t *testing.T) {
	g := judged(t, GraphOptions{}, 50, 70, 90, 97)
	if g.ef() != 64 {
		t.Fatalf("ef %d, want the first with which enough is found, 64", g.ef())
	}
	// A little more than the target is no reason to go down, clearly more is.
	if judgeAll(t, g, 50, 70, 90, 98); g.ef() != 64 {
		t.Errorf("ef %d after .98 was found with 48, want 64", g.ef())
	}
	if judgeAll(t, g, 50, 70, 90, 99); g.ef() != 48 {
		t.Errorf("ef %d after .99 was found with 48", g.ef())
	}
	if judgeAll(t, g, 50, 70, 90, 98); g.ef() != 48 {
		t.Errorf("ef %d while .98 is found with 48", g.ef())
	}
	if judgeAll(t, g, 10, 20, 30, 40, 50, 60, 70, 80, 90); g.ef() != 384 {
		t.Errorf("ef %d after it became harder, want 384", g.ef())
	}
	known := g.state.Load()
	if known.EF != 384 || known.Mean != 1 || known.Queries != len(g.samples) || known.High != 1 || known.Low < .99 {
		t.Errorf("known is %+v", known)
	}
}

func TestFixedEFStaysAndItsRecallIsKnown(t *testing.T) {
	g := judged(t, GraphOptions{EF: 33}, 70)
	if known := g.state.Load(); g.ef() != 33 || known.EF != 33 || known.Mean != .7 || known.Low < .68 || known.High > .72 {
		t.Errorf("ef %d, known is %+v", g.ef(), known)
	}
}

func TestAQueryIsASampleOnlyNowAndThen(t *testing.T) {
	g := newRecallGauge(GraphOptions{}.withDefaults())
	now, taken := time.Unix(1_800_000_000, 0), 0
	for range 1000 {
		if g.offer(now, []float32{1}, 10) {
			taken++
		}
		now = now.Add(sampleEvery / 10)
	}
	if taken != 100 {
		t.Errorf("%d of 1000 queries were taken", taken)
	}
	if g.offer(now.Add(time.Hour), []float32{1}, mostSampled+1) {
		t.Error("a query for very many was taken")
	}
}

func TestWilsonInterval(t *testing.T) {
	for _, c := range []struct {
		found, of int
		low, high float64
	}{{0, 0, 0, 1}, {0, 10, 0, .2775}, {10, 10, .7225, 1}, {50, 100, .4038, .5962}, {980, 1000, .9693, .9870}} {
		low, high := wilson(c.found, c.of)
		if math.Abs(low-c.low) > 1e-4 || math.Abs(high-c.high) > 1e-4 {
			t.Errorf("%d of %d: %.4f to %.4f, want %.4f to %.4f", c.found, c.of, low, high, c.low, c.high)
		}
	}
}
