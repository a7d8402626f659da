package llm

import (
	"context"
	"fmt"

	"nearside/embed"
	"nearside/fault"
	"nearside/llm/chat"
	"nearside/llm/neuron"
)

// Pins remembers, durably, which weights serve a model in an account.
type Pins interface {
	// Pinned returns the fingerprint that serves the model, if one is recorded.
	Pinned(account, model string) (embed.Fingerprint, bool)
	// Pin records the fingerprint unless there is one, and returns the one that holds now.
	Pin(ctx context.Context, account, model string, f embed.Fingerprint) (embed.Fingerprint, error)
	// Switch records the fingerprint in place of whatever was there.
	Switch(ctx context.Context, account, model string, f embed.Fingerprint) error
}

// Holder is something that has vectors, with which new ones must compare.
type Holder struct {
	Name        string            // such as `index "notes"`
	Fingerprint embed.Fingerprint // of the weights that made them: those answer, or nobody
}

// Embedded is the answer to a call for vectors, and how it was made.
type Embedded struct {
	By
	Vectors     [][]float32 // one a text, in order, of the model's dimensions
	Tokens      int         // tokens read, of all texts
	Dropped     []int       // for each text, the tokens beyond the window, which were not read
	Fingerprint embed.Fingerprint
	Neurons     neuron.Micro
	Warning     string // what the caller should know about the weights, or ""
}

// Generated says the same as of an answer in words.
func (e Embedded) Generated() Generated {
	return Generated{By: e.By, End: chat.End{Usage: chat.Usage{Prompt: e.Tokens}}, Neurons: e.Neurons, Warning: e.Warning}
}

// Embed turns texts into vectors. The account's pin decides who answers.
func (r *Router) Embed(ctx context.Context, call Call, texts []string) (Embedded, error) {
	return r.EmbedFor(ctx, call, Holder{}, texts)
}

// EmbedFor is Embed for something that has vectors of its own.
func (r *Router) EmbedFor(ctx context.Context, call Call, h Holder, texts []string) (Embedded, error) {
	ctx = call.context(ctx)
	m, here, err := r.embedding(ctx, call.Model)
	if err != nil {
		return Embedded{}, err
	}
	from, warning, err := r.choose(m, here, call.Account, h)
	if err != nil {
		return Embedded{}, err
	}
	out := Embedded{By: from.by, Fingerprint: from.fingerprint, Warning: warning}
	out.Neurons, err = r.charged(ctx, call, m, neuron.Tokens(chat.EstimateTexts(texts), 0, 0), func() (neuron.Usage, error) {
		vectors, err := from.vectors(ctx, m, texts)
		if err != nil {
			return nil, err
		}
		if h.Fingerprint == "" {
			if err := r.pin(ctx, call.Account, m, from); err != nil {
				return nil, err
			}
		}
		out.Vectors, out.Dropped, out.Tokens = vectors.Values, vectors.Dropped, vectors.Tokens
		return neuron.Tokens(out.Tokens, 0, 0), nil
	})
	if err != nil {
		return Embedded{}, err
	}
	return out, nil
}

// Weights says which weights serve a model.
type Weights struct {
	Model       string // the model asked for, aliases resolved
	Served      string // the id of the weights
	Fingerprint embed.Fingerprint
	Dimensions  int
	Warning     string
}

// Weights pins the model in the account, as a call to Embed would, and says to what.
func (r *Router) Weights(ctx context.Context, account, model string) (Weights, error) {
	m, here, err := r.embedding(ctx, model)
	if err != nil {
		return Weights{}, err
	}
	from, warning, err := r.choose(m, here, account, Holder{})
	if err != nil {
		return Weights{}, err
	}
	return Weights{m.ID, from.by.Served, from.fingerprint, m.Dimensions, warning}, r.pin(ctx, account, m, from)
}

// Switch makes the best weights that are here serve the model in the account
// from now on. Vectors made before do not compare with those made after.
func (r *Router) Switch(ctx context.Context, account, model string) (was, now embed.Fingerprint, err error) {
	m, here, err := r.embedding(ctx, model)
	if err != nil {
		return "", "", err
	}
	was, _ = r.pins.Pinned(account, m.ID)
	return was, here[0].fingerprint, r.pins.Switch(ctx, account, m.ID, here[0].fingerprint)
}

// pin makes sure that the weights are the account's from now on.
func (r *Router) pin(ctx context.Context, account string, m *Model, from weights) error {
	holds, err := r.pins.Pin(ctx, account, m.ID, from.fingerprint)
	if err != nil {
		return fmt.Errorf("pin %s to its weights: %w", m.ID, err)
	}
	if holds != from.fingerprint {
		return otherWeights(accountOf(account), m, holds, from)
	}
	return nil
}

// choose picks who answers: the weights that are asked for or pinned, where
// there are any, else the best that are here.
func (r *Router) choose(m *Model, here []weights, account string, h Holder) (from weights, warning string, err error) {
	owner, fingerprint := holder{h.Name, "nearside models switch " + m.ID + ", and nearside reembed INDEX --model " + m.ID + ", which makes its vectors anew while it serves"}, h.Fingerprint
	if fingerprint == "" {
		pinned, ok := r.pins.Pinned(account, m.ID)
		if !ok {
			return here[0], weak(here[0]), nil
		}
		owner, fingerprint = accountOf(account), pinned
	}
	for _, w := range here {
		if w.fingerprint == fingerprint {
			return w, w.warning(owner, m, here[0]), nil
		}
	}
	return weights{}, "", otherWeights(owner, m, fingerprint, here[0])
}

// holder is what has vectors that new ones must compare with.
type holder struct {
	name   string // such as `index "notes"`
	wayOut string // how to come to other weights
}

func accountOf(account string) holder {
	return holder{fmt.Sprintf("account %q", account), "POST nearside/models/switch gives the model to it; then embed everything again"}
}

// otherWeights is the fault of weights that are not the ones that made the holder's vectors.
func otherWeights(h holder, m *Model, made embed.Fingerprint, here weights) error {
	return &fault.Error{Kind: fault.Conflict, Reason: ReasonPinned, Message: fmt.Sprintf(
		"%s has vectors of %s made by the weights %s; here now is %s, and vectors of the two do not compare. Bring the first back, or: %s",
		h.name, m.ID, made, here.name(), h.wayOut)}
}
