package bert

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"nearside/fault"
)

// openTinyCodes opens the tiny model with int8 weights.
func openTinyCodes(t testing.TB, workers int) *Encoder {
	t.Helper()
	e, err := Open(tinyDir(t), Options{Window: tinyWindow, Workers: workers, Precision: Int8})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// randomCodes fills a product's codes: at random, or with those that make the largest sums.
func randomCodes(w codePanels, room codeRoom, extreme bool, rng *rand.Rand) {
	sign := int8(1 - 2*rng.IntN(2))
	for i := range room.codes {
		room.codes[i] = uint8(1 + rng.IntN(255))
		if extreme {
			room.codes[i] = 255
		}
	}
	clear(w.start)
	for output := range w.width {
		for input := range w.depth {
			code := int8(rng.IntN(2*codeMost+1) - codeMost)
			if extreme {
				code = sign * codeMost
			}
			w.values[w.at(output, input)] = code
			w.start[output] -= codeBias * int32(code)
		}
	}
}

func TestSumsOfCodesAreExact(t *testing.T) {
	rng := seeded(t)
	for _, k := range sets {
		for _, depth := range []int{32, 64, 384, 1536} {
			for _, width := range []int{32, 96} {
				w, room := newCodePanels(depth, width), newCodeRoom(depth, width+1)
				for _, extreme := range []bool{false, true} {
					randomCodes(w, room, extreme, rng)
					for _, rows := range []int{4, 8, 12, 16, 20, 28, 36, 44, codeBlock} {
						if (depth > 384 || rows > 20) && slow(k) && !*long {
							continue
						}
						if err := checkSums(k.codes, rows, w, room); err != nil {
							t.Fatalf("%s, %dx%dx%d: %v", k.name, rows, depth, width, err)
						}
					}
				}
			}
		}
	}
}

// checkSums compares one block's sums with plain arithmetic.
func checkSums(k *codeKernels, rows int, w codePanels, room codeRoom) error {
	const guard = math.MinInt32
	for i := range room.sums {
		room.sums[i] = guard
	}
	k.sum(rows, w, room)
	for r := range rows {
		for n := range w.width {
			var want int
			for i := range w.depth {
				want += (int(room.codes[r*w.depth+i]) - codeBias) * int(w.values[w.at(n, i)])
			}
			if got := int(room.sums[r*w.width+n]); got != want {
				return fmt.Errorf("row %d, column %d: %d; %d is right", r, n, got, want)
			}
		}
	}
	if i := slices.IndexFunc(room.sums[rows*w.width:], func(s int32) bool { return s != guard }); i >= 0 {
		return fmt.Errorf("number %d after the last row was overwritten", i)
	}
	return nil
}

func TestCodesAreTheSameInAllSets(t *testing.T) {
	rng := seeded(t)
	ties := make([]float32, 64) // the largest has code 127: every other lies between two codes
	for i := range ties {
		ties[i] = float32(i) - 31.5
	}
	ties[0] = codeMost
	rows := [][]float32{make([]float32, 32), ties, {31: 1e-38}, {31: math.MaxFloat32}, {5: -1, 31: 0.999999}}
	for _, n := range []int{32, 64, 96, 384, 1536} {
		for _, scale := range []float64{1e-35, 1e-3, 1, 1e20} {
			rows = append(rows, randoms(n, scale, rng))
		}
	}
	for _, k := range sets {
		for _, x := range rows {
			got, want := make([]uint8, len(x)+1), make([]uint8, len(x)+1)
			gotScale, wantScale := k.codes.code(x, got[:len(x)]), genericCode(x, want[:len(x)])
			if !slices.Equal(got, want) || gotScale != wantScale {
				t.Fatalf("%s: %d numbers have codes %v, scale %g; %v, %g are right", k.name, len(x), got, gotScale, want, wantScale)
			}
			for i, v := range x {
				if d := float64(v) - float64(wantScale)*float64(int(want[i])-codeBias); math.Abs(d) > 0.5001*float64(wantScale)+least {
					t.Fatalf("%g has code %d, scale %g", v, want[i], wantScale)
				}
			}
		}
		for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
			x := randoms(64, 1, rng)
			x[rng.IntN(64)] = bad
			if scale := k.codes.code(x, make([]uint8, 64)); scale-scale == 0 {
				t.Errorf("%s: numbers with %g have scale %g", k.name, bad, scale)
			}
		}
	}
}

func TestProductsOfCodesAreThoseOfTheirNumbers(t *testing.T) {
	rng := seeded(t)
	const depth, width = 64, 96
	for _, k := range sets {
		for _, rows := range []int{1, 3, 4, 5, 13, codeBlock - 1, codeBlock, codeBlock + 1, 2*codeBlock + 7} {
			a := matrix{randoms(rows*(depth+3), 1, rng), depth + 3}
			weights := randoms(depth*width, 1, rng)
			w := newCodePanels(depth, width)
			w.pack(0, weights)
			base := matrix{randoms(rows*width, 1, rng), width}
			c := matrix{slices.Repeat([]float32{guard}, rows*(width+5)), width + 5}
			k.codes.multiply(rows, a, w, base, c, newCodeRoom(depth, width))
			for i, got := range c.values {
				r, n := i/c.stride, i%c.stride
				if n >= width {
					if got != guard {
						t.Fatalf("%s: row %d: column %d was overwritten", k.name, r, n)
					}
					continue
				}
				want := float64(base.values[r*width+n])
				for input, x := range a.row(r, depth) {
					want += float64(x) * float64(weights[n*depth+input])
				}
				if !(math.Abs(float64(got)-want) < 0.6) { // each factor is off by a hundredth; the sum of 64 by a tenth
					t.Fatalf("%s, %d rows: row %d, column %d is %g; %g is right", k.name, rows, r, n, got, want)
				}
			}
		}
	}
}

func TestSettlingIsThatOfPlainGo(t *testing.T) {
	rng := seeded(t)
	for _, k := range sets {
		for _, n := range []int{16, 32, 96, 384} {
			sums := make([]int32, n)
			for i := range sums {
				sums[i] = rng.Int32N(1<<25) - 1<<24
			}
			gains, from := randoms(n, 1e-3, rng), randoms(n, 1, rng)
			got, want := slices.Repeat([]float32{guard}, n+1), make([]float32, n)
			k.codes.settle(sums, 1e-4, gains, from, got[:n])
			genericSettle(sums, 1e-4, gains, from, want)
			for i := range want {
				if !(math.Abs(float64(got[i]-want[i])) < 1e-5) || got[n] != guard {
					t.Fatalf("%s: number %d of %d is %g; %g is right", k.name, i, n, got[i], want[i])
				}
			}
		}
	}
}

func TestInt8VectorsDependOnTheirTextAloneBitForBit(t *testing.T) {
	texts := mixedTexts(30, rand.New(rand.NewPCG(3, 3)))
	oracle, err := openTinyCodes(t, 1).with(&generic).Embed(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range sets {
		together, err := openTinyCodes(t, 3).with(k).Embed(t.Context(), texts)
		if err != nil {
			t.Fatal(err)
		}
		single := openTinyCodes(t, 1).with(k)
		for i, text := range texts {
			alone, err := single.Embed(t.Context(), []string{text})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(alone[0].Values, together[i].Values) {
				t.Fatalf("%s: %q has another vector beside other texts", k.name, text)
			}
			if c := cosine(alone[0].Values, oracle[i].Values); !(c > 0.999) { // rounding may tip single codes over
				t.Errorf("%s: %q: cosine %.6f with plain Go", k.name, text, c)
			}
		}
	}
}

// The least and the median cosine, .9857 and .9970, are those of the golden texts
// on AVX-512; what they cost in search is in the package comment.
func TestInt8VectorsAreNearThoseOfAnIndependentImplementation(t *testing.T) {
	e, err := Open(modelDir(t), Options{Precision: Int8})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range sets {
		var cosines []float64
		for _, r := range readReferences(t) {
			if slow(k) && r.Tokens > 10 && !*long {
				continue
			}
			got, err := e.with(k).Embed(t.Context(), []string{r.Text})
			if err != nil {
				t.Fatal(err)
			}
			c := cosine(got[0].Values, r.values(t))
			if !(c > 0.98) {
				t.Errorf("%s: %.40q: cosine %.5f with the reference", k.name, r.Text, c)
			}
			cosines = append(cosines, c)
		}
		slices.Sort(cosines)
		median := cosines[len(cosines)/2]
		t.Logf("%s: %d texts, lowest cosine %.5f, median %.5f", k.name, len(cosines), cosines[0], median)
		if !(median > 0.995) {
			t.Errorf("%s: median cosine %.5f with the reference", k.name, median)
		}
	}
}

func TestAPrecisionIsPartOfTheFingerprint(t *testing.T) {
	float, codes := openTiny(t, 1), openTinyCodes(t, 1)
	if want := string(float.Fingerprint()) + ":int8"; string(codes.Fingerprint()) != want {
		t.Errorf("%q; %q is right", codes.Fingerprint(), want)
	}
	if strings.Count(string(float.Fingerprint()), ":") != 3 {
		t.Errorf("%q is not what existing indexes are pinned to", float.Fingerprint())
	}
	if _, err := Open(tinyDir(t), Options{Window: tinyWindow, Precision: "int4"}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "int4") {
		t.Errorf("int4: %v", err)
	}
}

func TestInt8WeightsThatAreNoNumbersAreRefused(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		c, file := tinyConfig(), tinyFile()
		// The file ends with the last layer's output: matrix, bias, gain and shift.
		at := len(file) - 4*(3*c.Width+c.Width*c.Inner/2)
		binary.LittleEndian.PutUint32(file[at:], math.Float32bits(float32(bad)))
		if _, err := readModel(strings.NewReader(string(file)), int64(len(file)), c, Int8); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%g: %v", bad, err)
		}
	}
}
