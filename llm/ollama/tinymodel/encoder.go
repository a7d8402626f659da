package tinymodel

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// EncoderWidth is the length of an Encoder's vectors.
const EncoderWidth = 64

// Sizes of an Encoder.
const (
	encoderInner   = 32 // of the feed-forward layers, which do nothing
	encoderHeads   = 4
	encoderContext = 512 // tokens
	meanPooling    = 1   // bert.pooling_type: a text's vector is the mean of its tokens'
)

// Special tokens, by their numbers.
var specialTokens = []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}

// Encoder returns a model of the bert architecture that knows the words (lower
// case). Each has a vector of its own, made from the seed, and that of a text is
// the mean of its words': texts are near as far as they share words, in whatever
// order. A word it does not know is read letter by letter. Another seed makes
// other vectors, which do not compare with those of the first.
func Encoder(words []string, seed uint64) []byte {
	tokens := slices.Clone(specialTokens)
	for c := '!'; c <= '~'; c++ {
		if c < 'A' || c > 'Z' {
			tokens = append(tokens, "▁"+string(c), string(c)) // at the beginning of a word, and within
		}
	}
	for _, word := range words {
		if token := "▁" + strings.ToLower(word); !slices.Contains(tokens, token) {
			tokens = append(tokens, token)
		}
	}
	random := rand.New(rand.NewPCG(seed, 0))
	vectors := all(len(tokens)*EncoderWidth, 0)
	for i := len(specialTokens) * EncoderWidth; i < len(vectors); i++ {
		vectors[i] = float32(random.NormFloat64()) // the special tokens, which every text has, add nothing
	}
	return encoder(tokens, vectors).bytes()
}

// encoder writes the model down. Its block adds nothing to what it is given.
func encoder(tokens []string, vectors []float32) *file {
	kinds := make([]int32, len(tokens))
	for i := range kinds {
		kinds[i] = normal
		if i < len(specialTokens) {
			kinds[i] = control
		}
	}
	f := &file{}
	f.set("general.architecture", "bert")
	f.set("general.name", "an encoder of shared words")
	f.set("bert.context_length", encoderContext)
	f.set("bert.embedding_length", EncoderWidth)
	f.set("bert.block_count", 1)
	f.set("bert.feed_forward_length", encoderInner)
	f.set("bert.attention.head_count", encoderHeads)
	f.set("bert.attention.layer_norm_epsilon", float32(1e-12))
	f.set("bert.attention.causal", false)
	f.set("bert.pooling_type", meanPooling)
	f.set("tokenizer.ggml.model", "bert")
	f.set("tokenizer.ggml.tokens", tokens)
	f.set("tokenizer.ggml.scores", all(len(tokens), 0))
	f.set("tokenizer.ggml.token_type", kinds)
	f.set("tokenizer.ggml.token_type_count", 2)
	for number, key := range []string{"padding", "unknown", "cls", "separator", "mask"} {
		f.set("tokenizer.ggml."+key+"_token_id", number)
	}
	f.set("tokenizer.ggml.bos_token_id", slices.Index(specialTokens, "[CLS]"))
	f.set("tokenizer.ggml.eos_token_id", slices.Index(specialTokens, "[SEP]"))

	f.add("token_embd.weight", vectors, EncoderWidth)
	f.add("token_types.weight", all(2*EncoderWidth, 0), EncoderWidth)
	f.add("position_embd.weight", all(encoderContext*EncoderWidth, 0), EncoderWidth)
	f.norm("token_embd_norm")
	for _, name := range []string{"attn_q", "attn_k", "attn_v", "attn_output"} {
		f.nothing("blk.0."+name, EncoderWidth, EncoderWidth)
	}
	f.norm("blk.0.attn_output_norm")
	f.nothing("blk.0.ffn_up", EncoderWidth, encoderInner)
	f.nothing("blk.0.ffn_down", encoderInner, EncoderWidth)
	f.norm("blk.0.layer_output_norm")
	return f
}

// norm adds a layer that only normalizes.
func (f *file) norm(name string) {
	f.add(name+".weight", all(EncoderWidth, 1), EncoderWidth)
	f.add(name+".bias", all(EncoderWidth, 0), EncoderWidth)
}

// nothing adds a layer whose output is zero.
func (f *file) nothing(name string, in, out int) {
	f.add(name+".weight", all(in*out, 0), in)
	f.add(name+".bias", all(out, 0), out)
}
