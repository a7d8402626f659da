package keyword

import (
	"fmt"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/ar" // each registers its language
	_ "github.com/blevesearch/bleve/v2/analysis/lang/ckb"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/da"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/de"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/en"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/es"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/fa"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/fi"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/fr"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/hi"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/hr"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/hu"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/it"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/nl"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/no"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/pl"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/pt"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/ro"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/ru"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/sv"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/tr"
	"github.com/blevesearch/bleve/v2/analysis/token/stop"
	"github.com/blevesearch/bleve/v2/registry"
)

// DefaultLanguage is that of indexes that name none.
const DefaultLanguage = "en"

// NoLanguage leaves words as they are, but for upper and lower case.
const NoLanguage = "none"

// languages says which letters the words of a language are made of.
var languages = map[string]script{
	"ar": arabic, "ckb": arabic, "fa": arabic,
	"hi": devanagari,
	"ru": cyrillic,
	"da": latin, "de": latin, "en": latin, "es": latin, "fi": latin, "fr": latin, "hr": latin, "hu": latin, "it": latin,
	"nl": latin, "no": latin, "pl": latin, "pt": latin, "ro": latin, "sv": latin, "tr": latin,
	NoLanguage: otherScript,
}

// usual is the language whose rules words of a script follow where the index's own
// language is written in another: letters tell it apart in texts and in queries
// alike, so no text has to say what it is.
var usual = map[script]string{latin: DefaultLanguage, arabic: "ar", cyrillic: "ru", devanagari: "hi"}

// chainsFor returns the rules for words of each script in an index of a language.
func chainsFor(language string) (chains [scripts]*chain, err error) {
	for s := range chains {
		name := usual[script(s)]
		if languages[language] == script(s) {
			name = language
		}
		if language == NoLanguage {
			name = NoLanguage
		}
		if chains[s], err = newChain(name); err != nil {
			return chains, err
		}
	}
	return chains, nil
}

// chain is what bleve's analyzer of a language does with one word.
type chain struct {
	all  []analysis.TokenFilter // all of its filters
	term []analysis.TokenFilter // those that change the word, stop words not left out
}

func newChain(language string) (*chain, error) {
	c := new(chain)
	if language == "" || language == NoLanguage {
		return c, nil
	}
	found, err := registry.NewCache().AnalyzerNamed(language)
	if err != nil {
		return nil, fmt.Errorf("the analyzer of language %q: %w", language, err)
	}
	known, ok := found.(*analysis.DefaultAnalyzer)
	if !ok {
		return nil, fmt.Errorf("the analyzer of language %q is a %T", language, found)
	}
	c.all = known.TokenFilters
	for _, f := range known.TokenFilters {
		if _, leavesOut := f.(*stop.StopTokensFilter); !leavesOut {
			c.term = append(c.term, f)
		}
	}
	return c, nil
}

// apply returns the term of a word, and whether it is a stop word.
func (c *chain) apply(raw string) word {
	folded := fold(raw)
	w := word{term: through(c.term, folded), stop: c.all != nil && through(c.all, folded) == ""}
	if w.term == "" {
		w.term = folded
	}
	if len(w.term) > maxTermBytes {
		end := maxTermBytes
		for !utf8.RuneStart(w.term[end]) {
			end--
		}
		w.term = w.term[:end]
	}
	return w
}

// through returns what filters make of a word; "" if they leave it out.
func through(filters []analysis.TokenFilter, s string) string {
	tokens := analysis.TokenStream{{Term: []byte(s), End: len(s), Position: 1}}
	for _, f := range filters {
		tokens = f.Filter(tokens)
	}
	if len(tokens) == 0 {
		return ""
	}
	return string(tokens[0].Term)
}
