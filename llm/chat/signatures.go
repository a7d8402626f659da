package chat

import (
	"encoding/json"

	"nearside/fault"
)

// Reasons of the faults of this package.
const (
	ReasonInput    fault.Reason = "model_input"     // the input breaks the model's schema; llm has the same
	ReasonJSONMode fault.Reason = "model_json_mode" // the answer is not the JSON that was asked for
	ReasonToolCall fault.Reason = "model_tool_call" // the model called a tool with what is no object
)

// DefaultMaxTokens is how long an answer may become when the caller does not say
// (developers.cloudflare.com/workers-ai/models/llama-3.1-8b-instruct).
const DefaultMaxTokens = 256

// ParseNative reads the input of a model as POST …/ai/run/{model} takes it.
func ParseNative(body []byte) (*Request, error) { return nil, pending }

// UsesResponses reports whether a body for …/ai/run is of the Responses dialect: it has
// input, and neither prompt nor messages.
func UsesResponses(body []byte) bool { return false }

// ParseChatCompletions reads the body of POST …/v1/chat/completions.
func ParseChatCompletions(body []byte) (*Request, error) { return nil, pending }

// ParseCompletions reads the body of POST …/v1/completions: a prompt.
func ParseCompletions(body []byte) (*Request, error) { return nil, pending }

// ParseResponses reads the body of POST …/v1/responses.
func ParseResponses(body []byte) (*Request, error) { return nil, pending }

// ParseOptions reads what stands beside the input of any model, of any task.
func ParseOptions(body []byte) (Options, error) { return Options{}, pending }

// ParseImage reads a picture: a data URI, or an array of its bytes. The path says where raw
// stands in the body.
func ParseImage(path string, raw json.RawMessage) (Image, error) { return Image{}, pending }

// NewNative returns a writer of the native output of …/ai/run.
func NewNative(h Head, q *Request) Writer { return nil }

// NewCompletion returns a writer of chat.completion. Strict leaves out what only Cloudflare's
// clients know: it is for …/v1, not for …/ai/run.
func NewCompletion(h Head, q *Request, strict bool) Writer { return nil }

// NewText returns a writer of text_completion: the answer to a prompt where answers to messages
// are a chat.completion, and of …/v1/completions.
func NewText(h Head, q *Request, strict bool) Writer { return nil }

// NewResponses returns a writer of OpenAI's response object and its typed events.
func NewResponses(h Head, q *Request) Writer { return nil }

// Sieve makes of the pieces that a backend yields those that callers are told: whole runes,
// thinking apart from the answer, calls of tools that were written as text as calls, and each
// call with an id and an object of arguments. Both streams and objects are made of its pieces.
type Sieve struct{}

// NewSieve returns a sieve for one answer. The id is the request's. Reasoning says that
// the model's thinking, if it stands in the text, is to be taken out.
func NewSieve(q *Request, id string, reasoning bool) *Sieve { return nil }

// Piece takes a piece of the backend's, and returns what can be told now, which may be nothing.
func (s *Sieve) Piece(p Piece) (Piece, error) { return p, pending }

// End returns what was held back, and the end of the answer with the reason that holds now.
func (s *Sieve) End(e End) (Piece, End, error) { return Piece{}, e, pending }

// Check returns the JSON that an answer holds, if it is what was asked for.
func (f *Format) Check(answer string) (json.RawMessage, error) { return nil, pending }

// Repair returns the request that follows one whose answer Check refused, which is why.
func Repair(q *Request, answer string, why error) *Request { return q }

// Unmet is the fault of a call whose answer, and its repair, Check refused.
func Unmet(why error) error { return pending }

// EstimateTokens returns about how many tokens the input has, rather too many than too few.
func EstimateTokens(q *Request) int { return 0 }

// EstimateText is EstimateTokens for a text.
func EstimateText(s string) int { return 0 }

var pending = fault.New(fault.Unavailable, "this part of nearside is being built")
