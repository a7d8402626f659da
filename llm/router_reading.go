package llm

import (
	"context"

	"nearside/embed"
	"nearside/llm/neuron"
)

// Reading is how a model reads the texts that it makes vectors of.
type Reading struct {
	Model   string        // aliases resolved
	Window  int           // tokens that it reads of a text; 0 = not known
	Counter embed.Counter // nil: its tokens can only be estimated here
	Million neuron.Micro  // what a million tokens cost
}

// Reading says how the weights read texts that Embed would use, or EmbedFor for something that has vectors of its own.
func (r *Router) Reading(ctx context.Context, account, model string, h Holder) (Reading, error) {
	m, here, err := r.embedding(ctx, model)
	if err != nil {
		return Reading{}, err
	}
	from, _, err := r.choose(m, here, account, h)
	if err != nil {
		return Reading{}, err
	}
	out := Reading{Model: m.ID, Window: m.Tokens, Million: m.Tariff.Charge(neuron.Usage{neuron.InputTokens: 1e6})}
	if from.builtin == nil {
		return out, nil
	}
	if w := from.builtin.Window(); w < m.Tokens || m.Tokens == 0 && from.by.Served != embed.LexicalModel { // which has no end
		out.Window = w
	}
	out.Counter = embed.CounterOf(from.builtin)
	return out, nil
}
