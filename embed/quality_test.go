package embed_test

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearside/embed"
)

var long = flag.Bool("long", false, "run the slow sweeps")

// judged is a collection: texts, questions, and which text answers which question.
type judged struct {
	texts, questions     []string
	textIDs, questionIDs []string
	relevant             map[string]map[string]bool
}

// readJudged reads a collection, or of xquad one language.
func readJudged(t testing.TB, name, lang string) (c judged) {
	t.Helper()
	root := os.Getenv("NEARSIDE_COLLECTIONS")
	if root == "" {
		t.Skip("NEARSIDE_COLLECTIONS is not set: the test collections are needed")
	}
	read := func(file string) (ids, texts []string) {
		for _, line := range readLines(t, filepath.Join(root, name, file)) {
			var row struct {
				ID, Title, Text string
				Metadata        struct{ Lang string }
			}
			if err := json.Unmarshal(line, &row); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if row.Metadata.Lang == lang {
				ids, texts = append(ids, row.ID), append(texts, strings.TrimSpace(row.Title+" "+row.Text))
			}
		}
		return ids, texts
	}
	c.textIDs, c.texts = read("corpus.jsonl.gz")
	c.questionIDs, c.questions = read("queries.jsonl.gz")
	c.relevant = map[string]map[string]bool{}
	for _, line := range readLines(t, filepath.Join(root, name, "qrels.tsv"))[1:] {
		f := strings.Split(string(line), "\t")
		if f[2] != "0" {
			if c.relevant[f[0]] == nil {
				c.relevant[f[0]] = map[string]bool{}
			}
			c.relevant[f[0]][f[1]] = true
		}
	}
	return c
}

func readLines(t testing.TB, path string) (lines [][]byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	b, err := io.ReadAll(bufio.NewReader(r))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(b), []byte("\n"))
}

// ndcg10 is the mean nDCG@10 of exact cosine search, for judgements that are yes or no.
func (c judged) ndcg10(t testing.TB, e embed.Embedder) float64 {
	t.Helper()
	texts, err := e.Embed(t.Context(), c.texts)
	if err != nil {
		t.Fatal(err)
	}
	questions, err := e.Embed(t.Context(), c.questions)
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	order := make([]int, len(texts))
	scores := make([]float32, len(texts))
	for q, question := range questions {
		for i, text := range texts {
			order[i], scores[i] = i, 0
			for j, v := range text.Values {
				scores[i] += v * question.Values[j]
			}
		}
		slices.SortFunc(order, func(a, b int) int {
			return cmp.Or(cmp.Compare(scores[b], scores[a]), strings.Compare(c.textIDs[b], c.textIDs[a]))
		})
		relevant := c.relevant[c.questionIDs[q]]
		var gain, ideal float64
		for rank := range min(10, len(order)) {
			discount := 1 / math.Log2(float64(rank+2))
			if relevant[c.textIDs[order[rank]]] {
				gain += discount
			}
			if rank < len(relevant) {
				ideal += discount
			}
		}
		sum += gain / ideal
	}
	return sum / float64(len(questions))
}

// For comparison, BM25 has 0.96, 0.92, 0.87, 0.89, 0.95, 0.94, 0.96 and 0.38.
func TestLexicalFindsByWords(t *testing.T) {
	cases := []struct {
		name, lang string
		least      float64
	}{
		{"xquad", "en", 0.84}, {"xquad", "de", 0.80}, {"xquad", "ru", 0.78}, {"xquad", "ar", 0.78},
		{"xquad", "hi", 0.81}, {"xquad", "th", 0.80}, {"xquad", "zh", 0.74}, {"cranfield", "", 0.26},
	}
	if !*long {
		cases = cases[:1]
	}
	for _, c := range cases {
		t.Run(c.name+c.lang, func(t *testing.T) {
			got := readJudged(t, c.name, c.lang).ndcg10(t, embed.Lexical{})
			t.Logf("nDCG@10 %.3f", got)
			if got < c.least {
				t.Errorf("nDCG@10 %.3f; it was at least %.2f", got, c.least)
			}
		})
	}
}
