package ann

import (
	"context"
	"math"
	"runtime"
	"slices"
	"time"
)

// Tell is told, in words, what goes on. It may be nil.
type Tell func(format string, args ...any)

func (t Tell) say(format string, args ...any) {
	if t != nil {
		t(format, args...)
	}
}

// Point is what an engine does at one ef. Times are in microseconds; distances, hops
// and bytes are means a query.
type Point struct {
	Engine string  `json:"engine"`
	EF     int     `json:"ef"`
	Recall float64 `json:"recall"`
	QPS    float64 `json:"qps"`
	// CPUQPS are queries in a second of CPU time that the process took: on a machine that
	// does other work they say more. 0 where the system does not say.
	CPUQPS    float64 `json:"cpu_qps,omitempty"`
	P50       float64 `json:"p50_us"`
	P99       float64 `json:"p99_us"`
	Distances float64 `json:"distances,omitempty"`
	Hops      float64 `json:"hops,omitempty"`
	Bytes     float64 `json:"bytes,omitempty"`
}

// EFs is the sweep unless another is asked for.
func EFs() []int { return []int{10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640} }

// enough is the recall from which on more effort shows nothing.
const enough = .999

// exactQueries is how many queries an engine answers that compares everything.
const exactQueries = 100

// Named is an engine with its name.
type Named struct {
	Name string
	Engine
}

// Sweep lets engines answer all queries of a set, on one core, in turns: at each ef
// one after the other, round after round.
func Sweep(ctx context.Context, s *Set, t *Truth, k int, engines []Named, efs []int, rounds int, tell Tell) ([]Point, error) {
	all := map[Named][][]Point{} // by the place of the ef; one for each round
	for round := range rounds {
		for i, ef := range efs {
			for _, e := range engines {
				before := all[e]
				if round == 0 && (i > 0 && !e.Effort() || i > 0 && len(before) == i && before[i-1][0].Recall >= enough) {
					continue
				}
				if round == 0 && len(before) == i {
					all[e] = append(before, nil)
				}
				if i >= len(all[e]) {
					continue
				}
				p, err := Turn(ctx, s, t, k, e, ef)
				if err != nil {
					return nil, err
				}
				all[e][i] = append(all[e][i], p)
			}
		}
		tell.say("round %d of %d", round+1, rounds)
	}
	var points []Point
	for _, e := range engines {
		for _, turns := range all[e] {
			points = append(points, medianPoint(turns))
		}
	}
	return points, nil
}

// Turn lets an engine answer all queries once, on one core.
func Turn(ctx context.Context, s *Set, t *Truth, k int, e Named, ef int) (Point, error) {
	queries := s.Queries.Rows
	if !e.Effort() {
		queries, ef = min(queries, exactQueries), 0
	}
	found := make([]uint32, 0, queries*k)
	ends := make([]int, queries)
	took := make([]float64, queries)
	var sum Cost
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	cpu, began := cpuTime(), time.Now()
	for q := range queries {
		if err := ctx.Err(); err != nil {
			return Point{}, err
		}
		start := time.Now()
		rows, cost, err := e.Search(ctx, s.Queries.Row(q), k, ef, found)
		if err != nil {
			return Point{}, err
		}
		took[q] = float64(time.Since(start).Nanoseconds()) / 1e3
		found, ends[q] = rows, len(rows)
		sum.Distances += cost.Distances
		sum.Hops += cost.Hops
		sum.Bytes += cost.Bytes
	}
	seconds, cpuSeconds := time.Since(began).Seconds(), (cpuTime() - cpu).Seconds()
	n := float64(queries)
	p := Point{Engine: e.Name, EF: ef, QPS: n / seconds, Distances: float64(sum.Distances) / n, Hops: float64(sum.Hops) / n, Bytes: float64(sum.Bytes) / n}
	if cpuSeconds > 0 {
		p.CPUQPS = n / cpuSeconds
	}
	p.P50, p.P99 = percentile(took, 50), percentile(took, 99)
	from := 0
	for q, end := range ends {
		p.Recall += s.Recall(t, q, k, found[from:end]) / n
		from = end
	}
	return p, nil
}

// percentile is the value at a percentage of the sorted values, which it sorts.
func percentile(values []float64, percent int) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(len(values)*percent/100, len(values)-1)]
}

// median is the middle value, or the mean of the two in the middle.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// medianOf is the median of what field picks of each.
func medianOf[T any](all []T, field func(*T) float64) float64 {
	values := make([]float64, len(all))
	for i := range all {
		values[i] = field(&all[i])
	}
	return median(values)
}

// medianPoint takes the median of each figure for itself.
func medianPoint(turns []Point) Point {
	p := turns[0]
	for _, field := range []func(*Point) *float64{
		func(p *Point) *float64 { return &p.Recall },
		func(p *Point) *float64 { return &p.QPS },
		func(p *Point) *float64 { return &p.CPUQPS },
		func(p *Point) *float64 { return &p.P50 },
		func(p *Point) *float64 { return &p.P99 },
		func(p *Point) *float64 { return &p.Distances },
		func(p *Point) *float64 { return &p.Hops },
		func(p *Point) *float64 { return &p.Bytes },
	} {
		*field(&p) = medianOf(turns, func(t *Point) float64 { return *field(t) })
	}
	return p
}

// At is the queries a second of an engine at a recall: between the two points around
// it, or that of the first point if the sweep begins beyond it; 0 if it did not reach it.
func At(points []Point, engine string, recall float64, rate func(Point) float64) float64 {
	var own []Point
	for _, p := range points {
		if p.Engine == engine {
			own = append(own, p)
		}
	}
	if len(own) > 0 && own[0].Recall >= recall {
		return rate(own[0])
	}
	for i := 1; i < len(own); i++ {
		a, b := own[i-1], own[i]
		if a.Recall <= recall && recall <= b.Recall && a.Recall < b.Recall && rate(a) > 0 {
			part := (recall - a.Recall) / (b.Recall - a.Recall)
			return rate(a) * math.Pow(rate(b)/rate(a), part)
		}
	}
	return 0
}
