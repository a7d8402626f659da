package neuron_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/fault"
	"nearside/llm/neuron"
	"nearside/llm/neuron/neurontest"
)

var (
	seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0 = another each time")
	long     = flag.Bool("long", false, "run the slow sweeps")
)

func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with -seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

const (
	accountLimit = 3000 * one
	keyLimit     = 1000 * one
)

// payers are two accounts, each without a key, with a key that is limited and with one that is not.
func payers() []neuron.Payer {
	var all []neuron.Payer
	for _, account := range []string{"a", "b"} {
		all = append(all, neuron.Payer{Account: account},
			neuron.Payer{Account: account, Key: account + "-limited", KeyPerDay: keyLimit},
			neuron.Payer{Account: account, Key: account + "-free"})
	}
	return all
}

// tariffs are what the models cost: each has prices whose products must be rounded.
func tariffs(t testing.TB) map[string]neuron.Tariff {
	t.Helper()
	made := map[string]neuron.Tariff{"unpriced": {}}
	for name, prices := range map[string][]neuron.Price{
		"cheap": {{neuron.InputTokens, "0.012", "1075"}, {neuron.OutputTokens, "0.3", "27273"}},
		"dear":  {{neuron.InputTokens, "4.881", "443756"}, {neuron.CachedInputTokens, "1.1", "100001"}, {neuron.OutputTokens, "6.667", "606061"}},
	} {
		tariff, err := neuron.NewTariff(prices)
		if err != nil {
			t.Fatal(err)
		}
		made[name] = tariff
	}
	return made
}

// model is what a ledger should hold, in the plainest form.
type model struct {
	day      string
	settled  map[[4]string]neuron.Micro // account, key, model, day
	reserved map[*neuron.Reservation]neuron.Call
}

// taken is what is settled on the day and reserved, of an account or a key of it.
func (m *model) taken(account, key string) (sum neuron.Micro) {
	for at, cost := range m.settled {
		if at[0] == account && (key == "" || at[1] == key) && at[3] == m.day {
			sum += cost
		}
	}
	for r, call := range m.reserved {
		if call.Account == account && (key == "" || call.Key == key) {
			sum += r.Estimate()
		}
	}
	return sum
}

// admits says whether a call of some cost is within the limits.
func (m *model) admits(call neuron.Call, cost neuron.Micro) bool {
	fits := func(taken, limit neuron.Micro) bool { return taken < limit && taken+cost <= limit }
	return !call.Tariff.Priced() || fits(m.taken(call.Account, ""), accountLimit) &&
		(call.KeyPerDay == 0 || fits(m.taken(call.Account, call.Key), call.KeyPerDay))
}

// TestTheLedgerIsTheSumOfWhatSettleReturned runs random calls of several payers over some
// days, with the ledger closed and opened between them, beside a model of it.
func TestTheLedgerIsTheSumOfWhatSettleReturned(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	begin := time.Date(2030, 2, 27, 20, 0, 0, 0, time.UTC)
	c := clockAt(begin)
	dir := disktest.OpenDir(t, t.TempDir(), disk.Options{})
	options := neuron.Options{Clock: c.now, PerDay: accountLimit}
	l := open(t, dir, options)
	payers, tariffs := payers(), tariffs(t)
	models := slices.Sorted(maps.Keys(tariffs))
	m := &model{day: begin.Format(time.DateOnly), settled: map[[4]string]neuron.Micro{}, reserved: map[*neuron.Reservation]neuron.Call{}}
	var ended []*neuron.Reservation
	refusals, midnights := 0, 0

	steps := 500
	if *long {
		steps = 20_000
	}
	for range steps {
		switch random.IntN(20) {
		default:
			name := models[random.IntN(len(models))]
			call := neuron.Call{Payer: payers[random.IntN(len(payers))], Model: name, Tariff: tariffs[name]}
			estimate := neuron.Tokens(random.IntN(900), 0, random.IntN(400))
			cost := call.Tariff.Charge(estimate)
			want := m.admits(call, cost)
			r, err := l.Reserve(t.Context(), call, estimate)
			if (err == nil) != want {
				t.Fatalf("%+v for %s: %v; the account has taken %s, the key %s", call.Payer, cost, err, m.taken(call.Account, ""), m.taken(call.Account, call.Key))
			}
			if err != nil {
				refusals++
				if fault.As(err).Reason != neuron.ReasonExhausted {
					t.Fatal(err)
				}
				break
			}
			m.reserved[r] = call
		case 0, 1, 2, 3, 4, 5, 6, 7:
			r, call := pick(random, m.reserved)
			if r == nil {
				break
			}
			used := neuron.Tokens(random.IntN(900), 0, random.IntN(500))
			cost, err := r.Settle(t.Context(), used)
			if err != nil || cost != call.Tariff.Charge(used) {
				t.Fatalf("settled %v for %s, %v", used, cost, err)
			}
			delete(m.reserved, r)
			ended = append(ended, r)
			m.settled[[4]string{call.Account, call.Key, call.Model, m.day}] += cost
		case 8, 9:
			if r, _ := pick(random, m.reserved); r != nil {
				r.Refund()
				delete(m.reserved, r)
				ended = append(ended, r)
			}
		case 10: // what has ended does not change
			if len(ended) > 0 {
				r := ended[random.IntN(len(ended))]
				r.Refund()
				if _, err := r.Settle(t.Context(), tokens(500)); err != nil {
					t.Fatal(err)
				}
			}
		case 11:
			c.forward(time.Duration(random.IntN(100)) * time.Minute)
			if today := c.now().UTC().Format(time.DateOnly); today != m.day {
				m.day = today
				midnights++
			}
		case 12:
			if random.IntN(10) == 0 { // what is reserved is lost
				shut(t, l)
				l = open(t, dir, options)
				clear(m.reserved)
				ended = nil
			}
		}
		if l.Reservations() != len(m.reserved) {
			t.Fatalf("%d calls are under way, not %d", l.Reservations(), len(m.reserved))
		}
	}
	t.Logf("%d refusals, %d midnights", refusals, midnights)
	for _, account := range []string{"a", "b"} {
		m.compare(t, l, account, begin.Format(time.DateOnly))
	}
	shut(t, l)
}

// open and shut are neurontest.OpenIn with the end in the test's hands.
func open(t testing.TB, dir *disk.Dir, o neuron.Options) *neuron.Ledger {
	t.Helper()
	l, err := neuron.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func shut(t testing.TB, l *neuron.Ledger) {
	t.Helper()
	if err := l.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// pick takes any reservation; the order of maps is not the seed's, so by what they are worth.
func pick(random *rand.Rand, from map[*neuron.Reservation]neuron.Call) (*neuron.Reservation, neuron.Call) {
	if len(from) == 0 {
		return nil, neuron.Call{}
	}
	all := slices.SortedFunc(maps.Keys(from), func(a, b *neuron.Reservation) int { return int(a.Estimate() - b.Estimate()) })
	r := all[random.IntN(len(all))]
	return r, from[r]
}

// compare finds the model's sums in the reports, by every grouping.
func (m *model) compare(t *testing.T, l *neuron.Ledger, account, from string) {
	t.Helper()
	for column, by := range map[int]neuron.Grouping{1: neuron.ByKey, 2: neuron.ByModel, 3: neuron.ByDay} {
		want := map[string]neuron.Micro{}
		var sum neuron.Micro
		for at, cost := range m.settled {
			if at[0] == account {
				want[at[column]] += cost
				sum += cost
			}
		}
		report, err := l.Usage(t.Context(), neuron.Query{Account: account, From: from, By: by})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]neuron.Micro{}
		for _, row := range report.Rows {
			if row.Calls > 0 {
				got[row.Name] = row.Neurons
			}
		}
		if report.Total.Neurons != sum || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("account %s by %s: %v, together %s; settled were %v, together %s", account, by, got, report.Total.Neurons, want, sum)
		}
	}
}

// TestLimitsHoldUnderConcurrentCalls lets many callers use no more than they reserved:
// then no account and no key is ever charged more than its limit on a day.
func TestLimitsHoldUnderConcurrentCalls(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	c := clockAt(noon)
	l := neurontest.Open(t, neuron.Options{Clock: c.now, PerDay: accountLimit})
	tariff := unit(t)
	payers := payers()
	var mu sync.Mutex // guards charged
	charged := map[string]neuron.Micro{}
	for range 2 {
		var work sync.WaitGroup
		for range 8 {
			own := rand.New(rand.NewPCG(random.Uint64(), 1))
			work.Go(func() {
				for range 40 {
					payer := payers[own.IntN(len(payers))]
					estimate := own.IntN(150)
					r, err := l.Reserve(t.Context(), neuron.Call{Payer: payer, Model: "m", Tariff: tariff}, tokens(estimate))
					if err != nil {
						continue
					}
					if own.IntN(4) == 0 {
						r.Refund()
						continue
					}
					cost := settle(t, r, own.IntN(estimate+1))
					mu.Lock()
					charged[payer.Account] += cost
					mu.Unlock()
				}
			})
		}
		work.Wait()
		c.forward(24 * time.Hour)
	}
	for _, account := range []string{"a", "b"} {
		report, err := l.Usage(t.Context(), neuron.Query{Account: account, From: "2030-01-01", By: neuron.ByDay})
		if err != nil || report.Total.Neurons != charged[account] || len(report.Rows) != 2 {
			t.Errorf("account %s: %+v, %v; charged were %s", account, report, err, charged[account])
		}
		for _, day := range report.Rows {
			if day.Neurons > accountLimit {
				t.Errorf("account %s was charged %s on %s", account, day.Neurons, day.Name)
			}
			report, err := l.Usage(t.Context(), neuron.Query{Account: account, From: day.Name, To: day.Name, By: neuron.ByKey})
			if err != nil {
				t.Fatal(err)
			}
			for _, key := range report.Rows {
				if key.Name == account+"-limited" && key.Neurons > keyLimit {
					t.Errorf("the key %s was charged %s on %s", key.Name, key.Neurons, day.Name)
				}
			}
		}
	}
}
