package command_test

import (
	"encoding/json"
	"strings"
	"testing"
)

const fewCalls = "bench router --first 0 --between 1ms --pieces 3 --calls 2 --rounds 1 --concurrency 1,2"

func TestTheRoutersBenchmarkAsksTheSameOfBoth(t *testing.T) {
	out := nearside(t, t.Context(), append(strings.Fields(fewCalls), "--dir", t.TempDir(), "--json")...)
	type figures struct {
		P50 float64 `json:"p50_ms"`
		Gap float64 `json:"gap_mean_ms"`
	}
	var result struct {
		Calls []struct {
			Concurrency, Calls int
			Stream             bool
			Direct, Nearside   figures
			Synced             figures `json:"synced_adds"`
		}
		Failover struct {
			First  float64 `json:"first_p50_ms"`
			Before float64 `json:"before_p50_ms"`
			Calls  int
		}
		Durable struct {
			Fsync   float64 `json:"fsync_p50_ms"`
			Charges []struct {
				PerSecond float64 `json:"per_second"`
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(result.Calls) != 4 || result.Failover.Calls != 40 || result.Failover.First <= 0 || result.Failover.Before <= 0 || result.Durable.Fsync <= 0 || len(result.Durable.Charges) != 2 {
		t.Errorf("got %s", out)
	}
	for _, c := range result.Calls {
		if c.Calls != 2 || c.Direct.P50 < 2 || c.Nearside.P50 < 2 || c.Synced.P50 == 0 || c.Stream == (c.Nearside.Gap == 0) {
			t.Errorf("got %+v", c)
		}
	}
}

func TestTheRoutersBenchmarkPrintsATable(t *testing.T) {
	out := nearside(t, t.Context(), append(strings.Fields(fewCalls), "--dir", t.TempDir())...)
	for _, want := range []string{"AT ONCE  CALL    P50", "\n1        whole", "\n2        stream", "once it is left alone", "a durable charge", "durable charges/s, 2 at once", "\nAT ONCE  CALL    NEARSIDE ADDS  A BARE PROXY  ONE THAT SYNCS"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	for line, want := range map[string]string{
		"bench router --calls 0":       "--calls 0",
		"bench router --concurrency x": `"x"`,
		"bench answer --pieces":        "pieces",
	} {
		if _, errs, code := runHere(t, strings.Fields(line)...); code != 1 || !strings.Contains(errs, want) {
			t.Errorf("nearside %s: exit code %d: %s", line, code, errs)
		}
	}
}
