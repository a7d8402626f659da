package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"nearside/fault"
	"nearside/index"
	"nearside/index/local"
)

func TestParkedIndexesAnswerAsIfTheyWereOpen(t *testing.T) {
	t.Parallel()
	h := openHome(t, func(h *home) { h.options.MaxOpen = 4 })
	const indexes, rounds = 12, 15
	var all sync.WaitGroup
	for n := range index.Number(indexes) {
		x := h.create(t, n+1)
		all.Go(func() {
			for version := range rounds {
				err := retryBusy(func() error {
					_, err := x.Upsert(context.Background(), records(0, 5, version), index.Scope{})
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				var got []index.Record
				err = retryBusy(func() (err error) {
					got, err = x.Get(context.Background(), []index.VectorID{"r00003"}, index.Read{})
					return err
				})
				if err != nil || len(got) != 1 || got[0].Text != record(3, version).Text {
					t.Errorf("index %d, version %d: %v, %v", n+1, version, got, err)
					return
				}
			}
		})
	}
	all.Wait()
	if st := h.Stats(); st.Open > 4 {
		t.Errorf("%d indexes are open, 4 are allowed", st.Open)
	}
}

// retryBusy repeats what fails because all indexes that may be open are in use.
func retryBusy(do func() error) error {
	for {
		err := do()
		if !fault.Is(err, fault.Busy) {
			return err
		}
	}
}

func TestWhatDoesNotFitInMemoryIsRefusedWithTheNumbers(t *testing.T) {
	t.Parallel()
	h := openHome(t, func(h *home) { h.options.MemoryBytes = 4 << 20 })
	x, err := h.Create(t.Context(), 1, index.Config{Dimensions: 1536, Metric: index.DotProduct})
	if err != nil {
		t.Fatal(err)
	}
	list := make([]index.Record, 100)
	for i := range list {
		list[i] = index.Record{ID: index.VectorID(fmt.Sprint(i)), Values: make([]float32, 1536)}
	}
	loaded := 0
	for round := range 20 {
		for i := range list {
			list[i].ID = index.VectorID(fmt.Sprint(round, i))
		}
		if _, err = x.Upsert(t.Context(), list, index.Scope{}); err != nil {
			break
		}
		loaded += len(list)
	}
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "4 MB allowed") || !strings.Contains(err.Error(), "--memory") {
		t.Fatalf("after %d records: %v", loaded, err)
	}
	if n := count(t, x); n != loaded || loaded == 0 {
		t.Fatalf("%d records, %d were acknowledged", n, loaded)
	}
	// An idle index makes room for another.
	y := h.create(t, 2)
	upsert(t, y, records(0, 10, 1)...)
	if n := count(t, x); n != loaded {
		t.Fatalf("%d records after another index was used", n)
	}
	if st := h.Stats(); st.Bytes > 4<<20 {
		t.Fatalf("%d bytes are granted, 4 MiB are allowed", st.Bytes)
	}
}

func TestDamagedIndexIsOutOfServiceAndOthersKeepServing(t *testing.T) {
	t.Parallel()
	h := openHome(t, nil)
	h.broken = true
	fillSmall(t, h.create(t, 1))
	fillSmall(t, h.create(t, 2))
	h.close(t)
	path := filepath.Join(h.path, "indexes", "1", "records.db")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-2000] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	h.open(t)
	if _, err := h.Open(t.Context(), 1); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), path) {
		t.Fatalf("open the damaged index: %v", err)
	}
	if n := count(t, h.openIndex(t, 2)); n == 0 {
		t.Fatal("the other index is empty")
	}
	if st := h.Stats(); len(st.Damaged) != 1 || !fault.Is(st.Damaged[1], fault.Corrupt) || len(st.Warming) != 0 {
		t.Fatalf("stats %+v", st)
	}
	numbers, err := h.Numbers(t.Context())
	if err != nil || len(numbers) != 2 {
		t.Fatalf("numbers %v, %v", numbers, err)
	}
	h.close(t)
	h.openDir(t)
	findings, err := local.Check(t.Context(), h.dir.Sub("indexes"))
	if err != nil || len(findings) != 1 || findings[0].Path != path {
		t.Fatalf("findings %v, %v", findings, err)
	}
}

func TestCheckFindsNothingInASoundDirectoryAndNamesWhatIsDerived(t *testing.T) {
	t.Parallel()
	h := openHome(t, nil)
	h.broken = true
	x := h.create(t, 1)
	fillSmall(t, x)
	h.create(t, 2)
	h.close(t)
	h.openDir(t)
	if findings, err := local.Check(t.Context(), h.dir.Sub("indexes")); err != nil || len(findings) != 0 {
		t.Fatalf("findings %v, %v", findings, err)
	}
	rows := filepath.Join(h.path, "indexes", "1", "vectors.rows")
	if err := os.Remove(rows); err != nil {
		t.Fatal(err)
	}
	findings, err := local.Check(t.Context(), h.dir.Sub("indexes"))
	if err != nil || len(findings) != 1 || findings[0].Path != rows || !strings.Contains(findings[0].Rescue, "nothing is lost") {
		t.Fatalf("findings %v, %v", findings, err)
	}
}

func TestRowsAreRebuiltFromTheRecordsWithProgress(t *testing.T) {
	t.Parallel()
	var steps []string
	h := openHome(t, func(h *home) {
		h.options.Progress = func(n index.Number, done, total int) { steps = append(steps, fmt.Sprintf("%d: %d/%d", n, done, total)) }
	})
	x := h.create(t, 1)
	upsert(t, x, records(0, 600, 1)...)
	want, err := answers(x)
	if err != nil {
		t.Fatal(err)
	}
	h.close(t)
	if err := os.Remove(filepath.Join(h.path, "indexes", "1", "vectors.rows")); err != nil {
		t.Fatal(err)
	}
	h.open(t)
	got, err := answers(h.openIndex(t, 1))
	if err != nil || got != want {
		t.Fatalf("other answers from rebuilt rows, or %v", err)
	}
	if last := steps[len(steps)-1]; len(steps) != 3 || last != "1: 600/600" {
		t.Fatalf("progress %v", steps)
	}
}

func TestRowThatGoesBadInUseIsMended(t *testing.T) {
	t.Parallel()
	h := openHome(t, nil)
	x := h.create(t, 1)
	upsert(t, x, records(0, 100, 1)...)
	want, err := answers(x)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := os.OpenFile(filepath.Join(h.path, "indexes", "1", "vectors.rows"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	// The norm of row 3, which a scan looks at, and a number of row 4.
	for _, at := range []int64{4096 + 3*32 + 4, 4096 + 4*32 + 1} {
		if _, err := rows.WriteAt([]byte{0xAA}, at); err != nil {
			t.Fatal(err)
		}
	}
	got, err := x.Get(t.Context(), []index.VectorID{"r00003", "r00004"}, index.Read{})
	if err != nil || len(got) != 2 || got[0].Values[1] != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	if got, err := answers(x); err != nil || got != want {
		t.Fatalf("other answers after rows went bad, or %v", err)
	}
}

func TestInterruptedCreationIsNoIndexAndTheNumberCanBeUsed(t *testing.T) {
	t.Parallel()
	h := openHome(t, nil)
	if err := os.MkdirAll(filepath.Join(h.path, "indexes", "7"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Open(t.Context(), 7); !fault.Is(err, fault.NotFound) {
		t.Fatalf("open: %v", err)
	}
	if numbers, err := h.Numbers(t.Context()); err != nil || len(numbers) != 1 || numbers[0] != 7 {
		t.Fatalf("numbers %v, %v: a sweeper must see the folder", numbers, err)
	}
	if err := h.Drop(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	if numbers, err := h.Numbers(t.Context()); err != nil || len(numbers) != 0 {
		t.Fatalf("numbers %v, %v", numbers, err)
	}
	h.create(t, 7)
}

func snapshotOf(t testing.TB, x index.Index) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := x.Snapshot(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSnapshotIsVerifiedWholeBeforeTheIndexExists(t *testing.T) {
	t.Parallel()
	h := openHome(t, nil)
	x := h.create(t, 1)
	fillSmall(t, x)
	whole := snapshotOf(t, x)
	m, err := local.VerifySnapshot(bytes.NewReader(whole))
	if err != nil || m.Count != count(t, x) || m.Sequence != 8 || m.Dimensions != 4 || m.Metric != index.Cosine {
		t.Fatalf("manifest %+v, %v", m, err)
	}
	step := 4999
	if *long {
		step = 401
	}
	for at := 0; at < len(whole); at += step {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 4
		for what, b := range map[string][]byte{"cut": whole[:at], "flipped": flipped, "longer": append(bytes.Clone(whole), whole[at])} {
			if _, err := local.VerifySnapshot(bytes.NewReader(b)); fault.As(err) == nil {
				t.Fatalf("verify a snapshot %s at %d: %v", what, at, err)
			}
			if _, err := h.Restore(t.Context(), 2, bytes.NewReader(b)); fault.As(err) == nil {
				t.Fatalf("restore a snapshot %s at %d: %v", what, at, err)
			}
			if numbers, err := h.Numbers(t.Context()); err != nil || len(numbers) != 1 {
				t.Fatalf("after a refused restore there are %v, %v", numbers, err)
			}
		}
	}
	want, _ := answers(x)
	y, err := h.Restore(t.Context(), 2, bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := answers(y); err != nil || got != want {
		t.Fatalf("the restored index answers otherwise, or %v", err)
	}
}

func TestSnapshotTakenWhileWritingIsOneState(t *testing.T) {
	t.Parallel()
	h := openHome(t, nil)
	x := h.create(t, 1)
	upsert(t, x, records(0, 500, 0)...)
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for version := 1; ; version++ {
			select {
			case <-stop:
				return
			default:
			}
			// Every mutation leaves all records with its own version.
			if _, err := x.Upsert(context.Background(), records(0, 500, version), index.Scope{}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for n := range 5 {
		var b bytes.Buffer
		sequence, err := x.Snapshot(t.Context(), &b)
		if err != nil {
			t.Fatal(err)
		}
		y, err := h.Restore(t.Context(), index.Number(n+2), &b)
		if err != nil {
			t.Fatal(err)
		}
		info, err := y.Info(t.Context(), index.Read{})
		if err != nil || info.Mutation.Sequence != sequence || info.Count != 500 {
			t.Fatalf("the snapshot says sequence %d and holds %+v, %v", sequence, info, err)
		}
		res, err := y.Query(t.Context(), index.Query{Vector: []float32{1, 2, 3, 4}, TopK: 500, Text: true}, index.Read{})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range res.Matches {
			if want := fmt.Sprintf("text %d.%d", id(m), sequence-1); m.Text != want {
				t.Fatalf("%s has %q in a snapshot of sequence %d", m.ID, m.Text, sequence)
			}
		}
	}
	close(stop)
	writer.Wait()
}

func TestCloseIsIdempotentAndLaterCallsFail(t *testing.T) {
	t.Parallel()
	h := openHome(t, nil)
	x := h.create(t, 1)
	engine := h.Engine
	h.close(t)
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	_, err1 := engine.Open(t.Context(), 1)
	_, err2 := x.Info(t.Context(), index.Read{})
	if !fault.Is(err1, fault.Unavailable) || !fault.Is(err2, fault.Unavailable) {
		t.Fatal(errors.Join(err1, err2))
	}
}
