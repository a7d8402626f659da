package chat

import (
	"unicode"
	"unicode/utf8"
)

// Fixed shares of an estimate, in tokens.
const (
	// MessageTokens is what the template puts around a message: the role and two or
	// three marks.
	MessageTokens = 8
	// ToolTokens is what the template puts around a function, beside its texts.
	ToolTokens = 16
	// ImageTokens is what a picture counts: one tile of llama-3.2-vision has 1601.
	// Other models use from 256 to some thousands, by size; the backend's count corrects it.
	ImageTokens = 1601
)

// EstimateTokens returns about how many tokens the input has, rather too many
// than too few, where nobody has counted: to reserve before a call, and to charge
// when the backend does not say. It needs no vocabulary; see EstimateText.
func EstimateTokens(q *Request) int {
	n := EstimateText(q.Prompt)
	for _, m := range q.Messages {
		n += MessageTokens + EstimateText(m.Content) + EstimateText(m.Name) + ImageTokens*len(m.Images)
		n += estimateCalls(m.ToolCalls)
	}
	for _, t := range q.Tools {
		n += ToolTokens + EstimateText(t.Name) + EstimateText(t.Description) + EstimateText(string(t.Parameters))
	}
	if q.Format != nil {
		n += EstimateText(string(q.Format.Schema))
	}
	return n
}

// EstimateAnswer is EstimateTokens for what a model said.
func EstimateAnswer(a *Answer) int {
	return EstimateText(a.Content) + EstimateText(a.Reasoning) + estimateCalls(a.ToolCalls)
}

func estimateCalls(calls []ToolCall) int {
	n := 0
	for _, call := range calls {
		n += MessageTokens + EstimateText(call.Name) + EstimateText(string(call.Arguments))
	}
	return n
}

// EstimateText estimates the tokens of a text from its characters. In tokens:
//
//	1/4  for each letter from a to z
//	2/3  for each letter of Cyrillic
//	1    for each letter of Greek, Hebrew and Arabic, each digit and mark of punctuation
//	3/2  for each Latin letter with an accent, each ideograph, kana and syllable of hangul
//	4/3  for each letter of any other script
//	1/2  for each blank (in prose it is a part of the word after it, between numbers it is not); 1 for a line break
//	its bytes in UTF-8 for anything else, such as emoji: no vocabulary needs more
//
// Sentences about human rights in eleven languages come out at 0.95 (Polish) to 1.5 times the
// tokens of the vocabulary cl100k_base (the table is in the test), English prose and
// code of 6 KB at 1.6. Older and smaller vocabularies need a few tenths more tokens.
func EstimateText(s string) int {
	sum := 0
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf { // most texts are of these
			sum += int(asciiTwelfths[c])
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		sum += twelfths(r)
		i += size
	}
	return (sum + 11) / 12
}

// TextTokens is what an encoder puts around a text: what marks its beginning and its end.
const TextTokens = 2

// EstimateTexts is EstimateText for texts that are read one by one, as embeddings are.
func EstimateTexts(texts []string) int {
	n := 0
	for _, text := range texts {
		n += TextTokens + EstimateText(text)
	}
	return n
}

// asciiTwelfths has the weights of ASCII.
var asciiTwelfths = func() (weights [utf8.RuneSelf]uint8) {
	for c := range weights {
		weights[c] = uint8(twelfths(rune(c)))
	}
	return weights
}()

// twelfths is the weight of a character, in twelfths of a token.
func twelfths(r rune) int {
	switch {
	case r == ' ' || r == '\t':
		return 6
	case (r|0x20) >= 'a' && (r|0x20) <= 'z':
		return 3
	case unicode.Is(unicode.Cyrillic, r):
		return 8
	case r < utf8.RuneSelf, unicode.In(r, unicode.Greek, unicode.Hebrew, unicode.Arabic), unicode.IsDigit(r), unicode.IsPunct(r):
		return 12
	case unicode.In(r, unicode.Latin, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul):
		return 18
	case unicode.IsLetter(r), unicode.IsMark(r):
		return 16
	default:
		return 12 * utf8.RuneLen(r)
	}
}
