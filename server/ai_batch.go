package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"nearside/fault"
	"nearside/llm"
	"nearside/llm/batch"
	"nearside/llm/chat"
	"nearside/llm/neuron"
)

// batchForm is the body of a call about a batch: one of the two is there.
type batchForm struct {
	requests []json.RawMessage // to be queued
	id       string            // of a batch that was queued
}

// batched answers a call on …/ai/run if it is about a batch, and says whether it is.
func (c *call) batched(r run) (about bool, err error) {
	form, about, err := c.readBatch(r)
	switch {
	case err != nil:
		return true, inferenceError(err, r.call.ID)
	case !about:
		return false, nil
	case c.server.parts.Batches == nil:
		return true, notBuilt("this server keeps no batches; leave queueRequest out and the call is answered at once")
	case form.id != "":
		return true, c.tellBatch(form.id)
	default:
		return true, c.queueBatch(r, form.requests)
	}
}

// readBatch reads a call that wants to be queued, or that asks after a batch:
// whatever says queueRequest, and what is no input of the model on its own.
func (c *call) readBatch(r run) (form batchForm, about bool, err error) {
	queue := c.queryParam("queueRequest") == "true"
	if !queue && !bytes.Contains(r.body, []byte(`"queueRequest"`)) && !bytes.Contains(r.body, []byte(`"request`)) {
		return form, false, nil
	}
	var body struct {
		Requests json.RawMessage `json:"requests"`
		ID       any             `json:"request_id"`
		Options  struct {
			Queue bool `json:"queueRequest"`
		} `json:"options"`
	}
	if json.Unmarshal(r.body, &body) != nil && !queue {
		return form, false, nil // the model's schema says what is wrong
	}
	queue = queue || body.Options.Queue
	takes := r.model.Can(llm.AsyncBatch)
	switch {
	case !queue && (!takes || body.Requests == nil && body.ID == nil || r.inspect() == nil):
		return form, false, nil
	case !takes:
		return form, true, badInput("queueRequest: %s takes no batches; leave it out, or use a model with the property async_queue, which ai/models/search lists", r.model.ID)
	case body.ID != nil:
		if form.id, _ = body.ID.(string); form.id == "" {
			return form, true, badInput("'/request_id' must be the id that was returned when the batch was queued")
		}
		return form, true, nil
	case !queue:
		return form, true, badInput("requests are a batch, which is queued with ?queueRequest=true")
	case json.Unmarshal(body.Requests, &form.requests) != nil:
		return form, true, badInput("required properties at '/' are 'requests', a list of inputs, or 'request_id'")
	}
	return form, true, nil
}

// queueBatch takes a batch, once it has looked at every item.
func (c *call) queueBatch(r run, requests []json.RawMessage) error {
	b := batch.Batch{Payer: r.call.Payer, Model: r.model.ID, Items: make([]batch.Item, len(requests))}
	for i, request := range requests {
		b.Items[i].Input = request
	}
	err := b.Validate() // how much there is, before each is looked at
	for i := range b.Items {
		if err == nil {
			b.Items[i].Reference, err = r.checkItem(i, requests[i])
		}
	}
	if err != nil {
		return inferenceError(err, r.call.ID)
	}
	if r.call.DryRun {
		quote, err := c.server.quoteBatch(c, r, b)
		if err != nil {
			return err
		}
		return c.quote(quote, inEnvelope)
	}
	id, err := c.server.parts.Batches.Add(c, b)
	if err != nil {
		return inferenceError(err, r.call.ID)
	}
	c.allowance()
	return c.reply(batchState{batch.Queued, id, r.model.ID})
}

// batchState is the reply to a call about a batch that has not ended.
type batchState struct {
	Status  batch.State `json:"status"`
	Request string      `json:"request_id"`
	Model   string      `json:"model"`
}

// checkItem makes sure that an item is an input of the model, and returns its reference.
func (r run) checkItem(i int, input []byte) (reference string, err error) {
	r.body = input
	var beside struct {
		Reference string `json:"external_reference"`
		Stream    any    `json:"stream"`
		DryRun    any    `json:"dry_run"`
	}
	err = r.inspect()
	if err == nil && json.Unmarshal(input, &beside) != nil {
		err = badInput("Type mismatch of '/external_reference', which must be a string")
	}
	switch {
	case err != nil:
	case beside.Stream == true:
		err = badInput("'/stream' must be false: what a batch answers is fetched as a whole")
	case beside.DryRun == true:
		err = badInput("'/dry_run' stands beside requests, for all of them")
	}
	if f := fault.As(err); f != nil && f.Reason == llm.ReasonInput {
		err = badInput("at '/requests/%d': %s", i, strings.TrimPrefix(f.Error(), badInputPrefix))
	}
	return beside.Reference, err
}

// inspect says what is wrong with an input without asking a model.
func (r run) inspect() error {
	switch r.model.Task {
	case llm.TextGeneration:
		_, err := r.generation()
		return err
	case llm.Embeddings:
		_, err := llm.ParseEmbedding(r.model.Input, r.body)
		return err
	default:
		return r.model.Validate(r.body)
	}
}

// quoteBatch is what all items of a batch would cost.
func (s *Server) quoteBatch(ctx context.Context, r run, b batch.Batch) (*llm.Quote, error) {
	sum := &llm.Quote{Model: r.model.ID, Estimate: neuron.Usage{}}
	for _, item := range b.Items {
		r.body = item.Input
		_, err := s.infer(ctx, r)
		var quote *llm.Quote
		if !errors.As(err, &quote) {
			return nil, err
		}
		for unit, count := range quote.Estimate {
			sum.Estimate[unit] += count
		}
		sum.Neurons += quote.Neurons
	}
	return sum, nil
}

// batchResponse is what came of an item.
type batchResponse struct {
	ID        int             `json:"id"` // which of the requests, from 0
	Result    json.RawMessage `json:"result,omitempty"`
	Success   bool            `json:"success"`
	Error     *batch.Failure  `json:"error,omitempty"`
	Reference string          `json:"external_reference,omitempty"`
}

// tellBatch says how far a batch is, and what came of it once it has ended. Its
// cost stands in the body: the call that asks costs nothing.
func (c *call) tellBatch(id string) error {
	report, err := c.server.parts.Batches.Look(c, c.account, id)
	if err != nil {
		return err
	}
	c.allowance()
	if report.State != batch.Ended {
		if report.Waiting != "" {
			c.message(fmt.Sprintf("%d requests of the batch are open, and wait: %s", report.Open, report.Waiting))
		}
		return c.reply(batchState{report.State, id, report.Model})
	}
	responses := make([]batchResponse, len(report.Responses))
	for i, r := range report.Responses {
		responses[i] = batchResponse{ID: i, Result: r.Result, Success: r.Result != nil, Reference: r.Reference}
		if r.Result == nil {
			responses[i].Error = &r.Failure
		}
	}
	return c.reply(struct {
		Responses []batchResponse `json:"responses"`
		Usage     any             `json:"usage"`
	}{responses, chat.UsageObject(report.Usage, report.Neurons)})
}

// worker is what runs the items of batches. It goes around the gateway.
func (s *Server) worker() batch.Worker { return batch.Worker{Run: s.runTask, Word: s.wordFailure} }

// runTask has a model answer an item. It does not wait in a backend's queue, where
// people wait: an item that finds no room is tried again later.
func (s *Server) runTask(ctx context.Context, t batch.Task) (done batch.Done, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.metrics.panics.Inc()
			s.log.Error("an item of a batch panicked", "item", t.Once, "panic", panicText(r), "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "panic")
		}
	}()
	m, err := s.parts.Models.Catalogue().Model(t.Model)
	if err != nil {
		return batch.Done{}, err
	}
	timed, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	call := llm.Call{Payer: t.Payer, ID: uuid.NewString(), Model: m.ID, RejectIfBusy: true, Once: t.Once}
	out, err := s.infer(timed, run{call: call, model: m, started: time.Now(), body: t.Input, kind: typeJSON})
	switch {
	case err != nil && timed.Err() != nil && ctx.Err() == nil:
		return batch.Done{}, &fault.Error{Kind: fault.Canceled, Reason: reasonTimeout, Message: "the request took longer than " + s.config.CallTimeout.String()}
	case err != nil:
		return batch.Done{}, err
	case out.stream != nil || out.kind != typeJSON:
		return batch.Done{}, notBuilt("%s answers with %s, which a batch cannot hold", m.ID, out.kind)
	}
	return batch.Done{Result: out.result, Usage: out.made.Usage}, nil
}

// wordFailure is how callers are told that an item failed.
func (s *Server) wordFailure(err error) batch.Failure {
	f := fault.As(err)
	if f == nil {
		f = fault.New(fault.Internal, "").Because(err)
	}
	if f.Kind == fault.Internal {
		s.log.Error("internal error in a batch", "error", err)
	}
	_, code, message := workersAI.answer(f)
	if f.Reason == neuron.ReasonExhausted {
		code = s.config.QuotaCode
	}
	return batch.Failure{Code: code, Message: message}
}
