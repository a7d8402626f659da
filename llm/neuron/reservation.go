package neuron

import (
	"context"

	"nearside/disk"
)

// Payer is on whose bill a call goes.
type Payer struct {
	Account   string
	Key       string // the id of the API key; "" = without one
	KeyPerDay Micro  // what the key may use in a UTC day; 0: as much as its account
}

// holders are those whose allowances a call counts against.
func (p Payer) holders() []holder {
	if p.Key == "" {
		return []holder{{account: p.Account}}
	}
	return []holder{{account: p.Account}, {p.Account, p.Key}}
}

// Call is a call to a model.
type Call struct {
	Payer
	Model  string // an id of the catalogue, aliases resolved: the one that is paid for
	Tariff Tariff // what the model charges
	// Once, if not "", is a name under which calls are charged once: those settled
	// after the first, by whatever process, cost nothing more. It is "group/name", and
	// is remembered until the ledger is told to Forget the group.
	Once string
}

// Reservation is room for the cost of one call, until it is settled or refunded:
// the first of the two that succeeds takes effect. Both may be called again, and
// from any goroutine.
type Reservation struct {
	ledger   *Ledger
	call     Call
	estimate Micro

	// Guarded by the ledger's mutex.
	settling chan struct{} // closed when the settlement in progress has ended; nil: there is none
	refund   bool          // asked for during a settlement: it counts if that fails
	ended    bool
	charged  Micro
}

// Reserve makes sure that the call may cost what is estimated: what was charged
// today, what calls under way may cost and the estimate are together within the
// limits of the account and of the key. Else it returns a fault with
// ReasonExhausted. A model without a price is never refused, and neither is a call
// that was settled before under the name that is its Once: nothing is reserved for
// it. Reserve does not wait for the disk, but to look for such a name.
//
// A caller defers Refund, and calls Settle when the model has answered.
func (l *Ledger) Reserve(ctx context.Context, call Call, estimate Usage) (*Reservation, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cost, paid := call.Tariff.Charge(estimate), false
	if call.Once != "" {
		var err error
		if _, paid, err = l.Receipt(ctx, call.Once); err != nil {
			return nil, err
		}
	}
	if paid {
		cost = 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if call.Tariff.Priced() && !paid {
		if err := l.admitLocked(call.Payer, cost); err != nil {
			return nil, err
		}
	}
	for _, h := range call.holders() {
		l.tallyLocked(h).reserved += cost
	}
	l.reserved++
	return &Reservation{ledger: l, call: call, estimate: cost}, nil
}

// Estimate is what was reserved.
func (r *Reservation) Estimate() Micro { return r.estimate }

// Settle charges what the call really used, be it more or less than was
// reserved, to the day on which it is settled. When it returns nil the charge is
// durable. It does not stop when ctx ends: a caller who hangs up still pays.
//
// After an error nothing is charged, and the reservation is as it was. Settled
// again it charges nothing and returns the same cost, and so does another
// reservation with the same Once; after Refund it returns 0.
func (r *Reservation) Settle(ctx context.Context, used Usage) (Micro, error) {
	for {
		mine, other := r.begin()
		switch {
		case mine:
			return r.settle(context.WithoutCancel(ctx), used)
		case other != nil:
			<-other
		default:
			return r.charged, nil // ended: it does not change any more
		}
	}
}

// begin makes the settlement the caller's, unless it has ended, or is another's.
func (r *Reservation) begin() (mine bool, other <-chan struct{}) {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	if r.ended || r.settling != nil {
		return false, r.settling
	}
	r.settling = make(chan struct{})
	return true, nil
}

func (r *Reservation) settle(ctx context.Context, used Usage) (Micro, error) {
	l := r.ledger
	cost, before := r.call.Tariff.Charge(used), false
	var day string
	var others counts
	err := l.db.Update(ctx, func(tx *disk.Tx) (err error) {
		day, others = l.take()
		if err := others.write(tx); err != nil {
			return err
		}
		if cost, before, err = r.call.once(tx, cost); before || err != nil {
			return err
		}
		return r.call.write(tx, day, used, cost)
	}, func() { r.end(day, cost, before) })
	if err != nil {
		l.putBack(others)
		r.fail()
		return 0, err
	}
	if !before {
		l.meters.charged(r.call.Model, used, cost)
	}
	return cost, nil
}

// end turns what was reserved into a charge of the day, unless it was charged before.
func (r *Reservation) end(day string, cost Micro, before bool) {
	l := r.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	r.freeLocked()
	r.charged = cost
	if day == l.todayLocked() && cost > 0 && !before {
		for _, h := range r.call.holders() {
			l.tallyLocked(h).settled += cost
		}
	}
	close(r.settling)
	r.settling = nil
}

// fail undoes begin, and makes up for a refund that came in the meantime.
func (r *Reservation) fail() {
	l := r.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	close(r.settling)
	r.settling = nil
	if r.refund {
		r.refundLocked()
	}
}

// Refund frees what was reserved and counts a call that failed. After Settle it
// does nothing.
func (r *Reservation) Refund() {
	l := r.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case r.ended:
	case r.settling != nil:
		r.refund = true
	default:
		r.refundLocked()
	}
}

func (r *Reservation) refundLocked() {
	l := r.ledger
	r.freeLocked()
	l.meters.failed.WithLabelValues(r.call.Model).Inc()
	l.countLocked(func(c *counts, day string) { c.line(r.call.row(day)).failed++ })
}

// freeLocked gives back what was reserved.
func (r *Reservation) freeLocked() {
	l := r.ledger
	r.ended = true
	l.reserved--
	for _, h := range r.call.holders() {
		t := l.tallyLocked(h)
		t.reserved -= r.estimate
		if *t == (tally{}) {
			delete(l.tallies, h)
		}
	}
}

// row is where a call is written.
type row struct{ account, day, key, model string }

func (c Call) row(day string) row { return row{c.Account, day, c.Key, c.Model} }

// write adds a settled call to its row.
func (c Call) write(tx *disk.Tx, day string, used Usage, cost Micro) error {
	unpriced := 0
	if !c.Tariff.Priced() {
		unpriced = 1
	}
	at := c.row(day)
	err := tx.Exec(`INSERT INTO calls (account, day, key, model, settled, failed, cached, unpriced, neurons) VALUES (?, ?, ?, ?, 1, 0, 0, ?, ?)
		ON CONFLICT DO UPDATE SET settled = settled + 1, unpriced = unpriced + excluded.unpriced, neurons = neurons + excluded.neurons`,
		at.account, at.day, at.key, at.model, unpriced, int64(cost))
	if err != nil {
		return err
	}
	for unit, count := range used {
		if within(count) == 0 {
			continue
		}
		err := tx.Exec(`INSERT INTO units (account, day, key, model, unit, count) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET count = count + excluded.count`,
			at.account, at.day, at.key, at.model, string(unit), within(count))
		if err != nil {
			return err
		}
	}
	return nil
}
