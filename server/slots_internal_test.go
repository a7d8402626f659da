package server

import (
	"context"
	"fmt"
	"testing"
	"time"

	"nearside/embed"
	"nearside/llm/backend/backendtest"
)

// While a model server works, the one slot there is serves others.
func TestWorkOfModelServersHoldsNoSlot(t *testing.T) {
	for name, test := range map[string]struct{ path, body, asks string }{
		"chat":              {home + "/ai/run/" + llama, `{"prompt":"hello"}`, "/api/generate"},
		"stream":            {home + "/ai/run/" + llama, `{"prompt":"hello","stream":true}`, "/api/generate"},
		"embeddings":        {home + "/ai/run/" + bgeM3, `{"text":"a cat"}`, "/api/embed"},
		"OpenAI embeddings": {"/v1/embeddings", embeds, "/api/embed"},
		"search":            {home + "/nearside/indexes/notes/search", `{"query":"a cat"}`, "/api/embed"},
		"texts":             {home + "/nearside/indexes/notes/texts", `{"texts":[{"id":"1","text":"a cat"}]}`, "/api/embed"},
		"ranking":           {home + "/ai/run/@cf/baai/bge-reranker-base", `{"query":"a cat","contexts":[{"text":"a cat"}]}`, "/v1/rerank"},
	} {
		t.Run(name, func(t *testing.T) {
			h, s, _ := modelled(t, Config{Work: 1, Queue: 1, Patience: time.Nanosecond})
			s.openai.Add(backendtest.Model{Name: "BAAI/bge-reranker-base"})
			notes(h)
			asked := func() int { return len(s.ollama.Asked(test.asks)) + len(s.openai.Asked(test.asks)) }
			before := asked()
			s.ollama.Lie(backendtest.SlowHeaders)
			s.openai.Lie(backendtest.SlowHeaders)
			conn := h.dial()
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", test.path, len(test.body), test.body)
			until(t, "the model server to be asked", func() bool { return asked() > before })
			for range 5 {
				h.do("GET", home+"/ai/tasks/search", nil).want(t, 200, 0)
			}
			conn.Close()
			until(t, "the call to end", func() bool { return h.server.watch.size() == 0 })
			h.do("GET", home+"/ai/tasks/search", nil).want(t, 200, 0)
		})
	}
}

// lasting is an encoder of this program that takes as long as the test wants.
type lasting struct {
	embed.Embedder
	began, proceed chan struct{}
}

// Embed implements embed.Embedder.
func (l lasting) Embed(ctx context.Context, texts []string) ([]embed.Embedding, error) {
	l.began <- struct{}{}
	<-l.proceed
	return l.Embedder.Embed(ctx, texts)
}

// What this program computes itself is what slots are for.
func TestWorkOfTheBuiltInEncoderHoldsASlot(t *testing.T) {
	l := lasting{encoder, make(chan struct{}), make(chan struct{})}
	h := startWith(t, Config{Work: 1, Queue: 1, Patience: time.Nanosecond}, domainWith(t, []embed.Embedder{l}))
	reply := make(chan answer, 1)
	background(t, func() { reply <- h.post(home+"/ai/run/@nearside/all-minilm-l6-v2", `{"text":"a cat"}`) })
	await(t, "the encoder", l.began)
	h.do("GET", home+"/ai/tasks/search", nil).want(t, 429, 3040)
	close(l.proceed)
	await(t, "the vectors", reply).want(t, 200, 0)
}
