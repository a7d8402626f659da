package llm

import (
	"context"
	"errors"

	"nearside/llm/neuron"
)

// charged lets work use a model on the payer's bill. An estimate is reserved
// first; what work then says it used is charged, durably, whether it succeeded or
// not: the beginning of an answer that broke off was answered too. Work that
// fails without having used anything costs nothing.
func (r *Router) charged(ctx context.Context, payer neuron.Payer, m *Model, estimate neuron.Usage, work func() (neuron.Usage, error)) (neuron.Micro, error) {
	reservation, err := r.ledger.Reserve(ctx, neuron.Call{Payer: payer, Model: m.ID, Tariff: m.Tariff}, estimate)
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
