package server

import (
	"encoding/json"
	"errors"
	"iter"

	"nearside/llm"
	"nearside/llm/chat"
	"nearside/llm/neuron"
)

// generation is a call for text, read from whichever dialect it came in.
type generation struct {
	call      llm.Call
	request   *chat.Request
	writer    chat.Writer
	enveloped bool // a whole answer stands in Cloudflare's envelope
}

// runGeneration has a model generate text in the dialect that it answers in on Cloudflare.
func runGeneration(s *Server, c *call, r run) error {
	head := chat.Head{ID: r.id, Model: r.model.ID, Created: c.started}
	if r.model.Output == llm.CompletionOutput && chat.UsesResponses(r.body) {
		q, err := chat.ParseResponses(r.body)
		if err != nil {
			return err
		}
		return s.generate(c, generation{r.call(c), q, chat.NewResponses(head, q), true})
	}
	if err := r.model.Validate(r.body); err != nil {
		return err
	}
	q, err := chat.ParseNative(r.body)
	if err != nil {
		return err
	}
	var w chat.Writer
	switch {
	case r.model.Output == llm.NativeOutput:
		w = chat.NewNative(head, q)
	case q.Prompt != "":
		w = chat.NewText(head, q, false)
	default:
		w = chat.NewCompletion(head, q, false)
	}
	return s.generate(c, generation{r.call(c), q, w, true})
}

// generate answers a call for text, as a whole or as a stream. While a model
// works elsewhere, the call holds no slot of this server's.
func (s *Server) generate(c *call, g generation) error {
	if g.request.Options.DryRun {
		return s.priceOf(c, g)
	}
	c.leave()
	if g.request.Stream {
		return s.generateStream(c, g)
	}
	answer, made, err := s.parts.Models.Complete(c, g.call, g.request)
	if err := c.generatedBy(made, err); err != nil {
		return err
	}
	object, err := g.writer.Object(answer, made.Neurons)
	if err != nil {
		return err
	}
	if !g.enveloped {
		c.warn()
		c.write(c.status, typeJSON, object)
		return nil
	}
	return c.replyAppended(len(object), func(to []byte) []byte { return append(to, object...) })
}

// paidAnyway says what a call cost that failed after a model had worked for it.
func (c *call) paidAnyway(cost neuron.Micro) {
	if cost > 0 {
		c.paid(cost)
	}
}

// priceOf answers a call that only asks what it would cost. Nothing runs.
func (s *Server) priceOf(c *call, g generation) error {
	price, err := s.parts.Models.Price(c, g.call, g.request)
	if err != nil {
		return err
	}
	c.allowance()
	body := struct {
		DryRun bool   `json:"dry_run"`
		Model  string `json:"model"`
		Usage  struct {
			Prompt     int `json:"prompt_tokens"`
			Completion int `json:"completion_tokens"`
		} `json:"usage"`
		Neurons json.Number `json:"neurons"`
	}{DryRun: true, Model: price.Model, Neurons: json.Number(price.Neurons.String())}
	body.Usage.Prompt, body.Usage.Completion = price.Prompt, price.Completion
	if g.enveloped {
		return c.reply(body)
	}
	return c.bare(body)
}

var errStopped = errors.New("the answer is no longer wanted")

// generateStream answers piece by piece. Until the first piece is there nothing
// is sent, so that a call that fails before it fails with a status of its own.
// A client that hangs up ends the model's work, and pays for what it had done.
func (s *Server) generateStream(c *call, g generation) error {
	var made llm.Generated
	var failure error
	next, stop := iter.Pull(func(yield func(chat.Piece) bool) {
		deliver := func(p chat.Piece) error {
			if !yield(p) {
				return errStopped
			}
			return nil
		}
		made, failure = s.parts.Models.Chat(c, g.call, g.request, llm.Listener{
			Begin: func(soFar llm.Generated) { made = soFar },
			Piece: deliver,
		})
	})
	first, more := next()
	if failure != nil {
		c.paidAnyway(made.Neurons)
		return failure
	}
	c.madeBy(made.By, made.Warning)
	c.allowance()
	return c.stream(typeSSE, func(w *flow) error {
		defer stop()
		frames := frames{flow: w}
		frames.send(g.writer.Start(frames.room()))
		for piece := first; more && frames.err == nil; piece, more = next() {
			frames.send(g.writer.Piece(frames.room(), piece))
		}
		switch {
		case frames.err != nil:
			return frames.err
		case failure != nil:
			_, status, code, message := c.judge(failure)
			frames.send(g.writer.Fail(frames.room(), chat.Failure{Code: code, Type: openAIType(status), Message: message}))
			return failure
		}
		frames.send(g.writer.End(frames.room(), made.End, made.Neurons))
		return frames.err
	})
}

// frames sends the frames of a stream as soon as they are made.
type frames struct {
	flow   *flow
	buffer []byte
	err    error
}

// room is where frames are appended.
func (f *frames) room() []byte { return f.buffer[:0] }

// send sends whole frames, if there are any.
func (f *frames) send(made []byte) {
	f.buffer = made
	if f.err != nil || len(made) == 0 {
		return
	}
	if _, f.err = f.flow.Write(made); f.err == nil {
		f.err = f.flow.Flush()
	}
}
