package llm

import (
	"context"
	"errors"
	"fmt"

	"nearside/llm/neuron"
)

// Quote is what a call would cost that only asks for its price. It is returned as
// the error of a call with DryRun, which nobody answered.
type Quote struct {
	Model    string       // whose prices hold
	Estimate neuron.Usage // what would be reserved: an answer may be shorter
	Neurons  neuron.Micro
}

// Error says what it would cost.
func (q *Quote) Error() string {
	return fmt.Sprintf("%s would cost at most about %s neurons; nothing ran", q.Model, q.Neurons)
}

// charged lets work use a model on the payer's bill. An estimate is reserved
// first; what work then says it used is charged, durably, whether it succeeded or
// not: the beginning of an answer that broke off was answered too. Work that
// fails without having used anything costs nothing. Where only the price is asked
// for, that is the error, and nothing is done.
func (r *Router) charged(ctx context.Context, call Call, m *Model, estimate neuron.Usage, work func() (neuron.Usage, error)) (neuron.Micro, error) {
	if call.DryRun {
		return 0, &Quote{m.ID, estimate, m.Tariff.Charge(estimate)}
	}
	reservation, err := r.ledger.Reserve(ctx, neuron.Call{Payer: call.Payer, Model: m.ID, Tariff: m.Tariff, Once: call.Once}, estimate)
	if err != nil {
		return 0, err
	}
	defer reservation.Refund() // does nothing once settled
	used, err := work()
	if err != nil && !usedAnything(used) {
		return 0, err
	}
	cost, settling := reservation.Settle(ctx, used)
	if settling == nil {
		return cost, err
	}
	return 0, errors.Join(err, settling)
}

func usedAnything(used neuron.Usage) bool {
	for _, count := range used {
		if count > 0 {
			return true
		}
	}
	return false
}
