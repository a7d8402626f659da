package chunk_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"nearside/doc"
	"nearside/doc/chunk"
	"nearside/fault"
)

var (
	long = flag.Bool("long", false, "run the slow sweeps")
	seed = flag.Uint64("seed", 0, "of the random documents; 0 = another each time")
)

// byWords is a tokenizer for which a word is a token; a model adds two.
type byWords struct{}

func (byWords) CountTokens(_ context.Context, text string) (int, error) {
	return 2 + len(strings.Fields(text)), nil
}

// growing counts more in a whole than in its parts, as no model's tokenizer does to this degree.
type growing struct{}

func (growing) CountTokens(_ context.Context, text string) (int, error) {
	n := utf8.RuneCountInString(text)
	return 2 + n + n*n/100, nil
}

func random(t *testing.T) *rand.Rand {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("seed %d", s)
	return rand.New(rand.NewPCG(s, 1))
}

// rounds is how often a random test is run: n times, with -long twenty times as often.
func rounds(n int) int {
	if *long {
		return 20 * n
	}
	return n
}

// vocabulary has words of many scripts, and such that are not so easy to cut.
var vocabulary = strings.Fields(`the of window glaucoma index vector passage begins Dr. e.g. U.S. 3.14 "quoted" (in brackets) state-of-the-art
	Größe façade naïve Straße überall предложение слово σύνταξη לשון جملة वाक्य क्षत्रिय ประโยคนี้ยาวมาก 中文没有空格 日本語の文章です 한국어 🇩🇪👩‍👩‍👧‍👦 e\u0301 https://example.com/a/b?c=d
	xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx [PAD] {} );`)

func randomWords(r *rand.Rand, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString([]string{" ", " ", " ", ", ", "\n"}[r.IntN(5)])
		}
		b.WriteString(vocabulary[r.IntN(len(vocabulary))])
	}
	return b.String()
}

func randomProse(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(6) {
		b.WriteString(randomWords(r, 1+r.IntN(25)))
		b.WriteString([]string{". ", "? ", "。", " ", "।\n", ": "}[r.IntN(6)])
	}
	return strings.TrimSpace(b.String())
}

func randomLines(r *rand.Rand) string {
	var lines []string
	for range 1 + r.IntN(12) {
		lines = append(lines, strings.Repeat(" ", r.IntN(8))+strings.ReplaceAll(randomWords(r, r.IntN(8)), "\n", " "))
	}
	return "first " + strings.Join(lines, "\n") + "\n}"
}

func randomTable(r *rand.Rand) string {
	text := "| name | value |\n| --- | --- |"
	for range r.IntN(20) {
		text += "\n| " + strings.ReplaceAll(randomWords(r, 1+r.IntN(6)), "\n", " ") + " | " + fmt.Sprint(r.IntN(1000)) + " |"
	}
	return text
}

func randomDocument(r *rand.Rand) *doc.Document {
	var b doc.Builder
	for range r.IntN(40) {
		kind := []doc.Kind{doc.Paragraph, doc.Paragraph, doc.Paragraph, doc.Heading, doc.Heading, doc.Item, doc.Code, doc.Table, doc.Quote}[r.IntN(9)]
		switch kind {
		case doc.Heading:
			b.Begin(kind, 1+r.IntN(6), "")
			b.Add(strings.ReplaceAll(randomWords(r, 1+r.IntN(8)), "\n", " "), doc.Origin{})
		case doc.Item:
			b.Begin(kind, 1+r.IntN(3), "")
			b.Add(randomProse(r), doc.Origin{})
		case doc.Code:
			b.Begin(kind, 0, "func f")
			b.Add(randomLines(r), doc.Origin{})
		case doc.Table:
			b.Begin(kind, 0, "")
			b.Add(randomTable(r), doc.Origin{})
		default:
			b.Begin(kind, 0, "")
			b.Add(randomProse(r), doc.Origin{})
		}
	}
	d := b.Document([]doc.Format{doc.FormatMarkdown, doc.FormatSource}[r.IntN(2)])
	if r.IntN(2) == 0 {
		d.Title = randomWords(r, 1+r.IntN(5))
	}
	return d
}

func randomOptions(r *rand.Rand, t chunk.Tokenizer) chunk.Options {
	o := chunk.Options{Tokenizer: t, Window: 16 + r.IntN(200), Bare: r.IntN(4) == 0}
	o.Size = chunk.LeastWindow + r.IntN(o.Window-chunk.LeastWindow+1)
	o.Overlap = r.IntN(o.Size/2 + 1)
	return o
}

// cut cuts a document and checks all that holds of any.
func cut(t *testing.T, d *doc.Document, o chunk.Options) []chunk.Chunk {
	t.Helper()
	chunks, err := chunk.Cut(t.Context(), d, o)
	if err != nil {
		t.Fatalf("%v, cutting %q", err, d.Text)
	}
	ids := map[string]bool{}
	covered := 0
	for i, c := range chunks {
		if !strings.HasSuffix(c.Text, d.Text[c.Start:c.End]) || c.Passage() != d.Text[c.Start:c.End] || c.Context()+c.Passage() != c.Text {
			t.Fatalf("chunk %d is %q, which does not end with its passage %q", i, c.Text, d.Text[c.Start:c.End])
		}
		if !utf8.ValidString(c.Text) || strings.TrimSpace(c.Passage()) == "" {
			t.Fatalf("chunk %d is %q", i, c.Text)
		}
		if n, _ := o.Tokenizer.CountTokens(t.Context(), c.Text); n != c.Tokens || n > o.Window {
			t.Fatalf("chunk %d has %d tokens and says %d, with a window of %d: %q", i, n, c.Tokens, o.Window, c.Text)
		}
		if c.Start+c.Repeats < covered || c.Repeats > 0 && c.Start+c.Repeats > c.End {
			t.Fatalf("chunk %d repeats %d bytes from %d, after %d", i, c.Repeats, c.Start, covered)
		}
		if between := d.Text[covered : c.Start+c.Repeats]; strings.TrimSpace(between) != "" {
			t.Fatalf("no chunk has %q before chunk %d", between, i)
		}
		if ids[c.ID] || len(c.ID) != 32 {
			t.Fatalf("chunk %d has the id %q, which is not 32 bytes or not its own", i, c.ID)
		}
		if want := d.Locate(c.Start, c.End); c.Place != want {
			t.Fatalf("chunk %d is said to be at %+v; it is at %+v", i, c.Place, want)
		}
		ids[c.ID], covered = true, c.End
	}
	if rest := d.Text[covered:]; strings.TrimSpace(rest) != "" {
		t.Fatalf("no chunk has %q at the end", rest)
	}
	return chunks
}

func TestEveryByteIsInAChunkAndNoChunkExceedsTheWindow(t *testing.T) {
	r := random(t)
	for range rounds(50) {
		d := randomDocument(r)
		for _, tokenizer := range []chunk.Tokenizer{byWords{}, chunk.Estimate{}, growing{}} {
			o := randomOptions(r, tokenizer)
			if _, grows := tokenizer.(growing); grows {
				o.Bare = true // the context alone grows beyond any window
			}
			first := cut(t, d, o)
			if again := cut(t, d, o); !slices.EqualFunc(first, again, func(a, b chunk.Chunk) bool { return a.ID == b.ID && a.Text == b.Text }) {
				t.Fatal("the same document gave other chunks")
			}
		}
	}
}

func TestTheModelsOwnTokensAreWithinTheWindow(t *testing.T) {
	r, tokenizer := random(t), openTokenizer(t)
	for range rounds(50) {
		cut(t, randomDocument(r), randomOptions(r, tokenizer))
	}
}

func TestAHeadingEndsAChunkOnlyWhereNothingStandsBelowIt(t *testing.T) {
	r := random(t)
	for range rounds(100) {
		d := randomDocument(r)
		for i, c := range cut(t, d, chunk.Options{Tokenizer: byWords{}, Window: 256, Size: 20 + r.IntN(200), Overlap: r.IntN(10)}) {
			last := 0
			for last+1 < len(d.Blocks) && d.Blocks[last+1].Start < c.End {
				last++
			}
			b := d.Blocks[last]
			if b.Kind != doc.Heading || last+1 == len(d.Blocks) {
				continue
			}
			if next := d.Blocks[last+1]; next.Kind != doc.Heading || next.Level > b.Level {
				t.Fatalf("chunk %d ends with the heading %q, below which stands %q", i, d.Text[b.Start:b.End], d.Text[next.Start:next.End])
			}
		}
	}
}

func TestAnOverlapIsWholeSentencesOfTheChunkBefore(t *testing.T) {
	text := ""
	for i := range 60 {
		text += fmt.Sprintf("This is sentence %d of them. ", i)
	}
	chunks := cut(t, document(doc.Block{Kind: doc.Paragraph}, text), chunk.Options{Tokenizer: byWords{}, Size: 50, Window: 60, Overlap: 13})
	if len(chunks) < 8 {
		t.Fatalf("%d chunks", len(chunks))
	}
	for i, c := range chunks[1:] {
		repeated := c.Passage()[:c.Repeats]
		if strings.Count(repeated, "This is sentence") != 2 || !strings.HasPrefix(repeated, "This") || !strings.HasSuffix(chunks[i].Passage(), strings.TrimSpace(repeated)) {
			t.Errorf("chunk %d repeats %q; the one before ends %q", i+1, repeated, chunks[i].Passage())
		}
	}
}

// document returns a document of one block of each text, of the kind and level given before it.
func document(parts ...any) *doc.Document {
	var b doc.Builder
	at := int64(0)
	for i := 0; i < len(parts); i += 2 {
		block, text := parts[i].(doc.Block), parts[i+1].(string)
		b.Begin(block.Kind, block.Level, block.Label)
		b.Add(text, doc.Origin{From: at, To: at + int64(len(text)), Verbatim: true, Line: 1})
		at += int64(len(text))
	}
	return b.Document(doc.FormatMarkdown)
}

var (
	h1        = doc.Block{Kind: doc.Heading, Level: 1}
	h2        = doc.Block{Kind: doc.Heading, Level: 2}
	paragraph = doc.Block{Kind: doc.Paragraph}
	item      = doc.Block{Kind: doc.Item, Level: 1}
)

// sentences returns a text of n words in sentences of ten.
func sentences(n int) string {
	var b strings.Builder
	for i := range n {
		switch {
		case i%10 == 0:
			fmt.Fprintf(&b, "Word%d", i)
		default:
			fmt.Fprintf(&b, " w%d", i)
		}
		if i%10 == 9 {
			b.WriteString(". ")
		}
	}
	return strings.TrimSpace(b.String())
}

func TestSmallSectionsAreJoinedUnderTheirCommonHeading(t *testing.T) {
	d := document(h1, "Animals", paragraph, sentences(60), h2, "Cats", paragraph, sentences(10), h2, "Dogs", paragraph, sentences(10), h2, "Fish", paragraph, sentences(50))
	chunks := cut(t, d, chunk.Options{Tokenizer: byWords{}, Size: 70, Window: 100})
	if len(chunks) != 3 {
		t.Fatalf("%d chunks: %+v", len(chunks), chunks)
	}
	if c := chunks[1]; !strings.HasPrefix(c.Text, "Animals\n\nCats\n\nWord0") || !strings.Contains(c.Text, "Dogs") || !slices.Equal(c.Headings, []string{"Animals"}) {
		t.Errorf("Cats and Dogs are %q under %q", c.Text, c.Headings)
	}
	if c := chunks[2]; !strings.HasPrefix(c.Text, "Animals\n\nFish\n\n") || !slices.Equal(c.Headings, []string{"Animals", "Fish"}) {
		t.Errorf("Fish is %q under %q", c.Text, c.Headings)
	}
}

func TestTheRestOfALargeSectionHasItsHeadingsBeforeIt(t *testing.T) {
	d := document(h1, "Animals", h2, "Cats", paragraph, sentences(300))
	d.Title = "The Book"
	for i, c := range cut(t, d, chunk.Options{Tokenizer: byWords{}, Size: 70, Window: 100})[1:] {
		if c.Context() != "The Book > Animals > Cats\n\n" || !slices.Equal(c.Headings, []string{"The Book", "Animals", "Cats"}) {
			t.Errorf("chunk %d begins with %q under %q", i+1, c.Context(), c.Headings)
		}
	}
	d.Title = "animals"
	for i, c := range cut(t, d, chunk.Options{Tokenizer: byWords{}, Size: 70, Window: 100})[1:] {
		if c.Context() != "Animals > Cats\n\n" {
			t.Errorf("a title that is the first heading too: chunk %d begins with %q", i+1, c.Context())
		}
	}
	for i, c := range cut(t, d, chunk.Options{Tokenizer: byWords{}, Size: 70, Window: 100, Bare: true}) {
		if c.Context() != "" || len(c.Headings) == 0 {
			t.Errorf("bare: chunk %d begins with %q under %q", i, c.Context(), c.Headings)
		}
	}
}

func TestAWindowSmallerThanTheHeadingsDoesWithoutThem(t *testing.T) {
	d := document(h1, sentences(40), h2, sentences(30), paragraph, sentences(100))
	chunks := cut(t, d, chunk.Options{Tokenizer: byWords{}, Window: 12})
	for i, c := range chunks {
		if c.Context() != "" {
			t.Errorf("chunk %d begins with %q", i, c.Context())
		}
	}
	// Of several that are too much together the outermost and the innermost stay.
	d = document(h1, "One word", h2, sentences(30), doc.Block{Kind: doc.Heading, Level: 3}, "The last", paragraph, sentences(200))
	chunks = cut(t, d, chunk.Options{Tokenizer: byWords{}, Window: 40})
	if got := chunks[len(chunks)-1].Context(); got != "One word > The last\n\n" {
		t.Errorf("the context is %q", got)
	}
}

func TestATablesRowsHaveItsHeader(t *testing.T) {
	rows := "| name | value |\n| --- | --- |"
	for i := range 40 {
		rows += fmt.Sprintf("\n| row %d | %d |", i, i*i)
	}
	chunks := cut(t, document(h1, "Squares", doc.Block{Kind: doc.Table}, rows), chunk.Options{Tokenizer: byWords{}, Size: 70, Window: 100})
	for i, c := range chunks {
		if i > 0 && c.Context() != "Squares\n\n| name | value |\n| --- | --- |\n" {
			t.Errorf("chunk %d begins with %q", i, c.Context())
		}
		if last := c.Passage()[strings.LastIndex(c.Passage(), "\n")+1:]; !strings.HasPrefix(last, "| row") || !strings.HasSuffix(last, "|") {
			t.Errorf("chunk %d ends within a row: %q", i, last)
		}
	}
	if len(chunks) < 4 {
		t.Errorf("%d chunks", len(chunks))
	}
}

func TestCodeIsCutAtBlankLines(t *testing.T) {
	code := ""
	for i := range 30 {
		code += fmt.Sprintf("def f%d(x):\n    y = x + 1\n\n    return y * %d\n\n", i, i)
	}
	chunks := cut(t, document(doc.Block{Kind: doc.Code, Label: "python"}, code), chunk.Options{Tokenizer: byWords{}, Size: 70, Window: 100})
	for i, c := range chunks {
		if !strings.HasPrefix(c.Passage(), "def f") && !strings.HasPrefix(c.Passage(), "    return") {
			t.Errorf("chunk %d begins %q", i, c.Passage()[:20])
		}
		if strings.HasSuffix(c.Passage(), ":") {
			t.Errorf("chunk %d ends with a line that opens: %q", i, c.Passage())
		}
	}
}

func TestWhatEndsInAColonStaysWithItsList(t *testing.T) {
	parts := []any{paragraph, sentences(30), paragraph, "There are three:"}
	for range 3 {
		parts = append(parts, item, sentences(20))
	}
	chunks := cut(t, document(parts...), chunk.Options{Tokenizer: byWords{}, Size: 60, Window: 100})
	for i, c := range chunks {
		if strings.HasSuffix(c.Text, ":") {
			t.Errorf("chunk %d ends %q", i, c.Text)
		}
	}
}

func TestASentenceLongerThanTheWindowIsCutWhereItHurtsLeast(t *testing.T) {
	words := strings.Repeat("word ", 9)
	tests := map[string]struct{ text, ends string }{
		"clauses":    {strings.Repeat(words+"last, ", 40), "last,"},
		"words":      {strings.Repeat("word ", 400), "word"},
		"Chinese":    {strings.Repeat("这是一个很长的句子没有句号，", 60), "，"},
		"Thai":       {strings.Repeat("ประโยคนี้ยาวมาก ", 100), "ประโยคนี้ยาวมาก"},
		"flags":      {strings.Repeat("🇩🇪", 300), "🇩🇪"},
		"family":     {strings.Repeat("👩‍👩‍👧‍👦", 100), "👩‍👩‍👧‍👦"},
		"accents":    {strings.Repeat("e\u0301", 1000), "e\u0301"},
		"line ends":  {strings.Repeat(strings.Repeat("a b c d ", 4)+"end\n", 40), "end"},
		"Devanagari": {strings.Repeat("क्षि", 600), "क्षि"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			chunks := cut(t, document(paragraph, test.text), chunk.Options{Tokenizer: chunk.Estimate{}, Size: 80, Window: 100})
			if len(chunks) < 3 {
				t.Fatalf("%d chunks", len(chunks))
			}
			for i, c := range chunks {
				if !strings.HasSuffix(c.Text, test.ends) {
					t.Errorf("chunk %d ends %q", i, c.Text[max(0, len(c.Text)-30):])
				}
			}
		})
	}
}

// By the annex alone this is one sentence: it takes a full stop before a small letter for that of an abbreviation.
func TestTextWithoutCapitalsIsCutAtItsFullStops(t *testing.T) {
	chunks := cut(t, document(paragraph, strings.Repeat("nobody writes capitals here, e.g. in chats . they just do not. why? ", 20)), chunk.Options{Tokenizer: byWords{}, Size: 40, Window: 400})
	if len(chunks) < 5 {
		t.Errorf("%d chunks", len(chunks))
	}
	for i, c := range chunks {
		if !strings.HasSuffix(c.Text, "chats .") && !strings.HasSuffix(c.Text, "not.") && !strings.HasSuffix(c.Text, "why?") {
			t.Errorf("chunk %d ends %q", i, c.Text[len(c.Text)-20:])
		}
	}
}

func TestTokensThatStandForALotOfTextDoNotMakeEndlessChunks(t *testing.T) {
	for i, c := range cut(t, document(paragraph, strings.Repeat("x", 1<<20)), chunk.Options{Tokenizer: byWords{}, Size: 100, Window: 128}) {
		if len(c.Text) > 128*16 {
			t.Fatalf("chunk %d has %d bytes", i, len(c.Text))
		}
	}
}

// counting counts the bytes that it is given.
type counting struct{ bytes int }

func (c *counting) CountTokens(ctx context.Context, text string) (int, error) {
	c.bytes += len(text)
	return chunk.Estimate{}.CountTokens(ctx, text)
}

// Time is linear in the text because no byte is looked at more often in a long text than in a short one, however it is made.
func TestNoByteIsTokenizedMoreThanAFewTimes(t *testing.T) {
	code, table := doc.Block{Kind: doc.Code}, doc.Block{Kind: doc.Table}
	many := func(n int, parts ...any) (all []any) {
		for range n {
			all = append(all, parts...)
		}
		return all
	}
	for name, parts := range map[string][]any{
		"a word":         {paragraph, strings.Repeat("x", 100_000)},
		"words":          {paragraph, strings.Repeat("word ", 20_000)},
		"commas":         {paragraph, strings.Repeat("word, ", 20_000)},
		"punctuation":    {paragraph, strings.Repeat("?!", 50_000)},
		"spaces":         {paragraph, "a" + strings.Repeat(" ", 100_000) + "b"},
		"ideographs":     {paragraph, strings.Repeat("中", 30_000)},
		"emoji":          {paragraph, strings.Repeat("👩‍👩‍👧‍👦", 4_000)},
		"accents":        {paragraph, "e" + strings.Repeat("\u0301", 50_000)},
		"closing":        {code, strings.Repeat("}\n", 50_000)},
		"a line of code": {code, strings.Repeat("f(x);", 20_000)},
		"deep code":      {code, strings.Repeat(strings.Repeat(" ", 1000)+"x\n", 100)},
		"a wide table":   {table, strings.Repeat("| a ", 20_000) + "|\n| - |\n" + strings.Repeat("| b ", 20_000)},
		"a long table":   {table, "| a |\n| - |\n" + strings.Repeat("| b |\n", 20_000)},
		"headings":       many(3000, h2, "Only a heading", h1, "And another"),
		"small sections": many(3000, h2, "A heading", paragraph, "And a text."),
		"announcements":  many(5000, paragraph, "What comes:"),
		"items":          many(5000, item, "An item."),
		"no capitals":    {paragraph, strings.Repeat("a small one . ", 10_000)},
	} {
		t.Run(name, func(t *testing.T) {
			d := document(parts...)
			d.Title = "The title of it"
			c := &counting{}
			if _, err := chunk.Cut(t.Context(), d, chunk.Options{Tokenizer: c, Window: 128, Overlap: 16}); err != nil {
				t.Fatal(err)
			}
			if times := float64(c.bytes) / float64(len(d.Text)); times > 10 {
				t.Errorf("each byte is tokenized %.1f times", times)
			} else {
				t.Logf("%.1f times", times)
			}
		})
	}
}

func TestADocumentThatSaysNothingHasNoChunks(t *testing.T) {
	for _, d := range []*doc.Document{{}, {Title: "Only a title"}, {Text: " \n\n "}} {
		if chunks := cut(t, d, chunk.Options{Tokenizer: byWords{}, Window: 100}); len(chunks) > 0 {
			t.Errorf("%+v has %+v", d, chunks)
		}
	}
	if chunks := cut(t, document(h1, "Nothing", h2, "below"), chunk.Options{Tokenizer: byWords{}, Window: 100}); len(chunks) != 1 || chunks[0].Text != "Nothing\n\nbelow" {
		t.Errorf("a document of headings has %+v", chunks)
	}
}

func TestEqualPassagesHaveIDsOfTheirOwn(t *testing.T) {
	d := document(h1, "A", paragraph, sentences(50), h1, "A", paragraph, sentences(50))
	o := chunk.Options{Tokenizer: byWords{}, Size: 60, Window: 100, Source: "a.md"}
	chunks := cut(t, d, o)
	if len(chunks) != 2 || chunks[0].Text != chunks[1].Text || chunks[0].ID == chunks[1].ID {
		t.Fatalf("%+v", chunks)
	}
	o.Source = "b.md"
	if other := cut(t, d, o); other[0].ID == chunks[0].ID || other[1].ID == chunks[1].ID {
		t.Error("another source gave the same ids")
	}
	o.Source, d.Key = "a.md", "row 2"
	if other := cut(t, d, o); other[0].ID == chunks[0].ID {
		t.Error("another key gave the same ids")
	}
}

func TestPartsOfADocumentStandUnderTheHeadingsOfTheOnesBefore(t *testing.T) {
	c, err := chunk.New(chunk.Options{Tokenizer: byWords{}, Size: 60, Window: 100})
	if err != nil {
		t.Fatal(err)
	}
	first, second := document(h1, "Book", h2, "Chapter", paragraph, sentences(20)), document(paragraph, sentences(20), h2, "Next", paragraph, "Last.")
	next := document(paragraph, sentences(20))
	second.Part, next.Key = 1, "another"
	var texts []string
	ids := map[string]bool{}
	for _, d := range []*doc.Document{first, second, next, next} {
		chunks, err := c.Cut(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, chunks[0].Text)
		if ids[chunks[0].ID] {
			t.Errorf("the id of %q is another's", chunks[0].Text)
		}
		ids[chunks[0].ID] = true
	}
	if !strings.HasPrefix(texts[0], "Book\n\nChapter\n\n") || !strings.HasPrefix(texts[1], "Book > Chapter\n\n") || texts[2] != sentences(20) {
		t.Errorf("the parts begin %q", texts)
	}
}

// An edit moves the cuts near it. The words on both sides of a cut decide where it is, so that further on they are where they were.
func TestAnEditChangesChunksNearItOnly(t *testing.T) {
	r := random(t)
	const edits, paragraphs = 60, 60
	far := 0
	for range edits {
		texts := make([]any, 0, 2*paragraphs)
		for range paragraphs {
			texts = append(texts, paragraph, freshProse(r))
		}
		o := chunk.Options{Tokenizer: byWords{}, Size: 60, Window: 120, Overlap: r.IntN(2) * 12}
		before := cut(t, document(texts...), o)
		edited := r.IntN(paragraphs)
		old := texts[2*edited+1].(string)
		texts[2*edited+1] = freshProse(r) + " " + freshProse(r)
		after := cut(t, document(texts...), o)
		known := map[string]bool{}
		for _, c := range before {
			known[c.ID] = true
		}
		changed := 0
		for _, c := range after {
			if !known[c.ID] {
				changed++
			}
		}
		if changed == 0 {
			t.Fatalf("the edit of %q changed nothing", old)
		}
		if changed > 10 {
			far++
		}
	}
	if far > edits/10 {
		t.Errorf("%d of %d edits of one paragraph changed more than 10 chunks", far, edits)
	}
}

// Sentences of one length, without anything else to cut at: cuts at equal distances would all move with one more sentence.
func TestOneMoreSentenceMovesTheCutsNearItOnly(t *testing.T) {
	r := random(t)
	const texts, sentences = 20, 400
	changed := 0
	for i := range texts {
		var all []string
		for range sentences {
			all = append(all, fmt.Sprintf("Word%d a b c d e f g ends.", r.IntN(1_000_000)))
			if i%2 == 1 { // one enormous sentence
				all[len(all)-1] = fmt.Sprintf("word%d of%d it%d", r.IntN(1000), r.IntN(1000), r.IntN(1000))
			}
		}
		o := chunk.Options{Tokenizer: byWords{}, Size: 102, Window: 200}
		known := map[string]bool{}
		for _, c := range cut(t, document(paragraph, strings.Join(all, " ")), o) {
			known[c.ID] = true
		}
		for _, c := range cut(t, document(paragraph, strings.Join(slices.Insert(all, 20, "One more of a b c d ends."), " ")), o) {
			if !known[c.ID] {
				changed++
			}
		}
	}
	if changed > 10*texts {
		t.Errorf("%d chunks changed in %d texts of %d sentences", changed, texts, sentences)
	} else {
		t.Logf("%.1f chunks changed a text", float64(changed)/texts)
	}
}

func freshProse(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(4) {
		b.WriteString("S")
		for range 4 + r.IntN(12) {
			fmt.Fprintf(&b, "%c%d ", 'a'+rune(r.IntN(26)), r.IntN(1000))
		}
		b.WriteString("end. ")
	}
	return strings.TrimRightFunc(b.String(), unicode.IsSpace)
}

func TestOptionsThatCannotBeAreRefusedInWords(t *testing.T) {
	tests := map[string]struct {
		chunk.Options
		want string
	}{
		"a window of nothing":  {chunk.Options{Window: 3}, "a window of 3 tokens; at least 8"},
		"larger than a window": {chunk.Options{Window: 100, Size: 101, Tokenizer: byWords{}}, "chunks of 101 tokens; 8 to 100"},
		"beside an estimate":   {chunk.Options{Window: 100, Size: 81}, "chunks of 81 tokens; 8 to 80"},
		"too small":            {chunk.Options{Size: 2}, "chunks of 2 tokens"},
		"all repeated":         {chunk.Options{Size: 100, Overlap: 51}, "an overlap of 51 tokens; 0 to 50"},
		"less than nothing":    {chunk.Options{Size: 100, Overlap: -1}, "an overlap of -1 tokens"},
	}
	for name, test := range tests {
		if _, err := chunk.New(test.Options); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCuttingStopsWhenItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := chunk.Cut(ctx, document(paragraph, sentences(10)), chunk.Options{}); err != context.Canceled {
		t.Errorf("got %v", err)
	}
}

func BenchmarkCut(b *testing.B) {
	tokenizer := openTokenizer(b)
	r := rand.New(rand.NewPCG(1, 1))
	parts := []any{}
	for i := range 2000 {
		if i%10 == 0 {
			parts = append(parts, h2, fmt.Sprintf("Section %d", i))
		}
		parts = append(parts, paragraph, freshProse(r))
	}
	d := document(parts...)
	b.Run("cut", func(b *testing.B) {
		b.SetBytes(int64(len(d.Text)))
		for b.Loop() {
			if _, err := chunk.Cut(b.Context(), d, chunk.Options{Tokenizer: tokenizer}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("count alone", func(b *testing.B) {
		b.SetBytes(int64(len(d.Text)))
		for b.Loop() {
			if _, err := tokenizer.CountTokens(b.Context(), d.Text); err != nil {
				b.Fatal(err)
			}
		}
	})
}
