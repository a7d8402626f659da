package neuron

import "fmt"

// Dollars is a sum of money in millionths of a millionth of a US dollar, the
// largest unit in which every price of the bill is whole.
type Dollars int64

// String writes d in dollars, rounded to six decimals.
func (d Dollars) String() string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	micro := (d + 500_000) / 1_000_000
	return fmt.Sprintf("%s%d.%06d", sign, micro/1e6, micro%1e6)
}

// Cloudflare's prices on the paid plan, as published in 2026. Its monthly fee is not among them.
const (
	freePerDay    Micro   = 10_000_000_000 // neurons of each UTC day that cost nothing
	perMicro      Dollars = 11             // $0.011 for 1,000 neurons
	freeQueried           = 50_000_000     // dimensions a month
	perQueried    Dollars = 10_000         // $0.01 for a million
	freeStored            = 10_000_000     // dimensions
	perStored     Dollars = 500            // $0.05 for 100 million
	maxDimensions         = 1 << 48        // far more than can be kept or asked; it keeps the products within an int64
)

// Price is what neurons cost before the free ones are taken off.
func (m Micro) Price() Dollars { return Dollars(m) * perMicro }

// Bill is what the neurons of one day cost once the free ones are taken off.
func Bill(day Micro) Dollars { return max(0, day-freePerDay).Price() }

// VectorizeBill is what a month of Vectorize costs: the dimensions that queries
// read, and those that are stored, which count as read once a month, too.
func VectorizeBill(queried, stored int64) Dollars {
	queried, stored = min(queried, maxDimensions), min(stored, maxDimensions)
	return QueriedBill(queried+stored) + StoredBill(stored)
}

// QueriedBill is the part of a VectorizeBill for dimensions that were read.
func QueriedBill(dimensions int64) Dollars {
	return Dollars(max(0, min(dimensions, 2*maxDimensions)-freeQueried)) * perQueried
}

// StoredBill is the part of a VectorizeBill for dimensions that are stored.
func StoredBill(dimensions int64) Dollars {
	return Dollars(max(0, min(dimensions, maxDimensions)-freeStored)) * perStored
}
