package server

import (
	"context"

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
func runEmbedding(ctx context.Context, s *Server, r run) (outcome, error) {
	input, err := llm.ParseEmbedding(r.model.Input, r.body)
	if err != nil {
		return outcome{}, err
	}
	texts := input.Texts
	if input.Query != "" {
		texts = append([]string{input.Query}, texts...)
	}
	embedded, err := s.parts.Models.Embed(ctx, r.call, texts)
	if err != nil {
		return outcome{}, err
	}
	var result any
	if input.Query != "" {
		result = byQuery(embedded.Vectors)
	} else {
		result = shaped(r.model, input, embedded)
	}
	out, err := embeddedAs(result, embedded)
	if input.Pooling == "cls" {
		out.remarks = append(out.remarks, embedded.Served+" pools as it was made to; cls was asked for and changes nothing")
	}
	return out, err
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

// embeddedAs is the outcome of a call for vectors, which are in the result.
func embeddedAs(result any, e llm.Embedded) (outcome, error) {
	out, err := asJSON(e.Generated(), result)
	out.cutShort(e.Dropped)
	return out, err
}

// embeddedBy says in the reply's headers which weights answered, how much of the
// texts they read, and what that costs.
func (c *call) embeddedBy(e llm.Embedded) {
	out := outcome{made: e.Generated()}
	out.cutShort(e.Dropped)
	c.madeBy(out)
	c.paid(e.Neurons)
}
