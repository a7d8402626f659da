package batch

import (
	"context"
	"slices"

	"nearside/disk"
	"nearside/fault"
	"nearside/llm/chat"
	"nearside/llm/neuron"
)

// Look tells how far a batch of an account is, and what came of it once it has ended.
func (s *Store) Look(ctx context.Context, account, id string) (r Report, err error) {
	var number int64
	err = s.db.View(ctx, func(tx *disk.Tx) error {
		err := tx.Each(`SELECT number, model, items, open FROM batches WHERE id = ? AND account = ?`, func(row *disk.Row) error {
			number, r.Model, r.Open, r.State = row.Int(0), row.Text(1), int(row.Int(3)), Running
			if row.Int(2) == row.Int(3) {
				r.State = Queued
			}
			return nil
		}, id, account)
		if err != nil || number == 0 || r.Open > 0 {
			return err
		}
		r.State = Ended
		return r.read(tx, number)
	})
	if err == nil && number == 0 {
		err = &fault.Error{Kind: fault.NotFound, Reason: ReasonUnknown, Message: "no batch of this account has the request_id that was sent; one that has ended is kept for " + s.options.Keep.String()}
	}
	if err != nil {
		return Report{}, err
	}
	s.addWaiting(number, &r)
	return r, nil
}

// addWaiting adds what is known of a batch that is under way.
func (s *Store) addWaiting(number int64, r *Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.queue.find(number); j != nil && r.State != Ended {
		r.Waiting = j.why
		if j.begun {
			r.State = Running
		}
	}
}

// read reads what came of every item.
func (r *Report) read(tx *disk.Tx, number int64) error {
	return tx.Each(`SELECT result, code, message, reference, prompt, cached, completion, neurons FROM items WHERE batch = ? ORDER BY item`, func(row *disk.Row) error {
		response := Response{Result: slices.Clone(row.Blob(0)), Reference: row.Text(3)}
		if row.Null(0) {
			response.Failure = Failure{Code: int(row.Int(1)), Message: row.Text(2)}
		}
		r.Responses = append(r.Responses, response)
		r.Usage = chat.Usage{
			Prompt: r.Usage.Prompt + int(row.Int(4)), Cached: r.Usage.Cached + int(row.Int(5)), Completion: r.Usage.Completion + int(row.Int(6)),
		}
		r.Neurons += neuron.Micro(row.Int(7))
		return nil
	}, number)
}
