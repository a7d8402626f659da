package server

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"nearside/fault"
	"nearside/llm"
)

// maxModelInput is the largest body of a call to an embedding model. A hundred
// texts of which the model reads a few KB each need a tenth of it.
const maxModelInput = 16 << 20

// reasonNoInput is a call to a model without a body.
const reasonNoInput fault.Reason = "model_no_input"

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

// runModel answers POST …/ai/run/{model...}.
func runModel(s *Server, c *call) error {
	request := uuid.NewString()
	c.setHeader("cf-ai-req-id", request)
	model, err := s.parts.Models.Catalogue().Model(c.param("model"))
	if err != nil {
		return err
	}
	if model.Task != llm.Embeddings {
		return &fault.Error{Kind: fault.Unsupported, Reason: reasonNotBuilt,
			Message: fmt.Sprintf("%s is a model for %s; nearside has Text Embeddings so far", model.ID, model.Task)}
	}
	if c.queryParam("queueRequest") == "true" {
		return &fault.Error{Kind: fault.Unsupported, Reason: reasonNotBuilt,
			Message: "nearside has no queue for batches yet; leave queueRequest out and the call is answered at once"}
	}
	input, err := c.modelInput(model.Input)
	if err != nil {
		return inferenceError(err, request)
	}
	embedded, err := s.parts.Models.Embed(c, llm.Request{Account: c.account, Model: model.ID, Texts: input.Texts})
	if err != nil {
		return err
	}
	c.madeBy(embedded)
	if input.Pooling == "cls" {
		c.message(embedded.Served + " pools by mean; cls was asked for and is not what these vectors are")
	}
	return c.reply(shaped(model, input, embedded))
}

// modelInput reads the body as the model's input.
func (c *call) modelInput(shape llm.Shape) (llm.Input, error) {
	body, err := c.modelBody()
	if err != nil {
		return llm.Input{}, err
	}
	if err := checkJSON(body); err != nil {
		return llm.Input{}, fault.For(llm.ReasonInput, "AiError: Bad input: Error: %s", err)
	}
	return llm.ParseEmbedding(shape, body)
}

// modelBody returns the body, which a call to a model must have.
func (c *call) modelBody() ([]byte, error) {
	body, err := c.readBody()
	if err == nil && len(bytes.TrimSpace(body)) == 0 {
		err = fault.For(reasonNoInput, "the body is missing; send the model's input as JSON")
	}
	return body, err
}

// inferenceError words the refusal of an input as the real service does: with
// its prefix and the request's id.
func inferenceError(err error, request string) error {
	f := fault.As(err)
	if f == nil || f.Reason != llm.ReasonInput {
		return err
	}
	return fault.For(llm.ReasonInput, "AiError: %s (%s)", f.Error(), request)
}

// shaped puts vectors into the form in which the model answers.
func shaped(model *llm.Model, input llm.Input, e llm.Embedded) any {
	const pooling = "mean" // of every built-in encoder
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

// madeBy says in the reply's headers which weights answered, how much of the
// texts they read, and what that costs.
func (c *call) madeBy(e llm.Embedded) {
	c.setHeader("cf-ai-neurons", e.Neurons.String())
	c.setHeader("nearside-model", e.Served)
	c.setHeader("nearside-backend", string(e.Backend))
	c.setHeader("nearside-route", string(e.Route))
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
	if e.Warning != "" {
		c.message(e.Warning)
	}
}
