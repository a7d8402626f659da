package server

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"nearside/fault"
	"nearside/llm"
	"nearside/llm/chat"
	"nearside/llm/neuron"
)

// maxModelInput is the largest body of a call to a model: a conversation with a
// few pictures in it. A hundred texts to embed need a tenth of it.
const maxModelInput = 16 << 20

// reasonNoInput is a call to a model without a body.
const reasonNoInput fault.Reason = "model_no_input"

// run is one call to a model on …/ai/run, whatever it came through.
type run struct {
	call    llm.Call
	model   *llm.Model
	started time.Time
	body    []byte // the model's input: JSON, or bytes of another media type
	kind    string // the media type of the body, typeJSON or what the bytes are
}

// doer has a model do what its task is, and returns what came of it. A call that
// fails may have cost something all the same: what it cost is in the outcome.
type doer func(ctx context.Context, s *Server, r run) (outcome, error)

// doers says which tasks are served on …/ai/run, and by what.
var doers = map[llm.Task]doer{
	llm.Embeddings:     runEmbedding,
	llm.TextGeneration: runGeneration,
	llm.Summarization:  runSummary,
	llm.Translation:    runTranslation,
	llm.Classification: runClassification,
}

// infer has a model answer. It is what every way to …/ai/run ends in.
func (s *Server) infer(ctx context.Context, r run) (outcome, error) {
	do := doers[r.model.Task]
	if do == nil {
		return outcome{}, notBuilt("%s is a model for %s, which nearside does not serve", r.model.ID, r.model.Task)
	}
	out, err := do(ctx, s, r)
	return out, inferenceError(err, r.call.ID)
}

// runModel answers POST …/ai/run/{model...}.
func runModel(s *Server, c *call) error {
	r, err := c.run(c.param("model"))
	if err != nil {
		return err
	}
	if r.model.Task != llm.Embeddings && r.model.Input != llm.RerankShape {
		c.leave() // the work is done elsewhere; this server's slots are for its own
	}
	out, err := s.infer(c, r)
	return c.deliver(out, err, inEnvelope)
}

// run reads a call to a model.
func (c *call) run(model string) (run, error) {
	id := c.reachModel()
	m, err := c.server.parts.Models.Catalogue().Model(model)
	if err != nil {
		return run{}, err
	}
	if c.queryParam("queueRequest") == "true" {
		return run{}, notBuilt("nearside has no queue for batches; leave queueRequest out and the call is answered at once")
	}
	body, err := c.modelBody()
	if err != nil {
		return run{}, inferenceError(err, id)
	}
	options, err := chat.ParseOptions(body)
	if err != nil {
		return run{}, inferenceError(err, id)
	}
	busy := options.RejectIfBusy || c.queryParam("rejectIfBusy") == "true"
	call := llm.Call{Payer: c.payer(), ID: id, Model: m.ID, RejectIfBusy: busy, DryRun: options.DryRun}
	return run{call: call, model: m, started: c.started, body: body, kind: typeJSON}, nil
}

// notBuilt is the fault of something that Cloudflare has and nearside has not.
func notBuilt(format string, args ...any) error {
	return &fault.Error{Kind: fault.Unsupported, Reason: reasonNotBuilt, Message: fmt.Sprintf(format, args...)}
}

// reachModel gives the call the id under which clients know what models answered.
func (c *call) reachModel() string {
	id := uuid.NewString()
	c.setHeader("cf-ai-req-id", id)
	return id
}

// modelBody returns the body, which a call to a model must have, as JSON that can be parsed safely.
func (c *call) modelBody() ([]byte, error) {
	body, err := c.readBody()
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, fault.For(reasonNoInput, "the body is missing; send the model's input as JSON")
	}
	if err := checkJSON(body); err != nil {
		return nil, fault.For(llm.ReasonInput, "AiError: Bad input: Error: %s", err)
	}
	return body, nil
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

// payer is on whose bill the call goes.
func (c *call) payer() neuron.Payer {
	return neuron.Payer{Account: c.account, Key: c.key.ID, KeyPerDay: neuron.Micro(c.key.NeuronsPerDay) * 1_000_000}
}
