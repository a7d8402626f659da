package filter_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/index/filter"
)

var seed = flag.Uint64("seed", uint64(time.Now().UnixNano()), "seed of the random tests")

func random(t testing.TB) *rand.Rand {
	t.Logf("repeat with -seed=%d", *seed)
	return rand.New(rand.NewPCG(*seed, 0))
}

// rows is a table of records: what the metadata index on each property sees of each slot.
type rows struct {
	types   map[string]filter.Type
	values  map[string][]filter.Value
	columns map[string]*filter.Column
}

func (r rows) column(property string) *filter.Column { return r.columns[property] }

func (r rows) value(slot uint32) func(string) filter.Value {
	return func(property string) filter.Value {
		if r.columns[property] == nil {
			return filter.Value{}
		}
		return r.values[property][slot]
	}
}

// randomRows fills columns s (string), n (number), b (boolean), few (string) and
// t (string, half of them sets); x has no metadata index.
func randomRows(rng *rand.Rand, slots int) rows {
	r := rows{
		types:   map[string]filter.Type{"s": filter.String, "n": filter.Number, "b": filter.Boolean, "few": filter.String, "t": filter.String},
		values:  map[string][]filter.Value{},
		columns: map[string]*filter.Column{},
	}
	for property, typ := range r.types {
		c := filter.NewColumn(typ)
		values := make([]filter.Value, slots)
		skipped := rng.IntN(slots / 3)
		for slot := range values {
			if slot < skipped || rng.IntN(10) == 0 {
				continue // older than the metadata index, or without the property
			}
			v := randomValue(rng, property)
			if v.Type() == typ || typ == filter.String && v.Elements() != nil {
				values[slot] = v
			}
			c.Set(uint32(slot), v)
		}
		r.values[property], r.columns[property] = values, c
	}
	return r
}

func randomValue(rng *rand.Rand, property string) filter.Value {
	kind := property
	if rng.IntN(15) == 0 {
		kind = []string{"s", "n", "b"}[rng.IntN(3)]
	}
	switch kind {
	case "s":
		return filter.StringOf(fmt.Sprintf("%s%d", strings.Repeat("p", 5*rng.IntN(3)), rng.IntN(300)))
	case "few":
		return filter.StringOf([]string{"", "a", "b"}[min(rng.IntN(8), 2)])
	case "t":
		if rng.IntN(2) == 0 {
			return filter.StringOf(fmt.Sprint("e", rng.IntN(90)))
		}
		elements := make([]string, 1+rng.IntN(4))
		for i := range elements {
			elements[i] = fmt.Sprint("e", rng.IntN(1+rng.IntN(90)))
		}
		return filter.SetOf(elements...)
	case "n":
		return filter.NumberOf(float64(rng.IntN(60)-30) / 2)
	default:
		return filter.BooleanOf(rng.IntN(5) == 0)
	}
}

// randomFilter returns the text of a filter on up to three properties.
func randomFilter(rng *rand.Rand) string {
	properties := []string{"s", "n", "b", "few", "x"}
	var parts []string
	for _, i := range rng.Perm(len(properties))[:1+rng.IntN(3)] {
		parts = append(parts, fmt.Sprintf("%q:%s", properties[i], randomCondition(rng, properties[i])))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func randomCondition(rng *rand.Rand, property string) string {
	operand := func() string {
		if rng.IntN(10) == 0 {
			return "null"
		}
		v := randomValue(rng, property)
		for v.Elements() != nil {
			v = randomValue(rng, property)
		}
		return string(v.JSON())
	}
	bound := func() string {
		if property == "t" {
			property = "s"
		}
		for {
			if v := randomValue(rng, property); v.Type() == filter.String || v.Type() == filter.Number {
				return string(v.JSON())
			}
		}
	}
	switch rng.IntN(5) {
	case 0:
		return operand()
	case 1:
		return `{"$ne":` + operand() + `}`
	case 2:
		list := make([]string, rng.IntN(5))
		for i := range list {
			list[i] = operand()
		}
		return fmt.Sprintf(`{%q:[%s]}`, []string{"$in", "$nin"}[rng.IntN(2)], strings.Join(list, ","))
	case 3:
		return fmt.Sprintf(`{%q:%s}`, []string{"$lt", "$lte", "$gt", "$gte"}[rng.IntN(4)], bound())
	default:
		return fmt.Sprintf(`{%q:%s,%q:%s}`, []string{"$lt", "$lte"}[rng.IntN(2)], bound(), []string{"$gt", "$gte"}[rng.IntN(2)], bound())
	}
}

// someOf returns a universe of slots: nearly all, every other, few, or a stretch.
func someOf(rng *rand.Rand, slots int) *roaring.Bitmap {
	universe := roaring.New()
	if rng.IntN(4) == 0 {
		universe.AddRange(uint64(rng.IntN(slots)), uint64(slots))
		return universe
	}
	share := []float64{.95, .5, .01}[rng.IntN(3)]
	for slot := range slots {
		if rng.Float64() < share {
			universe.Add(uint32(slot))
		}
	}
	return universe
}

func TestBitmapHasExactlyTheRowsThatMatch(t *testing.T) {
	rng := random(t)
	for _, slots := range []int{10, 100, 5000, 20_000, 70_000, 140_000} { // the last ones fill several pieces and windows
		r := randomRows(rng, slots)
		for i := range 2_000_000 / (slots + 60_000) {
			universe := someOf(rng, slots)
			before := universe.Clone()
			text := randomFilter(rng)
			if i%2 == 0 {
				text = randomExtended(rng, 3)
			}
			f := parseExtended(t, text)
			got, unindexed := f.Bitmap(r.column, universe)
			want := roaring.New()
			for _, slot := range universe.ToArray() {
				if f.Match(r.value(slot)) {
					want.Add(slot)
				}
			}
			if !got.Equals(want) {
				t.Fatalf("%s: %d slots of %d match, want %d", text, got.GetCardinality(), slots, want.GetCardinality())
			}
			if asked := strings.Contains(f.String(), `"x":`); asked != slices.Equal(unindexed, []string{"x"}) {
				t.Fatalf("%s: unindexed %q", text, unindexed)
			}
			if !universe.Equals(before) {
				t.Fatalf("%s: the universe was changed", text)
			}
		}
	}
}

func TestZeroFilterKeepsTheUniverse(t *testing.T) {
	universe := roaring.BitmapOf(1, 5, 9)
	got, unindexed := filter.Filter{}.Bitmap(func(string) *filter.Column { return nil }, universe)
	if !got.Equals(universe) || unindexed != nil {
		t.Errorf("got %v, unindexed %q", got, unindexed)
	}
}

func TestReadersSeeWhatWasSetBefore(t *testing.T) {
	c := filter.NewColumn(filter.String)
	n := filter.NewColumn(filter.Number)
	column := func(property string) *filter.Column { return map[string]*filter.Column{"s": c, "n": n}[property] }
	const first, slots = 62_000, 69_000 // a window ends in between
	var mu sync.Mutex                   // guards known
	known := uint32(first)
	var group sync.WaitGroup
	for _, text := range []string{`{"s":"even"}`, `{"s":{"$ne":"even"}}`, `{"n":{"$gte":0,"$lt":1}}`, `{"s":{"$gte":"o"}}`, `{"n":1}`, `{"s":null}`} {
		f := parse(t, text)
		group.Go(func() {
			for {
				mu.Lock()
				upTo := known
				mu.Unlock()
				universe := roaring.New()
				universe.AddRange(first, uint64(upTo))
				got, _ := f.Bitmap(column, universe)
				want := uint64(0)
				for slot := uint32(first); slot < upTo; slot++ {
					if f.Match(parity(slot)) {
						want++
					}
				}
				if got.GetCardinality() != want {
					t.Errorf("%s: %d of the slots before %d, want %d", text, got.GetCardinality(), upTo, want)
				}
				facets, _ := c.Facets(universe, 2)
				for _, facet := range facets {
					only := parse(t, `{"s":`+string(facet.Value.JSON())+`}`)
					if had, _ := only.Bitmap(column, universe); int(had.GetCardinality()) != facet.Count {
						t.Errorf("the facet of %s has %d of %d slots", facet.Value.JSON(), facet.Count, had.GetCardinality())
					}
				}
				if upTo == slots || t.Failed() {
					return
				}
			}
		})
	}
	for slot := uint32(first); slot < slots; slot++ {
		c.Set(slot, parity(slot)("s"))
		n.Set(slot, parity(slot)("n"))
		mu.Lock()
		known = slot + 1
		mu.Unlock()
	}
	group.Wait()
}

// parity gives every slot a word and a number, but every seventh none.
func parity(slot uint32) func(string) filter.Value {
	return func(property string) filter.Value {
		switch {
		case slot%7 == 0:
			return filter.Value{}
		case property == "n":
			return filter.NumberOf(float64(slot % 2))
		case slot%2 == 0:
			return filter.StringOf("even")
		default:
			return filter.StringOf("odd")
		}
	}
}

func TestSetRefusesToGoBack(t *testing.T) {
	c := filter.NewColumn(filter.Number)
	c.Set(7, filter.Value{})
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "slot 7") {
			t.Errorf("recovered %v, want a panic that names the slot", r)
		}
	}()
	c.Set(7, filter.NumberOf(1))
}

func TestSizeFollowsTheContents(t *testing.T) {
	empty, few, many, numbers := filter.NewColumn(filter.String), filter.NewColumn(filter.String), filter.NewColumn(filter.String), filter.NewColumn(filter.Number)
	for slot := range uint32(100_000) {
		few.Set(slot, filter.StringOf("abc"[slot%3:slot%3+1]))
		many.Set(slot, filter.StringOf(fmt.Sprint(slot)))
		numbers.Set(slot, filter.NumberOf(float64(slot)))
	}
	for _, c := range []struct {
		name      string
		column    *filter.Column
		low, high int64
	}{{"nil", nil, 0, 0}, {"empty", empty, 0, 1000}, {"few values", few, 1_000_000, 1_500_000}, {"many values", many, 8_000_000, 16_000_000}, {"numbers", numbers, 1_400_000, 1_800_000}} {
		if got := c.column.SizeBytes(); got < c.low || got > c.high {
			t.Errorf("%s: %d bytes, want between %d and %d", c.name, got, c.low, c.high)
		}
	}
}

func BenchmarkBitmap(b *testing.B) {
	const slots = 1_000_000
	universe := roaring.New()
	universe.AddRange(0, slots)
	columns := map[string]*filter.Column{"few": filter.NewColumn(filter.String), "many": filter.NewColumn(filter.String), "n": filter.NewColumn(filter.Number)}
	for slot := range uint32(slots) {
		columns["few"].Set(slot, filter.StringOf(fmt.Sprint(slot%10)))
		columns["many"].Set(slot, filter.StringOf(fmt.Sprintf("%07d", slot*7919%slots)))
		columns["n"].Set(slot, filter.NumberOf(float64(slot*7919%slots)))
	}
	for _, text := range []string{`{"few":"7"}`, `{"few":{"$ne":"7"}}`, `{"few":{"$gte":"3"}}`, `{"many":"0000700"}`, `{"many":{"$gte":"00007","$lt":"00008"}}`, `{"many":{"$lt":"9"}}`, `{"n":700}`, `{"n":{"$gte":500000}}`, `{"n":{"$lt":100}}`, `{"n":{"$gte":100000,"$lt":900000}}`, `{"few":"7","n":{"$lt":100000}}`, `{"$or":[{"few":"7"},{"$not":{"n":{"$gt":5000}}}]}`} {
		f := parseExtended(b, text)
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			f.Bitmap(func(p string) *filter.Column { return columns[p] }, universe) // makes the orders
			for b.Loop() {
				f.Bitmap(func(p string) *filter.Column { return columns[p] }, universe)
			}
		})
	}
}

func BenchmarkExtract(b *testing.B) {
	metadata := []byte(`{"title":"A walk through the old town","year":1941,"sold":true,"by":{"name":"Huston","born":1906},"tags":["a","b"],"genre":"noir"}`)
	b.ReportAllocs()
	for b.Loop() {
		filter.Extract(metadata, "genre", filter.String)
	}
}
