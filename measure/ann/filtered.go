package ann

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"

	"nearside/index"
	"nearside/index/filter"
)

// FilterRow is what queries with a filter of one kind do.
type FilterRow struct {
	Kind     string  `json:"kind"`     // random, in, out, one, none
	Share    float64 `json:"share"`    // of the records that shall match, 0 to 1
	Matching float64 `json:"matching"` // records that did, on the average
	Recall   float64 `json:"recall"`
	// Complete is the share of answers with min(k, matching) matches, each of which matches.
	Complete float64 `json:"complete"`
	Micros   float64 `json:"us"`       // a query, the median
	Exact    float64 `json:"exact_us"` // the same query with exact asked for: the filter, then a float32 scan of what matches
	Scan     float64 `json:"scan_us"`  // nothing but a float32 scan of the matching rows, whose list is there
	Plans    string  `json:"plans"`    // the plans taken, the most frequent first
}

// filterKind is a filter that may be another for each query.
type filterKind struct {
	kind  string
	share float64
	where func(q int) condition
}

// condition is what a record must have: a row, or a label within a range and a tag below a number.
type condition struct {
	row                   int // -1 = any
	fromLabel, belowLabel int // 0, 0 = any
	belowTag              int // tags = any
}

func (c condition) filter() (filter.Filter, error) {
	var parts []string
	if c.row != anyRow {
		parts = append(parts, fmt.Sprintf(`"row":{"$eq":%d}`, c.row))
	}
	if c.belowLabel > 0 {
		parts = append(parts, fmt.Sprintf(`"label":{"$gte":%d,"$lt":%d}`, c.fromLabel, c.belowLabel))
	}
	if c.belowTag < tags {
		parts = append(parts, fmt.Sprintf(`"tag":{"$lt":%d}`, c.belowTag))
	}
	return filter.Parse([]byte("{" + strings.Join(parts, ",") + "}"))
}

const (
	anyRow = -1
	noRow  = -2
)

// labelled is a set whose records have the properties of filters.
type labelled struct {
	*Set
	tags []uint16
}

func withTags(s *Set) *labelled {
	random := rand.New(rand.NewPCG(madeSeed, uint64(s.Base.Rows)))
	l := &labelled{s, make([]uint16, s.Base.Rows)}
	for i := range l.tags {
		l.tags[i] = uint16(random.IntN(tags))
	}
	return l
}

func (l *labelled) label(row int) int {
	if l.Labels == nil {
		return 0
	}
	return int(l.Labels[row])
}

func (l *labelled) metadata(row uint32) json.RawMessage {
	return fmt.Appendf(nil, `{"row":%d,"label":%d,"tag":%d}`, row, l.label(int(row)), l.tags[row])
}

func (l *labelled) holds(c condition, row int) bool {
	label := l.label(row)
	return (c.row == anyRow || c.row == row) &&
		(c.belowLabel == 0 || label >= c.fromLabel && label < c.belowLabel) &&
		int(l.tags[row]) < c.belowTag
}

// rows lists what matches.
func (l *labelled) rows(c condition, into []uint32) []uint32 {
	for row := range l.Base.Rows {
		if l.holds(c, row) {
			into = append(into, uint32(row))
		}
	}
	return into
}

// kinds are the filters of the table: tags drawn at random; classes among which the
// query's own is ("in"), or is not ("out"); one record; none.
func (l *labelled) kinds() []filterKind {
	var all []filterKind
	for _, share := range []float64{.5, .1, .01, .001} {
		all = append(all, filterKind{"random", share, func(int) condition {
			return condition{row: anyRow, belowTag: int(share * tags)}
		}})
		if l.Classes() < 2 || l.QueryLabels == nil {
			continue
		}
		for _, in := range []bool{true, false} {
			kind := map[bool]string{true: "in", false: "out"}[in]
			all = append(all, filterKind{kind, share, func(q int) condition { return l.byClass(int(l.QueryLabels[q]), share, in) }})
		}
	}
	n := l.Base.Rows
	return append(all,
		filterKind{"one", 1 / float64(n), func(q int) condition { return condition{row: q * 7919 % n, belowTag: tags} }},
		filterKind{"none", 0, func(int) condition { return condition{row: noRow, belowTag: tags} }})
}

// byClass picks a range of classes that has the share of the records, if all classes
// are alike, and holds a class or does not. Where one class is too many, tags thin it out.
func (l *labelled) byClass(class int, share float64, in bool) condition {
	classes := l.Classes()
	count := int(share * float64(classes))
	c := condition{row: anyRow, belowTag: tags}
	if count == 0 {
		count, c.belowTag = 1, int(share*float64(classes)*tags)
	}
	switch {
	case in:
		c.fromLabel = min(max(class-count/2, 0), classes-count)
	case class >= classes/2:
		c.fromLabel = (classes/2 - count) / 2
	default:
		c.fromLabel = classes - count - (classes-classes/2-count)/2
	}
	c.belowLabel = c.fromLabel + count
	return c
}

// Filtered measures queries with filters on one core: nearside's index, and beside it,
// query by query, a bare scan of the matching rows by the kernels, and in turns with both the
// same queries answered exactly. An ef of 0 leaves the effort to the index.
func Filtered(ctx context.Context, s *Set, k, ef, rounds int, o Options, tell Tell) ([]FilterRow, error) {
	l := withTags(s)
	tell.say("building an index of %d records with metadata", s.Base.Rows)
	h, err := fillHome(ctx, s, o, alwaysGraph, l.metadata)
	if err != nil {
		return nil, err
	}
	defer h.Close() // a temporary directory; what it was for is done
	var rows []FilterRow
	for _, kind := range l.kinds() {
		var turns []FilterRow
		for range rounds {
			row, err := l.turn(ctx, h, kind, k, ef)
			if err != nil {
				return nil, err
			}
			turns = append(turns, row)
		}
		row := turns[0]
		row.Micros = medianOf(turns, func(r *FilterRow) float64 { return r.Micros })
		row.Exact = medianOf(turns, func(r *FilterRow) float64 { return r.Exact })
		row.Scan = medianOf(turns, func(r *FilterRow) float64 { return r.Scan })
		rows = append(rows, row)
		tell.say("%s %g %%: recall %.4f", kind.kind, 100*kind.share, row.Recall)
	}
	return rows, nil
}

// turn asks all queries once in each way. Each way has them all to itself, and finds in the
// caches what it left there.
func (l *labelled) turn(ctx context.Context, h *Home, kind filterKind, k, ef int) (row FilterRow, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	row = FilterRow{Kind: kind.kind, Share: kind.share}
	plans := map[index.Plan]int{}
	var scan scanner
	var found []uint32
	var cost Cost
	n := float64(l.Queries.Rows)
	asked := func(q index.Query, _ []uint32) (err error) {
		q.EF = ef
		found, cost, err = h.Ask(ctx, q, found[:0])
		return err
	}
	row.Micros, err = l.each(kind, k, asked, func(q index.Query, where condition, matching []uint32) {
		plans[cost.Plan]++
		row.Matching += float64(len(matching)) / n
		row.Recall += l.filteredRecall(&scan, q.Vector, matching, k, found) / n
		if l.complete(where, found, min(k, len(matching))) {
			row.Complete += 1 / n
		}
	})
	if err != nil {
		return row, err
	}
	row.Plans = mostFrequent(plans)
	exactly := func(q index.Query, _ []uint32) (err error) {
		q.Exact = true
		found, _, err = h.Ask(ctx, q, found[:0])
		return err
	}
	if row.Exact, err = l.each(kind, k, exactly, nil); err != nil {
		return row, err
	}
	row.Scan, err = l.each(kind, k, func(q index.Query, matching []uint32) error {
		scan.sorted(l.Set, q.Vector, matching, k)
		return nil
	}, nil)
	return row, err
}

// each has all queries answered in one way, and returns the median time in microseconds.
func (l *labelled) each(kind filterKind, k int, answer func(q index.Query, matching []uint32) error, then func(q index.Query, where condition, matching []uint32)) (float64, error) {
	took := make([]float64, l.Queries.Rows)
	var matching []uint32
	for i := range took {
		where := kind.where(i)
		condition, err := where.filter()
		if err != nil {
			return 0, err
		}
		matching = l.rows(where, matching[:0])
		q := index.Query{Vector: l.Queries.Row(i), TopK: k, Filter: condition}
		began := time.Now()
		if err := answer(q, matching); err != nil {
			return 0, err
		}
		took[i] = time.Since(began).Seconds() * 1e6
		if then != nil {
			then(q, where, matching)
		}
	}
	return median(took), nil
}

// filteredRecall compares with the exact answer among the matching rows.
func (l *labelled) filteredRecall(scan *scanner, query []float32, matching []uint32, k int, found []uint32) float64 {
	k = min(k, len(matching))
	if k == 0 {
		return 1
	}
	rows, distances := make([]uint32, k), make([]float32, k)
	scan.nearest(l.Set, query, matching, rows, distances)
	truth := Truth{Queries: 1, K: k, Rows: rows, Distances: distances}
	one := Set{Metric: l.Metric, Base: l.Base, Queries: Matrix{1, l.Base.Dimensions, query}}
	return one.Recall(&truth, 0, k, found)
}

// complete reports whether an answer has as many matches as there can be, all of which match.
func (l *labelled) complete(c condition, found []uint32, want int) bool {
	return len(found) == want && !slices.ContainsFunc(found, func(row uint32) bool { return !l.holds(c, int(row)) })
}

func mostFrequent(plans map[index.Plan]int) string {
	names := make([]string, 0, len(plans))
	for p := range plans {
		names = append(names, string(p))
	}
	slices.SortFunc(names, func(a, b string) int { return plans[index.Plan(b)] - plans[index.Plan(a)] })
	return strings.Join(names, ", ")
}
