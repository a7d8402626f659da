// Package bert is the built-in sentence encoder: BERT with mean pooling, made
// for all-MiniLM-L6-v2 (384 dimensions, 256 tokens).
//
// Open reads model.safetensors, vocab.txt and config.json from a directory;
// package embed/weights puts them there. The Encoder's vectors are those of the
// reference implementation to cosine 0.9999 or better (Float32), and its tokens are the
// reference tokenizer's, both proven by the golden files in testdata. A text's vector
// does not depend, bit for bit, on the texts embedded beside it or on the number of
// workers; it may differ in the last bits from processor to processor.
//
// The work is done by kernels in assembly where the processor has them (Kernels
// lists them), else in plain Go, which is also their oracle.
//
// With Options.Precision Int8 the weights are cut to one byte each, with a scale an
// output, and so are the numbers that they multiply, with a scale a row. Their sums
// are the same integers on every processor, so that vectors differ by rounding and the
// few codes that rounding tips over. Next to Float32 on one processor with AVX-512 VNNI,
// it took 1/2.9 of the time for a text of 16 tokens, 1/2.3 for 128 and 1/2.1 for
// 256; with AVX2 1/1.3, 1/0.9 and 1/0.9 (BenchmarkEmbed). nDCG@10 was .9428 for .9437
// (XQuAD, English), .3981 for .3953 (Cranfield) and .3745 for .3700 (MedQuAD). The vectors are other ones all the
// same (median cosine .997), with a fingerprint of their own. Arm processors without
// SDOT run it in plain Go: Float32 is faster there.
//
// What it does not do: models other than uncased BERT with absolute positions,
// files of half-precision or quantized weights, pooling other than the mean.
package bert

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"nearside/embed"
	"nearside/fault"
)

// MiniLM is the id of the encoder that nearside brings along.
const MiniLM = "@nearside/all-minilm-l6-v2"

// DefaultWindow is the number of tokens that all-MiniLM-L6-v2 was made to read.
const DefaultWindow = 256

// Options are the choices of Open.
type Options struct {
	Model   string // the id to answer to; "": MiniLM
	Window  int    // tokens read of a text; 0: DefaultWindow
	Workers int    // forward passes at a time, over all calls; 0: one a processor
	// Precision of the weights; "": Float32. Vectors of another precision are other
	// vectors: they have a fingerprint of their own.
	Precision Precision
}

// Encoder embeds texts. It may be used from any goroutine, and needs no closing.
type Encoder struct {
	name        string
	fingerprint embed.Fingerprint
	window      int
	precision   Precision
	model       *model
	tokenizer   *tokenizer
	kernels     *kernels
	workers     chan *workspace // those not at work; nil until first used
}

var _ embed.Embedder = (*Encoder)(nil)

// Open reads the model in dir.
func Open(dir string, o Options) (*Encoder, error) {
	o.Model = cmp.Or(o.Model, MiniLM)
	o.Window = cmp.Or(o.Window, DefaultWindow)
	o.Workers = cmp.Or(o.Workers, runtime.GOMAXPROCS(0))
	o.Precision = cmp.Or(o.Precision, Float32)
	if o.Precision != Float32 && o.Precision != Int8 {
		return nil, fault.New(fault.Invalid, "a precision of %q; the encoder has %s and %s", o.Precision, Float32, Int8)
	}
	if o.Workers < 1 {
		return nil, fault.New(fault.Invalid, "%d workers; at least 1 is needed", o.Workers)
	}
	var c config
	var t *tokenizer
	var m *model
	identity := sha256.New()
	err := readFile(dir, "config.json", identity, func(r io.Reader, _ int64) (err error) {
		c, err = readConfig(r)
		return err
	})
	if err == nil && (o.Window < 2 || o.Window > c.Positions) {
		err = fault.New(fault.Invalid, "a window of %d tokens; this model reads 2 to %d", o.Window, c.Positions)
	}
	if err == nil {
		err = readFile(dir, "vocab.txt", identity, func(r io.Reader, _ int64) (err error) {
			t, err = newTokenizer(r, c.Vocabulary)
			return err
		})
	}
	if err == nil {
		err = readFile(dir, "model.safetensors", identity, func(r io.Reader, size int64) (err error) {
			m, err = readModel(r, size, c, o.Precision)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	e := &Encoder{
		name:        o.Model,
		fingerprint: fingerprint(o, identity.Sum(nil)),
		window:      o.Window, precision: o.Precision, model: m, tokenizer: t, kernels: current(),
		workers: make(chan *workspace, o.Workers),
	}
	for range o.Workers {
		e.workers <- nil
	}
	return e, nil
}

// fingerprint names what a vector depends on. That of Float32 does not name the
// precision: it is what indexes were pinned to when there was no other.
func fingerprint(o Options, files []byte) embed.Fingerprint {
	f := fmt.Sprintf("bert:mean:%d:%x", o.Window, files)
	if o.Precision != Float32 {
		f += ":" + string(o.Precision)
	}
	return embed.Fingerprint(f)
}

// readFile lets read read one file of the model and adds the file's checksum to identity.
func readFile(dir, name string, identity hash.Hash, read func(r io.Reader, size int64) error) (err error) {
	path := filepath.Join(dir, name)
	f, err := os.Open(path)
	if err != nil {
		return fault.New(fault.Unavailable, "the encoder's %s cannot be opened; get it: nearside models pull", name).Because(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	sum := sha256.New()
	in := io.TeeReader(f, sum)
	if err := read(in, info.Size()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if _, err := io.Copy(io.Discard, in); err != nil { // what read left
		return fmt.Errorf("%s: %w", path, err)
	}
	identity.Write(sum.Sum(nil)) // a hash does not fail
	return nil
}

// Model is the id by which people know the model.
func (e *Encoder) Model() string { return e.name }

// Fingerprint identifies configuration, vocabulary and weights, by their bytes, the window and the precision.
func (e *Encoder) Fingerprint() embed.Fingerprint { return e.fingerprint }

// Dimensions is the length of every vector.
func (e *Encoder) Dimensions() int { return e.model.Width }

// Window is the number of tokens read of one text, special tokens included.
func (e *Encoder) Window() int { return e.window }

// Kernels names the set of kernels at work, such as "avx512".
func (e *Encoder) Kernels() string { return e.kernels.name }

// CountTokens returns how many tokens a text has, special tokens included,
// without embedding it. It reads some ten megabytes a second.
func (e *Encoder) CountTokens(ctx context.Context, text string) (int, error) {
	return e.tokenizer.count(ctx, text)
}
