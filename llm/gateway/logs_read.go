package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"nearside/disk"
	"nearside/fault"
	"nearside/llm/neuron"
)

// Get returns a log by its id.
func (l *Logs) Get(ctx context.Context, account, gateway, id string) (Log, error) {
	l.mu.Lock()
	log, ok := l.waiting[id]
	l.mu.Unlock()
	if ok && log.Account == account && log.Gateway == gateway {
		return log, nil
	}
	logs, err := l.read(ctx, `WHERE id = ? AND account = ? AND gateway = ? AND created >= ?`, id, account, gateway, l.oldest())
	if err != nil {
		return Log{}, err
	}
	if len(logs) == 0 {
		return Log{}, noLog(gateway, id)
	}
	return logs[0], nil
}

func noLog(gateway, id string) error {
	return &fault.Error{Kind: fault.NotFound, Reason: ReasonNoLog,
		Message: fmt.Sprintf("the gateway %q has no log %.40q; logs are kept for %d days, and the last %d of them", gateway, id, int(keptFor.Hours()/24), keptLogs)}
}

const columns = `SELECT id, account, gateway, created, provider, model, task, path, duration, status, cached,
	tokens_in, tokens_out, neurons, step, event, metadata, feedback, score, request_type, request_bytes, response_type, response_bytes FROM logs `

// read returns the logs that the end of a query selects.
func (l *Logs) read(ctx context.Context, where string, args ...any) ([]Log, error) {
	logs := []Log{}
	err := l.db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(columns+where, func(r *disk.Row) error {
			logs = append(logs, readLog(r))
			return nil
		}, args...)
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", l.db.Path(), err)
	}
	return logs, nil
}

func readLog(r *disk.Row) Log {
	log := Log{
		ID: r.Text(0), Account: r.Text(1), Gateway: r.Text(2), Created: time.UnixMicro(r.Int(3)).UTC(),
		Provider: r.Text(4), Model: r.Text(5), Task: r.Text(6), Path: r.Text(7), Duration: time.Duration(r.Int(8)) * time.Microsecond,
		Status: int(r.Int(9)), Cached: r.Int(10) != 0, TokensIn: int(r.Int(11)), TokensOut: int(r.Int(12)), Neurons: neuron.Micro(r.Int(13)),
		Step: int(r.Int(14)), EventID: r.Text(15),
		RequestType: r.Text(19), RequestBytes: int(r.Int(20)), ResponseType: r.Text(21), ResponseBytes: int(r.Int(22)),
	}
	if !r.Null(16) {
		log.Metadata = json.RawMessage(r.Text(16))
	}
	if !r.Null(17) {
		feedback := int(r.Int(17))
		log.Feedback = &feedback
	}
	if !r.Null(18) {
		score := r.Float(18)
		log.Score = &score
	}
	return log
}

// Query asks for logs of a gateway. Zero values ask for all of them.
type Query struct {
	Account, Gateway string
	Model, Provider  string
	Success, Cached  *bool
	Feedback         *int
	OldestFirst      bool
	Skip, Limit      int
}

// where is the query's condition, with its arguments.
func (q Query) where(oldest int64) (string, []any) {
	conditions := []string{"account = ?", "gateway = ?", "created >= ?"}
	args := []any{q.Account, q.Gateway, oldest}
	and := func(condition string, arg any) {
		conditions = append(conditions, condition)
		args = append(args, arg)
	}
	if q.Model != "" {
		and("model = ?", q.Model)
	}
	if q.Provider != "" {
		and("provider = ?", q.Provider)
	}
	if q.Success != nil {
		and("(status < 400) = ?", *q.Success)
	}
	if q.Cached != nil {
		and("cached = ?", *q.Cached)
	}
	if q.Feedback != nil {
		and("feedback = ?", *q.Feedback)
	}
	return "WHERE " + strings.Join(conditions, " AND "), args
}

// List returns the logs that a query asks for, the latest first, and how many there are in all.
func (l *Logs) List(ctx context.Context, q Query) (logs []Log, total int, err error) {
	_ = l.flush(ctx) // what cannot be written is missing from the list; each can still be read by its id
	where, args := q.where(l.oldest())
	err = l.db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT count(*) FROM logs `+where, func(r *disk.Row) error {
			total = int(r.Int(0))
			return nil
		}, args...)
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", l.db.Path(), err)
	}
	order := " ORDER BY number DESC"
	if q.OldestFirst {
		order = " ORDER BY number"
	}
	logs, err = l.read(ctx, where+order+" LIMIT ? OFFSET ?", append(args, q.Limit, q.Skip)...)
	return logs, total, err
}

// Gateway is a gateway that there are logs of.
type Gateway struct {
	ID          string
	First, Last time.Time // of its logs
}

// Gateways lists the gateways of an account that there are logs of, by their ids.
func (l *Logs) Gateways(ctx context.Context, account string) ([]Gateway, error) {
	_ = l.flush(ctx)
	list := []Gateway{}
	err := l.db.View(ctx, func(tx *disk.Tx) error {
		return tx.Each(`SELECT gateway, min(created), max(created) FROM logs WHERE account = ? AND created >= ? GROUP BY gateway ORDER BY gateway`, func(r *disk.Row) error {
			list = append(list, Gateway{r.Text(0), time.UnixMicro(r.Int(1)).UTC(), time.UnixMicro(r.Int(2)).UTC()})
			return nil
		}, account, l.oldest())
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", l.db.Path(), err)
	}
	return list, nil
}

// maxScore bounds a score on both sides of 0. Cloudflare names no range.
const maxScore = 1e9

// Patch changes what people think of a call. body is an object; of its keys feedback
// (-1, 0 or 1), score and metadata those that are there replace what there is, and
// null removes it. When Patch returns nil the change is durable.
func (l *Logs) Patch(ctx context.Context, account, gateway, id string, body []byte) error {
	set, args, err := parsePatch(body)
	if err != nil {
		return err
	}
	if _, err := l.Get(ctx, account, gateway, id); err != nil || len(set) == 0 {
		return err
	}
	if err := l.flush(ctx); err != nil {
		return err
	}
	changed := 0
	err = l.db.Update(ctx, func(tx *disk.Tx) error {
		err := tx.Exec(`UPDATE logs SET `+strings.Join(set, ", ")+` WHERE id = ? AND account = ? AND gateway = ?`, append(args, id, account, gateway)...)
		changed = tx.Changes()
		return err
	}, nil)
	if err == nil && changed == 0 {
		return noLog(gateway, id) // it was dropped in the meantime
	}
	return err
}

// parsePatch returns the columns that a patch sets, and their values.
func parsePatch(body []byte) (set []string, args []any, err error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || fields == nil {
		return nil, nil, fault.For(ReasonPatch, "the body is no JSON object; send one with feedback, score or metadata")
	}
	for _, column := range []string{"feedback", "score", "metadata"} {
		raw, there := fields[column]
		if !there {
			continue
		}
		var value any
		if string(raw) != "null" {
			if value, err = patchValue(column, raw); err != nil {
				return nil, nil, err
			}
		}
		set, args = append(set, column+" = ?"), append(args, value)
	}
	return set, args, nil
}

// patchValue reads the value that a column is set to.
func patchValue(column string, raw json.RawMessage) (any, error) {
	if column == "metadata" {
		kept, err := checkedMetadata(raw)
		return string(kept), err
	}
	n, ok := number(Text(raw)) // clients send "-1", too
	if column == "score" {
		if !ok || math.Abs(n) > maxScore {
			return nil, fault.For(ReasonPatch, "score is %.40s; send a number from -%.0f to %.0f, or null", raw, maxScore, maxScore)
		}
		return n, nil
	}
	if !ok || n != -1 && n != 0 && n != 1 {
		return nil, fault.For(ReasonPatch, "feedback is %.40s; send 1, -1, 0 or null", raw)
	}
	return int(n), nil
}
