package filter_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/index/filter"
)

// rangeRows is columns that fill several windows: numbers and strings, each in many
// and in few distinct values, some slots without.
func rangeRows(rng *rand.Rand, slots int) rows {
	kinds := map[string]func(int) filter.Value{
		"many numbers": func(i int) filter.Value { return filter.NumberOf(float64(i) - float64(slots)/2) },
		"few numbers":  func(i int) filter.Value { return filter.NumberOf(float64(i * 10 / slots)) },
		"many strings": func(i int) filter.Value { return filter.StringOf(fmt.Sprintf("common-%07d", i)) },
		"few strings":  func(i int) filter.Value { return filter.StringOf(fmt.Sprintf("common-%d", i*10/slots)) },
	}
	r := rows{values: map[string][]filter.Value{}, columns: map[string]*filter.Column{}}
	for property, value := range kinds {
		values := make([]filter.Value, slots)
		for slot, i := range rng.Perm(slots) {
			if i%7 != 0 {
				values[slot] = value(i)
			}
		}
		c := filter.NewColumn(value(0).Type())
		for slot, v := range values {
			c.Set(uint32(slot), v)
		}
		r.values[property], r.columns[property] = values, c
	}
	return r
}

func TestRangesOverManyWindowsHaveWhatARowByRowScanHas(t *testing.T) {
	rng := random(t)
	const slots = 140_000
	r := rangeRows(rng, slots)
	universe := roaring.New()
	universe.AddRange(0, slots)
	for property, values := range r.values {
		for range 6 {
			low, high := values[rng.IntN(slots)], values[rng.IntN(slots)]
			if low.IsAbsent() || high.IsAbsent() {
				continue
			}
			for _, condition := range []string{
				fmt.Sprintf(`{"$gte":%s,"$lt":%s}`, low.JSON(), high.JSON()),
				fmt.Sprintf(`{"$gt":%s}`, low.JSON()),
				fmt.Sprintf(`{"$in":[%s,%s,%s]}`, low.JSON(), high.JSON(), values[rng.IntN(slots)].JSON()),
			} {
				f := parse(t, fmt.Sprintf(`{%q:%s}`, property, condition))
				got, _ := f.Bitmap(r.column, universe)
				want := roaring.New()
				for slot, v := range values {
					if f.Match(func(string) filter.Value { return v }) {
						want.Add(uint32(slot))
					}
				}
				if !got.Equals(want) {
					t.Fatalf("%s: %d slots, want %d", f, got.GetCardinality(), want.GetCardinality())
				}
			}
		}
	}
}

func TestElementsOfOneSetStayTogether(t *testing.T) {
	c := filter.NewColumn(filter.String)
	const slots = 10_000
	for slot := range uint32(slots) {
		c.Set(slot, filter.SetOf("a", "b", "c"))
	}
	for slot := range uint32(slots) {
		facets, distinct := c.Facets(roaring.BitmapOf(slot), 5)
		if distinct != 3 || facets[2] != (filter.Facet{Value: filter.StringOf("c"), Count: 1}) {
			t.Fatalf("slot %d has the facets %v", slot, facets)
		}
	}
}
