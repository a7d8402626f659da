package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"nearside/disk"
	"nearside/fault"
	"nearside/llm/neuron"
)

// Look says which jobs of an account are wanted.
type Look struct {
	Index   string   // "" = of any
	Indexes []string // the only ones that are told of; nil = all
	Key     string   // the id of the key that ordered them; "" = any
	Kind    string   // "" = any
	State   State    // "" = any
	Before  int64    // those with a smaller number; 0 = all
	Limit   int      // 1 to MaxPage
}

// columns are those of scan.
const columns = `number, account, key, key_per_day, kind, ix, state, reason, due, created, started, ended, progress`

// scan reads a row of columns.
func scan(r *disk.Row) (j Job, err error) {
	j = Job{
		Number: r.Int(0), Kind: r.Text(4), Index: r.Text(5), State: State(r.Text(6)), Reason: r.Text(7),
		Due: moment(r.Int(8)), Created: moment(r.Int(9)), Started: moment(r.Int(10)), Ended: moment(r.Int(11)),
	}
	j.Payer = neuron.Payer{Account: r.Text(1), Key: r.Text(2), KeyPerDay: neuron.Micro(r.Int(3))}
	return j, json.Unmarshal([]byte(r.Text(12)), &j.Progress)
}

// Jobs returns jobs of an account, the newest first, without what they are to do and their failures.
func (s *Store) Jobs(ctx context.Context, account string, l Look) (list []Job, err error) {
	switch {
	case l.Limit < 1 || l.Limit > MaxPage:
		return nil, fault.For(ReasonOrder, "the limit is %d; it can be 1 to %d", l.Limit, MaxPage)
	case l.State != "" && !l.State.known():
		return nil, fault.For(ReasonOrder, "there is no state %q; there are %s, %s, %s, %s and %s", shortened(string(l.State), 100), Queued, Running, Done, Failed, Cancelled)
	}
	err = s.db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT `+columns+` FROM jobs WHERE account = ? AND (? = 0 OR number < ?)
			AND (? = '' OR ix = ?) AND (? = '' OR key = ?) AND (? = '' OR kind = ?) AND (? = '' OR state = ?) ORDER BY number DESC`, func(r *disk.Row) error {
			j, err := scan(r)
			if err != nil {
				return err
			}
			if l.Indexes != nil && !slices.Contains(l.Indexes, j.Index) {
				return nil
			}
			if list = append(list, s.live(j, false)); len(list) == l.Limit {
				return errEnough
			}
			return nil
		}, account, l.Before, l.Before, l.Index, l.Index, l.Key, l.Key, l.Kind, l.Kind, string(l.State), string(l.State))
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return list, err
}

// errEnough ends a query early.
var errEnough = fault.New(fault.Internal, "enough rows were read")

// Job returns a job of an account, whole.
func (s *Store) Job(ctx context.Context, account string, number int64) (Job, error) {
	j, err := s.read(ctx, number)
	if err == nil && j.Account != account {
		err = Unknown(number)
	}
	if err != nil {
		return Job{}, err
	}
	return s.live(j, true), nil
}

// read reads a job, whole.
func (s *Store) read(ctx context.Context, number int64) (j Job, err error) {
	err = s.db.View(ctx, func(tx *disk.Tx) error {
		err := tx.Each(`SELECT `+columns+`, spec, memory FROM jobs WHERE number = ?`, func(r *disk.Row) (err error) {
			j, err = scan(r)
			j.Spec, j.Memory = append([]byte{}, r.Blob(13)...), append([]byte{}, r.Blob(14)...)
			return err
		}, number)
		if err != nil {
			return err
		}
		return tx.Each(`SELECT path, reason FROM failures WHERE job = ? ORDER BY place`, func(r *disk.Row) error {
			j.Failures = append(j.Failures, Failure{r.Text(0), r.Text(1)})
			return nil
		}, number)
	})
	if err == nil && j.Number == 0 {
		err = Unknown(number)
	}
	return j, err
}

// live puts in what a running job has done since that was last written.
func (s *Store) live(j Job, failures bool) Job {
	run := s.running(j.Number)
	if j.State != Running || run == nil {
		return j
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	j.Progress = run.progress
	if failures {
		j.Failures = slices.Clone(run.failures)
	}
	return j
}

// Unfinished tells of all jobs of a kind that have not ended, whoever's they are, with what they are to do, until see returns an error.
func (s *Store) Unfinished(ctx context.Context, kind string, see func(j Job) error) error {
	return s.db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT `+columns+`, spec FROM jobs WHERE kind = ? AND state IN ('queued', 'running') ORDER BY number`, func(r *disk.Row) error {
			j, err := scan(r)
			if err != nil {
				return err
			}
			j.Spec = append([]byte{}, r.Blob(13)...)
			return see(j)
		}, kind)
	})
}
