// Package openai has a server that speaks OpenAI's API run models: vLLM, llama.cpp,
// LocalAI, LM Studio, Ollama's /v1, or a service.
//
// A Backend generates text, makes embeddings, ranks texts, writes down speech,
// speaks and paints, as far as the server can: a path that it does not have is
// reported as Unable. What comes back is checked: as many vectors as texts and as
// many scores, all finite; a stream that ends before its answer does is an error.
//
// Weakness: this API does not say which weights answer. A fingerprint names the
// server's address, the model and what little the server tells of it. Weights that
// are replaced under the same name are noticed only where that changes too.
//
// Nothing is cut to fit: a text longer than the model's context is refused.
package openai

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"nearside/llm/backend"
	"nearside/llm/backend/wire"
)

// Options say where a server is.
type Options struct {
	Name string // the backend's name in models.yaml
	URL  string // its base, such as http://127.0.0.1:8000/v1; without a path, /v1 is meant
	Key  string // sent as a bearer token; "": none
}

// Backend is a server. It may be used from any goroutine.
type Backend struct {
	name   string
	client *wire.Client
	list   *wire.Cached[[]listed]
}

// New returns a backend for the server. It asks nothing of it yet.
func New(o Options) (*Backend, error) {
	base := strings.TrimRight(o.URL, "/")
	if _, rest, ok := strings.Cut(base, "://"); ok && rest != "" && !strings.Contains(rest, "/") {
		base += "/v1"
	}
	client, err := wire.New(o.Name, base, o.Key)
	if err != nil {
		return nil, err
	}
	b := &Backend{name: o.Name, client: client}
	b.list = wire.NewCached(client, b.fetchList)
	return b, nil
}

// Name is the backend's name in models.yaml.
func (b *Backend) Name() string { return b.name }

// Close drops the connections. Calls under way are ended by their contexts.
func (b *Backend) Close() error {
	b.list.Close()
	b.client.Close()
	return nil
}

// listed is a model of /models. Only id is there on all servers.
type listed struct {
	ID            string `json:"id"`
	OwnedBy       string `json:"owned_by"`
	Root          string `json:"root"`           // vLLM: where the weights came from
	MaxModelLen   int    `json:"max_model_len"`  // vLLM
	ContextLength int    `json:"context_length"` // some services
	Meta          struct {
		Vocabulary int   `json:"n_vocab"`
		Context    int   `json:"n_ctx_train"`
		Embedding  int   `json:"n_embd"`
		Parameters int64 `json:"n_params"`
		Size       int64 `json:"size"`
	} `json:"meta"` // llama.cpp
}

func (b *Backend) fetchList(ctx context.Context) ([]listed, error) {
	var list struct {
		Data []listed `json:"data"`
	}
	err := b.client.Get(ctx, "models", &list)
	return list.Data, err
}

// List returns the models that the server has. It is at most some seconds old.
func (b *Backend) List(ctx context.Context) ([]backend.Found, error) {
	list, err := b.list.Get(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]backend.Found, len(list))
	for i, m := range list {
		found[i] = backend.Found{Name: m.ID, Context: m.context(), Bytes: m.Meta.Size}
	}
	return found, nil
}

func (m listed) context() int { return max(m.MaxModelLen, m.ContextLength, m.Meta.Context) }

// find returns what the server says of a model. Where there is no list at all, the
// model is believed to be there; where there is one, it must be in it, because some
// servers answer for any name with the one model that they have.
func (b *Backend) find(ctx context.Context, model string) (listed, error) {
	list, err := b.list.Get(ctx)
	var e *backend.Error
	switch {
	case wire.NoPath(err):
		return listed{ID: model}, nil
	case errors.As(err, &e):
		told := *e
		told.Model = model
		return listed{}, &told
	case err != nil:
		return listed{}, err
	}
	for _, m := range list {
		if m.ID == model || m.ID == model+":latest" {
			return m, nil
		}
	}
	return listed{}, b.client.Error(model, backend.Missing, nil, "%s has no model of that name; GET %s/models lists its names", b.client.Host(), b.client.Base())
}

// Fingerprint names the weights that would answer now, as well as can be known.
func (b *Backend) Fingerprint(ctx context.Context, model string) (string, error) {
	m, err := b.find(ctx, model)
	if err != nil {
		return "", err
	}
	return b.fingerprint(m), nil
}

// fingerprint leaves out when a model was created, because most servers say now.
func (b *Backend) fingerprint(m listed) string {
	known, err := json.Marshal([]any{m.OwnedBy, m.Root, m.Meta})
	if err != nil {
		panic(err) // strings and numbers have no error
	}
	sum := sha256.Sum256(known)
	return fmt.Sprintf("%s/%s/%s@%s", b.name, b.client.Host(), m.ID, hex.EncodeToString(sum[:6]))
}
