package neuron_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"nearside/fault"
	"nearside/llm/neuron"
	"nearside/llm/neuron/neurontest"
)

func TestAReportGroupsByModelKeyAndDay(t *testing.T) {
	c := clockAt(noon)
	l := neurontest.Open(t, neuron.Options{Clock: c.now})
	key := neuron.Payer{Account: "alice", Key: "k1"}
	settle(t, reserve(t, l, neuron.Call{Payer: alice, Model: "m1", Tariff: unit(t)}, 1), 10)
	settle(t, reserve(t, l, neuron.Call{Payer: key, Model: "m1", Tariff: unit(t)}, 1), 20_000)
	settle(t, reserve(t, l, neuron.Call{Payer: neuron.Payer{Account: "bob"}, Model: "m1", Tariff: unit(t)}, 1), 1000)
	l.Queried("alice", 768)
	c.forward(24 * time.Hour)
	both := reserve(t, l, neuron.Call{Payer: key, Model: "m2", Tariff: unit(t)}, 1)
	if _, err := both.Settle(t.Context(), neuron.Tokens(3, 1, 12_000)); err != nil {
		t.Fatal(err)
	}
	l.Cached(neuron.Call{Payer: key, Model: "m3"})
	reserve(t, l, neuron.Call{Payer: alice, Model: "m1", Tariff: unit(t)}, 1).Refund()

	tests := []struct {
		query neuron.Query
		want  string // name calls/failed/cached neurons bill, …
	}{
		{neuron.Query{From: "2030-01-01", To: "2030-01-31"}, "m1 2/1/0 20010.000000 0.000000, m2 1/0/0 12003.000000 0.000000, m3 0/0/1 0.000000 0.000000; total 3/1/1 32013.000000 0.132143"},
		{neuron.Query{From: "2030-01-01", To: "2030-01-31", By: neuron.ByKey}, "k1 2/0/1 32003.000000 0.000000,  1/1/0 10.000000 0.000000; total 3/1/1 32013.000000 0.132143"},
		{neuron.Query{From: "2030-01-01", To: "2030-01-31", By: neuron.ByDay}, "2030-01-02 2/0/0 20010.000000 0.110110, 2030-01-03 1/1/1 12003.000000 0.022033; total 3/1/1 32013.000000 0.132143"},
		{neuron.Query{To: "2030-01-02", By: neuron.ByDay}, "2030-01-02 2/0/0 20010.000000 0.110110; total 2/0/0 20010.000000 0.110110"},
		{neuron.Query{By: neuron.ByDay}, "2030-01-03 1/1/1 12003.000000 0.022033; total 1/1/1 12003.000000 0.022033"},
		{neuron.Query{From: "2031-01-01"}, "; total 0/0/0 0.000000 0.000000"},
	}
	for _, test := range tests {
		test.query.Account = "alice"
		report, err := l.Usage(t.Context(), test.query)
		if err != nil {
			t.Fatal(err)
		}
		var rows []string
		for _, r := range report.Rows {
			rows = append(rows, shown(r))
		}
		report.Total.Name = "total"
		if got := strings.Join(rows, ", ") + "; " + shown(report.Total); got != test.want {
			t.Errorf("%+v:\ngot  %s\nwant %s", test.query, got, test.want)
		}
	}
	report, err := l.Usage(t.Context(), neuron.Query{Account: "alice", From: "2030-01-01"})
	if want := "map[M_cached_input_tokens:1 M_input_tokens:20012 M_output_tokens:12000]"; err != nil || fmt.Sprint(report.Total.Units) != want || report.Queried["2030-01"] != 768 {
		t.Errorf("got %v and %v, %v", report.Total.Units, report.Queried, err)
	}
}

func shown(r neuron.Row) string {
	return fmt.Sprintf("%s %d/%d/%d %s %s", r.Name, r.Calls, r.Failed, r.Cached, r.Neurons, r.Bill)
}

func TestAQuestionThatMakesNoSenseIsRefused(t *testing.T) {
	l := neurontest.Open(t, neuron.Options{})
	for _, test := range []struct {
		query neuron.Query
		want  string
	}{
		{neuron.Query{From: "yesterday"}, `from is "yesterday"; write a day of UTC as 2006-01-02`},
		{neuron.Query{To: "2030-02-30"}, `to is "2030-02-30"`},
		{neuron.Query{From: "2030-01-02", To: "2030-01-01"}, "from is 2030-01-02, which is after to, 2030-01-01"},
		{neuron.Query{From: "2030-01-01", To: "2031-01-02"}, "are 367 days; at most 366"},
		{neuron.Query{By: "neurons; DROP TABLE calls"}, "group it by model, key or day"},
	} {
		_, err := l.Usage(t.Context(), test.query)
		if f := fault.As(err); f == nil || f.Kind != fault.Invalid || f.Reason != neuron.ReasonReport || !strings.Contains(f.Message, test.want) {
			t.Errorf("%+v: %v", test.query, err)
		}
	}
	if _, err := l.Usage(t.Context(), neuron.Query{From: "2030-01-01", To: "2031-01-01"}); err != nil {
		t.Errorf("366 days: %v", err)
	}
}

func TestBillsAreCloudflares(t *testing.T) {
	for neurons, want := range map[neuron.Micro]string{
		0: "0.000000", 10_000 * one: "0.000000", 10_000*one + 1: "0.000000", 11_000 * one: "0.011000", 1_010_000 * one: "11.000000",
	} {
		if got := neuron.Bill(neurons).String(); got != want {
			t.Errorf("a day of %s neurons: %s dollars, want %s", neurons, got, want)
		}
	}
	for _, test := range []struct {
		queried, stored int64
		want            string
	}{
		{0, 0, "0.000000"},
		{50_000_000, 0, "0.000000"},
		{51_000_000, 0, "0.010000"},
		{0, 10_000_000, "0.000000"},
		{0, 110_000_000, "0.650000"},              // 60 million read beyond what is free, 100 million stored
		{200_000 * 768, 50_000 * 768, "1.434200"}, // 250,000 vectors read, 192 million dimensions; 38.4 million stored
	} {
		if got := neuron.VectorizeBill(test.queried, test.stored).String(); got != test.want {
			t.Errorf("%d queried, %d stored: %s dollars, want %s", test.queried, test.stored, got, test.want)
		}
	}
	if got := (1000 * one).Price().String(); got != "0.011000" {
		t.Errorf("a thousand neurons cost %s dollars", got)
	}
}

// BenchmarkSettle is how many charges a second are made durable, by callers at the same time.
func BenchmarkSettle(b *testing.B) {
	for _, callers := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			l := neurontest.Open(b, neuron.Options{PerDay: 1 << 50})
			call := neuron.Call{Payer: neuron.Payer{Account: "a", Key: "k"}, Model: "m", Tariff: unit(b)}
			b.SetParallelism(callers)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r, err := l.Reserve(context.Background(), call, tokens(20))
					if err != nil {
						b.Error(err)
						return
					}
					if _, err := r.Settle(context.Background(), neuron.Tokens(9, 0, 3)); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "charges/s")
		})
	}
}

// BenchmarkReserve is what a call waits before its model is asked.
func BenchmarkReserve(b *testing.B) {
	l := neurontest.Open(b, neuron.Options{PerDay: 1 << 50})
	call := neuron.Call{Payer: neuron.Payer{Account: "a", Key: "k", KeyPerDay: 1 << 50}, Model: "m", Tariff: unit(b)}
	for b.Loop() {
		r, err := l.Reserve(context.Background(), call, tokens(20))
		if err != nil {
			b.Fatal(err)
		}
		r.Refund()
	}
}
