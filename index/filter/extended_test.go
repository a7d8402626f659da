package filter_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/fault"
	"nearside/index/filter"
)

func parseExtended(t testing.TB, text string) filter.Filter {
	t.Helper()
	f, err := filter.ParseExtended([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}

// extendedOnly are filters that only the extended language has.
var extendedOnly = []string{
	`{"a":{"$exists":true}}`, `{"a":{"$exists":false}}`, `{"a":{"$contains":"x"}}`, `{"a":{"$contains":["x","y"]}}`, `{"a":{"$contains":[]}}`,
	`{"$and":[{"a":1}]}`, `{"$or":[{"a":1},{"b":2}]}`, `{"$not":{"a":1}}`, `{"a":1,"$or":[{"b":1},{"c":1}],"$not":{"d":1}}`,
	`{"$or":[{"$and":[{"a":1},{"a":{"$ne":2}}]},{"$not":{"$or":[{"b":1},{"c":{"$gt":1}}]}}]}`,
}

func TestOnlyTheExtendedLanguageHasConnectives(t *testing.T) {
	for _, text := range extendedOnly {
		parseExtended(t, text)
		refused(t, text)
	}
}

func TestExtendedReadsCloudflaresFiltersAsTheSame(t *testing.T) {
	rng := random(t)
	for range 2000 {
		text := randomFilter(rng)
		if got, want := parseExtended(t, text).String(), parse(t, text).String(); got != want {
			t.Fatalf("%s is read as %s, want %s", text, got, want)
		}
	}
}

func TestParseExtendedRefusesWhatTheLanguageDoesNotHave(t *testing.T) {
	deep := strings.Repeat(`{"$not":`, filter.MaxDepth+1) + `{"a":1}` + strings.Repeat("}", filter.MaxDepth+1)
	for _, c := range []struct {
		text  string
		words []string
	}{
		{`{}`, []string{"empty"}},
		{`{"$nor":[{"a":1}]}`, []string{`"$nor"`, "$and, $or and $not", "$contains"}},
		{`{"$eq":1}`, []string{`"$eq"`, "inside a property's object"}},
		{`{"$and":{"a":1}}`, []string{"$and", "array", `{"a":1}`}},
		{`{"$and":[]}`, []string{"$and", "at least one", "[]"}},
		{`{"$or":[{"a":1},7]}`, []string{"item 2 of $or", "7"}},
		{`{"$or":[{"a":1},{}]}`, []string{"empty"}},
		{`{"$not":[{"a":1}]}`, []string{"$not", "takes a filter"}},
		{`{"$not":{}}`, []string{"empty"}},
		{`{"$not":1}`, []string{"$not", "not 1"}},
		{`{"a":{"$not":{"$gt":1}}}`, []string{`"a"`, `"$not"`, "there is no operator"}},
		{`{"a":{"$or":[1]}}`, []string{`"a"`, `"$or"`, "there is no operator"}},
		{`{"a":{"$exists":1}}`, []string{`"a"`, "$exists", "true or false", "not 1"}},
		{`{"a":{"$exists":[true]}}`, []string{"$exists", "[true]"}},
		{`{"a":{"$contains":1}}`, []string{`"a"`, "$contains", "string", "not 1"}},
		{`{"a":{"$contains":["x",null]}}`, []string{"$contains", `["x",null]`}},
		{`{"a":{"$contains":[["x"]]}}`, []string{"$contains", `[["x"]]`}},
		{`{"a":{"$contains":"x","$exists":true}}`, []string{"$contains, $exists", "combines"}},
		{`{"a":{"$foo":1}}`, []string{`"$foo"`, "$exists, $contains"}},
		{`{"a":[1]}`, []string{`"a"`, "[1]"}},
		{`{"a.$b":1}`, []string{`"a.$b"`}},
		{`{"$or":[{"a":1}],"$or":[{"a":2}]}`, []string{`"$or"`, "twice"}},
		{deep, []string{"more than 8 connectives"}},
		{strings.Repeat(`{"$not":`, 10_000), []string{"nested deeper than 19 levels", "connectives"}},
		{strings.Repeat(`{"$or":[`, 10_000), []string{"nested deeper than 19 levels"}},
		{many(filter.MaxConditions + 1), []string{"more than 256 conditions", "$in"}},
		{many(100 * filter.MaxConditions), []string{"at most 65536"}},
		{extendedOf(filter.MaxExtendedBytes + 1), []string{"65537 bytes", "at most 65536"}},
	} {
		f, err := filter.ParseExtended([]byte(c.text))
		e := fault.As(err)
		if e == nil || e.Kind != fault.Invalid || e.Reason != filter.ReasonFilter || !f.IsZero() {
			t.Errorf("%.200s: got filter %.200s and error %v, want a fault of reason %q", c.text, f, err, filter.ReasonFilter)
			continue
		}
		for _, w := range c.words {
			if !strings.Contains(e.Error(), w) {
				t.Errorf("%.200s: the message %q does not name %q", c.text, e.Error(), w)
			}
		}
	}
}

// many returns a filter of n conditions.
func many(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(`{"a":{"$gt":%d}}`, i)
	}
	return `{"$or":[` + strings.Join(parts, ",") + `]}`
}

// extendedOf returns a filter of so many bytes.
func extendedOf(bytes int) string {
	const around = len(`{"k":{"$contains":""}}`)
	return `{"k":{"$contains":"` + strings.Repeat("x", bytes-around) + `"}}`
}

func TestExtendedFiltersAtTheirLimitsAreRead(t *testing.T) {
	parseExtended(t, many(filter.MaxConditions))
	parseExtended(t, extendedOf(filter.MaxExtendedBytes))
	alternate := ""
	for i := range filter.MaxDepth / 2 {
		alternate += fmt.Sprintf(`{"$or":[{"k%d":1},{"$and":[{"l%d":1},`, i, i)
	}
	alternate += `{"a":{"$in":[1]}}` + strings.Repeat("]}]}", filter.MaxDepth/2)
	if f := parseExtended(t, alternate); parseExtended(t, f.String()).String() != f.String() {
		t.Errorf("%s does not read back", f)
	}
	if _, err := filter.ParseExtended([]byte(`{"$or":[{"z":1},` + alternate + `]}`)); err == nil {
		t.Error("a filter of depth 9 was read")
	}
}

func TestExtendedStringIsCanonicalAndReadsBack(t *testing.T) {
	for text, want := range map[string]string{
		`{"$and":[{"b":1},{"a":2}]}`:                                     `{"a":2,"b":1}`,
		`{"$and":[{"a":{"$gt":1}},{"a":{"$ne":5}},{"b":1}]}`:             `{"a":{"$gt":1},"b":1,"$and":[{"a":{"$ne":5}}]}`,
		`{"a":1,"$and":[{"a":1},{"$and":[{"a":1}]}]}`:                    `{"a":1}`,
		`{"$or":[{"b":1},{"a":1},{"b":1}]}`:                              `{"$or":[{"a":1},{"b":1}]}`,
		`{"$or":[{"a":1},{"$or":[{"c":1},{"b":1}]}]}`:                    `{"$or":[{"a":1},{"b":1},{"c":1}]}`,
		`{"$or":[{"a":1,"b":2}]}`:                                        `{"a":1,"b":2}`,
		`{"$not":{"a":1}}`:                                               `{"a":{"$ne":1}}`,
		`{"$not":{"a":{"$nin":[1,2]}}}`:                                  `{"a":{"$in":[1,2]}}`,
		`{"$not":{"$not":{"a":{"$gt":1}}}}`:                              `{"a":{"$gt":1}}`,
		`{"$not":{"a":{"$exists":false}}}`:                               `{"a":{"$exists":true}}`,
		`{"$not":{"a":{"$lt":1}}}`:                                       `{"$not":{"a":{"$lt":1}}}`,
		`{"$not":{"b":2,"a":1}}`:                                         `{"$not":{"a":1,"b":2}}`,
		`{"a":{"$contains":["y","x","y"]}}`:                              `{"a":{"$contains":["x","y"]}}`,
		`{"a":{"$contains":["x"]}}`:                                      `{"a":{"$contains":"x"}}`,
		`{"$and":[{"$or":[{"a":1},{"b":1}]},{"$or":[{"c":1},{"d":1}]}]}`: `{"$or":[{"a":1},{"b":1}],"$and":[{"$or":[{"c":1},{"d":1}]}]}`,
	} {
		f := parseExtended(t, text)
		if f.String() != want || parseExtended(t, want).String() != want {
			t.Errorf("%s: got %s, which reads back as %s; want %s", text, f, parseExtended(t, f.String()), want)
		}
	}
}

func TestAndReadsBackAsExtended(t *testing.T) {
	f := parse(t, `{"a":{"$gt":1},"b":1}`).And(parse(t, `{"a":{"$gt":2}}`)).And(parse(t, `{"a":{"$gt":3},"b":1}`))
	const want = `{"a":{"$gt":1},"b":1,"$and":[{"a":{"$gt":2}},{"a":{"$gt":3}}]}`
	if got := f.String(); got != want || parseExtended(t, got).String() != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A shape is filters that are the same, whatever stands for F, G and H.
var shapes = [][]string{
	{`F`, `{"$and":[F]}`, `{"$or":[F]}`, `{"$not":{"$not":F}}`, `{"$and":[F,F]}`, `{"$or":[F,F]}`, `{"$and":[F,{"$or":[F,G]}]}`, `{"$or":[F,{"$and":[F,G]}]}`},
	{`{"$and":[F,G]}`, `{"$and":[G,F]}`, `{"$not":{"$or":[{"$not":F},{"$not":G}]}}`},
	{`{"$or":[F,G]}`, `{"$or":[G,F]}`, `{"$not":{"$and":[{"$not":F},{"$not":G}]}}`},
	{`{"$and":[F,G,H]}`, `{"$and":[F,{"$and":[G,H]}]}`, `{"$and":[{"$and":[H,F]},G]}`},
	{`{"$or":[F,G,H]}`, `{"$or":[{"$or":[F,G]},H]}`},
	{`{"$and":[F,{"$or":[G,H]}]}`, `{"$or":[{"$and":[F,G]},{"$and":[F,H]}]}`},
	{`{"$or":[F,{"$and":[G,H]}]}`, `{"$and":[{"$or":[F,G]},{"$or":[F,H]}]}`},
	{`{"s":{"$in":["p1","2",null]}}`, `{"$or":[{"s":"p1"},{"s":"2"},{"s":null}]}`, `{"$not":{"s":{"$nin":["p1","2",null]}}}`},
	{`{"s":{"$ne":"p1"}}`, `{"$not":{"s":"p1"}}`},
	{`{"n":{"$gt":1,"$lte":5}}`, `{"$and":[{"n":{"$gt":1}},{"n":{"$lte":5}}]}`},
	{`{"n":{"$exists":true}}`, `{"n":{"$ne":null}}`, `{"$not":{"n":{"$exists":false}}}`, `{"$or":[{"n":{"$gte":0}},{"n":{"$lt":0}}]}`},
	{`{"$not":{"n":{"$gt":1}}}`, `{"$or":[{"n":{"$lte":1}},{"n":{"$exists":false}}]}`},
	{`{"t":{"$contains":["e1","e2"]}}`, `{"$or":[{"t":{"$contains":"e1"}},{"t":{"$contains":"e2"}}]}`},
	{`{"t":{"$contains":[]}}`, `{"$and":[{"t":1},{"$not":{"t":1}}]}`, `{"t":{"$in":[]}}`},
}

func TestTwoSpellingsOfOneFilterGiveOneAnswer(t *testing.T) {
	rng := random(t)
	r := randomRows(rng, 3000)
	universe := someOf(rng, 3000)
	for _, shape := range shapes {
		for range 20 {
			names := strings.NewReplacer("F", randomExtended(rng, 1), "G", randomExtended(rng, 1), "H", randomExtended(rng, 0))
			want, _ := parseExtended(t, names.Replace(shape[0])).Bitmap(r.column, universe)
			for _, spelling := range shape[1:] {
				got, _ := parseExtended(t, names.Replace(spelling)).Bitmap(r.column, universe)
				if !got.Equals(want) {
					t.Fatalf("%s finds %d, %s finds %d", names.Replace(shape[0]), want.GetCardinality(), names.Replace(spelling), got.GetCardinality())
				}
			}
		}
	}
}

func TestComplementsShareTheUniverse(t *testing.T) {
	rng := random(t)
	r := randomRows(rng, 3000)
	universe := someOf(rng, 3000)
	for range 300 {
		text := randomExtended(rng, 3)
		f, not := parseExtended(t, text), parseExtended(t, `{"$not":`+text+`}`)
		with, _ := f.Bitmap(r.column, universe)
		others, _ := not.Bitmap(r.column, universe)
		if with.Intersects(others) || !roaring.Or(with, others).Equals(universe) {
			t.Fatalf("%s finds %d, its complement %d of %d", text, with.GetCardinality(), others.GetCardinality(), universe.GetCardinality())
		}
	}
}

// randomExtended returns the text of a filter with at most some connectives inside each other.
func randomExtended(rng *rand.Rand, depth int) string {
	if depth == 0 || rng.IntN(4) == 0 {
		property := []string{"s", "n", "b", "few", "t", "x"}[rng.IntN(6)]
		return fmt.Sprintf("{%q:%s}", property, randomExtendedCondition(rng, property))
	}
	switch rng.IntN(4) {
	case 0:
		return `{"$not":` + randomExtended(rng, depth-1) + `}`
	case 1:
		return strings.TrimSuffix(randomFilter(rng), "}") + `,"$or":[` + randomExtended(rng, depth-1) + `]}`
	default:
		items := make([]string, 1+rng.IntN(3))
		for i := range items {
			items[i] = randomExtended(rng, depth-1)
		}
		return fmt.Sprintf(`{%q:[%s]}`, []string{"$and", "$or"}[rng.IntN(2)], strings.Join(items, ","))
	}
}

func randomExtendedCondition(rng *rand.Rand, property string) string {
	switch rng.IntN(4) {
	case 0:
		return fmt.Sprintf(`{"$exists":%t}`, rng.IntN(2) == 0)
	case 1:
		texts := make([]string, rng.IntN(4))
		for i := range texts {
			texts[i] = fmt.Sprintf(`"%s"`, []string{"", "a", "p1", "e1", "e2", "e3", "e777"}[rng.IntN(7)])
		}
		return `{"$contains":[` + strings.Join(texts, ",") + `]}`
	default:
		return randomCondition(rng, property)
	}
}

func TestPassesAbsentSeesThroughConnectives(t *testing.T) {
	for text, want := range map[string][]string{
		`{"$or":[{"a":1},{"b":{"$ne":2}}]}`:                    {"b"},
		`{"$or":[{"a":1},{"b":{"$gt":2}}]}`:                    nil,
		`{"$not":{"a":1}}`:                                     {"a"},
		`{"$not":{"a":{"$ne":1}}}`:                             nil,
		`{"$not":{"$or":[{"a":{"$gt":1}},{"b":null}]}}`:        {"a"},
		`{"$not":{"$not":{"a":{"$gt":1}}}}`:                    nil,
		`{"a":{"$exists":false}}`:                              {"a"},
		`{"$not":{"a":{"$exists":false}}}`:                     nil,
		`{"a":{"$contains":"x"}}`:                              nil,
		`{"$not":{"a":{"$contains":"x"},"b":{"$ne":1}}}`:       {"a"},
		`{"$and":[{"b":{"$ne":1}},{"a":null},{"b":null}]}`:     {"a", "b"},
		`{"$not":{"$and":[{"a":1},{"$not":{"b":{"$lt":1}}}]}}`: {"a"},
	} {
		if got := parseExtended(t, text).PassesAbsent(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// A record may come in by losing a value only if PassesAbsent names the property.
func TestRecordsThatLoseAValueComeInOnlyByWhatPassesAbsent(t *testing.T) {
	rng := random(t)
	const slots = 200
	r := randomRows(rng, slots)
	for range 500 {
		f := parseExtended(t, randomExtended(rng, 3))
		lost := []string{"s", "n", "b", "few", "t"}[rng.IntN(5)]
		if slices.Contains(f.PassesAbsent(), lost) {
			continue
		}
		for slot := range uint32(slots) {
			without := func(property string) filter.Value {
				if property == lost {
					return filter.Value{}
				}
				return r.value(slot)(property)
			}
			if f.Match(without) && !f.Match(r.value(slot)) {
				t.Fatalf("%s: a record comes in without %q, and PassesAbsent is %q", f, lost, f.PassesAbsent())
			}
		}
	}
}

func TestSetsAreSeenByContainsAndExistsOnly(t *testing.T) {
	set := filter.SetOf("x", "y")
	value := func(string) filter.Value { return set }
	for text, want := range map[string]bool{
		`{"a":"x"}`: false, `{"a":{"$in":["x","y"]}}`: false, `{"a":{"$ne":"x"}}`: true, `{"a":null}`: true, `{"a":{"$ne":null}}`: false, `{"a":{"$gte":""}}`: false,
		`{"a":{"$exists":true}}`: true, `{"a":{"$exists":false}}`: false, `{"a":{"$contains":"x"}}`: true, `{"a":{"$contains":["z","y"]}}`: true,
		`{"a":{"$contains":["z"]}}`: false, `{"a":{"$contains":[]}}`: false, `{"$not":{"a":{"$contains":"x"}}}`: false,
	} {
		if got := parseExtended(t, text).Match(value); got != want {
			t.Errorf("%s of %s: %v", text, set.JSON(), got)
		}
	}
	if !set.IsAbsent() || set.Type() != "" || set == (filter.Value{}) {
		t.Errorf("absent: %v, type %q", set.IsAbsent(), set.Type())
	}
}

func TestExtractMakesSetsOfTheStringsInArrays(t *testing.T) {
	long := strings.Repeat("x", 70)
	for raw, want := range map[string]filter.Value{
		`{"a":["y","x","y"]}`: filter.SetOf("x", "y"),
		`{"a": [ "x" , 1 , null , ["z"] , {"b":"w"} , "\u00e4" ] }`: filter.SetOf("x", "ä"),
		`{"a":[""]}`:                             filter.SetOf(""),
		`{"a":[]}`:                               {},
		`{"a":[1,true]}`:                         {},
		`{"a":["` + long + `","` + long + `y"]}`: filter.SetOf(long[:64]),
	} {
		if got := filter.Extract([]byte(raw), "a", filter.String); got != want {
			t.Errorf("%s: got %s, want %s", raw, got.JSON(), want.JSON())
		}
		for _, typ := range []filter.Type{filter.Number, filter.Boolean} {
			if got := filter.Extract([]byte(raw), "a", typ); got != (filter.Value{}) {
				t.Errorf("%s as %s: got %s", raw, typ, got.JSON())
			}
		}
	}
	if got := string(filter.SetOf("b", `a"`, "").JSON()); got != `["","a\"","b"]` {
		t.Errorf("the set is %s", got)
	}
}

func ExampleParseExtended() {
	f, err := filter.ParseExtended([]byte(`{"$or": [{"tags": {"$contains": ["noir", "crime"]}}, {"$not": {"year": {"$gte": 1960}}}], "lang": "en"}`))
	fmt.Println(f, err)
	// Output:
	// {"$or":[{"$not":{"year":{"$gte":1960}}},{"tags":{"$contains":["crime","noir"]}}],"lang":"en"} <nil>
}
