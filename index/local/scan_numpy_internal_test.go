package local

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nearside/index"
	"nearside/index/local/vek"
)

var besideNumpy = flag.Int("numpy", 0, "compare the scan of mnist with numpy's, over so many queries (needs NEARSIDE_COLLECTIONS and python3 with numpy)")

// TestScanBesideNumpy measures the exact scan of mnist-784 (60,000 rows, squared
// Euclidean distance, ten nearest) beside numpy on OpenBLAS: one core each, one
// query at a time, taking turns query by query, so that whatever else the
// machine does disturbs both alike. It prints the median and the fastest times
// with their ratios, and checks that both find the same rows. This is the figure of the README:
//
//	NEARSIDE_COLLECTIONS=… go test ./index/local -run BesideNumpy -numpy 300 -v
func TestScanBesideNumpy(t *testing.T) {
	if *besideNumpy == 0 {
		t.Skip("pass -numpy 300 to run it")
	}
	const k = 10
	rows, queries := mnist(t, "train"), mnist(t, "t10k")
	r := storedRows(t, rows)
	p := newPool(1)
	defer p.close()
	other := startNumpy(t, k)
	var ours, theirs []time.Duration
	for i := range *besideNumpy {
		q := i % len(queries)
		took, want := other.ask(t, q)
		theirs = append(theirs, took)
		begin := time.Now()
		hits := runScan(t, p, scan{rows: r, metric: index.Euclidean, query: queries[q], k: k, slots: slot(len(rows))})
		ours = append(ours, time.Since(begin))
		if got := slotsOf(hits); !sameSet(got, want) {
			t.Errorf("query %d: nearside found %v, numpy %v", q, got, want)
		}
	}
	t.Logf("kernels %s, %s, %d queries", vek.Using(), other.version, *besideNumpy)
	a, b := median(ours), median(theirs)
	t.Logf("median:  nearside %v, numpy %v; nearside is %.2f x as fast", a, b, float64(b)/float64(a))
	a, b = ours[0], theirs[0]
	t.Logf("fastest: nearside %v, numpy %v; nearside is %.2f x as fast", a, b, float64(b)/float64(a))
}

// median sorts the durations.
func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func sameSet(a, b []slot) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// mnist returns the images of one part of the collection, "train" or "t10k".
func mnist(t testing.TB, part string) [][]float32 {
	t.Helper()
	f, err := os.Open(mnistFile(t, part))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	n := int(binary.BigEndian.Uint32(b[4:]))
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = make([]float32, 784)
		for j, pixel := range b[16+784*i:][:784] {
			vectors[i][j] = float32(pixel)
		}
	}
	return vectors
}

func mnistFile(t testing.TB, part string) string {
	t.Helper()
	dir := os.Getenv("NEARSIDE_COLLECTIONS")
	if dir == "" {
		t.Skip("NEARSIDE_COLLECTIONS is not set")
	}
	return filepath.Join(dir, "mnist", part+"-images-idx3-ubyte.gz")
}

// numpy is the other side: testdata/scan_numpy.py.
type numpy struct {
	in      io.Writer
	out     *bufio.Scanner
	version string
}

func startNumpy(t *testing.T, k int) *numpy {
	t.Helper()
	cmd := exec.Command("python3", "testdata/scan_numpy.py", mnistFile(t, "train"), mnistFile(t, "t10k"), strconv.Itoa(k))
	cmd.Env = append(os.Environ(), "OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	n := &numpy{in: in, out: bufio.NewScanner(out)}
	n.version = n.line(t)
	return n
}

func (n *numpy) line(t *testing.T) string {
	t.Helper()
	if !n.out.Scan() {
		t.Fatalf("numpy ended: %v", n.out.Err())
	}
	return n.out.Text()
}

// ask returns what numpy answers to a query, and how long it took.
func (n *numpy) ask(t *testing.T, query int) (time.Duration, []slot) {
	t.Helper()
	if _, err := fmt.Fprintln(n.in, query); err != nil {
		t.Fatal(err)
	}
	var numbers []slot
	fields := strings.Fields(n.line(t))
	took, err := strconv.ParseInt(fields[0], 10, 64)
	for _, f := range fields[1:] {
		v, e := strconv.ParseUint(f, 10, 32)
		if e != nil {
			err = e
		}
		numbers = append(numbers, slot(v))
	}
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(took), numbers
}
