package neuron_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nearside/llm/neuron"
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
	flux := tariff(t, neuron.Price{"512x512_tile", "0.0000528", "4.80"}, neuron.Price{"step", "0.0001056", "9.60"})
	tests := []struct {
		tariff neuron.Tariff
		used   neuron.Usage
		want   string
	}{
		{gemma, neuron.Usage{neuron.InputTokens: 147, neuron.OutputTokens: 16}, "1.772727"},
		{gemma, neuron.Usage{}, "0.000000"},
		{flux, neuron.Usage{"512x512_tile": 4, "step": 16}, "172.800000"},
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

func TestTheSumOfChargesIsTheMetersSum(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	bge := tariff(t, neuron.Price{neuron.InputTokens, "0.067", "6058"})
	meter := neuron.NewMeter(time.Now)
	var sum neuron.Micro
	for range 1000 {
		tokens := random.Int64N(600)
		cost := bge.Charge(neuron.Usage{neuron.InputTokens: tokens})
		meter.Add("a", "bge", tokens, cost)
		sum += cost
	}
	if _, lines := meter.Today("a"); len(lines) != 1 || lines[0].Neurons != sum || lines[0].Calls != 1000 {
		t.Errorf("got %+v, want %d", lines, sum)
	}
}

func TestAMeterKeepsAccountsApartAndTurnsAtMidnightUTC(t *testing.T) {
	now := time.Date(2030, 1, 2, 0, 30, 0, 0, time.FixedZone("east", 3600)) // 23:30 the day before, UTC
	meter := neuron.NewMeter(func() time.Time { return now })
	meter.Add("a", "m2", 1, 10)
	meter.Add("a", "m1", 2, 20)
	meter.Add("b", "m1", 3, 30)
	day, lines := meter.Today("a")
	if got, want := fmt.Sprintln(day, lines), "2030-01-01 [{m1 1 2 0.000020} {m2 1 1 0.000010}]\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	now = now.Add(time.Hour)
	if day, lines := meter.Today("a"); day != "2030-01-02" || len(lines) != 0 {
		t.Errorf("after midnight: %s %v", day, lines)
	}
}

func TestCountersCarryModelsAndNoAccount(t *testing.T) {
	meter := neuron.NewMeter(time.Now)
	meter.Add("secret-account", "@cf/x/y", 7, 1_500_000)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(meter)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if len(m.GetLabel()) != 1 || m.GetLabel()[0].GetValue() != "@cf/x/y" {
				t.Errorf("labels of %s: %v", family.GetName(), m.GetLabel())
			}
			got[family.GetName()] = m.GetCounter().GetValue()
		}
	}
	if fmt.Sprint(got) != "map[nearside_model_calls_total:1 nearside_model_neurons_total:1.5 nearside_model_tokens_total:7]" {
		t.Errorf("got %v", got)
	}
}
