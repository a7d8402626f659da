// Package neuron computes what a call to a model costs, in Cloudflare's
// neurons, and adds the costs up.
//
// A Tariff holds a model's rates. Charge turns what a call used into Micro,
// whole millionths of a neuron, with one rounding for the whole call: the
// figures that replies carry add up to the sums in the ledger, to the last digit.
//
// A rate comes from a published pair, dollars and neurons. A neuron costs
// $0.000011, so the dollars give the exact rate wherever they agree with the
// published neurons once rounded as those are; where they do not agree, the
// published neurons are the rate.
//
// A Ledger keeps what was charged, in a database of its own, by account, key,
// model and UTC day. Each call reserves what it may cost, which is checked against
// the limits of its account and its key, and is settled for what it really used,
// or refunded. A charge is durable before Settle returns and belongs to the day on
// which it is settled. What is only reserved lives in memory: a crash frees it.
// Days are those of the clock, and never go back while the program runs.
//
// The database is ledger.db, kept by package disk:
//
//	calls    (account, day, key, model) → calls settled, failed, cached and unpriced; neurons
//	units    (account, day, key, model, unit) → how many were used
//	queried  (account, day) → dimensions that queries of Vectorize read
//	receipts name → neurons, of calls that are charged once however often they are settled
//
// What costs nothing is counted too: calls that failed, calls answered from a
// cache, and the dimensions that Vectorize's queries read. Those counts reach the
// disk within seconds, or with the next charge, and a crash may lose the last of them.
//
// The package does not price what Cloudflare has no price for: such calls cost
// nothing and are marked as unpriced.
package neuron

import (
	"fmt"
	"math/big"
	"strings"
)

// Micro is a number of millionths of a neuron.
type Micro int64

// String writes m in neurons with six decimals, the form of the header cf-ai-neurons.
func (m Micro) String() string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	return fmt.Sprintf("%s%d.%06d", sign, m/1e6, m%1e6)
}

// Price is one line of the price list. Both figures are decimals as published,
// such as "0.020" and "1841"; their digits matter.
type Price struct {
	Unit    Unit
	USD     string
	Neurons string
}

// Tariff is what a model charges. The zero value charges nothing.
type Tariff struct {
	rates map[Unit]*big.Rat // micro-neurons for one of the things counted
}

// Priced reports whether the tariff has a price for anything.
func (t Tariff) Priced() bool { return len(t.rates) > 0 }

// rate is the price of one of the things that a unit counts; nil: it is free.
// Cached input without a price of its own costs what other input does.
func (t Tariff) rate(u Unit) *big.Rat {
	if rate := t.rates[u]; rate != nil || u != CachedInputTokens {
		return rate
	}
	return t.rates[InputTokens]
}

// NewTariff makes a tariff from published prices.
func NewTariff(prices []Price) (Tariff, error) {
	rates := map[Unit]*big.Rat{}
	for _, p := range prices {
		if rates[p.Unit] != nil {
			return Tariff{}, fmt.Errorf("unit %q is priced twice", p.Unit)
		}
		neurons, err := p.rate()
		if err != nil {
			return Tariff{}, err
		}
		perMicro := big.NewRat(1_000_000, p.Unit.size())
		rates[p.Unit] = neurons.Mul(neurons, perMicro)
	}
	return Tariff{rates}, nil
}

// rate is the exact number of neurons a unit costs.
func (p Price) rate() (*big.Rat, error) {
	published, ok := decimal(p.Neurons)
	if !ok {
		return nil, fmt.Errorf("neurons %q is not a decimal number such as 1841", p.Neurons)
	}
	dollars, ok := decimal(p.USD)
	if !ok {
		return nil, fmt.Errorf("usd %q is not a decimal number such as 0.020", p.USD)
	}
	exact := dollars.Quo(dollars, big.NewRat(11, 1_000_000))
	_, fraction, _ := strings.Cut(p.Neurons, ".")
	if rounded, _ := decimal(exact.FloatString(len(fraction))); rounded.Cmp(published) == 0 {
		return exact, nil
	}
	return published, nil
}

// decimal reads digits with at most one point.
func decimal(s string) (*big.Rat, bool) {
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// Bounds of one call, far beyond what any can use: a backend that counts wrongly
// must not spoil the sums.
const (
	maxCount  = 1_000_000_000_000
	maxCharge = Micro(1_000_000_000_000_000) // a thousand million neurons, $11,000
)

// within is what of a count is believed.
func within(count int64) int64 { return max(0, min(count, maxCount)) }

// Charge is the cost of one call, rounded once, half up. Units without a price are free.
func (t Tariff) Charge(used Usage) Micro {
	sum := big.NewRat(1, 2)
	for unit, count := range used {
		if rate := t.rate(unit); rate != nil {
			sum.Add(sum, new(big.Rat).Mul(rate, big.NewRat(within(count), 1)))
		}
	}
	whole := new(big.Int).Div(sum.Num(), sum.Denom())
	if !whole.IsInt64() {
		return maxCharge
	}
	return min(Micro(whole.Int64()), maxCharge)
}
