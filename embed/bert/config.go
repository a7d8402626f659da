package bert

import (
	"encoding/json"
	"io"

	"nearside/fault"
)

// config is what config.json says of the shape of a model.
type config struct {
	Type         string  `json:"model_type"`
	Vocabulary   int     `json:"vocab_size"`
	Width        int     `json:"hidden_size"`
	Inner        int     `json:"intermediate_size"`
	Layers       int     `json:"num_hidden_layers"`
	Heads        int     `json:"num_attention_heads"`
	Positions    int     `json:"max_position_embeddings"`
	SegmentTypes int     `json:"type_vocab_size"`
	Epsilon      float32 `json:"layer_norm_eps"`
	Activation   string  `json:"hidden_act"`
	PositionKind string  `json:"position_embedding_type"`
}

// longestConfig bounds config.json; real ones have some hundred bytes.
const longestConfig = 1 << 16

// readConfig reads and checks a configuration, so that no shape derived from it
// is one that the kernels cannot compute or that a damaged file made up.
func readConfig(r io.Reader) (config, error) {
	c := config{PositionKind: "absolute"} // what an absent field means
	if err := json.NewDecoder(io.LimitReader(r, longestConfig)).Decode(&c); err != nil {
		return config{}, fault.New(fault.Corrupt, "the model's configuration is not JSON").Because(err)
	}
	words := []struct{ name, got, want string }{
		{"model_type", c.Type, "bert"},
		{"hidden_act", c.Activation, "gelu"},
		{"position_embedding_type", c.PositionKind, "absolute"},
	}
	for _, w := range words {
		if w.got != w.want {
			return config{}, fault.New(fault.Unsupported, "the model's %s is %q; this encoder runs %q only", w.name, w.got, w.want)
		}
	}
	numbers := []struct {
		name                string
		got, max, multiples int
	}{
		{"vocab_size", c.Vocabulary, 1 << 20, 1},
		{"hidden_size", c.Width, 1 << 12, pairWidth},
		{"intermediate_size", c.Inner, 1 << 14, pairWidth},
		{"num_hidden_layers", c.Layers, 64, 1},
		{"num_attention_heads", c.Heads, 64, 1},
		{"max_position_embeddings", c.Positions, 1 << 14, 1},
		{"type_vocab_size", c.SegmentTypes, 16, 1},
	}
	for _, n := range numbers {
		if n.got < 1 || n.got > n.max || n.got%n.multiples != 0 {
			return config{}, fault.New(fault.Unsupported, "the model's %s is %d; this encoder runs 1 to %d, in multiples of %d", n.name, n.got, n.max, n.multiples)
		}
	}
	if c.Width%(c.Heads*pairWidth) != 0 {
		return config{}, fault.New(fault.Unsupported, "the model's hidden_size %d over %d heads is no multiple of %d; this encoder runs none other", c.Width, c.Heads, pairWidth)
	}
	if !(c.Epsilon > 0 && c.Epsilon < 1) {
		return config{}, fault.New(fault.Unsupported, "the model's layer_norm_eps is %g; this encoder runs values between 0 and 1", c.Epsilon)
	}
	return c, nil
}
