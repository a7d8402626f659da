package openai

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"nearside/llm/backend"
	"nearside/llm/backend/wire"
	"nearside/llm/chat"
)

// Chat answers a request piece by piece. Calls of tools are given out whole, at the
// answer's end; while their arguments come, empty pieces show that they do.
func (b *Backend) Chat(ctx context.Context, model string, q *chat.Request, yield func(chat.Piece) error) (chat.End, error) {
	m, err := b.find(ctx, model)
	if err != nil {
		return chat.End{}, err
	}
	tally := &wire.Tally{Client: b.client, Model: model, Prompt: chat.EstimateTokens(q), MaxTokens: q.MaxTokens, Yield: yield}
	path, body := newRequest(m.ID, q)
	lines, err := b.client.Stream(ctx, model, path, body)
	if shorter := m.context() - tally.Prompt - 1; isTooLong(err) && shorter > 0 && shorter < q.MaxTokens {
		body.MaxTokens = shorter // some servers want room for all of max_tokens, and a token more
		lines, err = b.client.Stream(ctx, model, path, body)
	}
	if err != nil {
		return chat.End{}, err
	}
	defer lines.Close()
	a := answer{backend: b, model: model, tally: tally}
	if err := a.read(lines); err != nil && a.reason == "" {
		return tally.Fail(err)
	} else if err == nil {
		lines.Finish()
	}
	// An error after the reason of the end takes nothing from the answer.
	if err := a.giveCalls(); err != nil {
		return tally.Fail(err)
	}
	return a.end(), nil
}

func isTooLong(err error) bool {
	var e *backend.Error
	return errors.As(err, &e) && wire.TooLong(e)
}

// answer is an answer as it comes.
type answer struct {
	backend *Backend
	model   string
	tally   *wire.Tally
	calls   calls
	reason  string // finish_reason; "" until it comes
	usage   *usage
}

// chunk is a frame of a stream, or a reply in one piece.
type chunk struct {
	Choices []struct {
		Index   int     `json:"index"`
		Delta   delta   `json:"delta"`
		Message delta   `json:"message"` // of a reply in one piece
		Text    string  `json:"text"`    // of /completions
		Reason  *string `json:"finish_reason"`
	} `json:"choices"`
	Usage *usage          `json:"usage"`
	Error json.RawMessage `json:"error"`
}

type delta struct {
	Content          string      `json:"content"`
	ReasoningContent string      `json:"reasoning_content"`
	Reasoning        string      `json:"reasoning"` // another name; some servers send both
	ToolCalls        []callDelta `json:"tool_calls"`
}

type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Details    struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

// read reads the whole answer.
func (a *answer) read(lines *wire.Lines) error {
	if lines.IsJSON() { // a server that does not stream, or not with these parameters
		body, err := lines.All()
		if err != nil {
			return err
		}
		if err := a.chunk(body); err != nil {
			return err
		}
		return a.complete()
	}
	return a.stream(newEvents(lines, a.backend.client, a.model))
}

// stream reads an answer that comes in events.
func (a *answer) stream(stream *events) error {
	for {
		data, err := stream.Next()
		if errors.Is(err, io.EOF) {
			return a.complete()
		}
		if err != nil {
			return err
		}
		if string(data) == "[DONE]" {
			if a.reason == "" {
				a.reason = "stop"
			}
			return nil
		}
		if err := a.chunk(data); err != nil {
			return err
		}
	}
}

// complete makes sure that the answer came to its end.
func (a *answer) complete() error {
	if a.reason == "" {
		return a.broken("its answer ended without a reason and without [DONE]")
	}
	return nil
}

func (a *answer) broken(message string) error {
	return a.backend.client.Error(a.model, backend.Broken, nil, "%s", message)
}

// chunk takes over a part of the answer.
func (a *answer) chunk(data []byte) error {
	var c chunk
	if json.Unmarshal(data, &c) != nil {
		return a.broken("a part of its answer is not the JSON that was expected")
	}
	if len(c.Error) > 0 && string(c.Error) != "null" {
		return a.backend.client.Reported(a.model, 0, string(c.Error))
	}
	if c.Usage != nil {
		a.usage = c.Usage
	}
	for _, choice := range c.Choices {
		if choice.Index != 0 {
			continue // only one was asked for
		}
		for _, d := range []delta{choice.Delta, choice.Message} {
			if err := a.delta(d, choice.Text); err != nil {
				return err
			}
			choice.Text = ""
		}
		if choice.Reason != nil && *choice.Reason != "" {
			a.reason = *choice.Reason
		}
	}
	if a.reason == "error" {
		a.reason = ""
		return a.broken("it ended its answer with an error")
	}
	return nil
}

func (a *answer) delta(d delta, text string) error {
	piece := chat.Piece{Content: d.Content + text, Reasoning: d.ReasoningContent}
	if piece.Reasoning == "" {
		piece.Reasoning = d.Reasoning
	}
	if len(d.ToolCalls) > 0 {
		for _, part := range d.ToolCalls {
			if !a.calls.add(part) {
				return a.broken("it calls more tools, or with longer arguments, than any answer may")
			}
		}
		if err := a.tally.Alive(); err != nil {
			return err
		}
	}
	return a.tally.Add(piece)
}

// giveCalls gives out the calls of tools.
func (a *answer) giveCalls() error {
	return a.tally.Add(chat.Piece{ToolCalls: a.calls.whole()})
}

func (a *answer) end() chat.End {
	reason := chat.Stopped
	switch {
	case a.reason == "length" || a.reason == "model_length":
		reason = chat.Length
	case a.tally.Called:
		reason = chat.CalledTools
	}
	if a.usage == nil {
		return a.tally.Estimate(reason)
	}
	return a.tally.Counted(reason, chat.Usage{Prompt: a.usage.Prompt, Cached: a.usage.Details.Cached, Completion: a.usage.Completion})
}
