package filter_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/index/filter"
)

// facetsOneByOne counts the values of a property record by record.
func facetsOneByOne(r rows, property string, within *roaring.Bitmap) []filter.Facet {
	counts := map[filter.Value]int{}
	for _, slot := range within.ToArray() {
		v := r.values[property][slot]
		for _, element := range v.Elements() {
			counts[filter.StringOf(element)]++
		}
		if !v.IsAbsent() {
			counts[v]++
		}
	}
	var facets []filter.Facet
	for v, n := range counts {
		facets = append(facets, filter.Facet{Value: v, Count: n})
	}
	slices.SortFunc(facets, func(a, b filter.Facet) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), ascending(a.Value, b.Value))
	})
	return facets
}

// ascending compares values of one type.
func ascending(a, b filter.Value) int {
	switch a.Type() {
	case filter.Number:
		return cmp.Compare(decoded[float64](a), decoded[float64](b))
	case filter.String:
		return cmp.Compare(decoded[string](a), decoded[string](b))
	default:
		return cmp.Compare(string(a.JSON()), string(b.JSON())) // false, true
	}
}

func decoded[T any](v filter.Value) (d T) {
	if err := json.Unmarshal(v.JSON(), &d); err != nil {
		panic(err)
	}
	return d
}

func TestFacetsCountWhatTheRowsHave(t *testing.T) {
	rng := random(t)
	for _, slots := range []int{10, 1000, 70_000} {
		r := randomRows(rng, slots)
		for range 5 {
			within := someOf(rng, slots+1000) // more slots than the columns have
			within.RemoveRange(uint64(slots), math.MaxUint32)
			before := within.Clone()
			limit := []int{0, 1, 3, 10_000}[rng.IntN(4)]
			for property, c := range r.columns {
				want := facetsOneByOne(r, property, within)
				got, distinct := c.Facets(within, limit)
				if distinct != len(want) || !slices.Equal(got, want[:min(limit, len(want))]) {
					t.Fatalf("%s, %d of %d slots, limit %d: got %d of %d values, want %d\ngot  %.300v\nwant %.300v",
						property, within.GetCardinality(), slots, limit, len(got), distinct, len(want), got, want)
				}
			}
			if !within.Equals(before) {
				t.Fatal("the bitmap was changed")
			}
		}
	}
}

func TestFacetsOfDistinctValuesAreTheLowest(t *testing.T) {
	texts, numbers := filter.NewColumn(filter.String), filter.NewColumn(filter.Number)
	const slots = 100_000
	for slot := range uint32(slots) {
		texts.Set(slot, filter.StringOf(fmt.Sprintf("%06d", slot*7919%slots)))
		numbers.Set(slot, filter.NumberOf(-float64(slot*7919%slots)))
	}
	universe := roaring.New()
	universe.AddRange(0, 1<<20)
	facets, distinct := texts.Facets(universe, 2)
	if want := []filter.Facet{{Value: filter.StringOf("000000"), Count: 1}, {Value: filter.StringOf("000001"), Count: 1}}; distinct != slots || !slices.Equal(facets, want) {
		t.Errorf("strings: %v of %d", facets, distinct)
	}
	facets, distinct = numbers.Facets(universe, 2)
	if want := []filter.Facet{{Value: filter.NumberOf(1 - slots), Count: 1}, {Value: filter.NumberOf(2 - slots), Count: 1}}; distinct != slots || !slices.Equal(facets, want) {
		t.Errorf("numbers: %v of %d", facets, distinct)
	}
}

func TestFacetsOfNothing(t *testing.T) {
	var none *filter.Column
	universe := roaring.BitmapOf(1, 2)
	for _, c := range []*filter.Column{none, filter.NewColumn(filter.String), filter.NewColumn(filter.Number), filter.NewColumn(filter.Boolean)} {
		if facets, distinct := c.Facets(universe, 10); len(facets) != 0 || distinct != 0 {
			t.Errorf("got %v of %d", facets, distinct)
		}
	}
}

func TestZeroHasOneFacetWhateverItsSign(t *testing.T) {
	c := filter.NewColumn(filter.Number)
	universe := roaring.New()
	for slot := range uint32(10_000) { // several pieces
		c.Set(slot, filter.NumberOf(math.Copysign(0, float64(slot%2)-.5)))
		universe.Add(slot)
	}
	if facets, distinct := c.Facets(universe, 5); distinct != 1 || facets[0].Count != 10_000 || string(facets[0].Value.JSON()) != "0" {
		t.Errorf("got %v of %d", facets, distinct)
	}
}

func TestDenseHasTheBitsOfTheSlots(t *testing.T) {
	rng := random(t)
	var words []uint64
	for range 100 {
		slots := uint32(rng.IntN(200_000))
		b := someOf(rng, 1+rng.IntN(200_000))
		if rng.IntN(2) == 0 {
			b.RunOptimize()
		}
		before := b.Clone()
		words = filter.Dense(b, words, slots)
		if len(words) != int(slots+63)/64 {
			t.Fatalf("%d words for %d slots", len(words), slots)
		}
		kept := before.Clone()
		kept.RemoveRange(uint64(slots), 1<<32)
		if !roaring.FromDense(slices.Clone(words), true).Equals(kept) {
			t.Fatalf("%d of %d slots have their bits wrong", kept.GetCardinality(), slots)
		}
		if !b.Equals(before) {
			t.Fatal("the bitmap was changed")
		}
	}
}

func TestDenseReusesItsMemory(t *testing.T) {
	b := roaring.BitmapOf(1, 100, 70_000)
	words := filter.Dense(b, nil, 100_000)
	if n := testing.AllocsPerRun(10, func() { words = filter.Dense(b, words, 90_000) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDense(b *testing.B) {
	for _, slots := range []uint32{100_000, 10_000_000} {
		for _, one := range []uint32{2, 100, 10_000} {
			set := roaring.New()
			for slot := uint32(0); slot < slots; slot += one {
				set.Add(slot)
			}
			b.Run(fmt.Sprintf("%d slots, one in %d", slots, one), func(b *testing.B) {
				var words []uint64
				for b.Loop() {
					words = filter.Dense(set, words, slots)
				}
			})
		}
	}
}

func BenchmarkFacets(b *testing.B) {
	const slots = 1_000_000
	columns := map[string]*filter.Column{"ten strings": filter.NewColumn(filter.String), "distinct strings": filter.NewColumn(filter.String), "hundred numbers": filter.NewColumn(filter.Number)}
	all, few := roaring.New(), roaring.New()
	for slot := range uint32(slots) {
		columns["ten strings"].Set(slot, filter.StringOf(fmt.Sprint(slot%10)))
		columns["distinct strings"].Set(slot, filter.StringOf(fmt.Sprint(slot)))
		columns["hundred numbers"].Set(slot, filter.NumberOf(float64(slot*7919%100)))
		all.Add(slot)
		if slot%1000 == 0 {
			few.Add(slot)
		}
	}
	for name, c := range columns {
		for _, within := range []*roaring.Bitmap{all, few} {
			b.Run(fmt.Sprintf("%s in %d", name, within.GetCardinality()), func(b *testing.B) {
				c.Facets(within, 10) // makes the orders
				for b.Loop() {
					c.Facets(within, 10)
				}
			})
		}
	}
}
