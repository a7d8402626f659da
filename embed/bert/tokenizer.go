package bert

import (
	"context"
	"crypto/sha256"
	"io"
)

// Tokenizer counts tokens as the encoder does, without its weights: it opens in milliseconds and takes a few
// megabytes. It may be used from any goroutine.
type Tokenizer struct {
	tokenizer *tokenizer
}

// OpenTokenizer reads config.json and vocab.txt in dir.
func OpenTokenizer(dir string) (*Tokenizer, error) {
	var c config
	var t *tokenizer
	err := readFile(dir, "config.json", sha256.New(), func(r io.Reader, _ int64) (err error) {
		c, err = readConfig(r)
		return err
	})
	if err == nil {
		err = readFile(dir, "vocab.txt", sha256.New(), func(r io.Reader, _ int64) (err error) {
			t, err = newTokenizer(r, c.Vocabulary)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	return &Tokenizer{t}, nil
}

// CountTokens returns how many tokens a text has, special tokens included.
func (t *Tokenizer) CountTokens(ctx context.Context, text string) (int, error) {
	return t.tokenizer.count(ctx, text)
}
