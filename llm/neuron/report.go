package neuron

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"nearside/disk"
	"nearside/fault"
)

// ReasonReport is a question that the ledger does not answer.
const ReasonReport fault.Reason = "usage_query"

// maxDays bounds the days of one report.
const maxDays = 366

// Grouping says what the rows of a report are.
type Grouping string

// The groupings.
const (
	ByModel Grouping = "model"
	ByKey   Grouping = "key"
	ByDay   Grouping = "day"
)

// Query asks for a report.
type Query struct {
	Account  string
	From, To string   // UTC days as 2006-01-02, both included; "" = today, and From = To if only To is given
	By       Grouping // "" = ByModel
}

// Sum is what calls used together.
type Sum struct {
	Calls    int64 // answered by a model, and charged
	Failed   int64 // answered by none
	Cached   int64 // answered from a cache
	Unpriced int64 // those of Calls that have no price
	Units    Usage
	Neurons  Micro
}

// Row is the sum of a model, a key or a day.
type Row struct {
	Name string // of the model, the id of the key ("" = calls without one), or the day
	Sum
	Bill Dollars // what the neurons of a day cost beyond the free ones; 0 for other rows
}

// Report is what an account used.
type Report struct {
	From, To string
	By       Grouping
	Rows     []Row // days in order; models and keys by what they cost, then by name
	Total    Row
	Queried  map[string]int64 // dimensions that Vectorize's queries read, by month as 2006-01
}

// Usage reports what an account used. All that was settled before is in it.
func (l *Ledger) Usage(ctx context.Context, q Query) (Report, error) {
	q, err := l.complete(q)
	if err != nil {
		return Report{}, err
	}
	// What cannot be written now, because the disk is full perhaps, is missing from
	// the counts of what cost nothing; the charges are all there.
	_ = l.flush(ctx)
	r := &reader{Query: q, rows: map[string]*Row{}, Report: Report{From: q.From, To: q.To, By: q.By, Queried: map[string]int64{}}}
	r.Total.Units = Usage{}
	err = l.db.View(ctx, func(tx *disk.Tx) error {
		for _, part := range []func(*disk.Tx) error{r.calls, r.units, r.bill, r.queried} {
			if err := part(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Report{}, fmt.Errorf("read the ledger of account %s: %w", q.Account, err)
	}
	return r.report(), nil
}

// complete fills in what a query leaves out, and checks it.
func (l *Ledger) complete(q Query) (Query, error) {
	l.mu.Lock()
	today := l.todayLocked()
	l.mu.Unlock()
	q.To = cmp.Or(q.To, max(today, q.From))
	q.From = cmp.Or(q.From, min(today, q.To))
	q.By = cmp.Or(q.By, ByModel)
	from, err := parseDay("from", q.From)
	if err != nil {
		return q, err
	}
	to, err := parseDay("to", q.To)
	if err != nil {
		return q, err
	}
	days := int(to.Sub(from).Hours()/24) + 1
	switch {
	case days < 1:
		return q, fault.For(ReasonReport, "from is %s, which is after to, %s", q.From, q.To)
	case days > maxDays:
		return q, fault.For(ReasonReport, "from %s to %s are %d days; at most %d are reported at once", q.From, q.To, days, maxDays)
	case q.By != ByModel && q.By != ByKey && q.By != ByDay:
		return q, fault.For(ReasonReport, "usage cannot be grouped by %.40q; group it by model, key or day", q.By)
	}
	return q, nil
}

func parseDay(name, text string) (time.Time, error) {
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return day, fault.For(ReasonReport, "%s is %.40q; write a day of UTC as 2006-01-02", name, text)
	}
	return day, nil
}

// reader makes a report from one state of the database.
type reader struct {
	Query
	Report
	rows map[string]*Row
}

// column is the name of what the rows are; it is one of three words of ours.
func (r *reader) column() string { return string(r.Query.By) }

func (r *reader) row(name string) *Row {
	row := r.rows[name]
	if row == nil {
		row = &Row{Name: name, Sum: Sum{Units: Usage{}}}
		r.rows[name] = row
	}
	return row
}

func (r *reader) calls(tx *disk.Tx) error {
	return tx.Each(`SELECT `+r.column()+`, sum(settled), sum(failed), sum(cached), sum(unpriced), sum(neurons) FROM calls
		WHERE account = ? AND day BETWEEN ? AND ? GROUP BY 1`, func(row *disk.Row) error {
		for _, s := range []*Sum{&r.row(row.Text(0)).Sum, &r.Total.Sum} {
			s.Calls += row.Int(1)
			s.Failed += row.Int(2)
			s.Cached += row.Int(3)
			s.Unpriced += row.Int(4)
			s.Neurons += Micro(row.Int(5))
		}
		return nil
	}, r.Account, r.Query.From, r.Query.To)
}

func (r *reader) units(tx *disk.Tx) error {
	return tx.Each(`SELECT `+r.column()+`, unit, sum(count) FROM units
		WHERE account = ? AND day BETWEEN ? AND ? GROUP BY 1, 2`, func(row *disk.Row) error {
		unit := Unit(row.Text(1))
		r.row(row.Text(0)).Units[unit] += row.Int(2)
		r.Total.Units[unit] += row.Int(2)
		return nil
	}, r.Account, r.Query.From, r.Query.To)
}

// bill adds up what each day costs: the free neurons are a day's.
func (r *reader) bill(tx *disk.Tx) error {
	return tx.Each(`SELECT day, sum(neurons) FROM calls WHERE account = ? AND day BETWEEN ? AND ? GROUP BY 1`, func(row *disk.Row) error {
		cost := Bill(Micro(row.Int(1)))
		r.Total.Bill += cost
		if r.Query.By == ByDay {
			r.row(row.Text(0)).Bill = cost
		}
		return nil
	}, r.Account, r.Query.From, r.Query.To)
}

func (r *reader) queried(tx *disk.Tx) error {
	return tx.Each(`SELECT substr(day, 1, 7), sum(dimensions) FROM queried WHERE account = ? AND day BETWEEN ? AND ? GROUP BY 1`, func(row *disk.Row) error {
		r.Queried[row.Text(0)] = row.Int(1)
		return nil
	}, r.Account, r.Query.From, r.Query.To)
}

func (r *reader) report() Report {
	for _, row := range r.rows {
		r.Rows = append(r.Rows, *row)
	}
	slices.SortFunc(r.Rows, func(a, b Row) int {
		if r.Query.By == ByDay {
			return cmp.Compare(a.Name, b.Name)
		}
		return cmp.Or(cmp.Compare(b.Neurons, a.Neurons), cmp.Compare(a.Name, b.Name))
	})
	return r.Report
}
