// Package neuron computes what a call to a model costs, in Cloudflare's
// neurons, and adds the costs up.
//
// A Tariff holds a model's rates. Charge turns what a call used into Micro,
// whole millionths of a neuron, with one rounding for the whole call: the
// figures that replies carry add up to the sums a Meter holds, to the last digit.
//
// A rate comes from a published pair, dollars and neurons. A neuron costs
// $0.000011, so the dollars give the exact rate wherever they agree with the
// published neurons once rounded as those are; where they do not agree, the
// published neurons are the rate.
//
// The Meter lives in memory and counts from when the program started. It
// limits nothing.
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

// Unit is what a price counts, in the words of Cloudflare's price list. A
// prefix says how many make one: "M_" a million, "k_" a thousand.
type Unit string

// The units of text.
const (
	InputTokens       Unit = "M_input_tokens"
	CachedInputTokens Unit = "M_cached_input_tokens"
	OutputTokens      Unit = "M_output_tokens"
)

// size is how many of the things counted make one unit.
func (u Unit) size() int64 {
	switch {
	case strings.HasPrefix(string(u), "M_"):
		return 1_000_000
	case strings.HasPrefix(string(u), "k_"):
		return 1_000
	default:
		return 1
	}
}

// Price is one line of the price list. Both figures are decimals as published,
// such as "0.020" and "1841"; their digits matter.
type Price struct {
	Unit    Unit
	USD     string
	Neurons string
}

// Usage says how many of the things that a unit counts a call used: tokens for
// M_input_tokens, not millions of them.
type Usage map[Unit]int64

// Tariff is what a model charges. The zero value charges nothing.
type Tariff struct {
	rates map[Unit]*big.Rat // micro-neurons for one of the things counted
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

// Charge is the cost of one call, rounded once, half up. Units without a price are free.
func (t Tariff) Charge(used Usage) Micro {
	sum := new(big.Rat)
	for unit, count := range used {
		if rate := t.rates[unit]; rate != nil {
			sum.Add(sum, new(big.Rat).Mul(rate, big.NewRat(count, 1)))
		}
	}
	sum.Add(sum, big.NewRat(1, 2))
	return Micro(new(big.Int).Div(sum.Num(), sum.Denom()).Int64())
}
