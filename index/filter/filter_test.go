package filter_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/index/filter"
)

func parse(t testing.TB, text string) filter.Filter {
	t.Helper()
	f, err := filter.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}

// refused fails the test unless text is refused by a message that has all the words.
func refused(t *testing.T, text string, words ...string) {
	t.Helper()
	f, err := filter.Parse([]byte(text))
	e := fault.As(err)
	if e == nil || e.Kind != fault.Invalid || e.Reason != filter.ReasonFilter {
		t.Fatalf("%.200s: got filter %.200s and error %v, want a fault of reason %q", text, f, err, filter.ReasonFilter)
	}
	for _, w := range words {
		if !strings.Contains(e.Error(), w) {
			t.Errorf("%.200s: the message %q does not name %q", text, e.Error(), w)
		}
	}
}

func TestParseRefusesWhatTheLanguageDoesNotHave(t *testing.T) {
	for _, c := range []struct {
		text  string
		words []string
	}{
		// The shape of the whole.
		{``, []string{"JSON"}},
		{` `, []string{"JSON"}},
		{`{}`, []string{"empty", "at least one property"}},
		{`null`, []string{"null", "object"}},
		{`[]`, []string{"[]", "object"}},
		{`"a"`, []string{`"a"`, "object"}},
		{`7`, []string{"7", "object"}},
		{`{"a":1`, []string{"JSON"}},
		{`{"a":1}}`, []string{"JSON"}},
		{`{"a":1} {"b":2}`, []string{"JSON", "more"}},
		{`{"a":1,}`, []string{"JSON"}},
		{`{a:1}`, []string{"JSON"}},
		{`{'a':1}`, []string{"JSON"}},
		{`{"a":01}`, []string{"JSON"}},
		{`{"a":+1}`, []string{"JSON"}},
		{`{"a":.5}`, []string{"JSON"}},
		{`{"a":NaN}`, []string{"JSON"}},
		{`{"a":Infinity}`, []string{"JSON"}},
		{`{"a":tru}`, []string{"JSON"}},
		{"{\"a\":\"\x01\"}", []string{"JSON"}},
		{"{\"a\":\"\xff\"}", []string{"UTF-8"}},
		{"\xef\xbb\xbf" + `{"a":1}`, []string{"JSON"}},
		// Keys.
		{`{"":1}`, []string{`""`, "empty"}},
		{`{"a.":1}`, []string{`"a."`, "empty"}},
		{`{".a":1}`, []string{`".a"`, "empty"}},
		{`{"a..b":1}`, []string{`"a..b"`, "empty"}},
		{`{"$and":[{"a":1}]}`, []string{`"$and"`, "must not start"}},
		{`{"a.$b":1}`, []string{`"a.$b"`, "must not start"}},
		{`{"a\"b":1}`, []string{`a\"b`, "quotation mark"}},
		{`{"` + strings.Repeat("k", 513) + `":1}`, []string{"513 characters", "at most 512"}},
		{`{"a":1,"b":2,"a":3}`, []string{`"a"`, "twice"}},
		{`{"a":1,"\u0061":3}`, []string{`"a"`, "twice"}},
		{`{"a":{"$gt":1,"$gt":2}}`, []string{`"$gt"`, "twice"}},
		// Operators and operands.
		{`{"a":{}}`, []string{`"a"`, "no operator", "$nin"}},
		{`{"a":[1]}`, []string{`"a"`, "[1]", "$in"}},
		{`{"a":{"b":1}}`, []string{`"a"`, `"b"`, `"a.b"`}},
		{`{"a":{"$exists":true}}`, []string{`"a"`, `"$exists"`, "$gte"}},
		{`{"a":{"gte":1}}`, []string{`"a"`, `"gte"`, "$gte"}},
		{`{"a":{"$EQ":1}}`, []string{`"$EQ"`}},
		{`{"a":{"$eq":[1]}}`, []string{`"a"`, "$eq", "[1]"}},
		{`{"a":{"$eq":{"b":1}}}`, []string{`"a"`, "$eq", `{"b":1}`}},
		{`{"a":{"$ne":[]}}`, []string{"$ne", "[]"}},
		{`{"a":{"$in":1}}`, []string{"$in", "array", "1"}},
		{`{"a":{"$in":null}}`, []string{"$in", "array", "null"}},
		{`{"a":{"$nin":{"x":1}}}`, []string{"$nin", "array"}},
		{`{"a":{"$in":[1,[2]]}}`, []string{"nested deeper"}},
		{`{"a":{"$in":[1,{}]}}`, []string{"nested deeper"}},
		{`{"a":{"$gt":true}}`, []string{"$gt", "true", "string or a number"}},
		{`{"a":{"$lte":null}}`, []string{"$lte", "null", "string or a number"}},
		{`{"a":{"$lt":[1]}}`, []string{"$lt", "[1]"}},
		// Pairs.
		{`{"a":{"$eq":1,"$ne":2}}`, []string{`"a"`, "$eq, $ne", "one lower bound"}},
		{`{"a":{"$gt":1,"$ne":2}}`, []string{"$gt, $ne"}},
		{`{"a":{"$in":[1],"$lt":2}}`, []string{"$in, $lt"}},
		{`{"a":{"$gt":1,"$gte":2}}`, []string{"$gt, $gte"}},
		{`{"a":{"$lt":1,"$lte":2}}`, []string{"$lt, $lte"}},
		{`{"a":{"$gt":1,"$lt":2,"$lte":3}}`, []string{"$gt, $lt, $lte"}},
		// Numbers and characters that cannot be.
		{`{"a":1e999}`, []string{"1e999", "1.8e308"}},
		{`{"a":{"$in":[-1e400]}}`, []string{"-1e400"}},
		{`{"a":1` + strings.Repeat("0", 400) + `}`, []string{"1.8e308"}},
		{`{"a":"\ud800"}`, []string{"lone surrogate", `\ud800`}},
		{`{"a":"\uDC00x"}`, []string{"lone surrogate", `\uDC00`}},
		{`{"a":"\ud83d\ud83d\ude00"}`, []string{"lone surrogate", `\ud83d`}},
		{`{"\ud800":1}`, []string{"lone surrogate"}},
	} {
		refused(t, c.text, c.words...)
	}
}

func TestDepthBombsAreRefused(t *testing.T) {
	const deep = 10_000
	refused(t, strings.Repeat("[", deep), "nested deeper than 3 levels")
	refused(t, strings.Repeat("[", deep)+strings.Repeat("]", deep), "nested deeper than 3 levels")
	refused(t, strings.Repeat(`{"a":`, deep)+"1"+strings.Repeat("}", deep), "nested deeper than 3 levels")
	refused(t, `{"a":{"$in":`+strings.Repeat("[", deep)+strings.Repeat("]", deep)+"}}", "nested deeper than 3 levels")
}

func TestFilterIsLimitedInItsCompactForm(t *testing.T) {
	// {"k":"xxx"} has 8 bytes beside the x's.
	of := func(bytes int) string { return `{"k":"` + strings.Repeat("x", bytes-8) + `"}` }
	parse(t, of(filter.MaxFilterBytes-1))
	parse(t, of(filter.MaxFilterBytes))
	refused(t, of(filter.MaxFilterBytes+1), "2048 bytes", "at most 2047")
	refused(t, of(1000*filter.MaxFilterBytes), "at most 2047")
	spaced := strings.ReplaceAll(of(filter.MaxFilterBytes), ":", strings.Repeat(" ", 10_000)+":\n\t")
	parse(t, spaced)
	escaped := `{"k":"` + strings.Repeat(`\u0078`, filter.MaxFilterBytes-8) + `"}`
	parse(t, escaped)
	if _, err := filter.ParseUpTo(5000, []byte(of(5000))); err != nil {
		t.Error(err)
	}
	if _, err := filter.ParseUpTo(5000, []byte(of(5001))); err == nil || !strings.Contains(err.Error(), "at most 5000") {
		t.Errorf("got %v, want a refusal that names the limit", err)
	}
}

func TestKeysAreLimitedInCharacters(t *testing.T) {
	parse(t, `{"`+strings.Repeat("k", 512)+`":1}`)
	parse(t, `{"`+strings.Repeat("ä", 512)+`":1}`)
	refused(t, `{"`+strings.Repeat("ä", 513)+`":1}`, "513 characters")
	parse(t, `{"a|b":1,"a b.c-d.0":2,"a$":3}`)
}

func TestSpellingsOfOneFilterGiveOneFilter(t *testing.T) {
	for _, spellings := range [][]string{
		{`{"a":1}`, `{"a":{"$eq":1}}`, `{"a":{"$in":[1]}}`, `{"a":{"$in":[1,1.0,1e0]}}`, " {\n\"\\u0061\" : 1.00 } "},
		{`{"a":0}`, `{"a":-0}`, `{"a":0.0}`, `{"a":-0e7}`, `{"a":1e-999}`},
		{`{"a":1e21}`, `{"a":1000000000000000000000}`, `{"a":{"$eq":1000e18}}`},
		{`{"a":null}`, `{"a":{"$eq":null}}`, `{"a":{"$in":[null,null]}}`},
		{`{"a":{"$ne":"x"}}`, `{"a":{"$nin":["x"]}}`, `{"a":{"$nin":["\u0078","x"]}}`},
		{`{"a":{"$in":["y",null,2,true,"x"]}}`, `{"a":{"$in":[true,"x","y",2,null]}}`},
		{`{"a":1,"b":2}`, `{"b":2,"a":1}`},
		{`{"a":{"$gt":1,"$lte":2}}`, `{"a":{"$lte":2,"$gt":1}}`},
		{`{"a":"` + strings.Repeat("x", 64) + `"}`, `{"a":"` + strings.Repeat("x", 65) + `"}`},
		{`{"a":"😀/"}`, `{"a":"\ud83d\ude00\/"}`},
	} {
		for _, s := range spellings {
			if got, want := parse(t, s).String(), parse(t, spellings[0]).String(); got != want {
				t.Errorf("%s is read as %s, %s as %s", s, got, spellings[0], want)
			}
		}
	}
}

func TestStringIsCanonicalAndReadsBack(t *testing.T) {
	for text, want := range map[string]string{
		`{"b":{"$eq":true},"a":"x\u0001\"\\"}`:         `{"a":"x\u0001\"\\","b":true}`,
		`{"a":{"$in":["b",1,false,null,"a",1e300]}}`:   `{"a":{"$in":[null,false,1,1e+300,"a","b"]}}`,
		`{"a":{"$in":[]},"b":{"$nin":[]}}`:             `{"a":{"$in":[]},"b":{"$nin":[]}}`,
		`{"a":{"$lt":5,"$gte":-0.5}}`:                  `{"a":{"$gte":-0.5,"$lt":5}}`,
		`{"a.b":{"$ne":null},"c":{"$gt":"<&>\u2028"}}`: "{\"a.b\":{\"$ne\":null},\"c\":{\"$gt\":\"<&>\u2028\"}}",
	} {
		f := parse(t, text)
		if f.String() != want || parse(t, want).String() != want {
			t.Errorf("%s: got %s, which reads back as %s; want %s", text, f, parse(t, f.String()), want)
		}
	}
}

func TestZeroFilterMatchesEverything(t *testing.T) {
	var f filter.Filter
	if !f.IsZero() || len(f.Properties()) > 0 || !f.Match(func(string) filter.Value { return filter.Value{} }) {
		t.Errorf("the zero filter is %s", f)
	}
	if parse(t, `{"a":1}`).IsZero() {
		t.Error("a filter with a condition is zero")
	}
}

func TestAndWantsBoth(t *testing.T) {
	old := parse(t, `{"year":{"$lt":1950},"genre":"noir"}`)
	both := old.And(parse(t, `{"year":{"$gt":1940}}`))
	year := func(n float64) func(string) filter.Value {
		return func(property string) filter.Value {
			if property == "genre" {
				return filter.StringOf("noir")
			}
			return filter.NumberOf(n)
		}
	}
	for n, want := range map[float64]bool{1939: false, 1941: true, 1951: false} {
		if both.Match(year(n)) != want {
			t.Errorf("%s matches the year %v: %v", both, n, !want)
		}
	}
	if got := both.Properties(); !slices.Equal(got, []string{"genre", "year"}) {
		t.Errorf("properties %q", got)
	}
	if old.Match(year(1939)) == false || len(old.And(filter.Filter{}).Properties()) != 2 {
		t.Error("And changed its operand")
	}
}

func TestLongStringsAreCutBetweenCharacters(t *testing.T) {
	for s, want := range map[string]int{
		strings.Repeat("x", 63):        63,
		strings.Repeat("x", 64):        64,
		strings.Repeat("x", 65):        64,
		strings.Repeat("x", 62) + "ää": 64,
		strings.Repeat("x", 63) + "ä":  63,
		strings.Repeat("x", 61) + "漢":  64,
		strings.Repeat("x", 62) + "漢":  62,
		strings.Repeat("x", 61) + "😀":  61,
		strings.Repeat("x", 60) + "😀":  64,
		strings.Repeat("\x80", 70):     60, // not UTF-8: cut somewhere, and always at the same place
	} {
		if got := filter.StringOf(s); got != filter.StringOf(s[:want]) {
			t.Errorf("%q is cut to %s, want %d bytes", s, got.JSON(), want)
		}
	}
}

func TestExtractSeesWhatAnIndexSees(t *testing.T) {
	const metadata = ` { "s" : "x\n\u00e4", "n":-1.5e1, "t":true, "f":false, "z":null, "a":["x"], "big":1e999,
		"deep":{"er":{"s":"y","o":{}},"n":2}, "k\u0065y":"escaped", "twice":1, "twice":2, "two":{"a":1}, "two":{"b":2}, "brace":"}],{\"\\", "last":7}`
	absent := filter.Value{}
	for _, c := range []struct {
		property string
		typ      filter.Type
		want     filter.Value
	}{
		{"s", filter.String, filter.StringOf("x\nä")},
		{"s", filter.Number, absent},
		{"s", filter.Boolean, absent},
		{"n", filter.Number, filter.NumberOf(-15)},
		{"n", filter.String, absent},
		{"t", filter.Boolean, filter.BooleanOf(true)},
		{"f", filter.Boolean, filter.BooleanOf(false)},
		{"t", filter.String, absent},
		{"t", filter.Number, absent},
		{"z", filter.String, absent},
		{"z", filter.Boolean, absent},
		{"a", filter.String, filter.SetOf("x")},
		{"big", filter.Number, absent},
		{"deep", filter.String, absent},
		{"deep.n", filter.Number, filter.NumberOf(2)},
		{"deep.er.s", filter.String, filter.StringOf("y")},
		{"deep.er.o", filter.String, absent},
		{"deep.er.o.x", filter.String, absent},
		{"deep.s", filter.String, absent},
		{"s.x", filter.String, absent},
		{"a.0", filter.String, absent},
		{"key", filter.String, filter.StringOf("escaped")},
		{"twice", filter.Number, filter.NumberOf(2)},
		{"two.a", filter.Number, absent},
		{"two.b", filter.Number, filter.NumberOf(2)},
		{"brace", filter.String, filter.StringOf(`}],{"\`)},
		{"last", filter.Number, filter.NumberOf(7)},
		{"nothing", filter.Number, absent},
		{"er", filter.String, absent},
	} {
		if got := filter.Extract([]byte(metadata), c.property, c.typ); got != c.want {
			t.Errorf("%s as %s: got %s, want %s", c.property, c.typ, got.JSON(), c.want.JSON())
		}
	}
}

func TestExtractOfWhatIsNotMetadataIsAbsent(t *testing.T) {
	for _, raw := range []string{"", " ", "null", "[]", `"s"`, "7", "{", `{"s"`, `{"s":`, `{"s":"`, `{"s":"x`, `{s:1}`, `{"s" 1}`, "\x00", `{"t":{"s":1}`, `{]`, `{"a":]`, `{"a":,"s":1}`} {
		for _, typ := range []filter.Type{filter.String, filter.Number, filter.Boolean} {
			if got := filter.Extract([]byte(raw), "s", typ); !got.IsAbsent() {
				t.Errorf("%q has the %s %s", raw, typ, got.JSON())
			}
		}
	}
}

func TestValueAsJSON(t *testing.T) {
	for want, v := range map[string]filter.Value{
		`null`: {}, `"a\"b"`: filter.StringOf(`a"b`), `"\n\r\t\b\f\u0001"`: filter.StringOf("\n\r\t\b\f\x01"), `true`: filter.BooleanOf(true), `false`: filter.BooleanOf(false),
		`0`: filter.NumberOf(0), `1.5`: filter.NumberOf(1.5), `1e-7`: filter.NumberOf(1e-7), `-1.5e-10`: filter.NumberOf(-1.5e-10), `1e-300`: filter.NumberOf(1e-300), `1e+21`: filter.NumberOf(1e21),
		`100000`: filter.NumberOf(1e5),
	} {
		if got := v.JSON(); string(got) != want || !json.Valid(got) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func ExampleParse() {
	f, err := filter.Parse([]byte(`{"year": {"$lt": 1950, "$gte": 1940}, "genre": {"$in": ["noir"]}}`))
	fmt.Println(f, err)
	_, err = filter.Parse([]byte(`{"year": {"$gt": 1940, "$ne": 1945}}`))
	fmt.Println(err)
	// Output:
	// {"genre":"noir","year":{"$gte":1940,"$lt":1950}} <nil>
	// filter on "year" combines $gt, $ne; only one lower bound ($gt, $gte) with one upper bound ($lt, $lte) can be combined
}

func TestPassesAbsentNamesWhatRecordsWithoutAValueMeet(t *testing.T) {
	for text, want := range map[string][]string{
		`{"a":1}`: nil, `{"a":{"$in":["x",true]}}`: nil, `{"a":{"$gt":1,"$lt":5}}`: nil, `{"a":{"$nin":[null]}}`: nil,
		`{"a":{"$ne":1}}`: {"a"}, `{"a":null}`: {"a"}, `{"a":{"$in":["x",null]}}`: {"a"}, `{"a":{"$nin":[]}}`: {"a"},
		`{"a":1,"b.c":{"$ne":"x"}}`: {"b.c"},
	} {
		f, err := filter.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.PassesAbsent(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
