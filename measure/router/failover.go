package router

import "context"

// FailoverRow is what it takes to pass over a dead backend. Times are milliseconds
// of whole calls, one at a time.
type FailoverRow struct {
	First  float64 `json:"first_p50_ms"`  // by the same backend where it stands first
	Before float64 `json:"before_p50_ms"` // the dead one before it, and tried in each call
	After  float64 `json:"after_p50_ms"`  // the dead one before it, and left alone: the breaker is open
	Calls  int     `json:"calls"`         // of each
}

// Failover asks, in turns, for a model whose one backend answers and for models
// whose first backend is dead: each of those so often as it is tried before it is
// left alone, and then as often again.
func Failover(ctx context.Context, first Target, dead []Target, tries int) (row FailoverRow, err error) {
	asks := newCaller(1)
	defer asks.close()
	var took [3][]float64
	for _, t := range append([]Target{first}, dead...) { // connections are opened, models are looked up
		if _, err := asks.ask(ctx, Target{t.URL, first.Model}, false); err != nil {
			return row, err
		}
	}
	for _, t := range dead {
		for n := range 2 * tries {
			for i, target := range []Target{first, t} {
				one, err := asks.ask(ctx, target, false)
				if err != nil {
					return row, err
				}
				if i == 1 && n >= tries {
					i = 2
				}
				took[i] = append(took[i], milliseconds(one.whole))
			}
		}
	}
	return FailoverRow{First: at(took[0], .5), Before: at(took[1], .5), After: at(took[2], .5), Calls: len(took[1])}, nil
}
