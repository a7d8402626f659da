package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"nearside/fault"
	"nearside/llm"
	"nearside/llm/chat"
	"nearside/llm/gateway"
	"nearside/llm/neuron"
)

// compatProvider is the name under which OpenAI's API reaches every provider.
const compatProvider = "compat"

// maxSteps is the most steps of the universal form. Cloudflare documents no limit.
const maxSteps = 10

// callProvider answers POST /v1/{account}/{gateway}/workers-ai/… and …/compat/…, the
// paths of gateway.ai.cloudflare.com.
func callProvider(provider string) func(*Server, *call) error {
	return func(s *Server, c *call) error {
		endpoint := c.param("endpoint")
		if provider == workersAIProvider && !strings.HasPrefix(endpoint, "v1/") {
			return c.runNamed(strings.TrimPrefix(endpoint, "run/"))
		}
		l, err := c.letter()
		if err != nil {
			return err
		}
		e, err := s.errandTo(provider, endpoint, l)
		if err != nil {
			return err
		}
		return c.perform(e)
	}
}

// errandTo makes an errand of what is sent to an endpoint of a provider.
func (s *Server) errandTo(provider, endpoint string, l letter) (errand, error) {
	endpoint = strings.Trim(endpoint, "/")
	name, isOpenAI := strings.CutPrefix(endpoint, "v1/")
	switch provider {
	case workersAIProvider:
		if !isOpenAI {
			r, err := s.letterRun(strings.TrimPrefix(endpoint, "run/"), l)
			return s.errand(r), err
		}
	case compatProvider:
		l.body = withoutProvider(l.body)
	default:
		return errand{}, notBuilt("the provider %s is not served; nearside serves workers-ai, and compat with the models of workers-ai", quoteShort(provider))
	}
	api := openAIs[name]
	if api == nil {
		return errand{}, notBuilt("%s has no endpoint %s here; there are chat/completions, completions, responses and embeddings", provider, quoteShort(endpoint))
	}
	return api(s, l)
}

// letterRun is a call to a model whose input came in a letter.
func (s *Server) letterRun(model string, l letter) (run, error) {
	m, err := s.parts.Models.Catalogue().Model(model)
	if err != nil {
		return run{}, err
	}
	options, err := chat.ParseOptions(l.body)
	if err != nil {
		return run{}, inferenceError(err, l.id)
	}
	call := llm.Call{Payer: l.payer, ID: l.id, Model: m.ID, RejectIfBusy: options.RejectIfBusy, DryRun: options.DryRun}
	return run{call: call, model: m, started: l.started, body: l.body, kind: typeJSON}, nil
}

// withoutProvider is a body for compat as workers-ai takes it: there models are called workers-ai/@cf/….
func withoutProvider(body []byte) []byte {
	from, to := member(body, "model")
	var model string
	if from == to || json.Unmarshal(body[from:to], &model) != nil {
		return body
	}
	model, found := strings.CutPrefix(model, workersAIProvider+"/")
	encoded, err := encode(model)
	if !found || err != nil {
		return body
	}
	return bytes.Join([][]byte{body[:from], encoded, body[to:]}, nil)
}

// step is one try of the universal form.
type step struct {
	Provider string                     `json:"provider"`
	Endpoint string                     `json:"endpoint"`
	Headers  map[string]json.RawMessage `json:"headers"`
	Query    json.RawMessage            `json:"query"`
}

// header returns the value of one of the step's headers.
func (p step) header(name string) string {
	for key, raw := range p.Headers {
		if strings.EqualFold(key, name) {
			return gateway.Text(raw)
		}
	}
	return ""
}

// callUniversal answers POST /v1/{account}/{gateway}: steps are taken in order until
// one succeeds. What all of them cost is what the call costs.
func callUniversal(s *Server, c *call) error {
	steps, err := c.steps()
	if err != nil {
		return err
	}
	var spent neuron.Micro
	for i, p := range steps {
		out, wrap, err := c.take(p, i)
		out = out.after(spent)
		var quote *llm.Quote
		if err == nil || errors.As(err, &quote) || i == len(steps)-1 || c.Err() != nil {
			return c.deliver(out, err, wrap)
		}
		spent = out.made.Neurons
		c.message(fmt.Sprintf("step %d, %s, failed: %s", i, quoteShort(p.Provider), plainly(err)))
	}
	return nil // there is a last step
}

// plainly says why a step failed, to whom may be told.
func plainly(err error) string {
	if f := fault.As(err); f != nil && f.Kind != fault.Internal && f.Kind != fault.Corrupt {
		return f.Message
	}
	return "something went wrong inside nearside"
}

// steps reads the body of the universal form: a list of steps, or one.
func (c *call) steps() ([]step, error) {
	body, err := c.modelBody()
	if err != nil {
		return nil, err
	}
	var steps []step
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
		err = decodeJSON(body, &steps)
	} else {
		steps = make([]step, 1)
		err = decodeJSON(body, &steps[0])
	}
	switch {
	case err != nil:
		return nil, err
	case len(steps) == 0 || len(steps) > maxSteps:
		return nil, fault.For(llm.ReasonInput, "the list has %d steps; send 1 to %d", len(steps), maxSteps)
	}
	for i, p := range steps {
		if p.Provider == "" || p.Query == nil {
			return nil, fault.For(llm.ReasonInput, "step %d lacks %s; a step is {\"provider\", \"endpoint\", \"headers\", \"query\"}, and query is the model's input", i, p.missing())
		}
	}
	return steps, nil
}

func (p step) missing() string {
	if p.Provider == "" {
		return "provider"
	}
	return "query"
}

// take takes one step through the gateway. A step that asks for what is not served
// fails like one whose model does.
func (c *call) take(p step, number int) (outcome, wrapping, error) {
	l := letter{payer: c.payer(), id: c.reachModel(), started: c.started, body: p.Query}
	e, err := c.server.errandTo(p.Provider, p.Endpoint, l)
	if err != nil {
		c.sawNoModel(strings.TrimPrefix(p.Endpoint, "run/"), err)
		e = errand{call: llm.Call{Payer: l.payer, ID: l.id}, endpoint: p.Endpoint, input: p.Query, kind: typeJSON, wrap: inEnvelope,
			do: func(context.Context) (outcome, error) { return outcome{}, err }}
	}
	if e.call.DryRun {
		out, err := e.do(c)
		return out, e.wrap, err
	}
	o := c.gatewayOptions(e, p.header)
	t := c.transit(o, c.seeing(e, o, true))
	t.provider, t.step = gateway.Name(p.Provider), number
	if t.provider == compatProvider {
		t.provider = workersAIProvider // who answers in the end
	}
	out, err := t.run(c)
	return out, e.wrap, err
}
