package chat

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"nearside/llm/neuron"
)

// Head is what a reply says of itself beside the answer.
type Head struct {
	ID      string    // of the request; the ids in the reply are made from it
	Model   string    // as the caller named it
	Created time.Time // when the call came
}

// Writer puts one answer into the dialect that the caller speaks: as one object,
// or as the frames of a stream. The methods of a stream append whole frames, each
// with its blank line, to the bytes that they are given, and return them; a piece
// that says nothing appends nothing. Pieces come from a Sieve.
//
// A stream is Start, any number of Piece, and one of End and Fail. Only End appends
// [DONE], so that clients can tell an answer that was cut short.
type Writer interface {
	// Object returns the whole answer, without Cloudflare's envelope.
	Object(a *Answer, neurons neuron.Micro) ([]byte, error)
	// Start appends what comes before the first piece.
	Start(to []byte) []byte
	// Piece appends a piece of the answer.
	Piece(to []byte, p Piece) []byte
	// End appends the end of the answer with what it used, and [DONE].
	End(to []byte, e End, neurons neuron.Micro) []byte
	// Fail appends what went wrong after the stream began.
	Fail(to []byte, f Failure) []byte
}

// Failure is an error inside a stream, in the words that a reply of its own would have.
type Failure struct {
	Code    int    // Cloudflare's
	Type    string // OpenAI's: invalid_request_error, rate_limit_error, server_error
	Message string
}

// done ends every stream that was not cut short.
const done = "data: [DONE]\n\n"

// usage counts what an answer used.
type usage struct {
	Prompt     int            `json:"prompt_tokens"`
	Completion int            `json:"completion_tokens"`
	Total      int            `json:"total_tokens"`
	Details    *promptDetails `json:"prompt_tokens_details,omitempty"`
	Neurons    json.Number    `json:"neurons"`
}

// promptDetails says how much of a prompt the backend had seen before.
type promptDetails struct {
	Cached int `json:"cached_tokens"`
}

// newUsage counts; the details are always there only in a chat.completion.
func newUsage(u Usage, neurons neuron.Micro, details bool) *usage {
	counted := &usage{Prompt: u.Prompt, Completion: u.Completion, Total: u.Prompt + u.Completion, Neurons: float(neurons)}
	if details || u.Cached > 0 {
		counted.Details = &promptDetails{u.Cached}
	}
	return counted
}

// UsageObject is what stands in a body for what several answers used.
func UsageObject(u Usage, neurons neuron.Micro) any { return newUsage(u, neurons, false) }

// float writes neurons as a JSON number, exactly.
func float(m neuron.Micro) json.Number {
	return json.Number(strings.TrimSuffix(strings.TrimRight(m.String(), "0"), "."))
}

// failure is an error inside a stream: Cloudflare's envelope, and OpenAI's error beside it.
type failure struct {
	Errors   []failureItem `json:"errors"`
	Success  bool          `json:"success"`
	Result   struct{}      `json:"result"`
	Messages []string      `json:"messages"`
	Error    openAIFailure `json:"error"`
}

// failureItem is an error as Cloudflare's clients read it.
type failureItem struct {
	Message string `json:"message"`
	Code    int    `json:"code"`
}

// openAIFailure is an error as OpenAI's clients read it.
type openAIFailure struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    int     `json:"code"`
}

func newFailure(f Failure) failure {
	return failure{
		Errors:   []failureItem{{f.Message, f.Code}},
		Messages: []string{},
		Error:    openAIFailure{Message: f.Message, Type: f.Type, Code: f.Code},
	}
}

// frame appends a frame of a stream.
func frame(to []byte, v any) []byte {
	to = append(to, "data: "...)
	to = append(to, encode(v)...)
	return append(to, "\n\n"...)
}

// encode is json.Marshal without the escapes that only HTML needs. What this
// package encodes always encodes.
func encode(v any) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
