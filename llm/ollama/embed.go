package ollama

import (
	"context"
	"errors"
	"slices"

	"github.com/ollama/ollama/api"

	"nearside/llm/backend"
	"nearside/llm/backend/wire"
	"nearside/llm/chat"
)

// batch is how many texts are sent at once: few enough that a call that breaks, or
// whose caller goes away, has not done much in vain.
const batch = 32

// Embed makes embeddings. A text that is longer than the model's context is cut
// there, and Dropped says by how many tokens: an estimate, because Ollama does not tell.
func (b *Backend) Embed(ctx context.Context, name string, texts []string) (backend.Vectors, error) {
	m, err := b.pulled(ctx, name)
	if err != nil {
		return backend.Vectors{}, err
	}
	d, err := b.details(ctx, m)
	if err != nil {
		return backend.Vectors{}, forModel(err, name)
	}
	call := embedding{backend: b, name: name, model: m.Name, details: d}
	v := backend.Vectors{Counted: true}
	for some := range slices.Chunk(texts, batch) {
		if err := call.add(ctx, &v, some); err != nil {
			b.forgetIfMissing(err)
			return backend.Vectors{}, err
		}
	}
	if err := wire.CheckVectors(b.client, name, v.Values, len(texts)); err != nil {
		return backend.Vectors{}, err
	}
	if v.Fingerprint, err = b.madeBy(ctx, name, m); err != nil {
		return backend.Vectors{}, err
	}
	if v.Dropped != nil { // of the texts after the last that was cut, too
		v.Dropped = append(v.Dropped, make([]int, len(texts)-len(v.Dropped))...)
	}
	return v, nil
}

// madeBy names the weights that made vectors just now. The list that is kept may be
// older than they are, and then has other weights than m, which it had under the name.
func (b *Backend) madeBy(ctx context.Context, name string, m api.ListModelResponse) (string, error) {
	list, err := b.fetchList(ctx)
	if err != nil {
		return "", forModel(err, name)
	}
	now, err := b.among(list, name)
	if err != nil || now.Digest != m.Digest {
		b.list.Forget()
	}
	return fingerprint(now), err
}

// embedding is a call under way.
type embedding struct {
	backend *Backend
	name    string // as the caller has it
	model   string // as the server has it
	details *details
}

// add embeds some texts: all at once, or one by one if one of them is too long.
func (e embedding) add(ctx context.Context, v *backend.Vectors, texts []string) error {
	err := e.ask(ctx, v, texts, false)
	if !tooLong(err) {
		return err
	}
	for _, text := range texts {
		err := e.ask(ctx, v, []string{text}, false)
		if tooLong(err) {
			if err = e.ask(ctx, v, []string{text}, true); err == nil {
				v.Dropped = append(v.Dropped, make([]int, len(v.Values)-1-len(v.Dropped))...)
				v.Dropped = append(v.Dropped, max(1, chat.EstimateText(text)-e.details.context))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func tooLong(err error) bool {
	var e *backend.Error
	return errors.As(err, &e) && wire.TooLong(e)
}

// ask sends texts and adds what comes. The server cuts texts only if cut says so.
func (e embedding) ask(ctx context.Context, v *backend.Vectors, texts []string, cut bool) error {
	longest, total := 0, 0
	for _, text := range texts {
		n := chat.EstimateText(text)
		longest, total = max(longest, n), total+n
	}
	options := map[string]any{"num_ctx": e.details.numCtx(longest)}
	if e.details.encoder() {
		options["num_batch"] = options["num_ctx"] // an encoder reads a text in one batch, or its process dies
	}
	q := api.EmbedRequest{Model: e.model, Input: texts, Truncate: &cut, Options: options}
	if keep := e.backend.options.KeepAlive; keep != 0 {
		q.KeepAlive = &api.Duration{Duration: keep}
	}
	var reply api.EmbedResponse
	if err := e.backend.client.Post(ctx, e.name, "/api/embed", q, &reply); err != nil {
		return err
	}
	if err := wire.CheckVectors(e.backend.client, e.name, reply.Embeddings, len(texts)); err != nil {
		return err
	}
	v.Values = append(v.Values, reply.Embeddings...)
	if !wire.Believed(reply.PromptEvalCount) {
		v.Counted = false
		v.Tokens += total
		return nil
	}
	v.Tokens += reply.PromptEvalCount
	return nil
}
