package chunk

import (
	"strings"
	"unicode"
	"unicode/utf8"

	annex "github.com/clipperhouse/uax29/v2/sentences"
)

// sentenceEnds returns where the sentences of a block's text end, the white space after them included; the last
// end is the text's. They are those of Unicode's annex 29, but for three things. A line end within a
// paragraph is a space. "Dr. Smith" is one sentence (see abbreviates). An opening
// bracket or quotation mark belongs to what it opens, also where no space is before it, as in Chinese and Japanese.
func sentenceEnds(text string) []int {
	var ends []int
	flat := unwrap(text)
	for from := 0; from < len(flat); {
		region := flat[from : from+regionEnd(flat[from:])]
		for it := annex.FromString(region); it.Next(); {
			end := from + it.End()
			if end < len(flat) {
				if it.End() < len(region) && abbreviates(flat[lastEnd(ends):end], flat[end:]) {
					continue
				}
				end -= openers(flat[lastEnd(ends):end])
			}
			if len(ends) > 0 && blank(flat[lastEnd(ends):end]) {
				ends = ends[:len(ends)-1] // of a blank line
			}
			ends = append(ends, end)
		}
		from += len(region)
	}
	return ends
}

func lastEnd(ends []int) int {
	if len(ends) == 0 {
		return 0
	}
	return ends[len(ends)-1]
}

// unwrap returns text with a space for each line end that is not next to a blank line, byte for byte as long.
func unwrap(text string) string {
	if !strings.Contains(text, "\n") {
		return text
	}
	flat := []byte(text)
	for i := 0; i < len(flat); i++ {
		if flat[i] != '\n' {
			continue
		}
		next, lines := i+1, 1
		for ; next < len(flat) && (flat[next] == ' ' || flat[next] == '\t' || flat[next] == '\r' || flat[next] == '\n'); next++ {
			if flat[next] == '\n' {
				lines++
			}
		}
		if lines == 1 {
			flat[i] = ' '
			if i > 0 && flat[i-1] == '\r' {
				flat[i-1] = ' '
			}
		}
		i = next - 1
	}
	return string(flat)
}

// longestRun is how many characters of punctuation and white space are looked at together. A longer run ends a
// sentence: the library looks back over brackets and spaces from each of them, so that its time grows
// by the square of the run.
const longestRun = 64

// regionEnd returns where the first run of longestRun such characters ends, else len(text).
func regionEnd(text string) int {
	run := 0
	for i, r := range text {
		switch {
		case unicode.Is(unicode.Cf, r):
		case !unicode.IsPunct(r) && !unicode.IsSpace(r):
			run = 0
		case run == longestRun:
			return i
		default:
			run++
		}
	}
	return len(text)
}

// openers returns how many bytes of opening brackets and quotation marks a sentence ends with, if it
// has more than that. They open the next: whatever closes here has a space after it, or no such mark.
func openers(sentence string) int {
	rest := strings.TrimRightFunc(sentence, func(r rune) bool { return unicode.In(r, unicode.Ps, unicode.Pi) })
	if rest == "" {
		return 0
	}
	return len(sentence) - len(rest)
}

// Words before a full stop that ends no sentence, in lower case: always, and before a number.
var (
	titles = wordSet("dr mr mrs ms mx prof st rev hon gen col capt lt sgt gov sen rep cf vs approx ca resp incl viz al " +
		"hr fr frl bzw vgl evtl ggf dipl ing med mme mlle sra dña ud tzn np")
	counted = wordSet("no nos nr fig figs tab vol vols p pp pg art sec sect ch chap eq eqs ref refs app par abs abb kap s bd jan feb mar apr jun jul aug sep sept oct nov dec")
)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		set[w] = true
	}
	return set
}

// longestAbbreviation is how many bytes at the end of a sentence are looked at.
const longestAbbreviation = 24

// abbreviates reports whether a sentence of the annex ends with the full stop of an abbreviation ("Dr.", "U.S.", "fig."
// before a number), of an initial, or of a number that counts what comes ("1. Begin"). Where it errs, two
// sentences stay together.
func abbreviates(sentence, after string) bool {
	tail := sentence[max(0, len(sentence)-longestAbbreviation):]
	stem, ok := strings.CutSuffix(strings.TrimRight(tail, " \t\u00a0"), ".")
	if !ok {
		return false
	}
	word := stem[strings.LastIndexFunc(stem, notOfAbbreviation)+1:]
	whole := len(tail) == len(sentence)
	switch {
	case word == "" || word == stem && !whole:
		return false
	case whole && strings.TrimLeft(stem, " \t") == word && enumerates(word):
		return true
	}
	lower := strings.ToLower(word)
	next, _ := utf8.DecodeRuneInString(after)
	return titles[lower] || dotted(word) || counted[lower] && unicode.IsDigit(next)
}

// shortestWord is how many letters a word before a full stop has at least that is no abbreviation, if nothing else tells.
const shortestWord = 4

// stopEnd returns where the first full stop, question or exclamation mark ends after which a space comes, that space included,
// and which is not that of a short word. Where nobody writes capitals, the annex finds no other end of a sentence.
func stopEnd(text string) int {
	letters := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c != '.' && c != '?' && c != '!':
			if letters++; c == ' ' || c == '\n' || c == '\t' {
				letters = 0
			}
		case i+1 < len(text) && strings.IndexByte(" \n\t", text[i+1]) >= 0 && (c != '.' || letters == 0 || letters >= shortestWord):
			return len(text) - len(strings.TrimLeft(text[i+1:], " \t\r\n"))
		default:
			letters = 0
		}
	}
	return len(text)
}

func notOfAbbreviation(r rune) bool { return r != '.' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// enumerates reports whether a word counts, as 12 or iv or B do.
func enumerates(word string) bool {
	return utf8.RuneCountInString(word) == 1 || strings.Trim(word, "0123456789.") == "" || strings.Trim(strings.ToLower(word), "ivx") == ""
}

// dotted reports whether a word is an initial, or one or two letters at a time with full stops between, as U.S or Ph.D.
func dotted(word string) bool {
	for part := range strings.SplitSeq(word, ".") {
		if n := utf8.RuneCountInString(part); n < 1 || n > 2 || strings.ContainsAny(part, "0123456789") {
			return false
		}
	}
	return strings.Contains(word, ".") || utf8.RuneCountInString(word) == 1
}
