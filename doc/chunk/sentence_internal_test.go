package chunk

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// marked returns the sentences of a text with a bar between them.
func marked(text string) string {
	var b strings.Builder
	from := 0
	for i, end := range sentenceEnds(text) {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString(text[from:end])
		from = end
	}
	return b.String()
}

// Each text is its own answer: the bars are taken out, cut, and must come back.
func TestSentencesEndWherePeopleEndThem(t *testing.T) {
	tests := map[string]string{
		"titles":          "We met Dr. Smith and Prof. Jones. |They left.",
		"Latin":           "Some scripts, e.g. Thai, i.e. many, cf. Smith et al. Jones, have none. |Others do.",
		"an abbreviation": "E.g. This one. |The U.S. Army is large. |J. R. R. Tolkien wrote it.",
		"numbers":         "It cost 3.50 USD. |Version 1.2.3 is out. |See Fig. 3 and p. 12 of vol. 2. |Done.",
		"no is a word":    "He said no. |Then he left. |See No. 5.",
		"counted":         "1. Install it. |2. Run it.",
		"quoted":          "He said \"No.\" |Then he left. |“Really?” |“Yes!” |(He lied.) |So what?!",
		"unsure":          "Well... maybe. |Yes",
		"a wrapped line":  "A paragraph\ngoes on\r\nhere. |And\nends.",
		"a blank line":    "No full stop\n\n|Another one",
		"German":          "Das ist z.B. Herr Dr. med. Müller. |„Ja.“ |Dann ging er ca. 5 km.",
		"Chinese":         "他说：“你好。”|然后走了。|今天很好！|“真的吗？”|是的。",
		"Japanese":        "これは文です。|「はい。」|と言った。|終わり",
		"Arabic":          "هذه جملة. |هل هذا سؤال؟ |نعم.",
		"Hindi":           "यह एक वाक्य है। |यह दूसरा है॥ |तीसरा?",
		"Thai":            "ภาษาไทยไม่มีจุด แต่มีช่องว่าง",
		"nothing":         "",
	}
	for name, want := range tests {
		if got := marked(strings.ReplaceAll(want, "|", "")); got != want {
			t.Errorf("%s:\n%q, want\n%q", name, got, want)
		}
	}
}

func TestSentencesAreTheTextWhole(t *testing.T) {
	for _, text := range []string{" ", "\n\n", ". . .", "a.)))", strings.Repeat(")", 1000), "x." + strings.Repeat("\u00a0", 1000) + "y", "a.「b", "。「「「", "\r\r\n\n"} {
		ends := sentenceEnds(text)
		before := 0
		for _, end := range ends {
			if end <= before || end < len(text) && !utf8.RuneStart(text[end]) {
				t.Errorf("%q: %v", text, ends)
			}
			before = end
		}
		if before != len(text) {
			t.Errorf("%q ends at %d: %v", text, len(text), ends)
		}
	}
}

// Without longestRun, the first takes 37 seconds.
func TestManyBracketsTakeNoLongerThanAnythingElse(t *testing.T) {
	for _, s := range []string{")", "\u00a0", "\u200d", "\"", ") ", "\u0301", ")\u200d"} {
		text := "a." + strings.Repeat(s, 100_000)
		if ends := sentenceEnds(text); ends[len(ends)-1] != len(text) {
			t.Errorf("%q ends elsewhere", s)
		}
	}
}
