package chunk_test

import (
	"strings"
	"testing"

	"nearside/doc"
	"nearside/doc/chunk"
)

// kinds are the first characters of lines that begin a block in the fuzzer's language.
var kinds = map[byte]doc.Kind{'#': doc.Heading, '-': doc.Item, '`': doc.Code, '|': doc.Table, '>': doc.Quote, '\n': doc.Paragraph}

// fuzzDocument reads a text as blocks: a line with one of kinds before it begins one.
func fuzzDocument(text string) *doc.Document {
	var b doc.Builder
	for line := range strings.Lines(text) {
		kind, begins := kinds[line[0]]
		if begins {
			level := 0
			if kind == doc.Heading || kind == doc.Item {
				level = 1 + len(line)%6
			}
			b.Begin(kind, level, "")
		}
		b.Add(line, doc.Origin{})
	}
	return b.Document(doc.FormatMarkdown)
}

func FuzzCut(f *testing.F) {
	f.Add("# A heading\nText. More text.\n- an item\n- another", 20, 10, 3)
	f.Add("|a|b|\n---\n1|2\n3|4", 16, 9, 0)
	f.Add("`func f() {\n\n\n\n}\n}\n}", 8, 8, 4)
	f.Add("##\n#x\n##y\n#z\n\nparagraph", 30, 30, 0)
	f.Add("a.))))))))))))) \u00a0\u00a0「b。」\U0001f1e9\U0001f1ea\U0001f468\u200d\U0001f469 e\u0301", 12, 8, 0)
	f.Add(strings.Repeat("ก", 500)+"\xff\xfe", 40, 20, 5)
	f.Fuzz(func(t *testing.T, text string, window, size, overlap int) {
		o := chunk.Options{Window: window, Size: size, Overlap: overlap, Tokenizer: chunk.Estimate{}}
		if _, err := chunk.New(o); err != nil || window == 0 || window > 1000 || len(text) > 1<<14 {
			return
		}
		cut(t, fuzzDocument(text), o)
	})
}
