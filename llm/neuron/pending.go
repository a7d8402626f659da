package neuron

import (
	"context"
	"time"

	"nearside/disk"
)

// flushAfter is how long what costs nothing may wait to be written.
const flushAfter = 5 * time.Second

// counts is what costs nothing and waits to be written.
type counts struct {
	lines   map[row]*line
	queried map[spot]int64
}

// line is what happened to calls besides being charged.
type line struct{ failed, cached int64 }

// spot is an account on a day.
type spot struct{ account, day string }

func (c *counts) line(at row) *line {
	if c.lines == nil {
		c.lines = map[row]*line{}
	}
	found := c.lines[at]
	if found == nil {
		found = &line{}
		c.lines[at] = found
	}
	return found
}

func (c *counts) query(at spot, dimensions int64) {
	if c.queried == nil {
		c.queried = map[spot]int64{}
	}
	c.queried[at] += dimensions
}

func (c *counts) none() bool { return len(c.lines) == 0 && len(c.queried) == 0 }

// write adds the counts to their rows.
func (c *counts) write(tx *disk.Tx) error {
	for at, n := range c.lines {
		err := tx.Exec(`INSERT INTO calls (account, day, key, model, settled, failed, cached, unpriced, neurons) VALUES (?, ?, ?, ?, 0, ?, ?, 0, 0)
			ON CONFLICT DO UPDATE SET failed = failed + excluded.failed, cached = cached + excluded.cached`,
			at.account, at.day, at.key, at.model, n.failed, n.cached)
		if err != nil {
			return err
		}
	}
	for at, n := range c.queried {
		err := tx.Exec(`INSERT INTO queried (account, day, dimensions) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET dimensions = dimensions + excluded.dimensions`, at.account, at.day, n)
		if err != nil {
			return err
		}
	}
	return nil
}

// Cached counts a call that was answered without a model, from a cache. It costs nothing.
func (l *Ledger) Cached(call Call) {
	l.meters.cached.WithLabelValues(call.Model).Inc()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.countLocked(func(c *counts, day string) { c.line(call.row(day)).cached++ })
}

// Queried counts the dimensions of a vector that was searched for in an index of Vectorize.
func (l *Ledger) Queried(account string, dimensions int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.countLocked(func(c *counts, day string) { c.query(spot{account, day}, int64(dimensions)) })
}

// countLocked adds to what waits to be written, and sees to it that it will be.
func (l *Ledger) countLocked(add func(c *counts, day string)) {
	add(&l.pending, l.todayLocked())
	l.later.Ask()
}

// flushLater writes what waits. What cannot be written now, because the disk
// is full perhaps, is tried again with the next count or charge.
func (l *Ledger) flushLater() { _ = l.flush(context.Background()) }

// take returns the day that charges go to, and what waits to be written.
func (l *Ledger) take() (day string, waiting counts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	day, waiting, l.pending = l.todayLocked(), l.pending, counts{}
	return day, waiting
}

// putBack lets what could not be written wait again.
func (l *Ledger) putBack(c counts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at, n := range c.lines {
		waiting := l.pending.line(at)
		waiting.failed += n.failed
		waiting.cached += n.cached
	}
	for at, n := range c.queried {
		l.pending.query(at, n)
	}
}

// flush writes what waits to be written.
func (l *Ledger) flush(ctx context.Context) error {
	_, waiting := l.take()
	if waiting.none() {
		return nil
	}
	err := l.db.Update(ctx, waiting.write, nil)
	if err != nil {
		l.putBack(waiting)
	}
	return err
}
