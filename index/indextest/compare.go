package indextest

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"

	"nearside/fault"
	"nearside/index"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// The functions below say how an answer differs from the one wanted, or "".
// Numbers must be equal bit by bit.

func differentFault(got, want error) string {
	g, w := fault.As(got), fault.As(want)
	if (got == nil) != (want == nil) || want != nil && (g == nil || w == nil || g.Kind != w.Kind || g.Reason != w.Reason) {
		return fmt.Sprintf("got %s, want %s", describe(got), describe(want))
	}
	return ""
}

func differentRecords(got, want []index.Record) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d records %v, want %d %v", len(got), idsOf(got), len(want), idsOf(want))
	}
	for i := range got {
		if d := differentRecord(got[i], want[i]); d != "" {
			return fmt.Sprintf("record %d, %q: %s", i, want[i].ID, d)
		}
	}
	return ""
}

func differentRecord(got, want index.Record) string {
	switch {
	case got.ID != want.ID:
		return fmt.Sprintf("id %q, want %q", got.ID, want.ID)
	case got.Namespace != want.Namespace:
		return fmt.Sprintf("namespace %q, want %q", got.Namespace, want.Namespace)
	case !slices.EqualFunc(got.Values, want.Values, sameBits):
		return fmt.Sprintf("values %v, want %v", got.Values, want.Values)
	case !bytes.Equal(got.Metadata, want.Metadata):
		return fmt.Sprintf("metadata %s, want %s", got.Metadata, want.Metadata)
	case got.Title != want.Title:
		return fmt.Sprintf("title %q, want %q", got.Title, want.Title)
	case got.Text != want.Text:
		return fmt.Sprintf("text %q, want %q", got.Text, want.Text)
	}
	return ""
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

func differentResults(got, want index.Result) string {
	if !slices.Equal(got.Unindexed, want.Unindexed) {
		return fmt.Sprintf("unindexed %v, want %v", got.Unindexed, want.Unindexed)
	}
	if d := differentExplain(got.Explain, want.Explain); d != "" {
		return d
	}
	if len(got.Matches) != len(want.Matches) {
		return fmt.Sprintf("%d matches %v, want %d %v", len(got.Matches), matched(got), len(want.Matches), matched(want))
	}
	for i, w := range want.Matches {
		g := got.Matches[i]
		if d := differentRecord(g.Record, w.Record); d != "" {
			return fmt.Sprintf("match %d of %v, want %v: %s", i, matched(got), matched(want), d)
		}
		if math.Float64bits(g.Score) != math.Float64bits(w.Score) {
			return fmt.Sprintf("match %d, %q: score %v, want %v", i, w.ID, g.Score, w.Score)
		}
	}
	return ""
}

// differentApproximation compares an answer with the exact one, and its matches with
// all that match, in their order.
func differentApproximation(got, want, all index.Result) string {
	explain := got.Explain
	explain.Exhaustive, explain.Candidates = true, max(explain.Candidates, explain.Matching)
	switch {
	case !slices.Equal(got.Unindexed, want.Unindexed):
		return fmt.Sprintf("unindexed %v, want %v", got.Unindexed, want.Unindexed)
	case len(got.Matches) != len(want.Matches):
		return fmt.Sprintf("%d matches %v, want %d %v", len(got.Matches), matched(got), len(want.Matches), matched(want))
	}
	if d := differentExplain(explain, want.Explain); d != "" {
		return d
	}
	next := 0
	for i, g := range got.Matches {
		for next < len(all.Matches) && all.Matches[next].ID != g.ID {
			next++
		}
		if next == len(all.Matches) {
			return fmt.Sprintf("match %d of %v does not match, or is out of order: %v", i, matched(got), matched(all))
		}
		w := all.Matches[next]
		if d := differentRecord(g.Record, w.Record); d != "" {
			return fmt.Sprintf("match %d of %v: %s", i, matched(got), d)
		}
		if math.Float64bits(g.Score) != math.Float64bits(w.Score) {
			return fmt.Sprintf("match %d, %q: score %v, want %v", i, w.ID, g.Score, w.Score)
		}
	}
	return ""
}

// differentExplain compares what the contract fixes; how many vectors were compared is up to the engine.
func differentExplain(got, want index.Explain) string {
	switch {
	case got.Sequence != want.Sequence:
		return fmt.Sprintf("sequence %d, want %d", got.Sequence, want.Sequence)
	case !got.Exhaustive:
		return "the answer is not exhaustive"
	case (got.Plan == index.PlanEmpty) != (want.Plan == index.PlanEmpty):
		return fmt.Sprintf("plan %q, want %q", got.Plan, want.Plan)
	case got.Matching != want.Matching:
		return fmt.Sprintf("%d records match, want %d", got.Matching, want.Matching)
	case got.Plan == index.PlanEmpty && got.Candidates != 0:
		return fmt.Sprintf("%d candidates in an empty plan", got.Candidates)
	case got.Candidates < min(got.Matching, want.Candidates):
		return fmt.Sprintf("%d candidates for %d matching records, and yet exhaustive", got.Candidates, got.Matching)
	}
	return ""
}

// differentInfo compares all but Mutation.ID, which is random, and Mutation.Changed, which is only promised in the receipt.
func differentInfo(got, want index.Info) string {
	switch {
	case got.Config != want.Config:
		return fmt.Sprintf("config %v, want %v", got.Config, want.Config)
	case got.Count != want.Count:
		return fmt.Sprintf("%d records, want %d", got.Count, want.Count)
	case got.Namespaces != want.Namespaces:
		return fmt.Sprintf("%d namespaces, want %d", got.Namespaces, want.Namespaces)
	case got.Mutation.Sequence != want.Mutation.Sequence:
		return fmt.Sprintf("sequence %d, want %d", got.Mutation.Sequence, want.Mutation.Sequence)
	case (got.Mutation.ID == "") != (got.Mutation.Sequence == 0):
		return fmt.Sprintf("mutation id %q at sequence %d", got.Mutation.ID, got.Mutation.Sequence)
	case want.Mutation.Sequence > 0 && !got.Mutation.Time.Equal(want.Mutation.Time):
		return fmt.Sprintf("mutation time %v, want %v", got.Mutation.Time, want.Mutation.Time)
	}
	return ""
}

// differentPage compares all but Next, of which engines may have their own form.
func differentPage(got, want index.Page) string {
	switch {
	case !slices.Equal(got.IDs, want.IDs):
		return fmt.Sprintf("ids %q, want %q", got.IDs, want.IDs)
	case got.Total != want.Total:
		return fmt.Sprintf("total %d, want %d", got.Total, want.Total)
	case (got.Next == "") != (want.Next == ""):
		return fmt.Sprintf("next %q, want %q", got.Next, want.Next)
	case !slices.Equal(got.Unindexed, want.Unindexed):
		return fmt.Sprintf("unindexed %q, want %q", got.Unindexed, want.Unindexed)
	case (got.Next == "") != got.Expires.IsZero():
		return fmt.Sprintf("next %q expires at %v", got.Next, got.Expires)
	}
	return ""
}

func idsOf(records []index.Record) []index.VectorID {
	ids := make([]index.VectorID, len(records))
	for i, r := range records {
		ids[i] = r.ID
	}
	return ids
}

// matched returns the ids of the matches, best first.
func matched(r index.Result) []index.VectorID {
	ids := make([]index.VectorID, len(r.Matches))
	for i, m := range r.Matches {
		ids[i] = m.ID
	}
	return ids
}

// same fails the test if there is a difference.
func (r *rig) same(difference string) {
	r.Helper()
	if difference != "" {
		r.Fatal(difference)
	}
}

// ids fails the test unless the two lists are equal.
func (r *rig) ids(got []index.VectorID, want ...index.VectorID) {
	r.Helper()
	if !slices.Equal(got, want) {
		r.Fatalf("got %q, want %q", got, want)
	}
}
