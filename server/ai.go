package server

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"

	"nearside/fault"
	"nearside/llm"
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
	body    []byte     // the model's input: JSON, or bytes of another content type
	kind    string     // the content type of the body, typeJSON or what the bytes are
	beside  url.Values // further inputs, where the body is bytes
}

// doer has a model do what its task is, and returns what came of it. A call that
// fails may have cost something all the same: what it cost is in the outcome.
type doer func(ctx context.Context, s *Server, r run) (outcome, error)

// doers says by what each task is done on …/ai/run that a model can be served for.
var doers = map[llm.Task]doer{
	llm.Embeddings:     runEmbedding,
	llm.TextGeneration: runGeneration,
	llm.Summarization:  runSummary,
	llm.Translation:    runTranslation,
	llm.Classification: runClassification,

	llm.ImageToText:         runLooking,
	llm.ImageClassification: runLabelling,
	llm.SpeechRecognition:   runTranscription,
	llm.TextToSpeech:        runSpeech,
	llm.TextToImage:         runPainting,
}

// infer has a model answer. It is what every way to …/ai/run ends in.
func (s *Server) infer(ctx context.Context, r run) (outcome, error) {
	if err := r.model.Unserved(); err != nil {
		return outcome{}, err
	}
	out, err := doers[r.model.Task](ctx, s, r)
	return out, inferenceError(err, r.call.ID)
}

// runModel answers POST …/ai/run/{model...}.
func runModel(_ *Server, c *call) error { return c.runNamed(c.param("model")) }

// runNamed answers a call to the model of that name.
func (c *call) runNamed(model string) error { return c.runInput(model, c.readBody) }

// runInput answers a call to the model of that name, whose input read returns.
func (c *call) runInput(model string, read func() ([]byte, error)) error {
	r, err := c.run(model, read)
	if err != nil {
		c.sawNoModel(model, err)
		return err
	}
	if about, err := c.batched(r); about {
		return err
	}
	return c.perform(c.server.errand(r))
}

// errand is the errand of a call on …/ai/run.
func (s *Server) errand(r run) errand {
	e := errand{call: r.call, endpoint: "run", input: r.body, kind: r.kind, wrap: inEnvelope,
		do: func(ctx context.Context) (outcome, error) { return s.infer(ctx, r) }}
	if r.kind != typeJSON {
		e.beside = r.beside.Encode()
	}
	return e
}

// run reads a call to a model.
func (c *call) run(model string, read func() ([]byte, error)) (run, error) {
	id := c.reachModel()
	m, err := c.server.parts.Models.Catalogue().Model(model)
	if err != nil {
		return run{}, err
	}
	r := run{model: m, started: c.started, beside: c.query}
	if r.body, r.kind, err = c.modelInput(m, read); err != nil {
		return run{}, inferenceError(err, id)
	}
	options, err := r.options()
	if err != nil {
		return run{}, inferenceError(err, id)
	}
	busy := options.RejectIfBusy || c.queryParam("rejectIfBusy") == "true"
	r.call = llm.Call{Payer: c.payer(), ID: id, Model: m.ID, RejectIfBusy: busy, DryRun: options.DryRun}
	return r, nil
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
	return body, checkInput(body)
}

// checkInput makes sure that JSON for a model can be parsed safely.
func checkInput(body []byte) error {
	if err := checkJSON(body); err != nil {
		return badInput("%s", err)
	}
	return nil
}

// badInput is the fault of an input that a model's schema, or a rule beside it, refuses.
func badInput(format string, args ...any) error {
	return fault.For(llm.ReasonInput, badInputPrefix+format, args...)
}

// badInputPrefix begins what the real service says of an input that is wrong.
const badInputPrefix = "AiError: Bad input: Error: "

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
