package keyword_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/ncruces/go-sqlite3/driver"

	"nearside/index/keyword"
	"nearside/measure"
)

var figures = flag.Bool("figures", false, "measure loading, size and latency beside SQLite's FTS5, and what other choices would find")

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

// TestLoadingAndSizeBesideFTS5 loads the same texts into both, taking turns.
func TestLoadingAndSizeBesideFTS5(t *testing.T) {
	if !*figures {
		t.Skip("it measures for some minutes; pass -figures -v")
	}
	c := collection(t, "medquad")
	text := 0
	for _, d := range c.Documents {
		text += len(d.Title) + len(d.Text)
	}
	t.Logf("%d documents, %.1f MB of titles and texts", len(c.Documents), float64(text)/1e6)
	for round := range 3 {
		for _, batch := range []int{500, 1} {
			some := *c
			if batch == 1 {
				some.Documents = c.Documents[:2000]
			}
			took, size := loadKeyword(t, &some, batch)
			ftsTook, ftsSize, query := loadFTS5(t, &some, batch)
			t.Logf("round %d, batches of %d: keyword %.0f documents/s, %.1f MB; FTS5 (text kept) %.0f documents/s, %.1f MB: %.2f times its rate",
				round, batch, float64(len(some.Documents))/took.Seconds(), float64(size)/1e6, float64(len(some.Documents))/ftsTook.Seconds(), float64(ftsSize)/1e6, ftsTook.Seconds()/took.Seconds())
			_ = query
		}
	}
}

func loadKeyword(t *testing.T, c *measure.Collection, batch int) (time.Duration, int64) {
	w := newWorld(t, keyword.Options{})
	for i := range c.Documents {
		c.Documents[i].Metadata = nil // FTS5 has none
	}
	start := time.Now()
	w.load(c, batch)
	w.reopen() // all of it is in files then
	return time.Since(start), w.index.Stats().Bytes
}

func loadFTS5(t *testing.T, c *measure.Collection, batch int) (took time.Duration, size int64, query func(string) int) {
	path := filepath.Join(t.TempDir(), "fts.db")
	db, err := sql.Open("sqlite3", "file:"+path+"?_pragma=journal_mode(wal)&_pragma=synchronous(normal)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	must := func(_ sql.Result, err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(db.Exec(`CREATE VIRTUAL TABLE f USING fts5(title, text, tokenize = 'porter unicode61')`))
	start := time.Now()
	for documents := range slices.Chunk(c.Documents, batch) {
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range documents {
			must(tx.Exec(`INSERT INTO f (title, text) VALUES (?, ?)`, d.Title, d.Text))
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	must(db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`))
	took = time.Since(start)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return took, info.Size(), func(text string) (n int) {
		rows, err := db.Query(`SELECT rowid FROM f WHERE f MATCH ? ORDER BY bm25(f) LIMIT 100`, orOf(text))
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			n++
		}
		return n
	}
}

// orOf writes a question for FTS5, as words of which any will do.
func orOf(text string) string {
	var words []string
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return !('a' <= r|32 && r|32 <= 'z' || '0' <= r && r <= '9') }) {
		words = append(words, `"`+w+`"`)
	}
	return strings.Join(words, " OR ")
}

// TestLatencyBesideFTS5 asks the questions of medquad, one at a time and sixteen at once.
func TestLatencyBesideFTS5(t *testing.T) {
	if !*figures {
		t.Skip("it measures for some minutes; pass -figures -v")
	}
	c := collection(t, "medquad")
	w := newWorld(t, keyword.Options{})
	w.load(c, 500)
	_, _, fts := loadFTS5(t, c, 500)
	one := func(text string) {
		if _, err := w.index.Search(context.Background(), keyword.Query{Text: text}, everything(), 100); err != nil {
			t.Error(err)
		}
	}
	for round := range 3 {
		t.Logf("round %d: keyword, one at a time %s", round, times(c, 1, one))
		t.Logf("round %d: FTS5, one at a time    %s", round, times(c, 1, func(text string) { fts(text) }))
		t.Logf("round %d: keyword, sixteen       %s", round, times(c, 16, one))
	}
}

// times asks all questions five times and returns what a question took.
func times(c *measure.Collection, clients int, ask func(string)) string {
	var mu sync.Mutex
	var all []time.Duration
	var work sync.WaitGroup
	start := time.Now()
	for client := range clients {
		work.Go(func() {
			for i := client; i < 5*len(c.Queries); i += clients {
				begun := time.Now()
				ask(c.Queries[i%len(c.Queries)].Text)
				mu.Lock()
				all = append(all, time.Since(begun))
				mu.Unlock()
			}
		})
	}
	work.Wait()
	slices.Sort(all)
	return fmt.Sprintf("p50 %v, p99 %v, %.0f/s on %d cores", all[len(all)/2].Round(10*time.Microsecond), all[len(all)*99/100].Round(10*time.Microsecond), float64(len(all))/time.Since(start).Seconds(), runtime.GOMAXPROCS(0))
}
