package measure_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"nearside/measure"
)

// answer makes a search that gives every question the same ranking.
func answer(hits ...measure.Hit) measure.Search {
	return func(context.Context, measure.Query) ([]measure.Hit, error) { return hits, nil }
}

// ranking makes hits in the given order.
func ranking(documents ...measure.DocumentID) []measure.Hit {
	hits := make([]measure.Hit, len(documents))
	for i, d := range documents {
		hits[i] = measure.Hit{Document: d, Score: float64(len(documents) - i)}
	}
	return hits
}

func oneQuery(grades map[measure.DocumentID]int) *measure.Collection {
	return &measure.Collection{
		Queries:    []measure.Query{{ID: "q", Text: "?"}},
		Judgements: map[measure.QueryID]map[measure.DocumentID]int{"q": grades},
	}
}

func fillers(n int) []measure.DocumentID {
	ids := make([]measure.DocumentID, n)
	for i := range ids {
		ids[i] = measure.DocumentID(fmt.Sprintf("filler-%04d", i))
	}
	return ids
}

func TestFiguresFollowTheirDefinitions(t *testing.T) {
	log2 := math.Log2
	graded := map[measure.DocumentID]int{"a": 3, "b": 2, "c": 1, "no": 0, "unjudged": -1}
	ideal := 3/log2(2) + 2/log2(3) + 1/log2(4)
	tests := map[string]struct {
		grades map[measure.DocumentID]int
		hits   []measure.Hit
		want   measure.Figures
	}{
		"the ideal ranking":            {graded, ranking("a", "b", "c"), measure.Figures{NDCG: 1, MRR: 1, Recall: 1}},
		"nothing found":                {graded, nil, measure.Figures{}},
		"linear gain, by place":        {graded, ranking("no", "c", "a"), measure.Figures{NDCG: (1/log2(3) + 3/log2(4)) / ideal, MRR: 1. / 2, Recall: 2. / 3}},
		"grade 0 and below are no hit": {graded, ranking("no", "unjudged", "b"), measure.Figures{NDCG: 2 / log2(4) / ideal, MRR: 1. / 3, Recall: 1. / 3}},
		"no relevant document":         {map[measure.DocumentID]int{"no": 0}, ranking("no"), measure.Figures{}},
		"place 10 counts":              {graded, ranking(append(fillers(9), "a")...), measure.Figures{NDCG: 3 / log2(11) / ideal, MRR: 1. / 10, Recall: 1. / 3}},
		"place 11 counts for recall":   {graded, ranking(append(fillers(10), "a")...), measure.Figures{Recall: 1. / 3}},
		"place 100 counts for recall":  {graded, ranking(append(fillers(99), "a")...), measure.Figures{Recall: 1. / 3}},
		"place 101 does not":           {graded, ranking(append(fillers(100), "a")...), measure.Figures{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			report, err := measure.Evaluate(t.Context(), oneQuery(test.grades), answer(test.hits...), nil)
			if err != nil {
				t.Fatal(err)
			}
			got, want := report.Figures, test.want
			if math.Abs(got.NDCG-want.NDCG)+math.Abs(got.MRR-want.MRR)+math.Abs(got.Recall-want.Recall) > 1e-12 {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestIdealGainIsCutAtTenToo(t *testing.T) {
	grades := map[measure.DocumentID]int{}
	for _, d := range fillers(25) {
		grades[d] = 1
	}
	report, err := measure.Evaluate(t.Context(), oneQuery(grades), answer(ranking(fillers(10)...)...), nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.NDCG != 1 || report.Recall != 10./25 {
		t.Errorf("ten of 25 relevant in ten places: got %+v", report.Figures)
	}
}

func TestEqualScoresStandByDocumentDownwards(t *testing.T) {
	hits := []measure.Hit{{"a", 1}, {"b", 2}, {"c", 1}, {"10", 1}, {"9", 1}}
	var got []measure.DocumentID
	for _, h := range measure.Order(hits) {
		got = append(got, h.Document)
	}
	if fmt.Sprint(got) != "[b c a 9 10]" {
		t.Errorf("got %v", got)
	}
}

func TestOnlyJudgedQueriesCountAndEachOnce(t *testing.T) {
	c := &measure.Collection{
		Queries: []measure.Query{{ID: "hit"}, {ID: "nobody judged it"}, {ID: "only irrelevant"}},
		Judgements: map[measure.QueryID]map[measure.DocumentID]int{
			"hit": {"a": 1}, "only irrelevant": {"a": 0},
		},
	}
	var told []int
	report, err := measure.Evaluate(t.Context(), c, answer(ranking("a")...), func(done, total int) {
		told = append(told, done, total)
	})
	if err != nil {
		t.Fatal(err)
	}
	if report.Queries != 2 || report.MRR != 0.5 {
		t.Errorf("got %d queries, MRR %v; want 2 and 0.5", report.Queries, report.MRR)
	}
	if fmt.Sprint(told) != "[1 2 2 2]" {
		t.Errorf("progress was told %v", told)
	}
}

func TestAFailingSearchFailsTheEvaluation(t *testing.T) {
	broken := errors.New("broken")
	search := func(context.Context, measure.Query) ([]measure.Hit, error) { return nil, broken }
	if _, err := measure.Evaluate(t.Context(), oneQuery(map[measure.DocumentID]int{"a": 1}), search, nil); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestRunHoldsTheRankingAndTheWholeScore(t *testing.T) {
	hits := []measure.Hit{{"a", 0.1}, {"b", 1.0 / 3}}
	report, err := measure.Evaluate(t.Context(), oneQuery(map[measure.DocumentID]int{"a": 1}), answer(hits...), nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := measure.WriteRun(&out, report.Rankings, "nearside"); err != nil {
		t.Fatal(err)
	}
	want := "q Q0 b 1 0.3333333333333333 nearside\nq Q0 a 2 0.1 nearside\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestRunRefusesIdsThatWouldBreakItsColumns(t *testing.T) {
	report, err := measure.Evaluate(t.Context(), oneQuery(map[measure.DocumentID]int{"a": 1}), answer(ranking("two words")...), nil)
	if err != nil {
		t.Fatal(err)
	}
	err = measure.WriteRun(&bytes.Buffer{}, report.Rankings, "nearside")
	if err == nil || !strings.Contains(err.Error(), `"two words"`) {
		t.Errorf("got %v", err)
	}
}
