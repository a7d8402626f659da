package keyword

import (
	"strings"
	"unicode/utf8"

	"nearside/fault"
)

// Mode says which documents answer a query.
type Mode string

// The modes.
const (
	Or  Mode = "or"  // those with any of its words or phrases
	And Mode = "and" // those with all of them
)

// Query asks for the documents that fit a text best.
//
// In the text, "words in quotes" are a phrase: they stand next to each other, in one
// field. A word* with a star stands for all that begin with it. A quote without its
// partner, and a star elsewhere, say nothing.
type Query struct {
	Text      string
	Mode      Mode              // "" is Or
	Fuzziness int               // how many letters of a word may be wrong, 0 to MaxFuzziness
	Boosts    map[Field]float64 // what an occurrence in a field counts; nil is DefaultBoosts. Fields that are not in it are not searched
	Matches   bool              // say where the words stand
	K1, B     float64           // of BM25; both 0: DefaultK1 and DefaultB
}

// Limits of a query. What is beyond maxClauses is cut off: a document as a query says what
// it is about in its first thousand words.
const (
	MaxFuzziness = 2
	maxClauses   = 1024
	maxBoost     = 1000
)

// DefaultBoosts has a title say more than a text, and metadata less. On cranfield titles at 2
// instead of 1 are worth .007 of nDCG@10, on medquad .03; metadata at 0.2 finds .01 more of what
// is relevant in the first hundred, and costs nothing beyond noise (TestFigures).
var DefaultBoosts = map[Field]float64{Title: 2, Text: 1, Metadata: 0.2}

// settings are a query's choices, checked and complete.
type settings struct {
	all    bool                // every clause must be there
	boosts [fieldCount]float64 // 0: the field is not searched
	k1, b  float64
}

// settings returns the choices of a query, or a fault.
func (q *Query) settings() (settings, error) {
	s := settings{all: q.Mode == And, k1: q.K1, b: q.B}
	if q.Mode != "" && q.Mode != Or && q.Mode != And {
		return s, fault.New(fault.Invalid, "a keyword search has no mode %q; it has %q and %q", q.Mode, Or, And)
	}
	if q.Fuzziness < 0 || q.Fuzziness > MaxFuzziness {
		return s, fault.New(fault.Invalid, "the fuzziness of a keyword search is 0 to %d, not %d", MaxFuzziness, q.Fuzziness)
	}
	boosts := q.Boosts
	if boosts == nil {
		boosts = DefaultBoosts
	}
	for f, boost := range boosts {
		if f >= fieldCount || !(boost >= 0 && boost <= maxBoost) {
			return s, fault.New(fault.Invalid, "%s cannot be boosted by %g; fields are title, text and metadata, and boosts 0 to %d", f, boost, maxBoost)
		}
		s.boosts[f] = boost
	}
	if s.boosts == [fieldCount]float64{} {
		return s, fault.New(fault.Invalid, "a keyword search needs a field with a boost above 0")
	}
	if s.k1 == 0 && s.b == 0 {
		s.k1, s.b = DefaultK1, DefaultB
	}
	if !(s.k1 >= 0 && s.k1 <= 100 && s.b >= 0 && s.b <= 1) {
		return s, fault.New(fault.Invalid, "BM25 takes k1 from 0 to 100 and b from 0 to 1, not %g and %g", s.k1, s.b)
	}
	return s, nil
}

// A clause is a part of a query that a document has or has not: a word, or the words of a phrase.
type clause struct {
	parts  []part
	weight float64 // how often the query says it
}

// part is a place in a clause.
type part struct {
	term   string
	prefix bool     // all terms that begin with term
	also   []string // with prefix: other terms that stand for words that begin so
	fuzzy  int      // how many letters may be wrong
	offset int      // positions after the first part
}

func (c *clause) key() string {
	var b strings.Builder
	for _, p := range c.parts {
		b.WriteString(p.term)
		b.WriteByte(0)
		if p.prefix {
			b.WriteByte('*')
		}
		b.WriteByte(byte('0' + p.offset%64))
	}
	return b.String()
}

// clauses reads a query's text. Stop words count only if there is nothing else outside of phrases.
func (z *Analyzer) clauses(q *Query) []clause {
	var found, stops []clause
	for piece := range pieces(q.Text) {
		switch piece.kind {
		case inQuotes:
			if c, ok := z.phrase(piece.text); ok {
				found = append(found, c)
			}
		case withStar:
			found = append(found, z.prefix(piece.text)...)
		default:
			words, common := z.wordClauses(piece.text, q.Fuzziness)
			found, stops = append(found, words...), append(stops, common...)
		}
	}
	if len(found) == 0 {
		found = stops
	}
	return merged(found)
}

// merged returns each clause once, weighted by how often it is there.
func merged(all []clause) []clause {
	at := map[string]int{}
	var once []clause
	for _, c := range all {
		key := c.key()
		if i, twice := at[key]; twice {
			once[i].weight += c.weight
			continue
		}
		at[key] = len(once)
		once = append(once, c)
	}
	return once[:min(len(once), maxClauses)]
}

// phrase returns the clause of words in quotes, stop words included.
func (z *Analyzer) phrase(text string) (clause, bool) {
	tokens := z.Analyze(text)
	from := 0 // what is before it has to end as it does here
	for i := range tokens {
		if z.analysis.Tokenizer == Trigrams && i > 0 && tokens[i].Position > tokens[i-1].Position+1 {
			from = i
		}
	}
	c := clause{weight: 1}
	for _, t := range tokens[:from] {
		c.parts = append(c.parts, part{term: t.Term, offset: t.Position - tokens[0].Position})
	}
	for _, t := range withoutTails(tokens[from:]) {
		c.parts = append(c.parts, part{term: t.Term, prefix: t.Tail, offset: t.Position - tokens[0].Position})
	}
	return c, len(c.parts) > 0
}

// wordClauses returns a clause for every word of a text, and those of its stop words.
func (z *Analyzer) wordClauses(text string, fuzziness int) (words, stops []clause) {
	if z.analysis.Tokenizer == Trigrams {
		for start, end := range stretches(text) { // a word is a phrase of trigrams: any part of a text is found by it
			if c, ok := z.phrase(text[start:end]); ok {
				words = append(words, c)
			}
		}
		return words, nil
	}
	for _, t := range withoutTails(z.Analyze(text)) {
		c := clause{weight: 1, parts: []part{{term: t.Term, prefix: t.Tail, fuzzy: lettersWrong(t.Term, fuzziness)}}}
		if t.Stop {
			stops = append(stops, c)
		} else {
			words = append(words, c)
		}
	}
	return words, stops
}

// withoutTails drops the tails of longer runs: a query asks for the whole pairs.
func withoutTails(tokens []Token) []Token {
	var kept []Token
	for i, t := range tokens {
		longer := i > 0 && tokens[i-1].Position == t.Position-1 && tokens[i-1].End == t.End
		if !t.Tail || !longer {
			kept = append(kept, t)
		}
	}
	return kept
}

// lettersWrong bounds the fuzziness of a word: three letters of it are right for each
// that is wrong, and numbers are never guessed at.
func lettersWrong(term string, fuzziness int) int {
	if strings.ContainsAny(term, "0123456789") {
		return 0
	}
	return min(fuzziness, utf8.RuneCountInString(term)/4)
}

type pieceKind uint8

const (
	plain pieceKind = iota
	inQuotes
	withStar
)

type piece struct {
	text string
	kind pieceKind
}

var quotes = strings.NewReplacer("“", `"`, "”", `"`, "„", `"`, "＂", `"`)

// pieces yields the phrases, the words with stars, and what lies between.
func pieces(text string) func(yield func(piece) bool) {
	return func(yield func(piece) bool) {
		parts := strings.Split(quotes.Replace(text), `"`)
		for i, p := range parts {
			if i%2 == 1 && i+1 < len(parts) {
				if !yield(piece{p, inQuotes}) {
					return
				}
				continue
			}
			if !yieldStars(p, yield) {
				return
			}
		}
	}
}

// yieldStars cuts the words that end with a star out of a text.
func yieldStars(text string, yield func(piece) bool) bool {
	from := 0
	for start, end := range stretches(text) {
		word, starred := strings.CutSuffix(text[start:end], "*")
		if !starred || strings.Trim(word, "*") == "" {
			continue
		}
		if !yield(piece{text[from:start], plain}) || !yield(piece{word, withStar}) {
			return false
		}
		from = end
	}
	return yield(piece{text[from:], plain})
}
