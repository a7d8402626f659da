package chat

import (
	"encoding/json"

	"nearside/llm/neuron"
)

// completionWriter writes chat.completion, or text_completion.
type completionWriter struct {
	head       Head
	text       bool // text_completion
	strict     bool
	usageFrame bool // strict: the usage has a frame of its own
	calls      int  // given out in the stream
}

// NewCompletion returns a writer of chat.completion and chat.completion.chunk.
// Strict leaves out what only Cloudflare's clients know, and is for …/v1:
// keys that are empty, and the last frame {"response":"","usage":…}.
//
// No frame but the last with choices, or the one without, has usage: nobody counts
// the tokens of a piece, and so the increments still add up to the whole.
func NewCompletion(h Head, q *Request, strict bool) Writer {
	return &completionWriter{head: h, strict: strict, usageFrame: q.Options.IncludeUsage}
}

// NewText returns a writer of text_completion: the answer to a prompt where the
// answer to messages is a chat.completion, and to …/v1/completions.
func NewText(h Head, q *Request, strict bool) Writer {
	return &completionWriter{head: h, text: true, strict: strict, usageFrame: q.Options.IncludeUsage}
}

// completion is the object, and each frame.
type completion struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"`
	Model   string   `json:"model"`
	Choices []choice `json:"choices"`
	Usage   *usage   `json:"usage,omitempty"`
}

// choice is the one choice of an answer.
type choice struct {
	Index        int            `json:"index"`
	Message      *answerMessage `json:"message,omitempty"`
	Delta        *delta         `json:"delta,omitempty"`
	Text         *string        `json:"text,omitempty"`
	Reasoning    string         `json:"reasoning_content,omitempty"` // of a text
	FinishReason *Reason        `json:"finish_reason"`
	LogProbs     *string        `json:"logprobs"`
}

// answerMessage is a whole answer. Strictly, what is empty is not there.
type answerMessage struct {
	Role      Role             `json:"role"`
	Content   *string          `json:"content"`
	Reasoning json.RawMessage  `json:"reasoning_content,omitzero"`
	ToolCalls []completionCall `json:"tool_calls,omitzero"`
}

// delta is a part of an answer.
type delta struct {
	Role      Role             `json:"role,omitempty"`
	Content   *string          `json:"content,omitempty"`
	Reasoning string           `json:"reasoning_content,omitempty"`
	ToolCalls []completionCall `json:"tool_calls,omitempty"`
}

// completionCall is a call with its arguments as a string. Only those of a stream have an index.
type completionCall struct {
	Index    *int         `json:"index,omitempty"`
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function functionCall `json:"function"`
}

// functionCall is what is called.
type functionCall struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// frameOf is the object or a frame, with the choices that it has.
func (w *completionWriter) frameOf(object string, choices ...choice) completion {
	prefix := "chatcmpl-"
	if w.text {
		prefix, object = "cmpl-", "text_completion"
	}
	if choices == nil {
		choices = []choice{}
	}
	return completion{ID: prefix + w.head.ID, Object: object, Created: w.head.Created.Unix(), Model: w.head.Model, Choices: choices}
}

// Object implements Writer.
func (w *completionWriter) Object(a *Answer, neurons neuron.Micro) ([]byte, error) {
	only := choice{FinishReason: &a.Reason}
	if w.text {
		only.Text, only.Reasoning = &a.Content, a.Reasoning
	} else {
		only.Message = w.message(a)
	}
	whole := w.frameOf("chat.completion", only)
	whole.Usage = newUsage(a.Usage, neurons, true)
	return encode(whole), nil
}

// message is a whole answer; content is null where there are only calls.
func (w *completionWriter) message(a *Answer) *answerMessage {
	m := &answerMessage{Role: Assistant}
	if a.Content != "" || len(a.ToolCalls) == 0 {
		m.Content = &a.Content
	}
	if len(a.ToolCalls) > 0 || !w.strict {
		m.ToolCalls = completionCalls(a.ToolCalls)
	}
	switch {
	case a.Reasoning != "":
		m.Reasoning = encode(a.Reasoning)
	case !w.strict:
		m.Reasoning = json.RawMessage("null")
	}
	return m
}

func completionCalls(calls []ToolCall) []completionCall {
	list := make([]completionCall, len(calls))
	for i, call := range calls {
		list[i] = completionCall{ID: call.ID, Type: "function", Function: functionCall{call.Name, string(object0(call.Arguments))}}
	}
	return list
}

// Start implements Writer: whose answer it is.
func (w *completionWriter) Start(to []byte) []byte {
	if w.text {
		return to
	}
	return w.chunk(to, choice{Delta: &delta{Role: Assistant, Content: new(string)}})
}

// Piece implements Writer.
func (w *completionWriter) Piece(to []byte, p Piece) []byte {
	if p.Content == "" && p.Reasoning == "" && len(p.ToolCalls) == 0 {
		return to
	}
	if w.text {
		if p.Content == "" && p.Reasoning == "" { // a text has no calls
			return to
		}
		return w.chunk(to, choice{Text: &p.Content, Reasoning: p.Reasoning})
	}
	d := &delta{Reasoning: p.Reasoning, ToolCalls: completionCalls(p.ToolCalls)}
	if p.Content != "" {
		d.Content = &p.Content
	}
	for i := range d.ToolCalls {
		index := w.calls
		d.ToolCalls[i].Index = &index
		w.calls++
	}
	return w.chunk(to, choice{Delta: d})
}

// End implements Writer.
func (w *completionWriter) End(to []byte, e End, neurons neuron.Micro) []byte {
	last := choice{Delta: &delta{}, FinishReason: &e.Reason}
	if w.text {
		last = choice{Text: new(string), FinishReason: &e.Reason}
	}
	used := newUsage(e.Usage, neurons, true)
	ending := w.frameOf("chat.completion.chunk", last)
	if w.strict && !w.usageFrame {
		ending.Usage = used
		return append(frame(to, ending), done...)
	}
	to = frame(to, ending)
	total := w.frameOf("chat.completion.chunk")
	total.Usage = used
	to = frame(to, total)
	if !w.strict {
		to = lastFrame(to, used)
	}
	return append(to, done...)
}

// Fail implements Writer.
func (w *completionWriter) Fail(to []byte, f Failure) []byte { return frame(to, newFailure(f)) }

// chunk appends a frame with a choice.
func (w *completionWriter) chunk(to []byte, c choice) []byte {
	return frame(to, w.frameOf("chat.completion.chunk", c))
}
