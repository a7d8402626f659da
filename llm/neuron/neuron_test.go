package neuron_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"nearside/llm/neuron"
	"nearside/llm/neuron/neurontest"
)

func tariff(t *testing.T, prices ...neuron.Price) neuron.Tariff {
	t.Helper()
	made, err := neuron.NewTariff(prices)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestChargesEqualRepliesOfTheRealService(t *testing.T) {
	gemma := tariff(t, neuron.Price{neuron.InputTokens, "0.100", "9091"}, neuron.Price{neuron.OutputTokens, "0.300", "27273"})
	flux := tariff(t, neuron.Price{neuron.Tiles, "0.0000528", "4.80"}, neuron.Price{neuron.Steps, "0.0001056", "9.60"})
	tests := []struct {
		tariff neuron.Tariff
		used   neuron.Usage
		want   string
	}{
		{gemma, neuron.Tokens(147, 0, 16), "1.772727"}, // 1.3363636… + 0.4363636…
		{gemma, neuron.Tokens(0, 0, 0), "0.000000"},
		{flux, flux.Picture(neuron.Size{Width: 1024, Height: 1024}, 4), "172.800000"}, // 4 tiles × (4.80 + 4 × 9.60)
	}
	for _, test := range tests {
		if got := test.tariff.Charge(test.used).String(); got != test.want {
			t.Errorf("%v: got %s, want %s", test.used, got, test.want)
		}
	}
}

func TestARateIsTheDollarsWhereTheyAgreeElseTheNeurons(t *testing.T) {
	tests := []struct {
		price  neuron.Price
		tokens int64
		want   neuron.Micro
	}{
		{neuron.Price{neuron.InputTokens, "0.100", "9091"}, 1e6, 9_090_909_091},    // 9090.909… rounds to 9091
		{neuron.Price{neuron.InputTokens, "0.020", "1841"}, 1e6, 1_841_000_000},    // the dollars say 1818.18…
		{neuron.Price{neuron.InputTokens, "0.012", "1075"}, 1, 1075},               // the dollars say 1090.9…
		{neuron.Price{neuron.InputTokens, "0.012", "1091"}, 1, 1091},               // 1090.909…
		{neuron.Price{"k_input_characters", "0.015", "1363.64"}, 11, 15_000_000},   // 1363.636… rounds to 1363.64
		{neuron.Price{neuron.AudioMinutes, "0.0005", "41.14"}, 60_000, 41_140_000}, // the dollars say 45.45…; counted in milliseconds
		{neuron.Price{neuron.InputTokens, "0.0000165", "2"}, 1e6, 1_500_000},       // a half rounds up, so they agree
	}
	for _, test := range tests {
		if got := tariff(t, test.price).Charge(neuron.Usage{test.price.Unit: test.tokens}); got != test.want {
			t.Errorf("%+v × %d: got %d, want %d", test.price, test.tokens, got, test.want)
		}
	}
}

func TestACallIsRoundedOnce(t *testing.T) {
	// Half a micro-neuron a token, in and out: rounded apart they would be 2.
	half := tariff(t, neuron.Price{neuron.InputTokens, "0", "0.5"}, neuron.Price{neuron.OutputTokens, "0", "0.5"})
	if got := half.Charge(neuron.Usage{neuron.InputTokens: 1, neuron.OutputTokens: 1}); got != 1 {
		t.Errorf("got %d micro-neurons, want 1", got)
	}
}

func TestCachedInputCostsItsPriceElseThatOfOtherInput(t *testing.T) {
	// 1 neuron a token of input, a tenth of it once cached.
	listed := tariff(t, neuron.Price{neuron.InputTokens, "11", "1000000"}, neuron.Price{neuron.CachedInputTokens, "1.1", "100000"})
	plain := tariff(t, neuron.Price{neuron.InputTokens, "11", "1000000"})
	used := neuron.Tokens(10, 4, 0)
	if used[neuron.InputTokens] != 6 || used[neuron.CachedInputTokens] != 4 {
		t.Errorf("got %v", used)
	}
	if got := listed.Charge(used); got != 6_400_000 {
		t.Errorf("with a price of its own: %s", got)
	}
	if got := plain.Charge(used); got != 10_000_000 {
		t.Errorf("without: %s", got)
	}
}

func TestPicturesAreCountedInTheUnitsThatHaveAPrice(t *testing.T) {
	price := func(units ...neuron.Unit) neuron.Tariff {
		var prices []neuron.Price
		for _, u := range units {
			prices = append(prices, neuron.Price{u, "0.000011", "1"})
		}
		return tariff(t, prices...)
	}
	square, wide := neuron.Size{Width: 1024, Height: 1024}, neuron.Size{Width: 1920, Height: 1080}
	tests := []struct {
		tariff neuron.Tariff
		made   neuron.Size
		steps  int
		from   []neuron.Size
		want   neuron.Usage
	}{
		{price(neuron.Tiles, neuron.Steps), square, 4, nil, neuron.Usage{neuron.Tiles: 4, neuron.Steps: 16}},
		{price(neuron.Tiles, neuron.Steps), wide, 0, nil, neuron.Usage{neuron.Tiles: 12, neuron.Steps: 12}},
		{price(neuron.Tiles, neuron.Steps), neuron.Size{Width: 513, Height: 1}, 2, nil, neuron.Usage{neuron.Tiles: 2, neuron.Steps: 4}},
		{price(neuron.InputTileSteps, neuron.OutputTileSteps), square, 25, []neuron.Size{square, {Width: 512, Height: 512}}, neuron.Usage{neuron.InputTileSteps: 125, neuron.OutputTileSteps: 100}},
		{price(neuron.InputTiles, neuron.OutputTiles), square, 25, []neuron.Size{square}, neuron.Usage{neuron.InputTiles: 4, neuron.OutputTiles: 4}},
		{price(neuron.FirstMegapixel, neuron.MoreMegapixels, neuron.InputMegapixels), wide, 25, []neuron.Size{square, wide}, neuron.Usage{neuron.FirstMegapixel: 1, neuron.MoreMegapixels: 1, neuron.InputMegapixels: 3}},
		{price(neuron.FirstMegapixel, neuron.MoreMegapixels, neuron.InputMegapixels), square, 25, nil, neuron.Usage{neuron.FirstMegapixel: 1}},
		{neuron.Tariff{}, square, 4, []neuron.Size{square}, neuron.Usage{neuron.Tiles: 4, neuron.Steps: 16}},
	}
	for _, test := range tests {
		if got := test.tariff.Picture(test.made, test.steps, test.from...); fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%v in %d steps from %v: got %v, want %v", test.made, test.steps, test.from, got, test.want)
		}
	}
}

// TestOneOfEachUnitCostsWhatIsPublished has a line of Cloudflare's price list for every unit in it.
func TestOneOfEachUnitCostsWhatIsPublished(t *testing.T) {
	tests := []struct {
		price   neuron.Price
		count   int64 // things in one unit
		counted string
		want    string
	}{
		{neuron.Price{neuron.InputTokens, "0.027", "2457"}, 1_000_000, "input_tokens", "2457.000000"},     // the dollars say 2454.5…
		{neuron.Price{neuron.OutputTokens, "0.201", "18252"}, 1_000_000, "output_tokens", "18252.000000"}, // the dollars say 18272.7…
		{neuron.Price{neuron.CachedInputTokens, "0.014", "1273"}, 1_000_000, "cached_input_tokens", "1272.727273"},
		{neuron.Price{neuron.Images, "2.51", "228055"}, 1_000_000, "images", "228055.000000"}, // the dollars say 228181.8…
		{neuron.Price{neuron.Characters, "0.030", "2727.27"}, 1_000, "input_characters", "2727.272727"},
		{neuron.Price{neuron.AudioMinutes, "0.0052", "472.73"}, 60_000, "audio_milliseconds", "472.727273"},
		{neuron.Price{neuron.StreamAudioMinutes, "0.0077", "700.00"}, 60_000, "audio_milliseconds_websocket", "700.000000"},
		{neuron.Price{neuron.Tiles, "0.006996", "636.00"}, 1, "512x512_tile", "636.000000"},
		{neuron.Price{neuron.Steps, "0.000132", "12.00"}, 1, "step", "12.000000"},
		{neuron.Price{neuron.InputTiles, "0.000059", "5.37"}, 1, "input_512x512_tile", "5.370000"},             // the dollars say 5.3636…
		{neuron.Price{neuron.OutputTiles, "0.000287", "26.05"}, 1, "output_512x512_tile", "26.050000"},         // the dollars say 26.0909…
		{neuron.Price{neuron.InputTileSteps, "0.00021", "18.75"}, 1, "input_512x512_tile_step", "18.750000"},   // the dollars say 19.0909…
		{neuron.Price{neuron.OutputTileSteps, "0.00041", "37.50"}, 1, "output_512x512_tile_step", "37.500000"}, // the dollars say 37.2727…
		{neuron.Price{neuron.FirstMegapixel, "0.015", "1363.64"}, 1, "first_output_MP", "1363.636364"},
		{neuron.Price{neuron.MoreMegapixels, "0.002", "181.82"}, 1, "subsequent_output_MP", "181.818182"},
		{neuron.Price{neuron.InputMegapixels, "0.002", "181.82"}, 1, "input_image_MP", "181.818182"},
	}
	for _, test := range tests {
		u := test.price.Unit
		if got := tariff(t, test.price).Charge(neuron.Usage{u: test.count}).String(); got != test.want || !u.Valid() || u.Counted() != test.counted {
			t.Errorf("one %s costs %s, want %s; it counts %s, and is valid: %t", u, got, test.want, u.Counted(), u.Valid())
		}
	}
	if neuron.Unit("M_tokens").Valid() {
		t.Error("a unit that is not in the list is valid")
	}
}

func TestABackendThatCountsNonsenseDoesNotSpoilTheSums(t *testing.T) {
	dear := tariff(t, neuron.Price{neuron.OutputTokens, "11000000", "1000000000000"})
	for count, want := range map[int64]neuron.Micro{-5: 0, math.MinInt64: 0, math.MaxInt64: 1_000_000_000_000_000} {
		if got := dear.Charge(neuron.Usage{neuron.OutputTokens: count}); got != want {
			t.Errorf("%d tokens cost %s", count, got)
		}
	}
	l := neurontest.Open(t, neuron.Options{})
	for _, count := range []int64{math.MinInt64, math.MaxInt64, 7} {
		r := reserve(t, l, neuron.Call{Payer: alice, Model: "m", Tariff: dear}, 1)
		if _, err := r.Settle(t.Context(), neuron.Usage{neuron.InputTokens: count}); err != nil {
			t.Fatal(err)
		}
	}
	if n := total(t, l, neuron.Query{Account: "alice"}).Units[neuron.InputTokens]; n != 1_000_000_000_007 {
		t.Errorf("%d tokens were counted", n)
	}
}

func TestUnpricedModelsChargeNothing(t *testing.T) {
	var free neuron.Tariff
	if free.Charge(neuron.Usage{neuron.InputTokens: 1e9}) != 0 {
		t.Error("the zero tariff charges")
	}
}

func TestPricesThatAreNoDecimalsAreRefused(t *testing.T) {
	for _, wrong := range []string{"", "1e3", "-1", "1/3", "1.2.3", ".", "NaN", "0x10", "1_000"} {
		for _, p := range []neuron.Price{{neuron.InputTokens, wrong, "1"}, {neuron.InputTokens, "1", wrong}} {
			if _, err := neuron.NewTariff([]neuron.Price{p}); err == nil {
				t.Errorf("%+v was accepted", p)
			}
		}
	}
	if _, err := neuron.NewTariff([]neuron.Price{{"step", "1", "1"}, {"step", "1", "1"}}); err == nil {
		t.Error("a unit with two prices was accepted")
	}
}

func TestMicroPrintsSixDecimals(t *testing.T) {
	for m, want := range map[neuron.Micro]string{0: "0.000000", 1: "0.000001", 1_772_727: "1.772727", 57_600_000: "57.600000", -1: "-0.000001"} {
		if m.String() != want {
			t.Errorf("%d: got %s, want %s", int64(m), m, want)
		}
	}
}

func TestCountersCarryModelsAndNoAccount(t *testing.T) {
	l := neurontest.Open(t, neuron.Options{})
	call := neuron.Call{Payer: neuron.Payer{Account: "secret-account", Key: "secret-key"}, Model: "@cf/x/y", Tariff: unit(t)}
	if _, err := reserve(t, l, call, 1).Settle(t.Context(), neuron.Tokens(4, 1, 3)); err != nil {
		t.Fatal(err)
	}
	l.Cached(call)
	reserve(t, l, call, 1).Refund()
	defer reserve(t, l, call, 1).Refund()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(l)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if m.Gauge != nil {
				got[family.GetName()] = m.GetGauge().GetValue()
				continue
			}
			if len(m.GetLabel()) != 1 || m.GetLabel()[0].GetValue() != "@cf/x/y" {
				t.Errorf("labels of %s: %v", family.GetName(), m.GetLabel())
			}
			got[family.GetName()] = m.GetCounter().GetValue()
		}
	}
	want := "map[nearside_model_cached_calls_total:1 nearside_model_calls_total:1 nearside_model_failed_calls_total:1 " +
		"nearside_model_neurons_total:7 nearside_model_reservations:1 nearside_model_tokens_total:7]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v", got)
	}
}
