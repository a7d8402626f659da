// Package ollama has an Ollama server generate text and make embeddings.
//
// A Backend uses what is pulled, and never pulls, creates or deletes anything. It
// asks once what a model can do and how long its context is, makes the context as
// long as a call needs, and has nothing cut off in silence: an input that is too
// long is refused, or, for embeddings, cut and reported as Dropped. What comes back
// is checked: as many vectors as texts, all of one length, all finite; a stream
// that ends before its last line is an error and no answer.
//
// The types of requests and replies are those of Ollama's own package api. Its
// client is not used: it takes a connection that breaks in mid-stream for the end
// of the answer, sets 8 MB aside for each chat, and reads replies of any length.
//
// Ollama can neither be made to call a tool nor forbidden to call several at once:
// a Request's ToolRequired is a wish, a choice of one function leaves only that one,
// and ParallelTools is not heeded. Use a server of 0.17.1 or later (CVE-2026-7482).
package ollama

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ollama/ollama/api"

	"nearside/llm/backend"
	"nearside/llm/backend/wire"
)

// Options say where an Ollama server is.
type Options struct {
	Name      string        // the backend's name in models.yaml
	URL       string        // such as http://127.0.0.1:11434
	Key       string        // for a server behind a proxy that wants one; "": none
	KeepAlive time.Duration // how long a model stays in memory after a call; 0: as the server likes; negative: for ever
}

// Backend is an Ollama server. It may be used from any goroutine.
type Backend struct {
	options Options
	client  *wire.Client
	list    *wire.Cached[[]api.ListModelResponse]
	shown   shown
}

// New returns a backend for the server. It asks nothing of it yet.
func New(o Options) (*Backend, error) {
	client, err := wire.New(o.Name, o.URL, o.Key)
	if err != nil {
		return nil, err
	}
	b := &Backend{options: o, client: client}
	b.list = wire.NewCached(client, b.fetchList)
	return b, nil
}

// Name is the backend's name in models.yaml.
func (b *Backend) Name() string { return b.options.Name }

// Close drops the connections. Calls under way are ended by their contexts.
func (b *Backend) Close() error {
	b.list.Close()
	b.client.Close()
	return nil
}

func (b *Backend) fetchList(ctx context.Context) ([]api.ListModelResponse, error) {
	var list api.ListResponse
	if err := b.client.Get(ctx, "/api/tags", &list); err != nil {
		return nil, err
	}
	return list.Models, nil
}

// List returns the models that are pulled. It is at most some seconds old. The
// context is known of models that were used.
func (b *Backend) List(ctx context.Context) ([]backend.Found, error) {
	list, err := b.list.Get(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]backend.Found, len(list))
	for i, m := range list {
		found[i] = backend.Found{Name: m.Name, Digest: m.Digest, Context: b.shown.context(m.Digest), Bytes: m.Size}
	}
	return found, nil
}

// pulled returns the model of that name.
func (b *Backend) pulled(ctx context.Context, model string) (api.ListModelResponse, error) {
	list, err := b.list.Get(ctx)
	if err != nil {
		return api.ListModelResponse{}, forModel(err, model)
	}
	return b.among(list, model)
}

// among returns the model of that name in a list.
func (b *Backend) among(list []api.ListModelResponse, model string) (api.ListModelResponse, error) {
	for _, m := range list {
		if strings.EqualFold(m.Name, tagged(model)) {
			return m, nil
		}
	}
	return api.ListModelResponse{}, b.client.Error(model, backend.Missing, nil, "it is not pulled; `ollama pull %s` fetches it", model)
}

// tagged is the full name of a model, as lists have it.
func tagged(model string) string {
	if strings.Contains(model[strings.LastIndexByte(model, '/')+1:], ":") {
		return model
	}
	return model + ":latest"
}

// forModel names the model in an error that was about all of them.
func forModel(err error, model string) error {
	var e *backend.Error
	if errors.As(err, &e) {
		told := *e
		told.Model = model
		return &told
	}
	return err
}

// fingerprintDigits is how much of a digest stands in a fingerprint: 96 bits.
const fingerprintDigits = 24

// fingerprint names weights by the model's name and its digest. The digest is of
// the manifest: it changes with a template or a parameter too, which is on the safe
// side. Two servers that pulled the same have the same fingerprint.
func fingerprint(m api.ListModelResponse) string {
	digest := strings.TrimPrefix(m.Digest, "sha256:")
	return fmt.Sprintf("ollama/%s@%s", m.Name, digest[:min(len(digest), fingerprintDigits)])
}

// Fingerprint names the weights that would answer now.
func (b *Backend) Fingerprint(ctx context.Context, model string) (string, error) {
	m, err := b.pulled(ctx, model)
	if err != nil {
		return "", err
	}
	return fingerprint(m), nil
}
