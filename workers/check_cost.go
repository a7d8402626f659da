package workers

import (
	"fmt"

	"nearside/llm/neuron"
)

// Cost is what a month at the traffic seen needs, beside what is free, and what it costs
// on the paid plan.
type Cost struct {
	How   string    `json:"how"` // the month was made from the traffic
	Times int64     `json:"times"`
	Rows  []CostRow `json:"rows"`
	USD   string    `json:"usd"`      // of all rows on the paid plan
	Fee   string    `json:"plan_usd"` // of the plan itself, a month
}

// CostRow is one thing that is counted.
type CostRow struct {
	Of     string `json:"of"`
	Month  int64  `json:"month"` // in 30 days; what is stored: now
	Free   string `json:"free_plan"`
	Paid   string `json:"paid_plan"`
	Price  string `json:"price"` // beyond, on the paid plan
	USD    string `json:"usd"`   // on the paid plan
	Source string `json:"source"`
}

// monthDays are the days of the month that costs are told for.
const monthDays = 30

// bill is what a month needs, and what it costs.
type bill struct {
	days               int64
	neurons            neuron.Micro // in a month
	most               neuron.Micro // on the day that had most
	queried            int64        // dimensions a month, with those stored, which count as queried once
	stored             int64
	forAI              neuron.Dollars
	forQuery, forStore neuron.Dollars
}

// bill makes a month of the traffic: 30 days, each the mean of the days seen.
func (k *checker) bill() bill {
	b := bill{days: int64(len(k.Traffic.Days))}
	for _, x := range k.Traffic.Indexes {
		b.stored += int64(x.Vectors) * int64(x.Dimensions)
	}
	var queried int64
	for _, d := range k.Traffic.Days {
		spent := neuron.Micro(d.MicroNeurons * k.Times)
		b.neurons += spent
		b.most = max(b.most, spent)
		b.forAI += neuron.Bill(spent) // what is free is a day's
		queried += d.Dimensions * k.Times
	}
	if b.days > 0 {
		b.neurons = b.neurons * monthDays / neuron.Micro(b.days)
		b.forAI = b.forAI * monthDays / neuron.Dollars(b.days)
		queried = queried * monthDays / b.days
	}
	b.queried = queried + b.stored
	b.forQuery, b.forStore = neuron.QueriedBill(b.queried), neuron.StoredBill(b.stored)
	return b
}

// count tells what was seen, what it costs, and what of it is beyond the plan.
func (k *checker) count() {
	days := k.Traffic.Days
	if len(days) == 0 {
		k.report.Notes = append(k.report.Notes, "no call of this project was seen yet: run the Worker with nearside, use it, and check again")
		return
	}
	k.report.Seen = &Seen{len(days), days[0].Day, days[len(days)-1].Day, k.Traffic.Total.Calls()}
	if n := k.Traffic.Total.Beyond; n > 0 {
		k.report.Notes = append(k.report.Notes, fmt.Sprintf("%s names of indexes, models or gateways were one too many to be told apart; what they did is not looked at", grouped(n)))
	}
	b := k.bill()
	k.report.Cost = k.cost(b)
	k.checkQuotas(b)
}

// cost is the table.
func (k *checker) cost(b bill) *Cost {
	free, paid := allowances[Free], allowances[Paid]
	c := &Cost{Times: k.Times, USD: money(b.forAI + b.forQuery + b.forStore), Fee: "5.00"}
	mean := "the day with calls"
	if b.days > 1 {
		mean = fmt.Sprintf("the mean of the %d days with calls", b.days)
	}
	c.How = fmt.Sprintf("%d times %s%s; the neurons that are free are taken off day by day, and what is stored is that of now", monthDays, mean, k.times())
	c.Rows = []CostRow{
		{"neurons", whole(b.neurons), grouped(free.neurons) + " a day", grouped(paid.neurons) + " a day", "$0.011 per 1,000", money(b.forAI), pricesAI},
		{"dimensions queried", b.queried, grouped(free.queried) + " a month", grouped(paid.queried) + " a month", "$0.01 per 1,000,000", money(b.forQuery), pricesVectorize},
		{"dimensions stored", b.stored, grouped(free.stored), grouped(paid.stored), "$0.05 per 100,000,000", money(b.forStore), pricesVectorize},
	}
	return c
}

// checkQuotas looks at what is beyond the plan.
func (k *checker) checkQuotas(b bill) {
	plan, where := allowances[k.Plan], []string{"the traffic seen" + k.times()}
	if most := whole(b.most); most > plan.neurons {
		what := fmt.Sprintf("a day needed %s neurons", grouped(most))
		if k.Plan == Free {
			k.find(Breaks, "neurons", where, what, fmt.Sprintf("the free plan has %s a day; beyond them calls fail (3036 or 4006) until 00:00 UTC (%s)", grouped(plan.neurons), pricesAI), "use smaller models or fewer calls, or Workers Paid")
		} else {
			k.find(Costs, "neurons", where, what, fmt.Sprintf("%s a day are free, the others $0.011 per 1,000: $%s a month (%s)", grouped(plan.neurons), money(b.forAI), pricesAI), "look at nearside usage --by model for who needs them")
		}
	}
	for _, q := range []struct {
		rule        string
		needs, most int64
		usd         neuron.Dollars
		what        string
	}{
		{"queried-dimensions", b.queried, plan.queried, b.forQuery, "a month queries %s dimensions"},
		{"stored-dimensions", b.stored, plan.stored, b.forStore, "%s dimensions are stored"},
	} {
		if q.needs <= q.most {
			continue
		}
		there := fmt.Sprintf("%s are in the plan, the others cost $%s a month (%s)", grouped(q.most), money(q.usd), pricesVectorize)
		if k.Plan == Free {
			there = fmt.Sprintf("the free plan has %s; what happens beyond is not stated (%s)", grouped(q.most), pricesVectorize)
		}
		k.find(Costs, q.rule, where, fmt.Sprintf(q.what, grouped(q.needs)), there, "use a model with shorter vectors, or fewer vectors")
	}
}

// whole is a number of neurons, rounded up.
func whole(m neuron.Micro) int64 { return int64((m + 999_999) / 1_000_000) }

// money writes a sum in dollars and cents, anything above nothing as at least a cent.
func money(d neuron.Dollars) string {
	const cent = neuron.Dollars(10_000_000_000)
	cents := int64((d + cent - 1) / cent)
	return fmt.Sprintf("%s.%02d", grouped(cents/100), cents%100)
}
