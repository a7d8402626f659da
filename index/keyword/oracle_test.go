package keyword_test

import (
	"cmp"
	"context"
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/index/keyword"
)

var (
	long = flag.Bool("long", false, "run the slow tests too")
	seed = flag.Uint64("seed", 1, "seed of the random tests")
)

// ask is a query in the oracle's own form; text writes it as a user would.
type ask struct {
	words    []string
	prefixes []string
	phrases  [][]string
	mode     keyword.Mode
	fuzzy    int
	boosts   map[keyword.Field]float64
}

func (a ask) query() keyword.Query {
	parts := slices.Clone(a.words)
	for _, p := range a.prefixes {
		parts = append(parts, p+"*")
	}
	for _, p := range a.phrases {
		parts = append(parts, `"`+strings.Join(p, " ")+`"`)
	}
	return keyword.Query{Text: strings.Join(parts, " "), Mode: a.mode, Fuzziness: a.fuzzy, Boosts: a.boosts}
}

// oracle is BM25 over plain lists of terms, as the formula stands in the books.
type oracle struct {
	documents map[uint32][3][]string // the terms of title, text and metadata
}

// occurrences says how often a document has each thing that the query asks for, an occurrence
// counting as the boost of its field.
func (a ask) occurrences(fields [3][]string) []float64 {
	var counts []float64
	count := func(of func(terms []string) float64) {
		sum := 0.0
		for f, terms := range fields {
			sum += a.boosts[keyword.Field(f)] * of(terms)
		}
		counts = append(counts, sum)
	}
	for _, w := range a.words {
		count(func(terms []string) (n float64) {
			for _, t := range terms {
				if d := apart(w, t); d == 0 || d <= min(a.fuzzy, len(w)/4) {
					n += 1 / float64(1+d)
				}
			}
			return n
		})
	}
	for _, p := range a.prefixes {
		count(func(terms []string) (n float64) {
			for _, t := range terms {
				if strings.HasPrefix(t, p) {
					n++
				}
			}
			return n
		})
	}
	for _, p := range a.phrases {
		count(func(terms []string) (n float64) {
			for i := range terms {
				if len(terms)-i >= len(p) && slices.Equal(terms[i:i+len(p)], p) {
					n++
				}
			}
			return n
		})
	}
	return counts
}

func (o *oracle) search(a ask, within *roaring.Bitmap, k1, b float64) []keyword.Hit {
	total, length := 0.0, map[uint32]float64{}
	found, holders := map[uint32][]float64{}, map[int]float64{}
	sum := 0.0
	for slot, fields := range o.documents {
		if !within.Contains(slot) {
			continue
		}
		total++
		for f, terms := range fields {
			length[slot] += a.boosts[keyword.Field(f)] * float64(len(terms))
		}
		sum += length[slot]
		found[slot] = a.occurrences(fields)
		for i, tf := range found[slot] {
			if tf > 0 {
				holders[i]++
			}
		}
	}
	var hits []keyword.Hit
	for slot, counts := range found {
		score, has := 0.0, 0
		for i, tf := range counts {
			if tf == 0 {
				continue
			}
			has++
			idf := math.Log(1 + (total-holders[i]+0.5)/(holders[i]+0.5))
			score += idf * tf * (k1 + 1) / (tf + k1*(1-b+b*length[slot]/(sum/total)))
		}
		if has > 0 && (has == len(counts) || a.mode != keyword.And) {
			hits = append(hits, keyword.Hit{Slot: slot, Score: score})
		}
	}
	slices.SortFunc(hits, func(x, y keyword.Hit) int {
		return cmp.Or(cmp.Compare(y.Score, x.Score), cmp.Compare(x.Slot, y.Slot))
	})
	return hits
}

var distances = map[[2]string]int{}

// apart is distance, worked out once.
func apart(a, b string) int {
	d, known := distances[[2]string{a, b}]
	if !known {
		d = distance(a, b)
		distances[[2]string{a, b}] = d
	}
	return d
}

// distance counts the letters that are wrong, neighbours in the wrong order as one.
func distance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

// vocabulary has words that are near each other, and begin like each other.
var vocabulary = func() (words []string) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 60 {
		w := make([]byte, 2+r.IntN(8))
		for i := range w {
			w[i] = "abcde"[r.IntN(5)]
		}
		words = append(words, string(w))
	}
	return words
}()

type generator struct{ *rand.Rand }

func (g generator) words(most int) []string {
	words := make([]string, g.IntN(most+1))
	for i := range words {
		words[i] = vocabulary[min(g.IntN(len(vocabulary)), g.IntN(len(vocabulary)))]
	}
	return words
}

func (g generator) ask() ask {
	a := ask{mode: []keyword.Mode{"", keyword.Or, keyword.And}[g.IntN(3)], fuzzy: max(0, g.IntN(5)-2)}
	a.words = slices.Compact(slices.Sorted(slices.Values(g.words(4))))
	if g.IntN(3) == 0 {
		w := vocabulary[g.IntN(len(vocabulary))]
		a.prefixes = []string{w[:1+g.IntN(len(w))]}
	}
	if g.IntN(3) == 0 {
		for p := g.words(3); len(p) > 1; p = nil {
			a.phrases = [][]string{p}
		}
	}
	a.boosts = map[keyword.Field]float64{keyword.Text: 1}
	if g.IntN(2) == 0 {
		a.boosts[keyword.Title], a.boosts[keyword.Metadata] = float64(g.IntN(4))/2, float64(g.IntN(3))/4
	}
	return a
}

func (g generator) some(n int, share float64) *roaring.Bitmap {
	b := roaring.New()
	for s := range n {
		if g.Float64() < share {
			b.Add(uint32(s))
		}
	}
	return b
}

func TestAnswersAreThoseOfBM25OverPlainLists(t *testing.T) {
	t.Logf("-seed %d", *seed)
	rounds := 6
	if *long {
		rounds = 100
	}
	for round := range rounds {
		g := generator{rand.New(rand.NewPCG(*seed, uint64(round)))}
		w := newWorld(t, keyword.Options{Analysis: keyword.Analysis{Language: keyword.NoLanguage}, FlushBytes: int64(1 + g.IntN(200_000))})
		o := &oracle{documents: map[uint32][3][]string{}}
		slots := 0
		for range 1 + g.IntN(40) {
			var batch []keyword.Document
			for range g.IntN(30) {
				slots += 1 + max(0, g.IntN(12)-9) // gaps
				d := [3][]string{g.words(3), g.words(30), g.words(4)}
				o.documents[uint32(slots)] = d
				batch = append(batch, keyword.Document{Slot: uint32(slots), Title: strings.Join(d[0], " "), Text: strings.Join(d[1], ", "), Metadata: []string{strings.Join(d[2], "/")}})
			}
			w.add(batch)
			switch g.IntN(12) {
			case 0:
				w.reopen()
			case 1:
				kept := g.some(slots+1, 0.2+0.7*g.Float64())
				w.index.Keep(kept, uint32(slots)+1)
				for s := range o.documents {
					if !kept.Contains(s) {
						delete(o.documents, s)
					}
				}
			}
			for range 3 {
				a := g.ask()
				within := g.some(slots+5, []float64{0, 0.1, 0.5, 1}[g.IntN(4)])
				for s := range o.documents {
					if g.IntN(2) == 0 {
						within.Add(s)
					}
				}
				w.compare(a, o, within)
			}
		}
	}
}

// compare asks the index and the oracle. Slots that were given up may be there or not, so
// they are not asked for.
func (w *world) compare(a ask, o *oracle, within *roaring.Bitmap) {
	w.t.Helper()
	known := roaring.New()
	for s := range o.documents {
		known.Add(s)
	}
	within = roaring.And(within, known)
	got, err := w.index.Search(context.Background(), a.query(), within, 20)
	if err != nil {
		w.t.Fatal(err)
	}
	want := o.search(a, within, keyword.DefaultK1, keyword.DefaultB)
	if got.Matching != len(want) || len(got.Hits) != min(20, len(want)) {
		w.t.Fatalf("%+v: %d matching, %d hits; want %d matching\n%v\n%v", a, got.Matching, len(got.Hits), len(want), got.Hits, want[:min(20, len(want))])
	}
	for i, h := range got.Hits {
		if math.Abs(h.Score-want[i].Score) > 1e-9*want[i].Score {
			w.t.Fatalf("%+v: place %d has %v, want %v", a, i, h, want[i])
		}
		if i > 0 && (h.Score > got.Hits[i-1].Score || h.Score == got.Hits[i-1].Score && h.Slot < got.Hits[i-1].Slot) {
			w.t.Fatalf("%+v: %v stands behind %v", a, h, got.Hits[i-1])
		}
		at := slices.IndexFunc(want, func(o keyword.Hit) bool { return o.Slot == h.Slot })
		if at < 0 || math.Abs(want[at].Score-h.Score) > 1e-9*h.Score {
			w.t.Fatalf("%+v: slot %d has %g", a, h.Slot, h.Score)
		}
	}
}
