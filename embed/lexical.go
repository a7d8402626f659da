package embed

import (
	"context"
	"math"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Lexical is the last resort where no sentence encoder is at hand: its vectors
// are near when texts share words and parts of words, whatever they mean. It is
// called lexical wherever people see it, and never semantic.
//
// A text's features are its words (those of up to three letters, most of them
// articles and the like, count little), its pairs of neighbouring words, and the
// pieces of three to five characters of longer words; scripts that put no spaces between
// words are cut into pairs of characters, which count as words. Each feature counts with 1+ln(how
// often) and is added, with a sign, to places that its hash picks.
//
// It is deterministic on every machine, needs no files, and reads texts of any
// length in constant memory. The zero value is ready to use, from any goroutine.
type Lexical struct{}

var _ Embedder = Lexical{}

// LexicalModel is the id of Lexical.
const LexicalModel = "@nearside/lexical-hash"

// lexicalFingerprint carries the version of the features: whoever changes what
// vector any text has, changes it.
const lexicalFingerprint Fingerprint = "lexical-hash:1"

const lexicalDimensions = 384

// Model returns LexicalModel.
func (Lexical) Model() string { return LexicalModel }

// Fingerprint identifies the version of the features.
func (Lexical) Fingerprint() Fingerprint { return lexicalFingerprint }

// Dimensions returns 384, as the built-in encoder does.
func (Lexical) Dimensions() int { return lexicalDimensions }

// Window returns the largest int32: texts are read whole.
func (Lexical) Window() int { return math.MaxInt32 }

// Embed returns one embedding a text. Its tokens are words.
func (Lexical) Embed(ctx context.Context, texts []string) ([]Embedding, error) {
	c := counters.Get().(*counter)
	defer counters.Put(c)
	out := make([]Embedding, len(texts))
	for i, text := range texts {
		words, err := c.read(ctx, text)
		values := c.vector() // clears c, after an error, too
		if err != nil {
			return nil, err
		}
		out[i] = Embedding{Values: values, Tokens: words}
	}
	return out, nil
}

// The kinds of features and how much each counts. The weights are the best of a
// coarse grid on English and multilingual questions (TestLexicalFindsByWords holds the figures).
const (
	wholeWord = iota
	shortWord
	wordPair
	wordPiece
	kinds
)

var featureWeight = [kinds]float64{wholeWord: 1, shortWord: 0.2, wordPair: 0.15, wordPiece: 0.6}

// bucketBits makes so many counters for each kind that collisions in them are
// few beside those of 384 dimensions.
const bucketBits = 16

// counter counts the features of one text.
type counter struct {
	counts  [kinds << bucketBits]uint32
	touched []uint32 // those that are not 0, in the order of the text
	word    []rune
	last    uint64 // hash of the word before; 0 at the start
	words   int
}

var counters = sync.Pool{New: func() any { return new(counter) }}

func (c *counter) count(kind int, hash uint64) {
	bucket := uint32(kind)<<bucketBits | uint32(hash>>(64-bucketBits))
	if c.counts[bucket] == 0 {
		c.touched = append(c.touched, bucket)
	}
	c.counts[bucket]++
}

// longestLexicalWord is where a run of letters is cut, to bound memory.
const longestLexicalWord = 64

// read counts the features of a text and returns how many words it has.
func (c *counter) read(ctx context.Context, text string) (int, error) {
	var it norm.Iter
	it.InitString(norm.NFKC, text)
	for n := 0; !it.Done(); n++ {
		if n%(1<<14) == 0 {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
		}
		for segment := it.Next(); len(segment) > 0; {
			r, size := utf8.DecodeRune(segment)
			segment = segment[size:]
			c.character(unicode.ToLower(r))
		}
	}
	c.endWord()
	return c.words, nil
}

// spaceless are the scripts that put no spaces between words.
var spaceless = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

func (c *counter) character(r rune) {
	if !unicode.In(r, unicode.Letter, unicode.Number, unicode.Mark) || r == utf8.RuneError {
		c.endWord()
		return
	}
	if len(c.word) == longestLexicalWord || len(c.word) > 0 && isSpaceless(r) != isSpaceless(c.word[0]) && !unicode.Is(unicode.Mark, r) {
		c.endWord()
	}
	c.word = append(c.word, r)
}

func isSpaceless(r rune) bool { return r >= 0xe00 && unicode.In(r, spaceless...) }

// endWord counts the word that was read.
func (c *counter) endWord() {
	word := c.word
	c.word = c.word[:0]
	switch {
	case len(word) == 0:
	case isSpaceless(word[0]):
		for i := range max(1, len(word)-1) {
			c.whole(wholeWord, hashRunes(word[i:min(len(word), i+2)]))
		}
	case len(word) <= longestShortWord:
		c.whole(shortWord, hashRunes(word))
	default:
		c.whole(wholeWord, hashRunes(word))
		c.pieces(word)
	}
}

const longestShortWord = 3

// whole counts a word and the pair it makes with the one before.
func (c *counter) whole(kind int, h uint64) {
	c.words++
	c.count(kind, h)
	if c.last != 0 {
		c.count(wordPair, mix(c.last*3+h))
	}
	c.last = h
}

// pieces counts the parts of a word; its ends are marked, so that "re" of
// "read" is not that of "care".
func (c *counter) pieces(word []rune) {
	var room [longestLexicalWord + 2]rune
	marked := append(append(append(room[:0], '^'), word...), '$')
	for n := 3; n <= 5; n++ {
		for i := 0; i+n <= len(marked); i++ {
			c.count(wordPiece, hashRunes(marked[i:i+n]))
		}
	}
}

// places is how many dimensions a feature is added to.
const places = 4

// vector returns the vector of what was counted, and clears the counter.
func (c *counter) vector() []float32 {
	if len(c.touched) == 0 {
		c.count(wholeWord, 0) // a text without words has a direction, too
	}
	var sums [lexicalDimensions]float64
	for _, bucket := range c.touched {
		w := featureWeight[bucket>>bucketBits] * (1 + math.Log(float64(c.counts[bucket])))
		h := mix(uint64(bucket) + 1)
		for range places {
			if h&1 == 0 {
				sums[h>>1%lexicalDimensions] += w
			} else {
				sums[h>>1%lexicalDimensions] -= w
			}
			h = mix(h)
		}
		c.counts[bucket] = 0
	}
	c.touched, c.last, c.words = c.touched[:0], 0, 0
	return unit(sums[:])
}

// unit returns v at length 1.
func unit(v []float64) []float32 {
	var sum float64
	for _, x := range v {
		sum += x * x
	}
	out := make([]float32, len(v))
	if sum == 0 { // features that cancel each other out, which takes design
		out[0] = 1
		return out
	}
	for i, x := range v {
		out[i] = float32(x / math.Sqrt(sum))
	}
	return out
}

// hashRunes is FNV-1a over runes, mixed.
func hashRunes(runes []rune) uint64 {
	h := uint64(14695981039346656037)
	for _, r := range runes {
		h = (h ^ uint64(r)) * 1099511628211
	}
	return mix(h)
}

// mix spreads every bit over all others (the finalizer of SplitMix64).
func mix(h uint64) uint64 {
	h += 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
