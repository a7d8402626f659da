package server

import (
	"context"
	"time"

	"nearside/llm"
	"nearside/llm/neuron"
)

// errand is one thing to be had from a model, whichever API it was asked for
// through. It may be done several times, or not at all.
type errand struct {
	call     llm.Call
	endpoint string // the API, and with it the form of the answer: run, v1/embeddings, …
	input    []byte // what decides the answer, besides the model
	kind     string // the media type of the input
	beside   string // what decides it too and is not in the input
	wrap     wrapping
	do       func(ctx context.Context) (outcome, error)
}

// letter is the JSON body of a call, with who sent it.
type letter struct {
	payer   neuron.Payer
	id      string // under which clients know what comes of it
	started time.Time
	body    []byte
}

// letter reads the body of a call that reaches a model.
func (c *call) letter() (letter, error) {
	l := letter{payer: c.payer(), id: c.reachModel(), started: c.started}
	body, err := c.modelBody()
	l.body = body
	return l, inferenceError(err, l.id)
}

// perform has an errand done, through a gateway if the caller asks for one, and
// delivers what comes of it.
func (c *call) perform(e errand) error {
	o := c.gatewayOptions(e, nil)
	through := !e.call.DryRun && o.Asked()
	e = c.seeing(e, o, through)
	if !through {
		out, err := e.do(c)
		return c.deliver(out, err, e.wrap)
	}
	out, err := c.transit(o, e).run(c)
	return c.deliver(out, err, e.wrap)
}
