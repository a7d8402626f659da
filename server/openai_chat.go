package server

import (
	"context"

	"nearside/llm"
	"nearside/llm/chat"
)

// openAI is an API of OpenAI's: it makes an errand of a body.
type openAI func(s *Server, l letter) (errand, error)

// openAIs are the APIs of OpenAI's that reach a model, at …/ai/v1 and at /v1.
var openAIs = map[string]openAI{
	"chat/completions": texting("v1/chat/completions", chat.ParseChatCompletions, func(h chat.Head, q *chat.Request) chat.Writer { return chat.NewCompletion(h, q, true) }),
	"completions":      texting("v1/completions", chat.ParseCompletions, func(h chat.Head, q *chat.Request) chat.Writer { return chat.NewText(h, q, true) }),
	"responses":        texting("v1/responses", chat.ParseResponses, chat.NewResponses),
	"embeddings":       embedding,
}

// callOpenAI answers POST …/ai/v1/… and /v1/….
func callOpenAI(name string) func(*Server, *call) error {
	return func(s *Server, c *call) error {
		if err := s.defaultAccount(c); err != nil {
			return err
		}
		l, err := c.letter()
		if err != nil {
			return err
		}
		e, err := openAIs[name](s, l)
		if err != nil {
			return err
		}
		return c.perform(e)
	}
}

// texting is an API that has text generated, in a dialect of OpenAI's.
func texting(endpoint string, parse func([]byte) (*chat.Request, error), writer func(chat.Head, *chat.Request) chat.Writer) openAI {
	return func(s *Server, l letter) (errand, error) {
		q, err := parse(l.body)
		if err != nil {
			return errand{}, inferenceError(err, l.id)
		}
		model := q.Options.Model
		if model == "" {
			return errand{}, inferenceError(badInput("required properties at '/' are 'model'"), l.id)
		}
		call := llm.Call{Payer: l.payer, ID: l.id, Model: model, RejectIfBusy: q.Options.RejectIfBusy, DryRun: q.Options.DryRun}
		head := chat.Head{ID: l.id, Model: model, Created: l.started}
		return errand{call: call, endpoint: endpoint, input: l.body, kind: typeJSON, wrap: asItIs,
			do: func(ctx context.Context) (outcome, error) {
				out, err := s.generate(ctx, generation{call, q, writer(head, q)})
				return out, inferenceError(err, l.id)
			}}, nil
	}
}
