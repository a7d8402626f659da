package server

import (
	"context"
	"errors"
	"iter"

	"nearside/llm"
	"nearside/llm/chat"
	"nearside/llm/neuron"
)

// generation is a call for text, read from whichever dialect it came in.
type generation struct {
	call    llm.Call
	request *chat.Request
	writer  chat.Writer
}

// runGeneration has a model generate text in the dialect that it answers in on Cloudflare.
func runGeneration(ctx context.Context, s *Server, r run) (outcome, error) {
	g, err := r.generation()
	if err != nil {
		return outcome{}, err
	}
	return s.generate(ctx, g)
}

// generation reads a call for text, and picks the dialect of its answer.
func (r run) generation() (generation, error) {
	head := chat.Head{ID: r.call.ID, Model: r.model.ID, Created: r.started}
	if r.model.Output == llm.CompletionOutput && chat.UsesResponses(r.body) {
		q, err := chat.ParseResponses(r.body)
		if err != nil {
			return generation{}, err
		}
		return generation{r.call, q, chat.NewResponses(head, q)}, nil
	}
	if err := r.model.Validate(r.body); err != nil {
		return generation{}, err
	}
	q, err := chat.ParseNative(r.body)
	if err != nil {
		return generation{}, err
	}
	var w chat.Writer
	switch {
	case r.model.Output == llm.NativeOutput:
		w = chat.NewNative(head, q)
	case r.model.Output == llm.NestedOutput:
		w = chat.NewNested(head, q)
	case q.Prompt != "":
		w = chat.NewText(head, q, false)
	default:
		w = chat.NewCompletion(head, q, false)
	}
	return generation{r.call, q, w}, nil
}

// generate answers a call for text, as a whole or as a stream.
func (s *Server) generate(ctx context.Context, g generation) (outcome, error) {
	if g.request.Stream && !g.call.DryRun {
		return s.generateStream(ctx, g)
	}
	answer, made, err := s.parts.Models.Complete(ctx, g.call, g.request)
	if err != nil {
		return failed(made, err)
	}
	object, err := g.writer.Object(answer, made.Neurons)
	return outcome{made: made, kind: typeJSON, result: object}, err
}

var errStopped = errors.New("the answer is no longer wanted")

// generateStream answers piece by piece. Until the first piece is there nothing
// is returned, so that a call that fails before it fails with a status of its own.
// A client that hangs up ends the model's work, and pays for what it had done.
func (s *Server) generateStream(ctx context.Context, g generation) (outcome, error) {
	var made llm.Generated
	var failure error
	next, stop := iter.Pull(func(yield func(chat.Piece) bool) {
		deliver := func(p chat.Piece) error {
			if !yield(p) {
				return errStopped
			}
			return nil
		}
		made, failure = s.parts.Models.Chat(ctx, g.call, g.request, llm.Listener{
			Begin: func(soFar llm.Generated) { made = soFar },
			Piece: deliver,
		})
	})
	first, more := next()
	if failure != nil {
		return failed(made, failure)
	}
	return outcome{made: made, kind: typeSSE, stream: func(c *call, to *flow, earlier neuron.Micro) (llm.Generated, error) {
		frames := frames{flow: to}
		frames.send(g.writer.Start(frames.room()))
		for piece := first; more && frames.err == nil; piece, more = next() {
			frames.send(g.writer.Piece(frames.room(), piece))
		}
		stop() // from here on it is known what was made
		switch {
		case frames.err != nil:
			return made, frames.err
		case failure != nil:
			_, status, code, message := c.judge(failure)
			frames.send(g.writer.Fail(frames.room(), chat.Failure{Code: code, Type: openAIType(status), Message: message}))
			return made, failure
		}
		frames.send(g.writer.End(frames.room(), made.End, made.Neurons+earlier))
		return made, frames.err
	}}, nil
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
