package llm

import (
	"context"
	"fmt"

	"nearside/embed"
	"nearside/fault"
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

// Request asks for vectors of texts.
type Request struct {
	neuron.Payer        // whose bill it is; and the account's pin decides who answers
	Model        string // an id of the catalogue, or an alias
	Texts        []string
	// Holder and Fingerprint name something that has vectors of its own, such as
	// `index "notes"`, and the weights that made them. Those weights answer, or nobody.
	Holder      string
	Fingerprint embed.Fingerprint
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

// Embed turns texts into vectors.
func (r *Router) Embed(ctx context.Context, q Request) (Embedded, error) {
	m, here, err := r.embedding(ctx, q.Model)
	if err != nil {
		return Embedded{}, err
	}
	from, warning, err := r.choose(m, here, q)
	if err != nil {
		return Embedded{}, err
	}
	out := Embedded{By: from.by, Fingerprint: from.fingerprint, Warning: warning}
	out.Neurons, err = r.charged(ctx, q.Payer, m, neuron.Tokens(estimateTokens(q.Texts), 0, 0), func() (neuron.Usage, error) {
		vectors, err := from.vectors(ctx, m, q.Texts)
		if err != nil {
			return nil, err
		}
		if q.Fingerprint == "" {
			if err := r.pin(ctx, q.Account, m, from); err != nil {
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

// bytesPerToken is how many bytes of English a token stands for, roughly.
const bytesPerToken = 4

// estimateTokens guesses how many tokens texts have, before a model counts them.
func estimateTokens(texts []string) int {
	n := 0
	for _, text := range texts {
		n += len(text)/bytesPerToken + 2 // what marks its beginning and its end
	}
	return n
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
	from, warning, err := r.choose(m, here, Request{Payer: neuron.Payer{Account: account}})
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
func (r *Router) choose(m *Model, here []weights, q Request) (from weights, warning string, err error) {
	owner, fingerprint := holder{q.Holder, "make a new index and load the texts into it"}, q.Fingerprint
	if fingerprint == "" {
		pinned, ok := r.pins.Pinned(q.Account, m.ID)
		if !ok {
			return here[0], weak(here[0]), nil
		}
		owner, fingerprint = accountOf(q.Account), pinned
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
