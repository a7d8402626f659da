package chat

import (
	"encoding/json"

	"nearside/llm/neuron"
)

// nativeWriter writes the output of Cloudflare's older models.
type nativeWriter struct {
	asJSON bool
	call   func(*int, ToolCall) any // the form of tool calls, with their number in a stream
	called int                      // tool calls in the stream so far
}

// NewNative returns a writer of the native output of …/ai/run: {response,
// tool_calls, usage}, and frames of {response}. In JSON mode response is the JSON
// itself. What a model thought stands in reasoning_content, where there is any.
//
// Frames carry no padding (p): it hides the lengths of tokens from whoever can
// only watch an encrypted line, and clients do not need it.
func NewNative(_ Head, q *Request) Writer {
	return &nativeWriter{asJSON: q.Format != nil, call: newNativeCall}
}

// NewNested is NewNative for the models (llama-4) whose tool calls look as
// OpenAI's do, but for their arguments: those are an object and not a text.
func NewNested(_ Head, q *Request) Writer {
	return &nativeWriter{asJSON: q.Format != nil, call: newNestedCall}
}

// nativeAnswer is the object, and each frame.
type nativeAnswer struct {
	Response  json.RawMessage `json:"response"`
	Reasoning string          `json:"reasoning_content,omitempty"`
	ToolCalls []any           `json:"tool_calls,omitzero"`
	Usage     *usage          `json:"usage,omitempty"`
}

// nativeCall is a call with its arguments as an object, and no id.
type nativeCall struct {
	Index     *int            `json:"index,omitempty"` // in a stream; workers-ai-provider takes calls of the same index, or of none, for pieces of one
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

func newNativeCall(index *int, call ToolCall) any {
	return nativeCall{index, call.Name, object0(call.Arguments)}
}

// nestedCall is a call whose function stands in it as an object of its own.
type nestedCall struct {
	Index    *int       `json:"index,omitempty"`
	ID       string     `json:"id"`
	Type     string     `json:"type"`
	Function nativeCall `json:"function"`
}

func newNestedCall(index *int, call ToolCall) any {
	return nestedCall{index, call.ID, "function", nativeCall{nil, call.Name, object0(call.Arguments)}}
}

// object0 returns arguments, or an empty object where there are none.
func object0(arguments json.RawMessage) json.RawMessage {
	if !json.Valid(arguments) {
		return json.RawMessage("{}")
	}
	return arguments
}

// Object implements Writer.
func (w *nativeWriter) Object(a *Answer, neurons neuron.Micro) ([]byte, error) {
	answer := nativeAnswer{
		Response:  encode(a.Content),
		Reasoning: a.Reasoning,
		ToolCalls: make([]any, len(a.ToolCalls)),
		Usage:     newUsage(a.Usage, neurons, false),
	}
	for i, call := range a.ToolCalls {
		answer.ToolCalls[i] = w.call(nil, call)
	}
	if w.asJSON && json.Valid([]byte(a.Content)) {
		answer.Response = json.RawMessage(a.Content)
	}
	return encode(answer), nil
}

// Start implements Writer.
func (w *nativeWriter) Start(to []byte) []byte { return to }

// Piece implements Writer.
func (w *nativeWriter) Piece(to []byte, p Piece) []byte {
	if p.Content == "" && p.Reasoning == "" && len(p.ToolCalls) == 0 {
		return to
	}
	answer := nativeAnswer{Response: encode(p.Content), Reasoning: p.Reasoning}
	for _, call := range p.ToolCalls {
		index := w.called
		answer.ToolCalls = append(answer.ToolCalls, w.call(&index, call))
		w.called++
	}
	return frame(to, answer)
}

// End implements Writer.
func (w *nativeWriter) End(to []byte, e End, neurons neuron.Micro) []byte {
	return append(lastFrame(to, newUsage(e.Usage, neurons, false)), done...)
}

// lastFrame appends the frame that only has the usage, which ends every stream of …/ai/run.
func lastFrame(to []byte, u *usage) []byte {
	return frame(to, nativeAnswer{Response: json.RawMessage(`""`), Usage: u})
}

// Fail implements Writer.
func (w *nativeWriter) Fail(to []byte, f Failure) []byte { return frame(to, newFailure(f)) }
