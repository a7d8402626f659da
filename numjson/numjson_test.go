package numjson_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"nearside/numjson"
)

var (
	long = flag.Bool("long", false, "many more random numbers")
	seed = flag.Uint64("seed", 0, "of the random numbers; 0 = one by chance")
)

func random(t *testing.T) *rand.Rand {
	t.Helper()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("-seed %d", *seed)
	return rand.New(rand.NewPCG(*seed, 1))
}

// tries is n, or many times n with -long.
func tries(n int) int {
	if *long {
		return 100 * n
	}
	return n
}

// checkNumber compares what an array of one number decodes to with strconv.
func checkNumber(t *testing.T, text string) {
	t.Helper()
	want, err := strconv.ParseFloat(text, 32)
	accepted := err == nil && json.Valid([]byte(text))
	// Behind the number stands what ends it, so that words of eight bytes reach beyond it, or not.
	for _, ending := range []string{"]", "]          ", " , 1]"} {
		got, _, size, ok := numjson.Float32s(nil, []byte("["+text+ending), math.MaxInt)
		if ok != accepted {
			t.Errorf("[%s%s: accepted %t, want %t", text, ending, ok, accepted)
			return
		}
		if !ok {
			continue
		}
		if math.Float32bits(got[0]) != math.Float32bits(float32(want)) {
			t.Errorf("[%s%s: got %x, strconv says %x", text, ending, got[0], float32(want))
			return
		}
		if whole := strings.TrimRight("["+text+ending, " "); size != len(whole) {
			t.Errorf("[%s%s: size %d, want %d", text, ending, size, len(whole))
		}
	}
}

func TestGrammarIsJSONs(t *testing.T) {
	for _, text := range []string{
		"0", "-0", "1", "-1", "10", "0.0", "-0.0", "0e0", "-0e5", "0E+9", "0e99999", "1e1", "1E1", "1e+1", "1e-1", "1e01", "1.5e3", "123456789012345678901234567890",
		"-", "+1", "01", "-01", "00", ".5", "-.5", "1.", "1.e1", "1e", "1e+", "1e-", "e1", "1e1.5", "1.2.3", "--1", "0x10", "1_000", "1f", "1e5x", "0-", "1-", "1 2",
		"NaN", "nan", "Infinity", "-Infinity", "inf", "null", "true", `"1"`, "[1]", "{}", "１", "1\x00", "\x001", "1\u00a0", "\u00a01", "1:", "1/", "/1", ":", "1\xff", "\xff",
	} {
		checkNumber(t, text)
	}
	// Every byte in every place of a number.
	for _, text := range []string{"0.12345678", "-12.5e-3", "1234567890123456789", "9e9"} {
		for at := range len(text) + 1 {
			for b := range 256 {
				if strings.IndexByte(" \t\r\n,]", byte(b)) < 0 { // those change the array around it
					checkNumber(t, text[:at]+string([]byte{byte(b)})+text[at:])
				}
			}
		}
	}
}

// Halfway cases are where rounding twice goes wrong: exact midpoints between two
// float32, and what lies beside them by one digit, at every length that comes near.
func TestHalfwayCasesAreRoundedAsStrconvDoes(t *testing.T) {
	r := random(t)
	var patterns []uint32
	for exponent := range uint32(255) { // 0: the denormal numbers
		for _, mantissa := range []uint32{0, 1, 2, 1<<22 - 1, 1 << 22, 1<<23 - 2, 1<<23 - 1, r.Uint32N(1 << 23)} {
			patterns = append(patterns, exponent<<23|mantissa)
		}
	}
	for range tries(1000) {
		patterns = append(patterns, r.Uint32N(0x7f800000))
	}
	for _, bits := range patterns {
		low := float64(math.Float32frombits(bits))
		high := float64(math.Float32frombits(bits + 1))
		if math.IsInf(high, 0) {
			high = 0x1p128
		}
		midpoint := new(big.Float).SetPrec(200).SetFloat64((low + high) / 2)
		for _, digits := range []int{6, 7, 8, 9, 15, 16, 17, 18, 19, 20, 21, 30, 112} {
			text := midpoint.Text('e', digits)
			checkNumber(t, text)
			checkNumber(t, nudge(text, 1))
			checkNumber(t, nudge(text, -1))
		}
		if low > 1e-30 && low < 1e30 {
			exact := midpoint.Text('f', -1)
			checkNumber(t, exact)
			checkNumber(t, exact+"0000000000000000000000")
			if strings.Contains(exact, ".") {
				checkNumber(t, exact+"0000000000000000000001")
			}
		}
	}
}

// nudge changes the last digit of a mantissa by one, without carry.
func nudge(text string, by int) string {
	at := strings.IndexByte(text, 'e') - 1
	changed := int(text[at]-'0') + by
	if changed < 0 || changed > 9 {
		return text
	}
	return text[:at] + strconv.Itoa(changed) + text[at+1:]
}

func TestTheEndsOfTheRange(t *testing.T) {
	for _, text := range []string{
		"3.4028234663852886e38", "3.4028235e38", "3.40282346638528859811704183484516925440e+38", "3.4028235677973366e38", "3.402823567797336616e38",
		"3.4028235677973367e38", "3.4028236e38", "3.5e38", "1e39", "1e400", "1e99999", "340282346638528859811704183484516925440", "340282356779733661637539395458142568448",
		"340282356779733661637539395458142568447", "1.1754943508222875e-38", "1.17549435e-38", "1.1754942e-38", "1.17549428e-38", "1e-38", "1e-39", "1e-44",
		"1.4e-45", "1.401298464324817e-45", "7.006492321624085e-46", "7.0064923216240854e-46", "7.0064923216240853546186479164495806564013097093825788587853e-46",
		"7.0064923216240853546186479164495806564013097093825788587854e-46", "7e-46", "1e-46", "1e-400", "1e-99999", "16777216", "16777217", "16777218", "16777219",
		"16777217.0000000000000001", "9007199254740993", "18446744073709551615", "18446744073709551616", "18446744073709551614e-19", "99999999999999999999",
		"0." + strings.Repeat("0", 45) + "1", "0." + strings.Repeat("0", 300) + "1", "1" + strings.Repeat("0", 38), "1" + strings.Repeat("0", 39),
		"0." + strings.Repeat("0", 20) + "1234567890123456789", "1" + strings.Repeat("0", 60) + "e-60", "0." + strings.Repeat("0", 60) + "1e61",
		strings.Repeat("9", 40), "0." + strings.Repeat("9", 40), strings.Repeat("123456789", 40) + "e-350",
	} {
		checkNumber(t, text)
		checkNumber(t, "-"+text)
	}
}

// What encoders write: every form of random float32 and float64, at every length and power of ten.
func TestRandomNumbersAreStrconvs(t *testing.T) {
	r := random(t)
	for range tries(20_000) {
		narrow := math.Float32frombits(r.Uint32())
		wide := math.Float64frombits(uint64(narrowBits(r))<<29 | r.Uint64N(1<<30))
		unit := r.NormFloat64() * math.Pow(10, float64(r.IntN(12)-8))
		for _, f := range []float64{float64(narrow), wide, unit} {
			if math.IsNaN(f) || math.IsInf(f, 0) {
				continue
			}
			checkNumber(t, strconv.FormatFloat(f, 'g', -1, 32))
			checkNumber(t, strconv.FormatFloat(f, 'g', -1, 64))
			checkNumber(t, strconv.FormatFloat(f, 'e', r.IntN(25), 64))
			if math.Abs(f) < 1e25 {
				checkNumber(t, strconv.FormatFloat(f, 'f', r.IntN(40), 64))
			}
		}
		checkNumber(t, fmt.Sprintf("%d.%0*de%d", r.Uint64()>>r.IntN(64), 1+r.IntN(20), r.Uint64()>>r.IntN(64), r.IntN(120)-80))
	}
}

// narrowBits are the leading bits of a float64 in the range of float32.
func narrowBits(r *rand.Rand) uint64 {
	exponent := uint64(1023-160) + r.Uint64N(300)
	return r.Uint64N(2)<<34 | exponent<<23 | r.Uint64N(1<<23)
}

func TestArraysAreReadAsEncodingJSONDoes(t *testing.T) {
	for _, text := range []string{
		"[]", "[ ]", "[\t\r\n ]", "[1]", "[ 1 ]", "[1,2]", "[ 1 , 2 ]", "[1,\n2\r,\t3]", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", "[1],[2]", "[1]]", `[1]  ,"topK":3}`,
		"", " [1]", "[", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1;2]", "[[1]]", "[[],1]", "[1,[2]]", "[null]", "[1,null]", "[true]", `["1"]`, "[1,{}]",
		"[1\f]", "[1\v,2]", "[\u00a01]", "[1}", "{1]", "[1:2]", "[1]1",
	} {
		checkArray(t, []byte(text))
	}
}

// checkArray compares with encoding/json, by way of the array's own text.
func checkArray(t *testing.T, data []byte) {
	t.Helper()
	got, count, size, ok := numjson.Float32s(nil, data, math.MaxInt)
	var want []*float32
	var text json.RawMessage
	accepted := len(data) > 0 && data[0] == '['
	if accepted {
		// The first value of data, whatever follows it.
		accepted = json.NewDecoder(strings.NewReader(string(data))).Decode(&text) == nil && json.Unmarshal(text, &want) == nil
	}
	for _, w := range want {
		accepted = accepted && w != nil // null is no number
	}
	if ok != accepted {
		t.Fatalf("%q: accepted %t, want %t", data, ok, accepted)
	}
	if !ok {
		return
	}
	if count != len(want) || len(got) != count || size != len(text) {
		t.Fatalf("%q: %d numbers, %d values in %d bytes, want %d in %d", data, count, len(got), size, len(want), len(text))
	}
	for i, w := range want {
		if math.Float32bits(got[i]) != math.Float32bits(*w) {
			t.Fatalf("%q: position %d is %x, want %x", data, i, got[i], *w)
		}
	}
}

func TestNumbersBeyondTheMostAreCountedOnly(t *testing.T) {
	first := []float32{7}
	values, count, _, ok := numjson.Float32s(first, []byte("[1,2,3,4]"), 2)
	if !ok || count != 4 || fmt.Sprint(values) != "[7 1 2]" {
		t.Errorf("values %v, count %d, %t", values, count, ok)
	}
	if _, _, _, ok := numjson.Float32s(nil, []byte("[1,2,x]"), 1); ok {
		t.Error("what is wrong beyond the most is passed over")
	}
}

func TestDecodingAllocatesNothing(t *testing.T) {
	text, room := []byte(vector(768, -1)), make([]float32, 0, 768)
	if n := testing.AllocsPerRun(10, func() { numjson.Float32s(room, text, 768) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// vector is an array of numbers with a fixed number of digits; -1 = the shortest that are exact.
func vector(dimensions, digits int) string {
	r := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	for i := range dimensions {
		text.WriteByte("[,"[min(i, 1)])
		f := r.NormFloat64() * 0.05
		if digits < 0 {
			f = float64(float32(f))
			text.WriteString(strconv.FormatFloat(f, 'f', -1, 32))
		} else {
			text.WriteString(strconv.FormatFloat(f, 'g', digits, 64))
		}
	}
	return text.String() + "]"
}

func FuzzFloat32s(f *testing.F) {
	for _, text := range []string{"[1,2.5,-3e-7]", vector(5, -1), vector(3, 17), "[ 0 , -0.0 ]", "[16777217,3.4028235677973366e38]", "[1e-45,NaN]", "[01]", "[1.]"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkArray(t, data) })
}

func BenchmarkFloat32s(b *testing.B) {
	for _, digits := range []int{-1, 8, 17} {
		name := "shortest"
		if digits > 0 {
			name = fmt.Sprintf("%d-digits", digits)
		}
		text := []byte(vector(768, digits))
		b.Run(name+"/numjson", func(b *testing.B) {
			values := make([]float32, 0, 768)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, _, _, ok := numjson.Float32s(values, text, 768); !ok {
					b.Fatal("refused")
				}
			}
		})
		b.Run(name+"/encoding-json", func(b *testing.B) {
			values := make([]float32, 0, 768)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := json.Unmarshal(text, &values); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Long arrays go the quick way; white space and odd numbers stand anywhere in them.
func TestLongArraysOfAllFormsAreReadAsEncodingJSONDoes(t *testing.T) {
	r := random(t)
	spaces := []string{"", "", "", "", " ", " ", "  ", "\n", " \n", "\t", "\r\n ", "                              "}
	odd := []string{"0", "-0", "1", "1e5", "-2.5E-3", "16777217", "1e-45", "0.0", "-0.000", "0.50000001490116119384765625", "0.500000014901161193847656250000000000000000001", "0.1e1", "null", "0.", "-", "01", "1e39", ""}
	for range tries(2000) {
		var text strings.Builder
		text.WriteString("[" + spaces[r.IntN(len(spaces))])
		for i := range 1 + r.IntN(20) {
			if i > 0 {
				text.WriteString(spaces[r.IntN(len(spaces))] + "," + spaces[r.IntN(len(spaces))])
			}
			if r.IntN(20) == 0 {
				text.WriteString(odd[r.IntN(len(odd))])
			} else {
				text.WriteString(strconv.FormatFloat(r.Float64()*2-1, 'f', 1+r.IntN(26), 64))
			}
		}
		text.WriteString(spaces[r.IntN(len(spaces))] + "]" + strings.Repeat("9", r.IntN(40)))
		checkArray(t, []byte(text.String()))
	}
}
