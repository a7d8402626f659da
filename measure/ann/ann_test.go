package ann_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/measure/ann"
)

// smallSet is made in well under a second.
func smallSet(t *testing.T, name string, vectors, queries int) (*ann.Set, *ann.Truth) {
	t.Helper()
	s, err := ann.Make(t.Context(), name, "", vectors, queries)
	if err != nil {
		t.Fatal(err)
	}
	truth, err := ann.Exact(t.Context(), s, 100, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, truth
}

// small builds in well under a second, and the same graph each time.
func small(t *testing.T) ann.Options {
	return ann.Options{M: 8, EFConstruction: 60, Workers: 1, Dir: t.TempDir()}
}

func TestEnginesFindTheNearest(t *testing.T) {
	s, truth := smallSet(t, "gmm128", 1500, 40)
	for name, least := range map[string]float64{"nearside": .95, "nearside-graph": .95, "exact": 1, "coder-hnsw": 0} {
		t.Run(name, func(t *testing.T) {
			e, built, err := ann.Build(t.Context(), name, s, small(t))
			if fault.Is(err, fault.Unavailable) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			}()
			p, err := ann.Turn(t.Context(), s, truth, 10, ann.Named{Name: name, Engine: e}, 200)
			if err != nil {
				t.Fatal(err)
			}
			if p.Recall < least-1e-9 || p.Recall > 1+1e-9 {
				t.Errorf("recall %v, want at least %v", p.Recall, least)
			}
			if p.Engine != name || p.QPS <= 0 || p.P99 < p.P50 || p.P50 <= 0 || built.Seconds <= 0 {
				t.Errorf("times of nothing: %+v, %+v", built, p)
			}
			if name != "coder-hnsw" && (p.Distances <= 0 || p.Bytes <= 0) {
				t.Errorf("no counts: %+v", p)
			}
		})
	}
}

func TestTemporaryDirectoriesGoAway(t *testing.T) {
	s, _ := smallSet(t, "gmm128", 300, 1)
	o := small(t)
	e, _, err := ann.Build(t.Context(), "nearside", s, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := ann.Build(ctx, "nearside", s, o); err == nil {
		t.Error("a build that was interrupted succeeded")
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestAnUnknownEngineIsRefusedNamingTheKnown(t *testing.T) {
	s, _ := smallSet(t, "gmm128", 100, 1)
	if _, _, err := ann.Build(t.Context(), "faiss", s, small(t)); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "nearside-graph") {
		t.Errorf("%v", err)
	}
}

// scripted is an engine that finds exactly as many of the nearest as ef says.
type scripted struct {
	truth *ann.Truth
	asked *[]string
	name  string
	query int
}

func (s *scripted) Search(_ context.Context, _ []float32, k, ef int, rows []uint32) ([]uint32, ann.Cost, error) {
	if s.query == 0 {
		*s.asked = append(*s.asked, s.name)
	}
	right := s.truth.Row(s.query)[:min(k, ef)]
	s.query = (s.query + 1) % s.truth.Queries
	return append(rows, right...), ann.Cost{Distances: ef, Hops: 2, Bytes: 3}, nil
}
func (s *scripted) Effort() bool { return s.name != "exact" }
func (s *scripted) Close() error { return nil }

func TestEnginesTakeTurnsAndStopWhereMoreEffortShowsNothing(t *testing.T) {
	s, truth := smallSet(t, "gmm128", 200, 5)
	var asked []string
	engine := func(name string) ann.Named { return ann.Named{Name: name, Engine: &scripted{truth, &asked, name, 0}} }
	points, err := ann.Sweep(t.Context(), s, truth, 10, []ann.Named{engine("a"), engine("exact"), engine("b")}, []int{5, 10, 20}, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Exact search has no effort: one point. At ef 10 recall is 1, so 20 is not tried.
	if got, want := strings.Join(asked, " "), "a exact b a b a exact b a b"; got != want {
		t.Errorf("turns %q, want %q", got, want)
	}
	var recalls []float64
	for _, p := range points {
		recalls = append(recalls, math.Round(p.Recall*1000)/1000)
	}
	if len(points) != 5 || recalls[0] != .5 || recalls[1] != 1 || points[2].Engine != "exact" || recalls[2] != 0 || points[4].Distances != 10 {
		t.Errorf("%+v", points)
	}
}

func TestTheRateAtARecallLiesBetweenThePointsAroundIt(t *testing.T) {
	points := []ann.Point{{Engine: "a", Recall: .8, QPS: 1000}, {Engine: "b", Recall: .99, QPS: 1}, {Engine: "a", Recall: .9, QPS: 100}, {Engine: "a", Recall: .98, QPS: 50}}
	for recall, want := range map[float64]float64{.8: 1000, .85: 316.2, .9: 100, .98: 50, .99: 0, .5: 1000} {
		if got := ann.At(points, "a", recall, func(p ann.Point) float64 { return p.QPS }); math.Abs(got-want) > .1 {
			t.Errorf("at recall %v: %v, want %v", recall, got, want)
		}
	}
}

func TestFiltersOfTheTableMatchWhatTheySay(t *testing.T) {
	s, _ := smallSet(t, "gmm128", 4000, 12)
	rows, err := ann.Filtered(t.Context(), s, 10, 100, 1, small(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 14 {
		t.Fatalf("%d rows: %+v", len(rows), rows)
	}
	for _, r := range rows {
		if r.Recall < .9 || r.Complete != 1 && r.Complete < 1-1e-9 {
			t.Errorf("%+v", r)
		}
		if want := r.Share * 4000; r.Matching < want*.5 || r.Matching > want*2 {
			t.Errorf("%s %v: %v records match", r.Kind, r.Share, r.Matching)
		}
		if r.Micros <= 0 || r.Plans == "" {
			t.Errorf("nothing was measured: %+v", r)
		}
	}
}

func TestAnIndexUnderChangeIsComparedWithAFreshOne(t *testing.T) {
	s, _ := smallSet(t, "gmm128", 600, 20)
	rows, err := ann.Churn(t.Context(), s, 10, 100, 1, small(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.Records != 300 || r.After.Recall < .9 || r.Fresh.Recall < .9 {
			t.Errorf("%s: %d records, recall %v, fresh %v", r.Change, r.Records, r.After.Recall, r.Fresh.Recall)
		}
	}
	if len(rows) != 3 {
		t.Errorf("%d rows", len(rows))
	}
}

func TestTheOtherExperimentsMeasureSomething(t *testing.T) {
	s, truth := smallSet(t, "gmm128", 500, 20)
	builds, err := ann.Builds(t.Context(), s, []string{"nearside-graph"}, 2, small(t), nil)
	if err != nil || builds[0].Cores != 1 || builds[0].Seconds <= 0 {
		t.Errorf("%+v, %v", builds, err)
	}
	scale, err := ann.Scale(t.Context(), s, 10, 50, 1, small(t), nil)
	if err != nil || scale[0].Share != 1 || scale[len(scale)-1].QPS <= 0 {
		t.Errorf("%+v, %v", scale, err)
	}
	start, err := ann.Start(t.Context(), s, truth, 10, 1, small(t), nil)
	if err != nil || start.First <= 0 || start.Warm < start.First || start.Plan == "" {
		t.Errorf("%+v, %v", start, err)
	}
	memory, err := ann.Memory(t.Context(), s, small(t), nil)
	if fault.Is(err, fault.Unavailable) {
		t.Skip(err)
	}
	if want := int64(500 * (128 + 64 + 4)); err != nil || memory.CodesAndLinks != want || memory.With <= 0 {
		t.Errorf("%+v, %v; codes and links are %d", memory, err, want)
	}
}

func TestAPlotIsSVGWithALineForEachEngine(t *testing.T) {
	points := []ann.Point{{Engine: "nearside", Recall: .9, QPS: 1000}, {Engine: "nearside", Recall: .99, QPS: 100}, {Engine: "exact", Recall: 1, QPS: 10}, {Engine: "hopeless", Recall: .1, QPS: 1e6}}
	var b bytes.Buffer
	if err := ann.Plot(&b, "lid768", points); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for dec := xml.NewDecoder(&b); ; {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"<svg", "lid768", "recall@10", "nearside", "exact"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the plot", want)
		}
	}
	if strings.Contains(text, "hopeless") {
		t.Error("an engine is drawn whose recall nobody asks for")
	}
}
