package doc_test

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"nearside/doc"
)

var seed = flag.Uint64("seed", 1, "of random tests; 0 = another each time")

// sample is a file, and a document that was made of it.
func sample() (string, *doc.Document) {
	file := "# Tea\r\n\r\nBoil &amp; pour.\nThen wait.\n"
	var b doc.Builder
	b.Begin(doc.Heading, 1, "")
	b.Add("Tea\r\n", doc.Origin{From: 2, To: 7, Verbatim: true, Line: 1})
	b.Begin(doc.Paragraph, 0, "")
	b.Add("Boil ", doc.Origin{From: 9, To: 14, Verbatim: true, Line: 3})
	b.Add("&", doc.Origin{From: 14, To: 19, Line: 3})
	b.Add(" pour.\nThen ", doc.Origin{From: 19, To: 31, Verbatim: true, Line: 3})
	b.Add("wait.\n", doc.Origin{From: 31, To: 37, Verbatim: true, Line: 4})
	return file, b.Document(doc.FormatMarkdown)
}

func TestBuilderKeepsThePromises(t *testing.T) {
	file, d := sample()
	if err := d.Check([]byte(file)); err != nil {
		t.Fatal(err)
	}
	if d.Text != "Tea\n\nBoil & pour.\nThen wait." {
		t.Errorf("the text is %q", d.Text)
	}
	if len(d.Origins) != 4 {
		t.Errorf("%d origins; what goes on is joined, so there are 4", len(d.Origins))
	}
}

func TestBuilderTrimsBlocksAndDropsEmptyOnes(t *testing.T) {
	var b doc.Builder
	b.Begin(doc.Paragraph, 0, "")
	b.Add(" \n\t", doc.Origin{To: 3, Verbatim: true, Line: 1})
	b.Begin(doc.Code, 0, "go")
	b.Add("\n  \n\tx\n\t\ty\n\n", doc.Origin{From: 3, To: 15, Verbatim: true, Line: 2})
	b.Begin(doc.Paragraph, 0, "")
	b.Add("\u00a0\n  words \xff", doc.Origin{From: 15, To: 27, Line: 6})
	b.Begin(doc.Paragraph, 0, "")
	d := b.Document(doc.FormatText)
	if d.Text != "\tx\n\t\ty\n\nwords \uFFFD" || len(d.Blocks) != 2 {
		t.Errorf("the text is %q in %d blocks", d.Text, len(d.Blocks))
	}
	if err := d.Check(nil); err != nil {
		t.Error(err)
	}
	if place := d.Locate(0, 2); place != (doc.Place{From: 7, To: 9, Line: 4, LastLine: 4}) {
		t.Errorf("the code begins at %+v", place)
	}
	if again := b.Document(doc.FormatText); again.Text != "" || len(again.Blocks) != 0 {
		t.Errorf("the builder was not empty: %q", again.Text)
	}
}

func TestEndProseMakesABlockOfEachParagraph(t *testing.T) {
	text := "one\nmore\n\n \n  two\n\t\nthree\n"
	var b doc.Builder
	b.Begin(doc.Quote, 0, "")
	b.Add(text, doc.Origin{To: int64(len(text)), Verbatim: true, Line: 1})
	b.EndProse()
	b.Begin(doc.Paragraph, 0, "")
	b.Add("four", doc.Origin{})
	d := b.Document(doc.FormatText)
	var got []string
	for _, block := range d.Blocks {
		got = append(got, d.Text[block.Start:block.End])
	}
	if strings.Join(got, "/") != "one\nmore/two/three/four" {
		t.Errorf("got %q", got)
	}
	if err := d.Check(nil); err != nil {
		t.Error(err)
	}
}

func TestLocateFindsTheBytesAndLines(t *testing.T) {
	file, d := sample()
	for _, c := range []struct {
		text       string
		want       string
		line, last int
	}{
		{"Tea", "Tea", 1, 1},
		{"Boil", "Boil", 3, 3},
		{"oil & p", "oil &amp; p", 3, 3},
		{"&", "&amp;", 3, 3},
		{"pour.\nThen wait.", "pour.\nThen wait.", 3, 4},
		{"hen wait", "hen wait", 4, 4},
		{"Tea\n\nBoil", "Tea\r\n\r\nBoil", 1, 3},
	} {
		start := strings.Index(d.Text, c.text)
		place := d.Locate(start, start+len(c.text))
		if got := file[place.From:place.To]; got != c.want || place.Line != c.line || place.LastLine != c.last {
			t.Errorf("%q is at %q, lines %d to %d; want %q, %d to %d", c.text, got, place.Line, place.LastLine, c.want, c.line, c.last)
		}
	}
	if place := d.Locate(3, 5); place != (doc.Place{}) {
		t.Errorf("the blank line between two blocks is at %+v", place)
	}
}

func TestLocateDoesNotWidenByWhatTheFileDoesNotHave(t *testing.T) {
	var b doc.Builder
	b.Begin(doc.Table, 0, "")
	b.Add("| ", doc.Origin{From: 5, To: 5, Line: 1})
	b.Add("cell", doc.Origin{From: 50, To: 54, Verbatim: true, Line: 7, Page: 2})
	b.Add(" |", doc.Origin{From: 5, To: 5, Line: 1})
	d := b.Document(doc.FormatHTML)
	if place := d.Locate(0, len(d.Text)); place != (doc.Place{From: 50, To: 54, Line: 7, LastLine: 7, Page: 2, LastPage: 2}) {
		t.Errorf("got %+v", place)
	}
	if place := d.Locate(0, 1); place != (doc.Place{From: 5, To: 5, Line: 1, LastLine: 1}) {
		t.Errorf("got %+v", place)
	}
}

func TestCheckFindsEachBrokenPromise(t *testing.T) {
	file, _ := sample()
	for name, ruin := range map[string]func(d *doc.Document){
		"not UTF-8":             func(d *doc.Document) { d.Text = strings.Replace(d.Text, "Boil", "Bo\xffl", 1) },
		"no format":             func(d *doc.Document) { d.Format = "" },
		"blocks overlap":        func(d *doc.Document) { d.Blocks[1].Start = 1 },
		"a block ends outside":  func(d *doc.Document) { d.Blocks[1].End++ },
		"an empty block":        func(d *doc.Document) { d.Blocks[0].End = d.Blocks[0].Start },
		"blank edges":           func(d *doc.Document) { d.Blocks[0].End++ },
		"text in no block":      func(d *doc.Document) { d.Blocks[1].Start += 2 },
		"text behind all":       func(d *doc.Document) { d.Blocks[1].End -= 2 },
		"no such kind":          func(d *doc.Document) { d.Blocks[1].Kind = "poem" },
		"no level":              func(d *doc.Document) { d.Blocks[0].Level = 0 },
		"a level too many":      func(d *doc.Document) { d.Blocks[1].Level = 1 },
		"origins overlap":       func(d *doc.Document) { d.Origins[1].Start--; d.Origins[1].Start = 0 },
		"an origin is missing":  func(d *doc.Document) { d.Origins = append(d.Origins[:1], d.Origins[2:]...) },
		"the last is missing":   func(d *doc.Document) { d.Origins = d.Origins[:3] },
		"lengths differ":        func(d *doc.Document) { d.Origins[1].To++ },
		"bytes differ":          func(d *doc.Document) { d.Origins[0].From++; d.Origins[0].To++ },
		"bytes behind the file": func(d *doc.Document) { d.Origins[2].To = 1000 },
		"backwards":             func(d *doc.Document) { d.Origins[2].From = 1000 },
	} {
		_, d := sample()
		ruin(d)
		if d.Check([]byte(file)) == nil {
			t.Errorf("%s: nothing was found", name)
		}
	}
}

func TestMarkdownWritesMarksBack(t *testing.T) {
	var b doc.Builder
	for _, block := range []struct {
		kind  doc.Kind
		level int
		label string
		text  string
	}{
		{doc.Heading, 2, "", "Two\nlines"}, {doc.Paragraph, 0, "", "Words."}, {doc.Item, 1, "", "one\nmore"}, {doc.Item, 2, "3.", "deeper"},
		{doc.Code, 0, "go", "a ```` b"}, {doc.Code, 0, "func main", "x"}, {doc.Quote, 0, "", "said\nso"}, {doc.Table, 0, "", "| a |\n| --- |"},
	} {
		b.Begin(block.kind, block.level, block.label)
		b.Add(block.text, doc.Origin{})
	}
	want := "## Two lines\n\nWords.\n\n- one\n  more\n  3. deeper\n\n`````go\na ```` b\n`````\n\n```\nx\n```\n\n> said\n> so\n\n| a |\n| --- |"
	if got := doc.Markdown(b.Document(doc.FormatMarkdown)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAnyUseOfABuilderKeepsThePromises(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	rng := rand.New(rand.NewPCG(*seed, 1))
	texts := []string{"", " ", "\n", "\n\n", "word", "a b", "é", "\xff", "\u00a0", "  x", "x\n", "\ty", "long words here", "\r\n"}
	kinds := []doc.Kind{doc.Paragraph, doc.Heading, doc.Item, doc.Code, doc.Table, doc.Quote}
	for range 3000 {
		var b doc.Builder
		var file []byte
		for range rng.IntN(20) {
			switch rng.IntN(5) {
			case 0:
				kind := kinds[rng.IntN(len(kinds))]
				level := 0
				if kind == doc.Heading || kind == doc.Item {
					level = 1 + rng.IntN(6)
				}
				b.Begin(kind, level, "")
			case 1:
				b.End()
			case 2:
				b.EndProse()
			default:
				text := texts[rng.IntN(len(texts))]
				from := int64(len(file))
				file = append(file, text...)
				b.Add(text, doc.Origin{From: from, To: int64(len(file)), Verbatim: rng.IntN(3) > 0, Line: 1 + strings.Count(string(file[:from]), "\n")})
			}
		}
		d := b.Document(doc.FormatText)
		if err := d.Check(file); err != nil {
			t.Fatalf("-seed=%d: %v in %q", *seed, err, d.Text)
		}
	}
}
