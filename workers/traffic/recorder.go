package traffic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"nearside/disk"
)

// Keeper keeps a text for each project and day; *catalog.Catalog is one.
type Keeper interface {
	// KeepTraffic replaces the text of a day by what change makes of it, nil if there
	// is none, and forgets what is older than the oldest day. Of a project that is gone
	// it keeps nothing.
	KeepTraffic(ctx context.Context, project, day, oldest string, change func(kept []byte) ([]byte, error)) error
	// Traffic returns the texts of a project by day.
	Traffic(ctx context.Context, project string) (map[string][]byte, error)
	// ForgetTraffic forgets those of a project.
	ForgetTraffic(ctx context.Context, project string) error
}

// Options are the choices of New.
type Options struct {
	Clock func() time.Time // nil: time.Now
	After time.Duration    // how long a call may wait to be written; 0: 5 seconds
	Log   *slog.Logger     // told when nothing can be written; nil: nobody is
}

// Recorder is told what the bindings of all projects do. Its methods may be called
// from any goroutine, and on nil, which records nothing.
type Recorder struct {
	keeper Keeper
	clock  func() time.Time
	log    *slog.Logger
	later  *disk.Later

	writing sync.Mutex // held while fresh records are written: a report has them all

	mu      sync.Mutex // guards the fields below; nothing waits under it
	fresh   map[place]*Record
	written map[thing]time.Time // when the index was last written to
	minutes map[thing]minute    // calls to the model in the minute that runs
}

// place is where a record belongs.
type place struct{ project, day string }

// thing is an index or a model of a project.
type thing struct{ project, name string }

// minute is how many calls there were in a minute, which is told as those since 1970.
type minute struct{ number, calls int64 }

// New returns a Recorder that writes to a Keeper. Close it before the Keeper is closed.
func New(k Keeper, o Options) *Recorder {
	r := &Recorder{keeper: k, clock: o.Clock, log: o.Log, fresh: map[place]*Record{}, written: map[thing]time.Time{}, minutes: map[thing]minute{}}
	if r.clock == nil {
		r.clock = time.Now
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	after := o.After
	if after == 0 {
		after = 5 * time.Second
	}
	r.later = disk.NewLater(after, r.writeLater)
	return r
}

// Begin is the beginning of a project's call.
func (r *Recorder) Begin(project string) *Call {
	if r == nil {
		return nil
	}
	return &Call{recorder: r, project: project, began: r.clock()}
}

// file adds a call that has ended to its project's record.
func (r *Recorder) file(c *Call, method string, failed bool) {
	now := r.clock()
	c.noted.First, c.noted.Last = now, now
	at := place{c.project, now.UTC().Format(time.DateOnly)}
	r.mu.Lock()
	r.timeLocked(c, strings.TrimPrefix(method, "v1."), failed, now)
	if r.fresh[at] == nil {
		r.fresh[at] = &Record{}
	}
	r.fresh[at].Add(&c.noted)
	r.mu.Unlock()
	r.later.Ask()
}

// timeLocked notes what depends on the calls before: reads soon after a write, and
// calls to a model in one minute.
func (r *Recorder) timeLocked(c *Call, method string, failed bool, now time.Time) {
	if c.index != "" && !failed {
		index := thing{c.project, c.index}
		wrote, known := r.written[index]
		if since := c.began.Sub(wrote); known && reads[method] && since < Window {
			c.did.Early, c.did.EarlyBy = 1, max(1, since.Milliseconds())
		}
		if writes[method] {
			prune(r.written, func(t time.Time) bool { return now.Sub(t) > Window })
			r.written[index] = now
		}
	}
	number := now.Unix() / 60
	for name, m := range c.noted.Models {
		prune(r.minutes, func(m minute) bool { return m.number != number })
		model := thing{c.project, name}
		running := r.minutes[model]
		if running.number != number {
			running = minute{number: number}
		}
		running.calls += m.Calls
		r.minutes[model], m.Peak = running, running.calls
	}
}

// prune drops what is over once there is much.
func prune[T any](all map[thing]T, over func(T) bool) {
	const much = 1000
	if len(all) < much {
		return
	}
	for key, one := range all {
		if over(one) {
			delete(all, key)
		}
	}
	if len(all) >= much { // all of it is of the last seconds
		clear(all)
	}
}

// writeLater writes what is fresh. What cannot be written now is tried again.
func (r *Recorder) writeLater() {
	if err := r.write(context.Background()); err != nil {
		r.log.Warn("what Workers projects did cannot be written; it is tried again with the next call", "error", err)
	}
}

// write writes what is fresh, and keeps it in memory if that fails.
func (r *Recorder) write(ctx context.Context) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	fresh := r.fresh
	r.fresh = map[place]*Record{}
	r.mu.Unlock()
	oldest := oldestOf(r.clock(), MaxDays)
	var errs []error
	for at, record := range fresh {
		err := r.keeper.KeepTraffic(ctx, at.project, at.day, oldest, func(kept []byte) ([]byte, error) {
			whole := parse(kept)
			whole.Add(record)
			return json.Marshal(whole)
		})
		if err != nil {
			errs = append(errs, err)
			r.putBack(at, record)
		}
	}
	return errors.Join(errs...)
}

func (r *Recorder) putBack(at place, record *Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if later := r.fresh[at]; later != nil {
		record.Add(later)
	}
	r.fresh[at] = record
}

// Days returns the records of a project of the last days, today's among them, oldest first.
func (r *Recorder) Days(ctx context.Context, project string, days int) ([]Day, error) {
	list := []Day{}
	if r == nil {
		return list, nil
	}
	if err := r.write(ctx); err != nil {
		return nil, err
	}
	texts, err := r.keeper.Traffic(ctx, project)
	if err != nil {
		return nil, fmt.Errorf("read what the project %s did: %w", project, err)
	}
	oldest := oldestOf(r.clock(), days)
	for day, text := range texts {
		if day >= oldest {
			list = append(list, Day{day, parse(text)})
		}
	}
	slices.SortFunc(list, func(a, b Day) int { return strings.Compare(a.Day, b.Day) })
	return list, nil
}

// Day is what a project did on a day.
type Day struct {
	Day string // of UTC, as 2006-01-02
	*Record
}

// Forget forgets what a project did, so that it is recorded anew.
func (r *Recorder) Forget(ctx context.Context, project string) error {
	if r == nil {
		return nil
	}
	if err := r.write(ctx); err != nil { // or it would be written afterwards
		return err
	}
	return r.keeper.ForgetTraffic(ctx, project)
}

// Close writes what is still to be written.
func (r *Recorder) Close() error {
	r.later.Close()
	return r.write(context.Background())
}

// oldestOf is the first of some days that end today.
func oldestOf(now time.Time, days int) string {
	return now.UTC().AddDate(0, 0, 1-days).Format(time.DateOnly)
}

// parse reads a record. One that cannot be read is begun anew: all that is lost are counts.
func parse(text []byte) *Record {
	r := &Record{}
	if len(text) > 0 && json.Unmarshal(text, r) != nil {
		return &Record{}
	}
	return r
}
