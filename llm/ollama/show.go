package ollama

import (
	"bufio"
	"context"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/types/model"
)

// Lengths of contexts, in tokens.
const (
	leastChat    = 4096 // Ollama's own default where memory is short
	leastEncoder = 512  // what most encoders read at all
	answerRoom   = 1024 // for an answer whose length nobody limits
	templateRoom = 256  // for what the model's template, and its own system prompt, add
)

// details are what the server says of a model, once.
type details struct {
	context      int // tokens; 0: it does not say
	wished       int // num_ctx of its Modelfile; 0: none
	capabilities []model.Capability
	family       string

	mu     sync.Mutex // guards window
	window int        // num_ctx of the latest call
}

// can reports whether the model has the capability. Old servers do not say, and
// their models are believed to have all.
func (d *details) can(c model.Capability) bool {
	return len(d.capabilities) == 0 || slices.Contains(d.capabilities, c)
}

// encoder reports whether the model only makes embeddings.
func (d *details) encoder() bool {
	return slices.Contains(d.capabilities, model.CapabilityEmbedding) && !slices.Contains(d.capabilities, model.CapabilityCompletion)
}

// numCtx is how long a context to ask for when a call needs so many tokens. It is
// rounded up and never becomes shorter, because the server loads a model anew
// whenever the length changes.
func (d *details) numCtx(need int) int {
	least := leastChat
	if d.encoder() {
		least = leastEncoder
	}
	need = max(need, least, d.wished)
	if d.context > 0 && need >= d.context {
		need = d.context
	} else {
		need = 1 << bits.Len(uint(need-1)) // the next power of two
		if d.context > 0 {
			need = min(need, d.context)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.window = max(d.window, need)
	return d.window
}

// shown keeps details by digest, so that a model that is pulled anew is asked about anew.
type shown struct {
	mu sync.Mutex // guards by
	by map[string]*details
}

// context is the length of a model's context, if it was asked for; else 0.
func (s *shown) context(digest string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.by[digest]; d != nil {
		return d.context
	}
	return 0
}

// details asks about a model, the first time. Two calls at that time may both ask;
// both get the details that were first.
func (b *Backend) details(ctx context.Context, m api.ListModelResponse) (*details, error) {
	b.shown.mu.Lock()
	d := b.shown.by[m.Digest]
	b.shown.mu.Unlock()
	if d != nil {
		return d, nil
	}
	var show api.ShowResponse
	if err := b.client.Post(ctx, m.Name, "/api/show", api.ShowRequest{Model: m.Name}, &show); err != nil {
		return nil, err
	}
	asked := read(show)
	b.shown.mu.Lock()
	defer b.shown.mu.Unlock()
	if d := b.shown.by[m.Digest]; d != nil {
		return d, nil
	}
	if b.shown.by == nil {
		b.shown.by = map[string]*details{}
	}
	b.shown.by[m.Digest] = asked
	return asked, nil
}

func read(show api.ShowResponse) *details {
	d := &details{capabilities: show.Capabilities, family: show.Details.Family}
	for key, value := range show.ModelInfo {
		if number, ok := value.(float64); ok && strings.HasSuffix(key, ".context_length") {
			d.context = max(d.context, int(number))
		}
	}
	for lines := bufio.NewScanner(strings.NewReader(show.Parameters)); lines.Scan(); {
		if field := strings.Fields(lines.Text()); len(field) == 2 && field[0] == "num_ctx" {
			d.wished, _ = strconv.Atoi(field[1]) // 0 for what is no number
		}
	}
	return d
}
