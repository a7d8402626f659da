package neuron_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"nearside/disk"
	"nearside/disk/disktest"
	"nearside/llm/neuron"
	"nearside/llm/neuron/neurontest"
)

var update = flag.Bool("update", false, "write the golden ledger anew; only for a new version of the format")

// Data directories with a ledger, by its version, each as a clean end left it.
const (
	golden1 = "testdata/ledger-1.zip"
	golden2 = "testdata/ledger-2.zip" // the newest; it has a receipt too
)

// writeGolden uses a ledger for a few calls and keeps its files.
func writeGolden(t *testing.T) {
	t.Helper()
	path := t.TempDir()
	c := clockAt(noon)
	dir, err := disk.OpenDir(path, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := open(t, dir, neuron.Options{Clock: c.now})
	call := neuron.Call{Payer: neuron.Payer{Account: "alice", Key: "k1"}, Model: "m1", Tariff: unit(t)}
	call.Once = "b/1"
	settle(t, reserve(t, l, call, 1), 10)
	call.Once = ""
	settle(t, reserve(t, l, neuron.Call{Payer: alice, Model: "free"}, 1), 7)
	reserve(t, l, call, 1).Refund()
	c.forward(24 * time.Hour)
	settle(t, reserve(t, l, call, 1), 20)
	l.Cached(call)
	l.Queried("alice", 768)
	shut(t, l)
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	disktest.ReadTree(t, path).Pack(t, golden2)
}

func TestTheGoldenLedgersAreReadAsTheyWereWritten(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	for _, golden := range []string{golden1, golden2} {
		c := clockAt(noon.Add(25 * time.Hour))
		l := neurontest.OpenIn(t, disktest.OpenDir(t, disktest.LayOut(t, golden), disk.Options{}), neuron.Options{Clock: c.now, PerDay: 100 * one})
		if a := l.Left(alice); a.Left != 80*one {
			t.Errorf("%s: %s are left", golden, a.Left)
		}
		report, err := l.Usage(t.Context(), neuron.Query{Account: "alice", From: "2030-01-01"})
		want := "[{m1 {2 1 1 0 map[M_input_tokens:30] 30.000000} 0.000000} {free {1 0 0 1 map[M_input_tokens:7] 0.000000} 0.000000}] map[2030-01:768]"
		if got := fmt.Sprint(report.Rows, report.Queried); got != want || err != nil {
			t.Errorf("%s: got %s, %v", golden, got, err)
		}
		if cost, settled, err := l.Receipt(t.Context(), "b/1"); settled != (golden == golden2) || settled != (cost == 10*one) || err != nil {
			t.Errorf("%s: the receipt is %s, %v, %v", golden, cost, settled, err)
		}
	}
}

func TestAnExaminationFindsALedgerThatIsGoneOrDamagedAndMissesNone(t *testing.T) {
	dir := disktest.OpenDir(t, t.TempDir(), disk.Options{})
	shut(t, open(t, dir, neuron.Options{}))
	if found, err := neuron.Check(t.Context(), dir); len(found) != 0 || err != nil {
		t.Errorf("of a new ledger: %v, %v", found, err)
	}
	disktest.Examine(t, disktest.LayOut(t, golden2), "ledger.db", neuron.Check)
}
