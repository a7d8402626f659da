//go:build unix

package keyword_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"nearside/index/keyword"
	"nearside/measure"
)

// TestFigures prints what the choices of this package are worth on the collections.
func TestFigures(t *testing.T) {
	if !*figures {
		t.Skip("it measures for some minutes; pass -figures -v")
	}
	for _, name := range []string{"cranfield", "medquad"} {
		c := collection(t, name)
		for _, language := range []string{keyword.DefaultLanguage, keyword.NoLanguage} {
			w := newWorld(t, keyword.Options{Analysis: keyword.Analysis{Language: language}})
			w.load(c, 500)
			for _, boosts := range []map[keyword.Field]float64{{keyword.Title: 1, keyword.Text: 1}, {keyword.Title: 2, keyword.Text: 1}, {keyword.Title: 3, keyword.Text: 1}, keyword.DefaultBoosts} {
				for _, p := range [][2]float64{{0.9, 0.4}, {1.2, 0.75}, {1.5, 0.75}} {
					r := w.evaluate(c, everything(), keyword.Query{Boosts: boosts, K1: p[0], B: p[1]})
					t.Logf("%s, language %s, %v, k1 %g, b %g: nDCG@10 %.4f, recall@100 %.4f", name, language, boosts, p[0], p[1], r.NDCG, r.Recall)
				}
			}
		}
	}
}

// TestLoadingAndSizeBesideFTS5 loads the same texts into both, taking turns. FTS5 keeps
// the texts too, which its size without them leaves out.
func TestLoadingAndSizeBesideFTS5(t *testing.T) {
	c := medquadForFigures(t)
	for round := range 3 {
		for _, batch := range []int{500, 1} {
			some := *c
			if batch == 1 {
				some.Documents = c.Documents[:2000]
			}
			n := float64(len(some.Documents))
			wall, cpu, size := loadKeyword(t, &some, batch)
			fts := runFTS5(t, &some, batch, nil)
			t.Logf("round %d, batches of %d: keyword %.0f documents/s, %.0f a second of processor, %.1f MB; FTS5 %.0f, %.0f, %.1f MB without the texts",
				round, batch, n/wall, n/cpu, float64(size)/1e6, n/fts.Wall, n/fts.CPU, float64(fts.Bytes-fts.Kept)/1e6)
		}
	}
}

// medquadForFigures has titles and texts only, as FTS5 is given.
func medquadForFigures(t *testing.T) *measure.Collection {
	t.Helper()
	if !*figures {
		t.Skip("it measures for some minutes; pass -figures -v")
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("FTS5 is asked through python3, which is not there")
	}
	c, text := collection(t, "medquad"), 0
	for i := range c.Documents {
		c.Documents[i].Metadata = nil
		text += len(c.Documents[i].Title) + len(c.Documents[i].Text)
	}
	t.Logf("%d documents, %.1f MB of titles and texts", len(c.Documents), float64(text)/1e6)
	return c
}

// loadKeyword returns the seconds, those of the processor, and the bytes of an index with
// everything in files.
func loadKeyword(t *testing.T, c *measure.Collection, batch int) (wall, cpu float64, size int64) {
	w := newWorld(t, keyword.Options{})
	start, used := time.Now(), processor(t)
	w.load(c, batch)
	w.reopen()
	return time.Since(start).Seconds(), processor(t) - used, w.index.Stats().Bytes
}

// processor returns the seconds of processor time that this process has used.
func processor(t *testing.T) float64 {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// ftsFigures is what testdata/fts5.py prints.
type ftsFigures struct {
	Wall, CPU   float64
	Bytes, Kept int64
	Questions   []float64
}

func runFTS5(t *testing.T, c *measure.Collection, batch int, questions []measure.Query) (f ftsFigures) {
	t.Helper()
	var in bytes.Buffer
	lines := json.NewEncoder(&in)
	rows := []map[string]any{{"batch": batch}}
	for _, d := range c.Documents {
		rows = append(rows, map[string]any{"title": d.Title, "text": d.Text})
	}
	for _, q := range questions {
		rows = append(rows, map[string]any{"question": q.Text})
	}
	for _, row := range rows {
		if err := lines.Encode(row); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("python3", filepath.Join("testdata", "fts5.py"))
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestLatencyBesideFTS5 asks the questions of medquad for their first hundred documents.
func TestLatencyBesideFTS5(t *testing.T) {
	c := medquadForFigures(t)
	w := newWorld(t, keyword.Options{})
	w.load(c, 500)
	ask := func(text string) {
		if _, err := w.index.Search(context.Background(), keyword.Query{Text: text}, everything(), 100); err != nil {
			t.Error(err)
		}
	}
	for round := range 3 {
		t.Logf("round %d: keyword, one at a time   %s", round, times(c, 1, ask))
		var taken []time.Duration
		for _, s := range runFTS5(t, c, 500, slices.Repeat(c.Queries, 5)).Questions {
			taken = append(taken, time.Duration(s*1e9))
		}
		t.Logf("round %d: FTS5, one at a time      %s", round, summary(taken))
		t.Logf("round %d: keyword, sixteen at once %s", round, times(c, 16, ask))
	}
}

// times asks all questions five times and returns what a question took.
func times(c *measure.Collection, clients int, ask func(string)) string {
	var mu sync.Mutex
	var all []time.Duration
	var work sync.WaitGroup
	for client := range clients {
		work.Go(func() {
			for i := client; i < 5*len(c.Queries); i += clients {
				begun := time.Now()
				ask(c.Queries[i%len(c.Queries)].Text)
				took := time.Since(begun)
				mu.Lock()
				all = append(all, took)
				mu.Unlock()
			}
		})
	}
	work.Wait()
	return summary(all)
}

func summary(taken []time.Duration) string {
	slices.Sort(taken)
	return fmt.Sprintf("p50 %v, p99 %v", taken[len(taken)/2].Round(10*time.Microsecond), taken[len(taken)*99/100].Round(10*time.Microsecond))
}
