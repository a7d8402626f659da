package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"nearside/fault"
	"nearside/llm"
	"nearside/llm/gateway"
	"nearside/llm/neuron"
)

// workersAIProvider is what Cloudflare calls itself among the providers of models.
const workersAIProvider = "workers-ai"

// The values of the header cf-aig-cache-status.
const (
	cacheHit    = "HIT"
	cacheMiss   = "MISS"
	cacheBypass = "BYPASS" // nobody asked for the answer to be kept, or it is a stream
)

// crossing is what a caller is told of the way through a gateway.
type crossing struct {
	log   string // its id; "": the call is not logged
	cache string
	step  int
	event string
}

// crossed says it in the reply's headers.
func (c *call) crossed(x *crossing) {
	if x == nil {
		return
	}
	c.setHeader("cf-aig-cache-status", x.cache)
	c.setHeader("cf-aig-step", strconv.Itoa(x.step))
	if x.log != "" {
		c.setHeader("cf-aig-log-id", x.log)
	}
	if x.event != "" {
		c.setHeader("cf-aig-event-id", headerSafe(x.event))
	}
}

// gatewayOptions are what a call asks of a gateway: in its path, in the body, in
// headers of the step (nil: there is none), in the query or in its own headers. Of
// two that differ the one named first here holds.
func (c *call) gatewayOptions(e errand, ofStep func(header string) string) gateway.Options {
	var o gateway.Options
	o.Headers(c.header)
	o.Headers(c.queryParam)
	o.Object([]byte(c.queryParam("gateway")))
	if ofStep != nil {
		o.Headers(ofStep)
	}
	if e.kind == typeJSON && bytes.Contains(e.input, []byte(`"gateway"`)) {
		var body struct {
			Options struct {
				Gateway json.RawMessage `json:"gateway"`
			} `json:"options"`
		}
		if json.Unmarshal(e.input, &body) == nil {
			o.Object(body.Options.Gateway)
		}
	}
	if name := c.param("gateway"); name != "" {
		o.Through(name)
	}
	o.Gateway = cmp.Or(o.Gateway, gateway.Default)
	return o
}

// transit is the way of an errand through a gateway.
type transit struct {
	server   *Server
	errand   errand
	options  gateway.Options
	provider string
	step     int
	pause    func(ctx context.Context, d time.Duration) error // between attempts
}

// transit sends an errand of the call through a gateway.
func (c *call) transit(o gateway.Options, e errand) transit {
	return transit{server: c.server, errand: e, options: o, provider: workersAIProvider, pause: func(ctx context.Context, d time.Duration) error {
		return c.awaitClient(func() { wait(ctx, d) }) // it holds no slot
	}}
}

// wait waits for a while, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// run has the errand done, unless the answer is in the cache, and logs it. What the
// outcome says it cost is the cost of all attempts.
func (t transit) run(ctx context.Context) (outcome, error) {
	log := t.newLog()
	x := &crossing{cache: cacheBypass, step: t.step, event: t.options.EventID}
	if !t.options.NoLog {
		x.log = log.ID
	}
	out, err := t.answer(ctx, x)
	out.crossing = x
	log.Cached = x.cache == cacheHit
	if out.stream == nil {
		log.Duration = time.Since(log.Created)
		t.finish(log, out, err)
		return out, err
	}
	inner, before := out.stream, out.earlier
	out.stream = func(c *call, to *flow, earlier neuron.Micro) (llm.Generated, error) {
		made, err := inner(c, to, earlier)
		log.Duration = time.Since(log.Created)
		whole := outcome{made: made, kind: out.kind}
		whole.made.Neurons += before
		ended := err
		if err != nil && fault.As(err) == nil {
			ended = context.Canceled // nobody reads it any more
		}
		t.finish(log, whole, ended)
		return made, err
	}
	return out, nil
}

// answer looks into the cache, and has the errand done if it is not there.
func (t transit) answer(ctx context.Context, x *crossing) (outcome, error) {
	ttl := t.options.TTL()
	if ttl == 0 {
		return t.try(ctx)
	}
	place := t.server.cache.At(t.input().Key())
	if out, found := place.Get(); found {
		x.cache = cacheHit
		t.server.parts.Ledger.Cached(neuron.Call{Payer: t.errand.call.Payer, Model: cmp.Or(out.made.Model, t.errand.call.Model)})
		return out, nil
	}
	out, err := t.try(ctx)
	if out.stream != nil {
		return out, err
	}
	x.cache = cacheMiss
	if err == nil {
		kept := out.costing(0)
		place.Keep(kept, len(kept.result), ttl)
	}
	return out, err
}

// newLog is the log of the errand, as far as it is known before it is done.
func (t transit) newLog() gateway.Log {
	call := t.errand.call
	log := gateway.Log{
		ID: t.server.parts.Gateway.NewID(), Account: call.Account, Gateway: t.options.Gateway, Created: time.Now(),
		Provider: t.provider, Model: call.Model, Path: t.errand.endpoint, Step: t.step,
		EventID: t.options.EventID, Metadata: t.options.Metadata,
		RequestType: t.errand.kind, RequestBytes: len(t.errand.input),
	}
	if m, err := t.server.parts.Models.Catalogue().Model(call.Model); err == nil {
		log.Model, log.Task = m.ID, string(m.Task)
	}
	return log
}

// finish files the log of an errand that is over.
func (t transit) finish(log gateway.Log, out outcome, err error) {
	if t.options.NoLog {
		return
	}
	log.Status = statusOf(err)
	log.TokensIn, log.TokensOut, log.Neurons = out.made.Usage.Prompt, out.made.Usage.Completion, out.made.Neurons
	log.ResponseType, log.ResponseBytes = out.kind, len(out.result)
	t.server.parts.Gateway.Add(log)
}

// statusOf is the HTTP status of what came of an errand.
func statusOf(err error) int {
	if err == nil {
		return 200
	}
	f := fault.As(err)
	switch {
	case f != nil:
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		f = fault.New(fault.Canceled, "")
	default:
		f = fault.New(fault.Internal, "")
	}
	status, _, _ := workersAI.answer(f)
	return status
}

// input is what the answer is looked up by.
func (t transit) input() gateway.Input {
	e := t.errand
	return gateway.Input{Account: e.call.Account, Gateway: t.options.Gateway, Endpoint: e.endpoint, Model: e.call.Model,
		Type: e.kind, Body: e.input, Beside: e.beside, Custom: t.options.CacheKey}
}

// try has the errand done, again if it fails in a way that may pass.
func (t transit) try(ctx context.Context) (outcome, error) {
	var out outcome
	var spent neuron.Micro
	err := t.options.Try(ctx, t.pause, func(ctx context.Context) error {
		spent += out.made.Neurons // on the attempt before
		var err error
		out, err = t.errand.do(ctx)
		return err
	})
	return out.after(spent), err
}

// after is an outcome that had something spent on it before.
func (out outcome) after(earlier neuron.Micro) outcome {
	switch {
	case earlier == 0:
		return out
	case out.stream != nil:
		out.earlier += earlier
		return out
	}
	return out.costing(out.made.Neurons + earlier)
}

// costing is an outcome that says everywhere that it cost so much.
func (out outcome) costing(neurons neuron.Micro) outcome {
	out.made.Neurons = neurons
	if out.kind == typeJSON {
		out.result = restated(out.result, neurons)
	}
	return out
}

// restated is a result whose usage, if it tells one, tells these neurons.
func restated(result []byte, neurons neuron.Micro) []byte {
	usage, end := member(result, "usage")
	from, to := member(result[usage:end], "neurons")
	if from == to {
		return result
	}
	with := append([]byte{}, result[:usage+from]...)
	with = append(with, neurons.String()...)
	return append(with, result[usage+to:]...)
}

// member is where the value of a key stands in an object, the last one of equal
// keys; 0, 0 if it does not.
func member(object []byte, key string) (from, to int) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return 0, 0
	}
	for decoder.More() {
		name, err := decoder.Token()
		var value json.RawMessage
		if err != nil || decoder.Decode(&value) != nil {
			return 0, 0
		}
		if name == key {
			to = int(decoder.InputOffset())
			from = to - len(value)
		}
	}
	return from, to
}
