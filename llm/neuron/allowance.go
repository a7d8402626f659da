package neuron

import (
	"cmp"
	"fmt"
	"time"

	"nearside/fault"
)

// ReasonExhausted is a call beyond what an account or a key may use in a day.
const ReasonExhausted fault.Reason = "neurons_exhausted"

// exhausted is what the real service says; clients look for its words, the 10,000 included.
const exhausted = "you have used up your daily free allocation of 10,000 neurons, please upgrade to Cloudflare's Workers Paid plan if you would like to continue usage."

// warnAt is the part of a limit, in percent, from which on people are warned.
const warnAt = 80

// Allowance is what is left of a day.
type Allowance struct {
	Limited bool      // else the payer may use as much as it likes, and Left and Warning say nothing
	Left    Micro     // of the limit that has less left; what calls under way reserve is taken off; never below 0
	Reset   time.Time // when the day ends, UTC
	Warning string    // for people, once 80 % of a limit is used; else ""
}

// limit is a limit and who has it.
type limit struct {
	holder
	perDay Micro
}

// name says whose limit it is, and where it is set.
func (l limit) name() (whose, where string) {
	if l.key == "" {
		return "account " + l.account, "--neurons-per-day of the server"
	}
	return "key " + l.key, "--neurons-per-day of the key"
}

// limits are those that hold for a payer.
func (l *Ledger) limits(p Payer) []limit {
	var limits []limit
	if l.perDay > 0 {
		limits = append(limits, limit{holder{account: p.Account}, l.perDay})
	}
	if p.Key != "" && p.KeyPerDay > 0 {
		limits = append(limits, limit{holder{p.Account, p.Key}, p.KeyPerDay})
	}
	return limits
}

// usedLocked is the tally of a holder, without making one.
func (l *Ledger) usedLocked(h holder) tally {
	if t := l.tallies[h]; t != nil {
		return *t
	}
	return tally{}
}

// admitLocked refuses a call of some cost that a limit has no room for.
func (l *Ledger) admitLocked(p Payer, cost Micro) error {
	l.todayLocked()
	for _, limit := range l.limits(p) {
		used := l.usedLocked(limit.holder)
		if taken := used.settled + used.reserved; taken < limit.perDay && taken+cost <= limit.perDay {
			continue
		}
		whose, where := limit.name()
		reset := l.resetLocked()
		return &fault.Error{Kind: fault.Quota, Reason: ReasonExhausted, RetryAfter: reset.Sub(l.clock()),
			Message: fmt.Sprintf("%s (nearside: %s has used %s of its %s neurons a day, calls under way have reserved %s, and this call may need %s; the day ends at %s; the limit is set by %s)",
				exhausted, whose, used.settled, limit.perDay, used.reserved, cost, reset.Format(time.RFC3339), where)}
	}
	return nil
}

// Left says what a payer may still use today.
func (l *Ledger) Left(p Payer) Allowance {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.todayLocked()
	a := Allowance{Reset: l.resetLocked()}
	for _, limit := range l.limits(p) {
		used := l.usedLocked(limit.holder)
		left := max(0, limit.perDay-used.settled-used.reserved)
		if !a.Limited || left < a.Left {
			a.Left = left
		}
		a.Limited = true
		if share := float64(used.settled) / float64(limit.perDay); share*100 >= warnAt {
			whose, _ := limit.name()
			a.Warning = cmp.Or(a.Warning, fmt.Sprintf("%s has used %s of its %s neurons for today; the day ends at %s",
				whose, used.settled, limit.perDay, a.Reset.Format(time.RFC3339)))
		}
	}
	return a
}

// resetLocked is when the day ends.
func (l *Ledger) resetLocked() time.Time {
	day, err := time.Parse(time.DateOnly, l.day)
	if err != nil {
		panic(err) // it was formatted so
	}
	return day.AddDate(0, 0, 1)
}
