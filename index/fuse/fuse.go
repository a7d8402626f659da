// Package fuse makes one ranking of two: that of a query's words and that of its meaning.
//
// Each list gives a hit a share between 0 and 1, and the fused score is their weighted mean: what both
// lists find stands above what one of them finds as well. How a list gives shares is the Method.
//
//   - MinMax, the default, goes by scores. A keyword score is a share of the best one: BM25 begins at 0, where no word
//     is found. A vector score is put between the worst and the best of its list, because no
//     score of a model means "nothing in common": unrelated texts have a cosine of 0 by one model, and of .6 by another.
//   - RRF, reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009), goes by ranks: (K+1)/(K+rank). It asks
//     nothing of scores, and does not hear what they say: a list that is sure of its first hit is not believed more.
//   - Max takes the better of the two shares by scores, as AI Search's fusion_method "max" has it.
//
// The weights are equal by default. nDCG@10 of the built-in encoder's vectors and of BM25 (k1 1.2, b .75, English stems
// except for German), the first hundred of each list, by the keyword list's weight:
//
//	                     XQuAD,    XQuAD,    Cranfield  MedQuAD
//	                     English   German
//	keyword alone        .965      .915      .375       .354
//	vector alone         .944      .703      .395       .370
//	MinMax, .3           .975      .836      .418       .452
//	        .4           .978      .881      .425       .482
//	        .5           .979      .915      .427       .486
//	        .6           .976      .933      .424       .476
//	        .7           .974      .935      .418       .456
//	both between worst
//	and best, .5         .979      .922      .425       .463
//	RRF 60, .5           .969      .855      .425       .501
//	        .7           .971      .884      .421       .493
//
// Equal weights are at or near the best of MinMax on every collection, and never below the better list by more than chance.
// RRF gains on one collection what it loses on another: where one half is weak, as this encoder is in
// German, it falls below the other half alone. MedQuAD has 60 queries: differences below .03 say nothing there.
//
// Two rules go before the scores. What has a query's rare exact terms, such as an error code, comes first (Exact).
// And a half that cannot have understood the query is left out, by whoever asks (Unread).
//
// It searches nothing, and knows neither words nor vectors.
package fuse

import (
	"cmp"
	"slices"
)

// Method is how a list gives shares.
type Method string

// The methods.
const (
	MinMax Method = "min-max"
	RRF    Method = "rrf"
	Max    Method = "max"
)

// DefaultK is RRF's constant, that of its paper: the higher it is, the less the first ranks stand out.
const DefaultK = 60

// Unread is the share of a query's tokens from which on the encoder is taken not to be able to read it: no more than
// half of it is known. The built-in encoder reads XQuAD's Hindi, Thai and Chinese with nDCG@10 of
// .05, .10 and .24, where keywords reach .78, .91 and .96.
const Unread = 0.5

// Hit is an entry of a list. A list is ordered, the best first; higher scores are better.
type Hit[K cmp.Ordered] struct {
	Key   K
	Score float64
}

// Options say how two lists are fused. The zero value is the default.
type Options[K cmp.Ordered] struct {
	Method          Method       // "" = MinMax
	Keyword, Vector float64      // weights, ≥ 0; both 0 = equal ones. Only their ratio counts
	K               float64      // of RRF; 0 = DefaultK
	Exact           func(K) bool // whether a hit has every rare exact term of the query; nil = the query has none
}

// Part is what one list says of a hit.
type Part struct {
	Rank  int     // from 1; 0 = it is not in the list
	Score float64 // raw
	Share float64 // 0 to 1, as the method gives it; 0 where Rank is
}

// Fused is a hit of the fused ranking.
type Fused[K cmp.Ordered] struct {
	Key             K
	Score           float64 // 0 to 1; of Max too
	Exact           bool    // it has the rare exact terms, and stands before those that have not
	Keyword, Vector Part
}

// Lists fuses two lists into one ranking that holds every hit of both, equal scores by key, the least first. No
// key may stand twice in a list.
func Lists[K cmp.Ordered](keyword, vector []Hit[K], o Options[K]) []Fused[K] {
	o = o.withDefaults()
	at := make(map[K]int, len(keyword)+len(vector))
	fused := make([]Fused[K], 0, len(keyword)+len(vector))
	entry := func(key K) *Fused[K] {
		i, there := at[key]
		if !there {
			i, at[key] = len(fused), len(fused)
			fused = append(fused, Fused[K]{Key: key, Exact: o.Exact != nil && o.Exact(key)})
		}
		return &fused[i]
	}
	for i, hit := range keyword {
		entry(hit.Key).Keyword = Part{i + 1, hit.Score, o.share(keyword, i, 0)}
	}
	for i, hit := range vector {
		entry(hit.Key).Vector = Part{i + 1, hit.Score, o.share(vector, i, vector[len(vector)-1].Score)}
	}
	for i := range fused {
		fused[i].Score = o.score(fused[i].Keyword.Share, fused[i].Vector.Share)
	}
	slices.SortFunc(fused, byRank)
	return fused
}

// byRank orders hits, the better one first.
func byRank[K cmp.Ordered](a, b Fused[K]) int {
	switch {
	case a.Exact && !b.Exact:
		return -1
	case b.Exact && !a.Exact:
		return 1
	}
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Key, b.Key))
}

func (o Options[K]) withDefaults() Options[K] {
	o.Method, o.K = cmp.Or(o.Method, MinMax), cmp.Or(o.K, DefaultK)
	if o.Keyword == 0 && o.Vector == 0 {
		o.Keyword, o.Vector = 1, 1
	}
	sum := o.Keyword + o.Vector
	o.Keyword, o.Vector = o.Keyword/sum, o.Vector/sum
	return o
}

// share is what a list gives its entry i. floor is the score that says nothing. Where the best says no
// more than that, all of the list are alike, and the list gives each of them all it has.
func (o Options[K]) share(list []Hit[K], i int, floor float64) float64 {
	if o.Method == RRF {
		return (o.K + 1) / (o.K + float64(i+1))
	}
	best := list[0].Score
	if best <= floor {
		return 1
	}
	return max(0, (list[i].Score-floor)/(best-floor))
}

func (o Options[K]) score(keyword, vector float64) float64 {
	if o.Method == Max {
		return max(keyword, vector)
	}
	return o.Keyword*keyword + o.Vector*vector
}
