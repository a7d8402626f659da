package server

import (
	"bytes"
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

// run is one call to a model on …/ai/run.
type run struct {
	id      string // of the request
	model   *llm.Model
	body    []byte
	options chat.Options
}

// call is the run as the router wants it.
func (r run) call(c *call) llm.Call {
	return llm.Call{Payer: c.payer(), ID: r.id, Model: r.model.ID, RejectIfBusy: r.options.RejectIfBusy}
}

// families says which tasks are served on …/ai/run, and by what.
var families = map[llm.Task]func(*Server, *call, run) error{
	llm.Embeddings:     runEmbedding,
	llm.TextGeneration: runGeneration,
	llm.Summarization:  runSummary,
	llm.Translation:    runTranslation,
	llm.Classification: runClassification,
}

// runModel answers POST …/ai/run/{model...}.
func runModel(s *Server, c *call) error {
	id := c.reachModel()
	model, err := s.parts.Models.Catalogue().Model(c.param("model"))
	if err != nil {
		return err
	}
	family := families[model.Task]
	if family == nil {
		return notBuilt("%s is a model for %s, which nearside does not serve", model.ID, model.Task)
	}
	if c.queryParam("queueRequest") == "true" {
		return notBuilt("nearside has no queue for batches; leave queueRequest out and the call is answered at once")
	}
	body, err := c.modelBody()
	if err != nil {
		return inferenceError(err, id)
	}
	options, err := chat.ParseOptions(body)
	if err != nil {
		return inferenceError(err, id)
	}
	if options.DryRun && model.Task != llm.TextGeneration {
		return notBuilt("dry_run tells the price of text generation alone; leave it out, and %s runs", model.ID)
	}
	options.RejectIfBusy = options.RejectIfBusy || c.queryParam("rejectIfBusy") == "true"
	return inferenceError(family(s, c, run{id, model, body, options}), id)
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

// madeBy says in the reply's headers who answered, and why nobody before them did.
func (c *call) madeBy(by llm.By, warning string) {
	c.setHeader("nearside-model", headerSafe(by.Served))
	c.setHeader("nearside-backend", headerSafe(string(by.Backend)))
	c.setHeader("nearside-route", string(by.Route))
	for _, s := range by.Skipped {
		c.message("passed over: " + s.String())
	}
	if warning != "" {
		c.message(warning)
	}
}

// paid says in the reply's headers what the call cost, and what is left of the day.
func (c *call) paid(cost neuron.Micro) {
	c.setHeader("cf-ai-neurons", cost.String())
	c.allowance()
}

// allowance says in the reply's headers what the payer may still use today, if that is limited.
func (c *call) allowance() {
	a := c.server.parts.Ledger.Left(c.payer())
	if !a.Limited {
		return
	}
	c.setHeader("nearside-neurons-left", a.Left.String())
	c.setHeader("nearside-neurons-reset", a.Reset.UTC().Format(time.RFC3339))
	if a.Warning != "" {
		c.message(a.Warning)
	}
}
