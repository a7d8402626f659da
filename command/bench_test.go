package command_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/command"
)

// tiny is a set that is made, and an index that is built, in a moment.
func tiny(t *testing.T, line string) []string {
	return append(strings.Fields("bench "+line), "--data", "gmm128", "--n", "600", "--queries", "20", "--rounds", "1", "--M", "8", "--ef-construction", "40", "--cache", t.TempDir())
}

func TestEveryBenchmarkPrintsATableAndJSON(t *testing.T) {
	out := t.TempDir()
	for _, c := range []struct {
		line string
		want []string // in the table
		json string
	}{
		{"ann --engine nearside,exact --ef 20,40", []string{"gmm128: 600 x 128, cosine; 20 queries", "RECALL", "nearside", "exact", "QUERIES/S AT RECALL"}, `"at_recall"`},
		{"filter", []string{"FILTER", "random", "50 %", "none"}, `"complete"`},
		{"churn", []string{"half of the records deleted", "every record replaced 5 times", "200 generations of 1 %"}, `"fresh"`},
		{"build --engine nearside-graph", []string{"CORES", "nearside-graph"}, `"build_seconds"`},
		{"scale", []string{"SHARE", "1.00"}, `"kernel_rows"`},
		{"start", []string{"first answer after", "warm after"}, `"warm_seconds"`},
		{"data --out " + out, []string{filepath.Join(out, "gmm128") + ".{base.fbin"}, "gmm128"},
	} {
		text, errs, code := runHere(t, tiny(t, c.line)...)
		if code != 0 {
			t.Fatalf("bench %s: exit code %d\n%s", c.line, code, errs)
		}
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("bench %s: %q is not in\n%s", c.line, want, text)
			}
		}
		if !strings.Contains(errs, "600 vectors") {
			t.Errorf("bench %s says nothing of what goes on: %q", c.line, errs)
		}
		if strings.HasPrefix(c.line, "churn") {
			continue // once is enough: it is the slowest
		}
		asJSON, errs, code := runHere(t, append(tiny(t, c.line), "--json")...)
		if code != 0 || !json.Valid([]byte(asJSON)) || !strings.Contains(asJSON, c.json) {
			t.Errorf("bench %s --json: exit code %d, %s\n%s", c.line, code, errs, asJSON)
		}
	}
}

func TestASweepIsDrawn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sweep.svg")
	if _, errs, code := runHere(t, append(tiny(t, "ann --engine exact"), "--svg", path)...); code != 0 {
		t.Fatalf("exit code %d\n%s", code, errs)
	}
	if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), "<svg") {
		t.Errorf("%v", err)
	}
}

func TestTurnsAreAnsweredLineByLine(t *testing.T) {
	var stdout, stderr strings.Builder
	code := command.Run(t.Context(), tiny(t, "ann --turns --engine nearside-graph"), strings.NewReader("40\n20\n"), &stdout, &stderr, command.Assets{})
	out := stdout.String()
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], `"build_seconds"`) || !strings.Contains(lines[1], `"ef":40`) || !strings.Contains(lines[2], `"ef":20`) || !strings.Contains(lines[2], `"recall"`) {
		t.Errorf("%s", out)
	}
}

func TestBenchmarksOfFilesReadThem(t *testing.T) {
	dir := t.TempDir()
	if _, errs, code := runHere(t, tiny(t, "data --out "+dir)...); code != 0 {
		t.Fatalf("exit code %d\n%s", code, errs)
	}
	out, errs, code := runHere(t, "bench", "ann", "--engine", "exact", "--data", filepath.Join(dir, "gmm128.base.fbin"), "--metric", "euclidean", "--cache", "")
	if code != 0 || !strings.Contains(out, "gmm128: 600 x 128, euclidean; 20 queries") || !strings.Contains(out, "1.0000") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

func TestABenchmarkOverHTTPRunsItsOwnProcesses(t *testing.T) {
	out := nearside(t, t.Context(), append(tiny(t, "http --connections 2"), "--json")...)
	var result struct {
		QPS   float64 `json:"http_qps"`
		Load  float64 `json:"http_load_seconds"`
		Share float64 `json:"share"`
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || result.QPS <= 0 || result.Load <= 0 || result.Share <= 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestMistakesOfBenchmarksAreNamedWithTheNextStep(t *testing.T) {
	for _, mistake := range []struct {
		line string
		want []string
	}{
		{"bench ann --data sift", []string{`"sift"`, "lid768"}},
		{"bench ann --data no/such.fbin", []string{"no/such.fbin"}},
		{"bench ann --engine faiss", []string{`"faiss"`, "nearside-graph"}},
		{"bench ann --engine exact,exact", []string{`"exact"`, "once"}},
		{"bench ann --ef 10,ten", []string{`"ten"`, "--ef"}},
		{"bench ann --ef 0", []string{`"0"`, "--ef"}},
		{"bench ann --turns --data gmm128 --n 100", []string{"--turns", "names 2"}},
		{"bench filter --n -1", []string{"--n -1", "at least 0"}},
		{"bench filter --rounds 0", []string{"--rounds 0", "at least 1"}},
		{"bench filter --metric l3", []string{`"l3"`, "euclidean"}},
		{"bench build --engine faiss --data gmm128 --n 100", []string{`"faiss"`}},
		{"bench http --connections 0 --data gmm128 --n 100", []string{"--connections 0"}},
		{"bench ann --data mnist784 --collections /nowhere", []string{"/nowhere/mnist/train-images-idx3-ubyte.gz"}},
		{"bench ann --data gmm128 --n 5", []string{"5 vectors", "at least 10"}},
	} {
		out, errs, code := runHere(t, strings.Fields(mistake.line)...)
		if code != 1 || out != "" {
			t.Errorf("nearside %s: exit code %d, output %q", mistake.line, code, out)
		}
		for _, want := range mistake.want {
			if !strings.Contains(errs, want) {
				t.Errorf("nearside %s: %q is not in %q", mistake.line, want, errs)
			}
		}
	}
}

func TestTheDataOfABenchmarkIsNotTheDataDirectory(t *testing.T) {
	t.Setenv("NEARSIDE_DATA", t.TempDir())
	if _, errs, code := runHere(t, "bench", "ann", "--data", "gmm128", "--n", "5"); code != 1 || !strings.Contains(errs, "gmm128 has 5 vectors") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	// Without --data it is the set that the help names, and not what the environment says.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs strings.Builder
	if command.Run(ctx, []string{"bench", "ann"}, strings.NewReader(""), &out, &errs, command.Assets{}); !strings.Contains(errs.String(), "making lid768") {
		t.Errorf("%s", errs.String())
	}
}

func TestAnInterruptedBenchmarkEndsCleanly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, line := range []string{"ann", "filter", "churn", "build", "scale", "memory", "start"} {
		var out, errs strings.Builder
		if code := command.Run(ctx, tiny(t, line), strings.NewReader(""), &out, &errs, command.Assets{}); code != 130 {
			t.Errorf("bench %s: exit code %d\n%s", line, code, errs.String())
		}
	}
}
