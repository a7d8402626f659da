package chunk_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nearside/doc"
	"nearside/doc/chunk"
	"nearside/embed"
	"nearside/embed/bert"
	"nearside/measure"
)

var figures = flag.Bool("figures", false, "measure what sizes, overlap and context are good for: some ten minutes")

// glued is a collection whose passages were put into files, a few one after the other, so that they must be found again.
type glued struct {
	*measure.Collection
	files []file
}

type file struct {
	*doc.Document
	passages []passage // in order
}

type passage struct {
	id         measure.DocumentID
	start, end int
}

// perFile is how many passages a file has.
const perFile = 20

// glue puts passages into files, in an order of chance, with their titles as headings or without.
func glue(c *measure.Collection, headings bool) *glued {
	g := &glued{Collection: c}
	order := rand.New(rand.NewPCG(1, 2)).Perm(len(c.Documents))
	for n := 0; n < len(order); n += perFile {
		var b doc.Builder
		var f file
		for _, i := range order[n:min(n+perFile, len(order))] {
			d := c.Documents[i]
			if d.Text == "" {
				continue
			}
			before := b.Len()
			if headings && d.Title != "" {
				b.Begin(doc.Heading, 2, "")
				b.Add(d.Title, doc.Origin{})
				b.Begin(doc.Paragraph, 0, "")
				b.Add(d.Text, doc.Origin{})
			} else {
				b.Begin(doc.Paragraph, 0, "")
				b.Add(d.Content(), doc.Origin{})
			}
			b.End()
			f.passages = append(f.passages, passage{d.ID, before, b.Len()})
		}
		f.Document = b.Document(doc.FormatMarkdown)
		g.files = append(g.files, f)
	}
	return g
}

// sample keeps the n documents that answer the most questions, and the questions that they answer.
func sample(c *measure.Collection, n int) *measure.Collection {
	answers := map[measure.DocumentID]int{}
	for _, grades := range c.Judgements {
		for id, grade := range grades {
			if grade > 0 {
				answers[id]++
			}
		}
	}
	documents := slices.Clone(c.Documents)
	slices.SortStableFunc(documents, func(a, b measure.Document) int { return answers[b.ID] - answers[a.ID] })
	out := &measure.Collection{Queries: c.Queries, Judgements: map[measure.QueryID]map[measure.DocumentID]int{}, Documents: documents[:min(n, len(documents))]}
	for _, d := range out.Documents {
		for q, grades := range c.Judgements {
			if grade := grades[d.ID]; grade > 0 {
				if out.Judgements[q] == nil {
					out.Judgements[q] = map[measure.DocumentID]int{}
				}
				out.Judgements[q][d.ID] = grade
			}
		}
	}
	return out
}

// found is a chunk's vector and the passages that it is counted for.
type found struct {
	vector   []float32
	passages []measure.DocumentID
}

// covered are the passages of which a chunk holds at least half, or which hold at least half of the chunk.
func (f file) covered(c chunk.Chunk) (ids []measure.DocumentID) {
	for _, p := range f.passages {
		both := min(p.end, c.End) - max(p.start, c.Start)
		if both > 0 && (2*both >= p.end-p.start || 2*both >= c.End-c.Start) {
			ids = append(ids, p.id)
		}
	}
	return ids
}

// score cuts, embeds, and lets every question find its passages by their best chunk.
func (g *glued) score(t *testing.T, cached embed.Embedder, o chunk.Options) (ndcg float64, chunks, tokens int) {
	ctx := t.Context()
	var all []found
	for _, f := range g.files {
		cut, err := chunk.Cut(ctx, f.Document, o)
		if err != nil {
			t.Fatal(err)
		}
		texts := make([]string, len(cut))
		for i, c := range cut {
			texts[i] = c.Text
			tokens += c.Tokens
		}
		vectors, err := cached.Embed(ctx, texts)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range cut {
			if ids := f.covered(c); len(ids) > 0 {
				all = append(all, found{vectors[i].Values, ids})
			}
		}
		chunks += len(cut)
	}
	report, err := measure.Evaluate(ctx, g.Collection, func(ctx context.Context, q measure.Query) ([]measure.Hit, error) {
		asked, err := cached.Embed(ctx, []string{q.Text})
		if err != nil {
			return nil, err
		}
		best := map[measure.DocumentID]float64{}
		for _, f := range all {
			score := 0.0
			for i, v := range f.vector {
				score += float64(v) * float64(asked[0].Values[i])
			}
			for _, id := range f.passages {
				best[id] = max(best[id], score)
			}
		}
		var hits []measure.Hit
		for id, score := range best {
			hits = append(hits, measure.Hit{Document: id, Score: score})
		}
		return hits, nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report.NDCG, chunks, tokens
}

// modelDir is where the built-in encoder is, or would be.
func modelDir(t testing.TB) string {
	t.Helper()
	models := os.Getenv("NEARSIDE_MODELS")
	if models == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		models = filepath.Join(home, ".cache", "nearside", "models")
	}
	return filepath.Join(models, "all-minilm-l6-v2")
}

func openTokenizer(t testing.TB) chunk.Tokenizer {
	t.Helper()
	tokenizer, err := bert.OpenTokenizer(modelDir(t))
	if err != nil {
		t.Skipf("the built-in encoder is needed: %v", err)
	}
	return tokenizer
}

// What Options' defaults were chosen by.
func TestFigures(t *testing.T) {
	if !*figures {
		t.Skip("some ten minutes; -figures measures")
	}
	root := os.Getenv("NEARSIDE_COLLECTIONS")
	if root == "" {
		t.Skip("NEARSIDE_COLLECTIONS is not set: the test collections are needed")
	}
	e, err := bert.Open(modelDir(t), bert.Options{Precision: bert.Int8})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := embed.NewCache(1 << 30)
	if err != nil {
		t.Fatal(err)
	}
	cached := embed.Cached(e, cache)
	for _, s := range []struct {
		name     string
		headings bool
		where    []measure.Where
	}{
		{"cranfield", true, nil}, {"medquad", true, nil}, {"medquad", false, nil},
		{"xquad", false, []measure.Where{{Property: "lang", Value: "en"}}},
	} {
		c, err := measure.Open(filepath.Join(root, s.name), s.where...)
		if err != nil {
			t.Fatal(err)
		}
		g := glue(sample(c, 240), s.headings)
		for _, o := range settings(s.headings) {
			o.Tokenizer = e
			ndcg, chunks, tokens := g.score(t, cached, o)
			fmt.Printf("%-9s headings %-5v  size %3d overlap %2d bare %-5v  nDCG@10 %.4f  %5d chunks %6d tokens\n", s.name, s.headings, o.Size, o.Overlap, o.Bare, ndcg, chunks, tokens)
		}
	}
}

func settings(headings bool) (all []chunk.Options) {
	for _, size := range []int{64, 128, 192, 256} {
		all = append(all, chunk.Options{Size: size})
	}
	for _, size := range []int{128, 256} {
		all = append(all, chunk.Options{Size: size, Overlap: size / 6})
		if headings {
			all = append(all, chunk.Options{Size: size, Bare: true})
		}
	}
	return all
}
