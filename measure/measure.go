// Package measure finds out how good an answer is: it reads judged
// collections, lets a search answer their questions, and scores the answers by
// trec_eval's rules.
//
// A Collection is a folder with corpus.jsonl.gz, queries.jsonl.gz and
// qrels.tsv. A Search answers one of its questions with a ranking; Vectors
// makes one from an embedder and exact search, with no server running.
// Evaluate asks every judged question and returns a Report; WriteRun writes
// the rankings in the form trec_eval reads, so that anybody can check the
// figures with the original program.
//
// What is promised: the figures are trec_eval's (ndcg_cut.10, recip_rank with
// -M 10, recall.100, all with -c), to the last printed digit, ties in score
// included. A collection that contradicts itself is refused with file and
// line, never measured around.
//
// What the package does not do: it prints nothing, and it measures no time.
package measure

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Depth is how many documents of a ranking are kept and written to a run; trec's own custom.
const Depth = 1000

// The cut-offs of the three figures.
const (
	gainCut   = 10
	firstCut  = 10
	recallCut = 100
)

// Hit is one document of a ranking. A higher score is better.
type Hit struct {
	Document DocumentID
	Score    float64
}

// Search answers one question with up to Depth documents, in any order: the
// scores decide. It is called from several goroutines.
type Search func(ctx context.Context, q Query) ([]Hit, error)

// Figures are the three measures of one question, or their means over many.
type Figures struct {
	NDCG   float64 `json:"ndcg@10"`    // how well the ten best places are filled, by grade, 0 to 1
	MRR    float64 `json:"mrr@10"`     // 1 / the place of the first relevant document, 0 beyond ten
	Recall float64 `json:"recall@100"` // the share of the relevant documents among the first hundred
}

// Ranking is a search's answer to one question.
type Ranking struct {
	Query Query
	Hits  []Hit // best first
	Figures
}

// Report is the outcome of an evaluation.
type Report struct {
	Figures            // means over Queries
	Queries  int       `json:"queries"` // judged questions, each counted once
	Rankings []Ranking `json:"-"`       // in the collection's order
}

// Evaluate lets search answer every judged question of c, several at a time,
// and scores the answers. Progress, if not nil, is told how many are done; it
// is called from one goroutine at a time.
func Evaluate(ctx context.Context, c *Collection, search Search, progress func(done, total int)) (Report, error) {
	judged := c.judgedQueries()
	rankings := make([]Ranking, len(judged))
	counter := newCounter(len(judged), progress)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, q := range judged {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			hits, err := search(ctx, q)
			if err != nil {
				return err
			}
			hits = Order(hits)
			rankings[i] = Ranking{Query: q, Hits: hits, Figures: score(hits, c.Judgements[q.ID])}
			counter.add(1)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Report{}, err
	}
	return Report{Figures: mean(rankings), Queries: len(rankings), Rankings: rankings}, nil
}

// Order returns the best Depth hits, best first, and leaves hits as they are.
// Equal scores stand by document id downwards, as in trec_eval, so that no search
// gains by the order in which it happens to return them.
func Order(hits []Hit) []Hit {
	hits = slices.Clone(hits)
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(string(b.Document), string(a.Document)))
	})
	return hits[:min(len(hits), Depth)]
}

// score computes the figures of one ranking, best hit first.
func score(hits []Hit, grades map[DocumentID]int) Figures {
	var f Figures
	relevant, found := 0, 0
	for _, grade := range grades {
		if grade > 0 {
			relevant++
		}
	}
	if relevant == 0 {
		return f
	}
	gain := 0.0
	for i, hit := range hits[:min(len(hits), recallCut)] {
		grade := grades[hit.Document]
		if grade <= 0 {
			continue
		}
		found++
		if i < gainCut {
			gain += discounted(grade, i)
		}
		if i < firstCut && f.MRR == 0 {
			f.MRR = 1 / float64(i+1)
		}
	}
	f.NDCG = gain / idealGain(grades)
	f.Recall = float64(found) / float64(relevant)
	return f
}

// discounted is what a document of the grade is worth at place i, counted from 0.
func discounted(grade, i int) float64 { return float64(grade) / math.Log2(float64(i+2)) }

// idealGain is the gain of the best ranking there can be: every judged document by grade.
func idealGain(grades map[DocumentID]int) float64 {
	best := make([]int, 0, len(grades))
	for _, grade := range grades {
		if grade > 0 {
			best = append(best, grade)
		}
	}
	slices.SortFunc(best, func(a, b int) int { return b - a })
	gain := 0.0
	for i, grade := range best[:min(len(best), gainCut)] {
		gain += discounted(grade, i)
	}
	return gain
}

// mean averages the figures in the order of the rankings, so that the last digit never changes.
func mean(rankings []Ranking) Figures {
	var sum Figures
	if len(rankings) == 0 {
		return sum
	}
	for _, r := range rankings {
		sum.NDCG += r.NDCG
		sum.MRR += r.MRR
		sum.Recall += r.Recall
	}
	n := float64(len(rankings))
	return Figures{NDCG: sum.NDCG / n, MRR: sum.MRR / n, Recall: sum.Recall / n}
}
