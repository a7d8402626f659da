package local

import (
	"math"
	"testing"
)

func TestCheapestPlanIsChosen(t *testing.T) {
	for name, c := range map[string]struct {
		records, matching int
		near              float64
		want              plans
	}{
		"all of many":                     {100_000, 100_000, math.NaN(), byWalk},
		"all of few":                      {1000, 1000, math.NaN(), byCodes},
		"a handful":                       {100_000, 100, math.NaN(), byScan},
		"one":                             {100_000, 1, math.NaN(), byScan},
		"one in a hundred":                {100_000, 1000, math.NaN(), byCodes},
		"one in a hundred, near":          {100_000, 1000, 1, byWalk},
		"half":                            {100_000, 50_000, .5, byWalk},
		"all near the query":              {1_000_000, 100_000, 1, byWalk},
		"none near the query":             {1_000_000, 100_000, 0, byWalk},
		"a tenth":                         {1_000_000, 100_000, .1, byWalk},
		"one in a hundred of very many":   {10_000_000, 100_000, .01, byWalk},
		"one in a thousand of very many":  {10_000_000, 10_000, .001, byCodes},
		"one in ten thousand, all nearby": {10_000_000, 1_000, 1, byWalk},
	} {
		p := planner{costs: unmeasured, records: c.records, matching: c.matching, effort: 64, near: c.near}
		if got, ef := p.choose(); got != c.want || (got == byWalk) != (ef > 0) {
			t.Errorf("%s: plan %d with ef %d, want %d", name, got, ef, c.want)
		}
	}
}

func TestWalksThroughAFilterKeepFewerTheLessMatches(t *testing.T) {
	before := math.MaxInt
	for _, matching := range []int{100_000, 50_000, 10_000, 1000, 10} {
		p := planner{costs: unmeasured, records: 100_000, matching: matching, effort: 100, near: math.NaN()}
		ef := p.filtered(float64(matching) / 100_000)
		if ef >= before || ef < 1 || ef > p.effort {
			t.Errorf("%d match: ef %d, and %d where more do", matching, ef, before)
		}
		before = ef
		p.fixed = true
		if ef := p.filtered(float64(matching) / 100_000); ef != p.effort {
			t.Errorf("%d match: ef %d, %d was asked for", matching, ef, p.effort)
		}
	}
}
