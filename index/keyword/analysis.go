package keyword

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"nearside/fault"
)

// Tokenizer is how a text is cut into terms.
type Tokenizer string

// The tokenizers.
const (
	Words    Tokenizer = "words"   // words as their stems; pairs of characters where a script puts no spaces between words
	Trigrams Tokenizer = "trigram" // every three characters in a row: finds any part of a word, at several times the size
)

// Analysis says how texts and queries become terms. It is fixed when an index is
// made: under another one what is stored is of no use, and is made anew.
type Analysis struct {
	Language  string    `json:"language"`  // one of Languages; "" is DefaultLanguage. It concerns words only
	Tokenizer Tokenizer `json:"tokenizer"` // "" is Words
}

// version is part of what an index remembers of its analysis. It changes with every
// change of this package after which the same text gives other terms.
const version = 1

func (a Analysis) withDefaults() Analysis {
	if a.Language == "" {
		a.Language = DefaultLanguage
	}
	if a.Tokenizer == "" {
		a.Tokenizer = Words
	}
	return a
}

// Check returns a fault if there is no such analysis.
func (a Analysis) Check() error {
	a = a.withDefaults()
	if _, ok := languages[a.Language]; !ok {
		return fault.New(fault.Invalid, "the keyword index knows no language %q; it knows %s, and %q for words as they are", a.Language, strings.Join(Languages(), ", "), NoLanguage)
	}
	if a.Tokenizer != Words && a.Tokenizer != Trigrams {
		return fault.New(fault.Invalid, "the keyword index has no tokenizer %q; it has %q and %q", a.Tokenizer, Words, Trigrams)
	}
	return nil
}

// A Token is one term where it stands in a text.
type Token struct {
	Term       string
	Start, End int  // bytes of the text
	Position   int  // counted from 1; what is next to each other has numbers next to each other
	Stop       bool // a word so common that it says nothing, as "the"
	Tail       bool // shorter than its kind, because its run of characters ends: found by its beginning only
}

// An Analyzer cuts texts into terms. It may be used from any goroutine.
type Analyzer struct {
	analysis Analysis
	chains   [scripts]*chain

	mu    sync.RWMutex // guards words
	words map[string]word
}

// word is what an analysis makes of one word.
type word struct {
	term string
	stop bool
}

// maxWords bounds how many words an analyzer remembers; then it begins anew.
const maxWords = 1 << 16

// maxTermBytes is where longer terms are cut: nobody types them.
const maxTermBytes = 128

// NewAnalyzer returns the analyzer of a.
func NewAnalyzer(a Analysis) (*Analyzer, error) {
	if err := a.Check(); err != nil {
		return nil, err
	}
	z := &Analyzer{analysis: a.withDefaults(), words: map[string]word{}}
	chains, err := chainsFor(z.analysis.Language)
	if err != nil {
		return nil, err
	}
	z.chains = chains
	return z, nil
}

// Analyze returns the terms of a text in the order of their positions.
func (z *Analyzer) Analyze(text string) []Token {
	if z.analysis.Tokenizer == Trigrams {
		return trigrams(text)
	}
	tokens := make([]Token, 0, len(text)/6)
	position := 0
	for r := range runs(text) {
		if r.pairs {
			tokens = appendPairs(tokens, text, r, position)
			position = tokens[len(tokens)-1].Position
			continue
		}
		position++
		if w := z.word(text[r.start:r.end], r.script); w.term != "" {
			tokens = append(tokens, Token{Term: w.term, Start: r.start, End: r.end, Position: position, Stop: w.stop})
		}
	}
	return tokens
}

// word returns what the analysis makes of a word, remembered or found out.
func (z *Analyzer) word(raw string, s script) word {
	z.mu.RLock()
	w, known := z.words[raw]
	z.mu.RUnlock()
	if known {
		return w
	}
	w = z.chains[s].apply(raw)
	z.mu.Lock()
	defer z.mu.Unlock()
	if len(z.words) >= maxWords {
		clear(z.words)
	}
	z.words[strings.Clone(raw)] = w
	return w
}

// appendPairs adds the overlapping pairs of characters of a run, and its last
// character alone, so that every character begins one term: a query of one
// character finds all that begin with it.
func appendPairs(tokens []Token, text string, r run, position int) []Token {
	for at := r.start; at < r.end; {
		_, n := utf8.DecodeRuneInString(text[at:])
		_, m := utf8.DecodeRuneInString(text[at+n : r.end])
		position++
		tokens = append(tokens, Token{Term: fold(text[at : at+n+m]), Start: at, End: at + n + m, Position: position, Tail: m == 0})
		at += n
	}
	return tokens
}

// trigrams returns the trigrams of every stretch without white space, and the two
// shorter ones at its end. A stretch of white space counts as one position.
func trigrams(text string) []Token {
	tokens := make([]Token, 0, len(text))
	position := 0
	for start, end := range stretches(text) {
		var marks []int // where each character begins, and the end
		for i := range text[start:end] {
			marks = append(marks, start+i)
		}
		marks = append(marks, end)
		for i := range marks[:len(marks)-1] {
			last := min(i+3, len(marks)-1)
			position++
			tokens = append(tokens, Token{Term: fold(text[marks[i]:marks[last]]), Start: marks[i], End: marks[last], Position: position, Tail: i+3 > last})
		}
		position++
	}
	return tokens
}

// Languages returns the languages that words can be of, sorted: ISO 639 codes.
func Languages() []string {
	var codes []string
	for code := range languages {
		if code != NoLanguage {
			codes = append(codes, code)
		}
	}
	slices.Sort(codes)
	return codes
}
