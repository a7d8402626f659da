package server

import (
	"nearside/llm"
	"nearside/llm/chat"
)

// The calls for text of OpenAI's API, at …/ai/v1 and at /v1.
var (
	createChatCompletion = openAICall(chat.ParseChatCompletions, func(h chat.Head, q *chat.Request) chat.Writer { return chat.NewCompletion(h, q, true) })
	createCompletion     = openAICall(chat.ParseCompletions, func(h chat.Head, q *chat.Request) chat.Writer { return chat.NewText(h, q, true) })
	createResponse       = openAICall(chat.ParseResponses, chat.NewResponses)
)

// openAICall returns the handler of a call for text in one of OpenAI's dialects.
func openAICall(parse func([]byte) (*chat.Request, error), writer func(chat.Head, *chat.Request) chat.Writer) func(*Server, *call) error {
	return func(s *Server, c *call) error {
		id := c.reachModel()
		if err := s.defaultAccount(c); err != nil {
			return err
		}
		body, err := c.modelBody()
		if err != nil {
			return inferenceError(err, id)
		}
		q, err := parse(body)
		if err != nil {
			return inferenceError(err, id)
		}
		model := q.Options.Model
		if model == "" {
			return inferenceError(badOpenAI("required properties at '/' are 'model'"), id)
		}
		call := llm.Call{Payer: c.payer(), ID: id, Model: model, RejectIfBusy: q.Options.RejectIfBusy, DryRun: q.Options.DryRun}
		w := writer(chat.Head{ID: id, Model: model, Created: c.started}, q)
		c.leave()
		out, err := s.generate(c, generation{call, q, w})
		return c.deliver(out, inferenceError(err, id), asItIs)
	}
}
