package tinymodel

import (
	"errors"
	"fmt"
	"strings"
)

// Script is what a Talker says, each list token by token. A token may be said
// at one place only.
type Script struct {
	Say    []string // to every prompt
	Call   []string // instead, where Template sees tools offered: a call such as {"name": "weather", "parameters": {}}
	JSON   []string // instead, where the server allows only JSON: it must begin with {
	Repeat bool     // say Say again and again, until the context ends
}

// Sizes of a Talker. The answer of a script with a token more than states allows
// has no room in the vectors.
const (
	talkerWidth   = 128 // of vectors: one state each
	talkerInner   = 32  // of the feed-forward layers, which do nothing
	talkerHeads   = 4
	talkerContext = 131072 // tokens
)

// Tokens of every vocabulary, by their numbers.
const (
	unknownToken = iota
	beginToken
	endToken
)

// The tokens that Template ends with.
const (
	sayToken  = "<|say|>"
	callToken = "<|call|>"
)

// Kinds of tokens, in tokenizer.ggml.token_type.
const (
	normal  int32 = 1
	unknown int32 = 2
	control int32 = 3
	byteOf  int32 = 6
)

// How much a model wants a token. Vectors are scaled by the square root of their
// width before they meet these, so no temperature up to 5 changes a choice.
const (
	wanted     float32 = 10
	secondBest float32 = 5 // where a grammar forbids the wanted one
)

// Talker returns a model of the llama architecture that says the script.
//
// Its blocks add nothing to what they are given. What is left is an automaton:
// the vector of the token before is one state, and the output layer has, for each
// state, the token that follows. Tokens of prompts are all in state 0, where the
// script begins; those of the script in one each.
func Talker(s Script) ([]byte, error) {
	t := talker{number: map[string]int{}}
	t.vocabulary()
	for _, part := range [][]string{s.Say, s.Call, s.JSON} {
		for _, text := range part {
			if err := t.speak(text); err != nil {
				return nil, err
			}
		}
	}
	if len(s.Say) == 0 {
		return nil, errors.New("the script says nothing; give Say at least one token")
	}
	if t.states > talkerWidth {
		return nil, fmt.Errorf("the script has %d tokens and room for %d", t.states-len(prompts), talkerWidth-len(prompts))
	}
	t.embedding = make([]float32, len(t.tokens)*talkerWidth)
	t.output = make([]float32, len(t.tokens)*talkerWidth)
	for token := range t.tokens {
		t.embedding[token*talkerWidth+t.state[token]] = 1
	}
	last := t.chain(sayToken, s.Say, wanted)
	if s.Repeat {
		t.follow(last, t.number[spaced(s.Say[0])], wanted)
	} else {
		t.follow(last, endToken, wanted)
	}
	if len(s.Call) > 0 {
		t.follow(t.chain(callToken, s.Call, wanted), endToken, wanted)
	} else {
		t.chain(callToken, s.Say[:1], wanted)
	}
	if len(s.JSON) > 0 {
		t.follow(t.chain(sayToken, s.JSON, secondBest), endToken, wanted)
	}
	return t.file().bytes(), nil
}

// prompts are the tokens whose states prompts end in.
var prompts = []string{sayToken, callToken}

// talker is a model in the making.
type talker struct {
	tokens []string
	kinds  []int32
	scores []float32
	number map[string]int // of a token
	state  []int          // of a token
	states int            // so far

	embedding, output []float32 // a row a token
}

// token adds a token to the vocabulary.
func (t *talker) token(text string, kind int32, state int) {
	t.number[text] = len(t.tokens)
	t.tokens = append(t.tokens, text)
	t.kinds = append(t.kinds, kind)
	t.scores = append(t.scores, -float32(len(t.tokens)))
	t.state = append(t.state, state)
	t.states = max(t.states, state+1)
}

// vocabulary adds what every model has: any text can be written in single bytes.
func (t *talker) vocabulary() {
	t.token("<unk>", unknown, 0)
	t.token("<s>", control, 0)
	t.token("</s>", control, 0)
	for state, text := range prompts {
		t.token(text, control, state)
	}
	for b := range 256 {
		t.token(fmt.Sprintf("<0x%02X>", b), byteOf, 0)
	}
}

// speak adds a token of the script, in a state of its own.
func (t *talker) speak(text string) error {
	text = spaced(text)
	if _, twice := t.number[text]; twice || text == "" {
		return fmt.Errorf("the script has the token %q twice, or it is empty; cut the text into other tokens", text)
	}
	t.token(text, normal, t.states)
	return nil
}

// spaced is a text as vocabularies of this kind write it.
func spaced(text string) string { return strings.ReplaceAll(text, " ", "▁") }

// follow has a token follow the token before.
func (t *talker) follow(before, token int, strength float32) {
	t.output[token*talkerWidth+t.state[before]] = strength
}

// chain has the texts follow each other after the token, and returns the last.
func (t *talker) chain(after string, texts []string, first float32) (last int) {
	last, strength := t.number[after], first
	for _, text := range texts {
		next := t.number[spaced(text)]
		t.follow(last, next, strength)
		last, strength = next, wanted
	}
	return last
}

// file writes the model down.
func (t *talker) file() *file {
	f := &file{}
	f.set("general.architecture", "llama")
	f.set("general.name", "a model that says a script")
	f.set("llama.context_length", talkerContext)
	f.set("llama.embedding_length", talkerWidth)
	f.set("llama.block_count", 1) // without this key Ollama 0.17.4 crashes
	f.set("llama.feed_forward_length", talkerInner)
	f.set("llama.attention.head_count", talkerHeads)
	f.set("llama.attention.head_count_kv", talkerHeads)
	f.set("llama.attention.layer_norm_rms_epsilon", float32(1e-5))
	f.set("llama.rope.dimension_count", talkerWidth/talkerHeads)
	f.set("llama.vocab_size", len(t.tokens))
	f.set("tokenizer.ggml.model", "llama")
	f.set("tokenizer.ggml.tokens", t.tokens)
	f.set("tokenizer.ggml.scores", t.scores)
	f.set("tokenizer.ggml.token_type", t.kinds)
	f.set("tokenizer.ggml.unknown_token_id", unknownToken)
	f.set("tokenizer.ggml.bos_token_id", beginToken)
	f.set("tokenizer.ggml.eos_token_id", endToken)
	f.set("tokenizer.ggml.add_bos_token", true)
	f.set("tokenizer.ggml.add_eos_token", false)

	f.add("token_embd.weight", t.embedding, talkerWidth)
	f.add("output_norm.weight", all(talkerWidth, 1), talkerWidth)
	f.add("output.weight", t.output, talkerWidth)
	f.add("blk.0.attn_norm.weight", all(talkerWidth, 1), talkerWidth)
	for _, name := range []string{"attn_q", "attn_k", "attn_v", "attn_output"} {
		f.add("blk.0."+name+".weight", all(talkerWidth*talkerWidth, 0), talkerWidth)
	}
	f.add("blk.0.ffn_norm.weight", all(talkerWidth, 1), talkerWidth)
	f.add("blk.0.ffn_gate.weight", all(talkerWidth*talkerInner, 0), talkerWidth)
	f.add("blk.0.ffn_up.weight", all(talkerWidth*talkerInner, 0), talkerWidth)
	f.add("blk.0.ffn_down.weight", all(talkerInner*talkerWidth, 0), talkerInner)
	return f
}
