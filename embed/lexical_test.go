package embed_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"nearside/embed"
)

func lexical(t *testing.T, texts ...string) [][]float32 {
	t.Helper()
	got, err := embed.Lexical{}.Embed(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	out := make([][]float32, len(texts))
	for i := range got {
		out[i] = got[i].Values
	}
	return out
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestLexicalVectorsAreUnitAndDependOnTheTextAlone(t *testing.T) {
	texts := []string{"", "   ", "!?", "a", "the quick brown fox", "中文", "\xff\xfe", "日本語のテキスト", "हिन्दी", strings.Repeat("x", 5000), strings.Repeat("word ", 5000)}
	together := lexical(t, texts...)
	for i, text := range texts {
		alone := lexical(t, text)[0]
		if len(alone) != 384 || math.Abs(dot(alone, alone)-1) > 1e-5 {
			t.Errorf("%.20q: %d numbers of squared length %g", text, len(alone), dot(alone, alone))
		}
		for j := range alone {
			if alone[j] != together[i][j] {
				t.Fatalf("%.20q: another vector beside other texts", text)
			}
		}
	}
}

func TestLexicalNearnessIsSharedWords(t *testing.T) {
	for _, c := range []struct{ text, near, far string }{
		{"resetting a forgotten password", "how do I reset my password?", "shipping times to Iceland"},
		{"Die Donaudampfschifffahrt begann früh", "Dampfschifffahrt auf der Donau", "Kuchen mit Äpfeln"},
		{"密码重置的方法", "怎样重置密码", "天气预报"},
		{"การรีเซ็ตรหัสผ่าน", "รีเซ็ตรหัสผ่านอย่างไร", "พยากรณ์อากาศ"},
		{"पासवर्ड रीसेट करना", "पासवर्ड कैसे रीसेट करें", "मौसम की जानकारी"},
		{"CASE and ﬁgures ２０", "case and figures 20", "nothing alike here"},
	} {
		v := lexical(t, c.text, c.near, c.far)
		if near, far := dot(v[0], v[1]), dot(v[0], v[2]); near < far+0.2 {
			t.Errorf("%q: %.3f to %q, %.3f to %q", c.text, near, c.near, far, c.far)
		}
	}
}

// The numbers are those of the first version; if they change, so must the fingerprint.
func TestLexicalVectorsNeverChangeUnderOneFingerprint(t *testing.T) {
	v := lexical(t, "The vectors of version 1 stay what they are; 版本一 も そのまま.")[0]
	var sum float64
	for i, x := range v {
		sum += float64(x) * math.Cos(float64(i))
	}
	const want = -0.052027
	if fp := (embed.Lexical{}).Fingerprint(); fp != "lexical-hash:1" || math.Abs(sum-want) > 1e-5 {
		t.Errorf("fingerprint %s, projection %.6f; version 1 has %v", fp, sum, want)
	}
}

func TestLexicalStopsWhenItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (embed.Lexical{}).Embed(ctx, []string{"a"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	lexical(t, "a") // what was half counted does not leak into the next text
}

func FuzzLexicalTakesAnyText(f *testing.F) {
	for _, s := range []string{"", "a b", "\xff", "中文 a", strings.Repeat("e\u0301", 100), "ﷺ", "가각", "\u0300\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v := lexical(t, text)[0]
		if n := dot(v, v); !(math.Abs(n-1) < 1e-4) {
			t.Errorf("squared length %g", n)
		}
	})
}
