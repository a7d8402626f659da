package embed_test

import (
	"context"
	"testing"

	"nearside/embed"
)

// counting is an embedder that counts bytes as tokens.
type counting struct{ embed.Lexical }

// CountTokens implements embed.Counter.
func (counting) CountTokens(_ context.Context, text string) (int, error) { return len(text), nil }

func TestWhatCountsAnEmbeddersTokensIsFoundThroughItsCache(t *testing.T) {
	cache, err := embed.NewCache(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []embed.Embedder{counting{}, embed.Cached(counting{}, cache)} {
		c := embed.CounterOf(e)
		if c == nil {
			t.Fatalf("%T: nothing counts", e)
		}
		if n, err := c.CountTokens(t.Context(), "four"); n != 4 || err != nil {
			t.Errorf("%T: %d, %v", e, n, err)
		}
	}
	if c := embed.CounterOf(embed.Cached(embed.Lexical{}, cache)); c != nil {
		t.Errorf("%T counts", c)
	}
}
