package keyword_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"nearside/index/keyword"
	"nearside/measure"
)

var figures = flag.Bool("figures", false, "measure loading, size and latency beside SQLite's FTS5, and what other choices would find")

// collection reads one of the judged collections.
func collection(t testing.TB, name string) *measure.Collection {
	t.Helper()
	dir := os.Getenv("NEARSIDE_COLLECTIONS")
	if dir == "" {
		t.Skip("the collections are in NEARSIDE_COLLECTIONS, which is not set")
	}
	c, err := measure.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// documentOf returns a document of a collection as one of the index. Metadata goes
// through in the order of its keys.
func documentOf(slot int, d measure.Document) keyword.Document {
	var values []string
	for _, key := range slices.Sorted(maps.Keys(d.Metadata)) {
		switch v := d.Metadata[key].(type) {
		case string:
			values = append(values, v)
		case []any:
			for _, each := range v {
				if s, ok := each.(string); ok {
					values = append(values, s)
				}
			}
		}
	}
	return keyword.Document{Slot: uint32(slot), Title: d.Title, Text: d.Text, Metadata: values}
}

// load enters a collection in batches; the slot of a document is its place.
func (w *world) load(c *measure.Collection, batch int) {
	w.t.Helper()
	var documents []keyword.Document
	for i, d := range c.Documents {
		if documents = append(documents, documentOf(i, d)); len(documents) == batch || i == len(c.Documents)-1 {
			w.add(documents)
			documents = nil
		}
	}
}

// evaluate has the index answer the questions of a collection.
func (w *world) evaluate(c *measure.Collection, within *roaring.Bitmap, q keyword.Query) measure.Report {
	w.t.Helper()
	r, err := measure.Evaluate(context.Background(), c, func(ctx context.Context, question measure.Query) ([]measure.Hit, error) {
		q := q
		q.Text = question.Text
		a, err := w.index.Search(ctx, q, within, measure.Depth)
		var hits []measure.Hit
		for _, h := range a.Hits {
			hits = append(hits, measure.Hit{Document: c.Documents[h.Slot].ID, Score: h.Score})
		}
		return hits, err
	}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// atLeast fails if a figure is below what it was, and prints it.
func atLeast(t *testing.T, name string, r measure.Report, floor float64) {
	t.Helper()
	t.Logf("%s: nDCG@10 %.4f, MRR@10 %.4f, recall@100 %.4f", name, r.NDCG, r.MRR, r.Recall)
	if r.NDCG < floor {
		t.Errorf("%s: nDCG@10 is %.4f, less than %.3f", name, r.NDCG, floor)
	}
}

func TestCranfieldIsAnsweredAsWellAsIndependentProgramsDo(t *testing.T) {
	c := collection(t, "cranfield")
	w := newWorld(t, keyword.Options{})
	w.load(c, 500)
	atLeast(t, "cranfield", w.evaluate(c, everything(), keyword.Query{}), 0.385)
	asOne := map[keyword.Field]float64{keyword.Title: 1, keyword.Text: 1}
	atLeast(t, "cranfield, title and text as one", w.evaluate(c, everything(), keyword.Query{Boosts: asOne}), 0.378)
}

func TestMedquadIsAnsweredAsWellAsIndependentProgramsDo(t *testing.T) {
	if !*long && !*figures {
		t.Skip("16,407 documents; pass -long")
	}
	c := collection(t, "medquad")
	w := newWorld(t, keyword.Options{})
	w.load(c, 500)
	atLeast(t, "medquad", w.evaluate(c, everything(), keyword.Query{}), 0.44)
	w.reopen()
	atLeast(t, "medquad, opened again", w.evaluate(c, everything(), keyword.Query{}), 0.44)
}

// floors are what the languages of xquad reach in one index with all of them, a little
// less. The index is English: letters tell what else there is.
var floors = map[string]float64{
	"en": 0.960, "de": 0.925, "hi": 0.945, "th": 0.935, "zh": 0.955,
	"es": 0.945, "ro": 0.91, "vi": 0.95, "tr": 0.855, "el": 0.90, "ru": 0.945, "ar": 0.925,
}

func TestTwelveLanguagesInOneIndexAreAnsweredAsIfEachHadItsOwn(t *testing.T) {
	all := collection(t, "xquad")
	w := newWorld(t, keyword.Options{})
	w.load(all, 500)
	for _, language := range []string{"en", "de", "hi", "th", "zh", "es", "ro", "vi", "tr", "el", "ru", "ar"} {
		if !*long && !*figures && !slices.Contains([]string{"en", "de", "hi", "th", "zh"}, language) {
			continue
		}
		c := &measure.Collection{Documents: all.Documents, Judgements: all.Judgements}
		for _, q := range all.Queries {
			if q.Metadata["lang"] == language {
				c.Queries = append(c.Queries, q)
			}
		}
		within := roaring.New()
		for i, d := range all.Documents {
			if d.Metadata["lang"] == language {
				within.Add(uint32(i))
			}
		}
		atLeast(t, fmt.Sprintf("xquad %s", language), w.evaluate(c, within, keyword.Query{}), floors[language])
	}
}
