package local

import (
	"math"
	"testing"
)

func TestCheapestPlanIsChosen(t *testing.T) {
	for name, c := range map[string]struct {
		records, matching, effort int
		near                      float64
		want                      plans
	}{
		"all of many":                    {100_000, 100_000, 64, math.NaN(), byWalk},
		"all of few":                     {1000, 1000, 64, math.NaN(), byCodes},
		"a handful":                      {100_000, 100, 64, math.NaN(), byScan},
		"one":                            {100_000, 1, 64, math.NaN(), byScan},
		"one in a hundred":               {100_000, 1000, 64, math.NaN(), byCodes},
		"half":                           {100_000, 50_000, 64, .5, through},
		"all near the query":             {1_000_000, 100_000, 64, 1, through},
		"none near the query":            {1_000_000, 100_000, 64, 0, within},
		"a tenth":                        {1_000_000, 100_000, 64, .1, within},
		"one in a hundred of very many":  {10_000_000, 100_000, 64, .01, byCodes},
		"one in a hundred, near":         {10_000_000, 100_000, 64, .5, through},
		"none near, too few to be found": {10_000_000, 100_000, 64, 0, byCodes},
	} {
		p := planner{costs: unmeasured, records: c.records, matching: c.matching, effort: c.effort, near: c.near}
		if got, ef := p.choose(); got != c.want || (got >= byWalk) != (ef >= c.effort) {
			t.Errorf("%s: plan %d with ef %d, want %d", name, got, ef, c.want)
		}
	}
}
