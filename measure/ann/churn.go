package ann

import (
	"context"
	"errors"
	"math/rand/v2"

	"nearside/index"
)

// ChurnRow compares an index that has seen changes with one built afresh of the same records.
type ChurnRow struct {
	Change  string `json:"change"`
	Records int    `json:"records"`
	After   Point  `json:"after"`
	Fresh   Point  `json:"fresh"`
}

// churn is an index under change, and what it should hold.
type churn struct {
	set    *Set
	home   *Home
	rows   []uint32 // by id: the row that it has
	living []bool   // by id
	random *rand.Rand
}

// Generations and replacements that Churn makes.
const (
	replacements = 5
	generations  = 200
	churnShare   = .01
)

// Churn measures recall after half of the records were deleted; after every record was
// replaced five times; and after 200 times one record in a hundred gave way to another.
// Each time half of the set's rows are in use, and the index is as it is when its graph
// covers what was written.
func Churn(ctx context.Context, s *Set, k, ef, rounds int, o Options, tell Tell) ([]ChurnRow, error) {
	changes := []struct {
		name   string
		change func(c *churn, ctx context.Context) error
		begin  int
	}{
		{"half of the records deleted", (*churn).deleteHalf, s.Base.Rows},
		{"every record replaced 5 times", (*churn).replaceAll, s.Base.Rows / 2},
		{"200 generations of 1 %", (*churn).generations, s.Base.Rows / 2},
	}
	var all []ChurnRow
	for _, change := range changes {
		tell.say("%s", change.name)
		c, err := newChurn(ctx, s, change.begin, o)
		if err != nil {
			return nil, err
		}
		err = change.change(c, ctx)
		var row ChurnRow
		if err == nil {
			row, err = c.compare(ctx, k, ef, rounds, o, tell)
		}
		if err = errors.Join(err, c.home.Close()); err != nil {
			return nil, err
		}
		row.Change = change.name
		all = append(all, row)
	}
	return all, nil
}

// newChurn stores the first n rows, each under its number.
func newChurn(ctx context.Context, s *Set, n int, o Options) (*churn, error) {
	part := &Set{Name: s.Name, Metric: s.Metric, Base: s.Base.First(n), Queries: s.Queries}
	h, err := fillHome(ctx, part, o, alwaysGraph, nil)
	if err != nil {
		return nil, err
	}
	h.set = s // all rows may come
	c := &churn{set: s, home: h, rows: make([]uint32, s.Base.Rows), living: make([]bool, s.Base.Rows), random: rand.New(rand.NewPCG(madeSeed, uint64(n)))}
	for i := range c.rows {
		c.rows[i], c.living[i] = uint32(i), i < n
	}
	return c, nil
}

func (c *churn) deleteHalf(ctx context.Context) error {
	ids := c.random.Perm(len(c.rows))[:len(c.rows)/2]
	for _, id := range ids {
		c.living[id] = false
	}
	if err := c.home.Remove(ctx, ids); err != nil {
		return err
	}
	return c.home.Settle(ctx)
}

// replaceAll gives each id the row of another, in another order each time.
func (c *churn) replaceAll(ctx context.Context) error {
	count := len(c.rows) / 2
	for turn := range replacements {
		ids := c.random.Perm(count)
		rows := make([]uint32, count)
		for i, id := range ids {
			rows[i] = uint32((id + (turn+1)*(count/3+1)) % len(c.rows))
			c.rows[id] = rows[i]
		}
		if err := c.home.Add(ctx, ids, rows, nil); err != nil {
			return err
		}
		if err := c.home.Settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// generations moves the window of rows that are in use.
func (c *churn) generations(ctx context.Context) error {
	total, count := len(c.rows), len(c.rows)/2
	step := max(1, int(churnShare*float64(count)))
	for g := range generations {
		var gone, come []int
		var rows []uint32
		for i := range step {
			from, to := (g*step+i)%total, (count+g*step+i)%total
			gone, come, rows = append(gone, from), append(come, to), append(rows, uint32(to))
			c.living[from], c.living[to] = false, true
		}
		if err := c.home.Remove(ctx, gone); err != nil {
			return err
		}
		if err := c.home.Add(ctx, come, rows, nil); err != nil {
			return err
		}
		if err := c.home.Settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// compare builds afresh what is there, and lets both answer in turns.
func (c *churn) compare(ctx context.Context, k, ef, rounds int, o Options, tell Tell) (ChurnRow, error) {
	var ids []int
	var rows []uint32
	for id, lives := range c.living {
		if lives {
			ids, rows = append(ids, id), append(rows, c.rows[id])
		}
	}
	fresh, err := NewHome(ctx, c.set, o, alwaysGraph)
	if err != nil {
		return ChurnRow{}, err
	}
	defer fresh.Close() // a temporary directory; what it was for is done
	if err := fresh.Add(ctx, ids, rows, nil); err != nil {
		return ChurnRow{}, err
	}
	if err := fresh.Settle(ctx); err != nil {
		return ChurnRow{}, err
	}
	truth, err := Exact(ctx, c.set, k, rows, nil)
	if err != nil {
		return ChurnRow{}, err
	}
	engines := []Named{{"after", c.named(c.home)}, {"fresh", c.named(fresh)}}
	points, err := Sweep(ctx, c.set, truth, k, engines, []int{ef}, rounds, tell)
	if err != nil {
		return ChurnRow{}, err
	}
	return ChurnRow{Records: len(ids), After: points[0], Fresh: points[1]}, nil
}

// named is an index whose ids are not rows.
func (c *churn) named(h *Home) Engine { return &renamed{h, c.rows} }

type renamed struct {
	*Home
	rows []uint32 // by id
}

// Search implements Engine.
func (r *renamed) Search(ctx context.Context, query []float32, k, ef int, rows []uint32) ([]uint32, Cost, error) {
	from := len(rows)
	rows, cost, err := r.Ask(ctx, index.Query{Vector: query, TopK: k, EF: ef}, rows)
	for i := from; i < len(rows); i++ {
		rows[i] = r.rows[rows[i]]
	}
	return rows, cost, err
}
