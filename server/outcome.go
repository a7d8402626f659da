package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"nearside/llm"
	"nearside/llm/neuron"
)

// outcome is what came of a call to a model, before it is put into a reply: the
// result as it stands in a body, or a stream that makes it.
type outcome struct {
	made      llm.Generated // who did it, what it used and cost; also of a call that failed
	kind      string        // the media type of the result: typeJSON, or what the bytes are
	result    []byte        // without an envelope
	stream    streaming     // in place of the result: it comes piece by piece, as kind says
	earlier   neuron.Micro  // what attempts before a stream cost
	remarks   []string      // for the person behind the client, besides made.Warning
	truncated int           // texts that were not read to their end
	crossing  *crossing     // of the gateway that it came through; nil: none
}

// streaming writes a result piece by piece. Its end tells what the call cost, with
// what was spent on it earlier. It returns what was made, without that.
type streaming func(c *call, to *flow, earlier neuron.Micro) (llm.Generated, error)

// asJSON is the outcome of a call that was answered with an object.
func asJSON(made llm.Generated, result any) (outcome, error) {
	encoded, err := encode(result)
	return outcome{made: made, kind: typeJSON, result: encoded}, err
}

// failed is the outcome of a call that failed, which may have cost something.
func failed(made llm.Generated, err error) (outcome, error) { return outcome{made: made}, err }

// wrapping says whether a result that is JSON stands in Cloudflare's envelope.
type wrapping bool

const (
	inEnvelope wrapping = true
	asItIs     wrapping = false
)

// deliver writes what came of a call as the reply.
func (c *call) deliver(out outcome, err error, wrap wrapping) error {
	c.crossed(out.crossing)
	var quote *llm.Quote
	switch {
	case errors.As(err, &quote):
		return c.quote(quote, wrap)
	case err != nil:
		if out.made.Neurons > 0 {
			c.paid(out.made.Neurons)
		}
		return err
	}
	c.madeBy(out)
	if out.stream != nil {
		c.allowance()
		return c.stream(out.kind, func(to *flow) error {
			_, err := out.stream(c, to, out.earlier)
			return err
		})
	}
	c.paid(out.made.Neurons)
	if wrap == asItIs || out.kind != typeJSON {
		c.warn()
		c.write(c.status, out.kind, out.result)
		return nil
	}
	return c.replyAppended(len(out.result), func(to []byte) []byte { return append(to, out.result...) })
}

// madeBy says in the reply's headers who answered, why nobody before them did,
// and what was left out.
func (c *call) madeBy(out outcome) {
	c.setHeader("nearside-model", headerSafe(out.made.Served))
	c.setHeader("nearside-backend", headerSafe(string(out.made.Backend)))
	c.setHeader("nearside-route", string(out.made.Route))
	if out.truncated > 0 {
		c.setHeader("nearside-truncated", strconv.Itoa(out.truncated))
	}
	for _, s := range out.made.Skipped {
		c.message("passed over: " + s.String())
	}
	if out.made.Warning != "" {
		c.message(out.made.Warning)
	}
	for _, remark := range out.remarks {
		c.message(remark)
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

// quote answers a call that only asks what it would cost.
func (c *call) quote(q *llm.Quote, wrap wrapping) error {
	c.allowance()
	body := struct {
		DryRun  bool             `json:"dry_run"`
		Model   string           `json:"model"`
		Units   map[string]int64 `json:"units"`
		Neurons json.Number      `json:"neurons"`
	}{true, q.Model, map[string]int64{}, json.Number(q.Neurons.String())}
	for unit, count := range q.Estimate {
		body.Units[unit.Counted()] = count
	}
	if wrap == inEnvelope {
		return c.reply(body)
	}
	return c.bare(body)
}

// cutShort says of how many texts the end was not read.
func (out *outcome) cutShort(dropped []int) {
	tokens := 0
	for _, n := range dropped {
		if n > 0 {
			out.truncated++
			tokens += n
		}
	}
	if out.truncated > 0 {
		out.remarks = append(out.remarks, fmt.Sprintf("%d of %d texts are longer than %s reads: %d tokens were not read", out.truncated, len(dropped), out.made.Served, tokens))
	}
}
