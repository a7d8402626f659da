package keyword

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	seg "github.com/blevesearch/scorch_segment_api/v2"
	"github.com/blevesearch/vellum/levenshtein"
)

// mostTerms bounds how many terms a prefix or a misspelt word stands for: those that the
// most documents have, equal ones in the order of the alphabet.
const mostTerms = 1024

// endings complete the beginning of an English word in the ways that stems are made of.
var endings = []string{"", "e", "s", "d", "g", "n", "y", "es", "ed", "er", "ng", "ing", "on", "ion", "ions", "ation", "ational", "al", "le", "ble", "able", "ve", "ive", "iveness", "ness", "ment", "ity", "ly", "ally", "ies"}

// prefix returns the clauses of a word with a star. Terms are stems: "connecti*" has to
// find "connect", which is what is kept of "connection". So beside the terms that begin
// with the letters it takes the stems of what they may become.
func (z *Analyzer) prefix(text string) []clause {
	tokens := z.Analyze(text)
	if z.analysis.Tokenizer == Trigrams {
		tokens = withoutTails(tokens)
	}
	if len(tokens) == 0 {
		return nil
	}
	last := tokens[len(tokens)-1]
	letters := fold(text[last.Start:last.End])
	p := part{term: letters, prefix: true, offset: last.Position - tokens[0].Position}
	if z.analysis.Tokenizer == Words && !last.Tail {
		for _, ending := range endings {
			stem := z.chains[scriptOf([]rune(letters)[0])].apply(letters + ending).term
			if !strings.HasPrefix(stem, letters) && !slices.Contains(p.also, stem) {
				p.also = append(p.also, stem)
			}
		}
	}
	c := clause{weight: 1}
	for _, t := range withoutTails(tokens[:len(tokens)-1]) {
		c.parts = append(c.parts, part{term: t.Term, offset: t.Position - tokens[0].Position})
	}
	c.parts = append(c.parts, p)
	return []clause{c}
}

// alternative is a term that fits a part of a query.
type alternative struct {
	term   string
	weight float64 // 1 exact, less with every letter that is wrong
}

// alternatives returns the terms of some segments that fit a part, in one order
// whatever the segments are.
func (p *part) alternatives(segments []*opened) ([]alternative, error) {
	if !p.prefix && p.fuzzy == 0 {
		return []alternative{{p.term, 1}}, nil
	}
	type found struct {
		weight float64
		count  uint64
	}
	terms := map[string]found{}
	entriesOf, err := p.fitting()
	if err != nil {
		return nil, err
	}
	for _, s := range segments {
		for _, dictionary := range s.dictionaries {
			if dictionary == nil {
				continue
			}
			for entries := entriesOf(dictionary); ; {
				e, err := entries.Next()
				if err != nil {
					return nil, err
				}
				if e == nil {
					break
				}
				f := terms[e.Term]
				terms[e.Term] = found{1 / float64(1+e.EditDistance), f.count + e.Count}
			}
		}
	}
	for _, term := range p.also {
		terms[term] = found{weight: 1, count: 1 << 62}
	}
	var all []alternative
	for term, f := range terms {
		all = append(all, alternative{term, f.weight})
	}
	slices.SortFunc(all, func(a, b alternative) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(terms[b.term].count, terms[a.term].count), strings.Compare(a.term, b.term))
	})
	return all[:min(len(all), mostTerms)], nil
}

// fitting returns a function that lists the terms of a dictionary that fit.
func (p *part) fitting() (func(seg.TermDictionary) seg.DictionaryIterator, error) {
	if p.prefix {
		return func(d seg.TermDictionary) seg.DictionaryIterator {
			return d.AutomatonIterator(nil, []byte(p.term), after(p.term))
		}, nil
	}
	automaton, err := automata()[p.fuzzy-1].BuildDfa(p.term, uint8(p.fuzzy))
	if err != nil {
		return nil, err
	}
	return func(d seg.TermDictionary) seg.DictionaryIterator { return d.AutomatonIterator(automaton, nil, nil) }, nil
}

// after returns the first term behind all that begin with prefix.
func after(prefix string) []byte {
	end := []byte(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return nil
}

// automata builds what accepts words with 1 and with 2 letters wrong; neighbours in
// the wrong order count as one.
var automata = sync.OnceValue(func() (builders [MaxFuzziness]*levenshtein.LevenshteinAutomatonBuilder) {
	for i := range builders {
		var err error
		if builders[i], err = levenshtein.NewLevenshteinAutomatonBuilder(uint8(i+1), true); err != nil {
			panic(err) // these distances are known to work
		}
	}
	return builders
})
