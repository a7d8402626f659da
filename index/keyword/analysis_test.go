package keyword_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"nearside/fault"
	"nearside/index/keyword"
)

// spell writes tokens as position:term, stop words with a minus, tails with a dot.
func spell(tokens []keyword.Token) string {
	var b strings.Builder
	for i, t := range tokens {
		if i > 0 {
			b.WriteByte(' ')
		}
		if t.Stop {
			b.WriteByte('-')
		}
		b.WriteString(t.Term)
		if t.Tail {
			b.WriteByte('.')
		}
	}
	return b.String()
}

func analyzer(t testing.TB, a keyword.Analysis) *keyword.Analyzer {
	t.Helper()
	z, err := keyword.NewAnalyzer(a)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestTextsBecomeTheTermsOfTheirScript(t *testing.T) {
	for _, c := range []struct{ language, text, want string }{
		{"", "The Connections, connecting; CONNECTED!", "-the connect connect connect"},
		{"", "John's error E1234-x at foo_bar v1.2", "john error e1234 x -at foo bar v1 2"},
		{"", "don't ’tis l’eau", "-don't ti l’eau"},
		{"", "Cafe\u0301 CAFÉ ＦＵＬＬ ﬁne", "café café full fine"},
		{"", "天气预报", "天气 气预 预报 报."},
		{"", "水", "水."},
		{"", "東京タワーへ", "東京 京タ タワ ワー ーへ へ."},
		{"", "서울에 간다", "서울 울에 에. 간다 다."},
		{"", "iPhone手机2台", "iphon 手机 机. 2 台."},
		{"", "กินข้าว", "กิ ิน นข ข้ ้า าว ว."},
		{"", "हिन्दी में", "हिंद -में"},
		{"", "книги книгами", "книг книг"},
		{"", "", ""},
		{"", " \t\n.,;", ""},
		{"none", "The Connections", "the connections"},
		{"none", "книги", "книги"},
		{"de", "Die Häuser und das Haus", "-die haus -und -das haus"},
		{"fr", "L'avion des amis", "avion -des ami"},
		{"ru", "connections книги", "connect книг"},
	} {
		if got := spell(analyzer(t, keyword.Analysis{Language: c.language}).Analyze(c.text)); got != c.want {
			t.Errorf("%q in %q: %s, want %s", c.text, c.language, got, c.want)
		}
	}
}

func TestTrigramsAreCutWithinStretchesWithoutSpace(t *testing.T) {
	z := analyzer(t, keyword.Analysis{Tokenizer: keyword.Trigrams})
	if got, want := spell(z.Analyze("Refund 5€ ü")), "ref efu fun und nd. d. 5€. €. ü."; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestTokensStandWhereTheySayInAnyText(t *testing.T) {
	texts := []string{"plain words", "Ünïcödé 天气 กิน हिन्दी", "a\xffb\xe5\xa4", "\u200dx\u00ady’z’", "ーー々", strings.Repeat("x", 5000), "ẞ İstanbul", "👍🏽 ok"}
	for _, language := range append(keyword.Languages(), keyword.NoLanguage) {
		for _, tokenizer := range []keyword.Tokenizer{keyword.Words, keyword.Trigrams} {
			z := analyzer(t, keyword.Analysis{Language: language, Tokenizer: tokenizer})
			for _, text := range texts {
				checkTokens(t, text, z.Analyze(text))
			}
		}
	}
}

func checkTokens(t *testing.T, text string, tokens []keyword.Token) {
	t.Helper()
	position, start := 0, -1
	for _, token := range tokens {
		if token.Start >= token.End || token.Start <= start || token.End > len(text) || token.Position <= position || token.Term == "" || len(token.Term) > 128 {
			t.Fatalf("%q: %+v after position %d, start %d", text, token, position, start)
		}
		if utf8.ValidString(text) && !utf8.ValidString(text[token.Start:token.End]) {
			t.Fatalf("%q: %+v cuts a character", text, token)
		}
		position, start = token.Position, token.Start
	}
}

func FuzzAnyTextIsAnalysed(f *testing.F) {
	for _, text := range []string{"a b", "天气", "ก\u0e34", "\xff\xfe", "x’’y", "\"a* b\" c*", "ﷺ"} {
		f.Add(text)
	}
	words, err := keyword.NewAnalyzer(keyword.Analysis{})
	if err != nil {
		f.Fatal(err)
	}
	trigrams, err := keyword.NewAnalyzer(keyword.Analysis{Tokenizer: keyword.Trigrams})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkTokens(t, text, words.Analyze(text))
		checkTokens(t, text, trigrams.Analyze(text))
	})
}

func TestAnUnknownAnalysisIsRefusedWithWhatThereIs(t *testing.T) {
	for _, a := range []keyword.Analysis{{Language: "xx"}, {Tokenizer: "letters"}} {
		_, err := keyword.NewAnalyzer(a)
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", a, err)
		}
	}
	if n := len(keyword.Languages()); n != 21 {
		t.Errorf("%d languages: %v", n, keyword.Languages())
	}
}
