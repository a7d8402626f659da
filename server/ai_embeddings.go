package server

import (
	"fmt"
	"strconv"

	"nearside/llm"
)

// embeddings is the reply of an embedding model.
type embeddings struct {
	Shape   [2]int      `json:"shape"`
	Data    [][]float32 `json:"data"`
	Pooling string      `json:"pooling"`
}

// contextEmbeddings is the reply of bge-m3 to contexts without a query.
type contextEmbeddings struct {
	Response [][]float32 `json:"response"`
	Shape    [2]int      `json:"shape"`
	Pooling  string      `json:"pooling"`
}

// queryEmbeddings is the reply of qwen3-embedding.
type queryEmbeddings struct {
	Data  [][]float32 `json:"data"`
	Shape [2]int      `json:"shape"`
}

// runEmbedding turns texts into vectors.
func runEmbedding(s *Server, c *call, r run) error {
	input, err := llm.ParseEmbedding(r.model.Input, r.body)
	if err != nil {
		return err
	}
	texts := input.Texts
	if input.Query != "" {
		texts = append([]string{input.Query}, texts...)
	}
	embedded, err := s.parts.Models.Embed(c, llm.Request{Payer: c.payer(), Model: r.model.ID, Texts: texts})
	if err != nil {
		return err
	}
	c.embeddedBy(embedded)
	if input.Query != "" {
		return c.reply(byQuery(embedded.Vectors))
	}
	if input.Pooling == "cls" {
		c.message(embedded.Served + " pools as it was made to; cls was asked for and changes nothing")
	}
	return c.reply(shaped(r.model, input, embedded))
}

// rankedContexts is the reply of bge-m3 to contexts with a query, and of a reranker.
type rankedContexts struct {
	Response []ranked `json:"response"`
}

// byQuery ranks contexts by how near their vectors are to the first one, the query's.
func byQuery(vectors [][]float32) rankedContexts {
	scores := make([]float64, len(vectors)-1)
	for i, v := range vectors[1:] {
		scores[i] = llm.Cosine(vectors[0], v)
	}
	return rankedContexts{bestFirst(scores, 0)}
}

// shaped puts vectors into the form in which the model answers.
func shaped(model *llm.Model, input llm.Input, e llm.Embedded) any {
	const pooling = "mean" // what the field says on Cloudflare unless cls is asked for
	shape := [2]int{len(e.Vectors), model.Dimensions}
	switch {
	case input.Contexts:
		return contextEmbeddings{e.Vectors, shape, pooling}
	case model.Input == llm.Qwen3Shape:
		return queryEmbeddings{e.Vectors, shape}
	default:
		return embeddings{shape, e.Vectors, pooling}
	}
}

// embeddedBy says in the reply's headers which weights answered, how much of the
// texts they read, and what that costs.
func (c *call) embeddedBy(e llm.Embedded) {
	c.madeBy(e.By, e.Warning)
	c.paid(e.Neurons)
	truncated, dropped := 0, 0
	for _, n := range e.Dropped {
		if n > 0 {
			truncated++
			dropped += n
		}
	}
	if truncated > 0 {
		c.setHeader("nearside-truncated", strconv.Itoa(truncated))
		c.message(fmt.Sprintf("%d of %d texts are longer than %s reads: %d tokens were not read", truncated, len(e.Dropped), e.Served, dropped))
	}
}
