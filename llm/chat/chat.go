// Package chat has what is said to a model that generates text, and what it says,
// in one form for all dialects and all backends.
//
// A Request is read from Cloudflare's native input, from a chat.completions, a
// completions or a responses body (ParseNative and its like). A backend answers it
// piece by piece (Piece) and ends with an End. A Sieve makes of those pieces what
// callers are told, and a Writer puts them into the dialect that the caller speaks,
// as one object or as a stream of frames. A Format checks an answer that must be
// JSON, and Repair asks for it again. Estimates stand in where nobody counts tokens.
//
// The package knows no HTTP and no backend, fetches nothing, and keeps no state but
// that of one answer. It promises that whatever breaks a
// model's schema is refused with the path of the fault, in the words of the real
// service, before anything is asked of a model.
package chat

import "encoding/json"

// Role says who a message is from.
type Role string

// The roles.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
	ToolRole  Role = "tool"
)

// Message is one turn of a conversation.
type Message struct {
	Role       Role
	Content    string     // all texts of it, joined
	Images     []Image    // in the order they came
	Name       string     // of the tool that a result is from, or of the author
	ToolCalls  []ToolCall // by the assistant
	ToolCallID string     // of the call that a result answers
}

// Image is a picture that came as a data URI.
type Image struct {
	Type  string // image/png, …
	Bytes []byte
}

// Tool is a function that the model may ask to have called.
type Tool struct {
	Name        string
	Description string
	Parameters  json.RawMessage // a JSON schema; nil: it takes nothing
}

// ToolCall asks for a function to be called.
type ToolCall struct {
	ID        string
	Name      string
	Arguments json.RawMessage // an object
}

// ToolChoice says whether tools are called.
type ToolChoice string

// The choices; any other value is the name of the function that must be called.
const (
	ToolAuto     ToolChoice = ""
	ToolNone     ToolChoice = "none"
	ToolRequired ToolChoice = "required"
)

// Format asks for an answer that is JSON.
type Format struct {
	Schema json.RawMessage // bare; nil: any object
}

// Request is what is asked of a model. A nil number is left to the model.
type Request struct {
	Messages []Message // or else
	Prompt   string    // a text to go on with
	Raw      bool      // the prompt goes to the model as it is, without its template

	Tools         []Tool
	ToolChoice    ToolChoice
	ParallelTools *bool
	Format        *Format // nil: free text

	MaxTokens         int // 0: the model's default
	Temperature       *float64
	TopP              *float64
	TopK              *int
	Seed              *int64
	RepetitionPenalty *float64
	FrequencyPenalty  *float64
	PresencePenalty   *float64
	Stop              []string

	Thinking *bool  // whether a reasoning model thinks first; nil: as it likes
	Effort   string // low, medium or high; "": as it likes
	LoRA     string // a fine-tune by name or id; "": none

	Stream bool

	Options Options
}

// Options are what a body says beside the input of the model.
type Options struct {
	Model        string // which model; only OpenAI's dialects say so in the body
	RejectIfBusy bool   // options.rejectIfBusy: refuse rather than wait in a queue
	DryRun       bool   // dry_run: only the price is wanted
	IncludeUsage bool   // stream_options.include_usage: a frame of its own for the usage
}

// Piece is a part of an answer, as it comes. Most have one thing.
type Piece struct {
	Content   string
	Reasoning string // what the model thinks before it answers
	ToolCalls []ToolCall
}

// Reason says why an answer ended.
type Reason string

// The reasons.
const (
	Stopped     Reason = "stop"
	Length      Reason = "length" // max_tokens, or the context is full
	CalledTools Reason = "tool_calls"
)

// Usage counts tokens.
type Usage struct {
	Prompt     int // all of the input
	Cached     int // those of Prompt that the backend had seen before
	Completion int
}

// End ends an answer.
type End struct {
	Reason Reason
	Usage  Usage
	// Counted says that the backend counted Usage. Else it is an estimate of ours.
	Counted bool
}

// Answer is all pieces of an answer together.
type Answer struct {
	Content   string
	Reasoning string
	ToolCalls []ToolCall
	End
}

// Add adds a piece.
func (a *Answer) Add(p Piece) {
	a.Content += p.Content
	a.Reasoning += p.Reasoning
	a.ToolCalls = append(a.ToolCalls, p.ToolCalls...)
}
