package chat

import (
	"math"
	"unicode/utf8"

	"nearside/fault"
)

// Reasons of the faults of this package.
const (
	ReasonInput    fault.Reason = "model_input"     // the input breaks the model's schema; llm has the same
	ReasonJSONMode fault.Reason = "model_json_mode" // the answer is not the JSON that was asked for
	ReasonToolCall fault.Reason = "model_tool_call" // the model called a tool with what is no object
)

// The limits of an input. The ranges of the sampling parameters are in sampling.
const (
	// DefaultMaxTokens is how long an answer may become when the caller does not say
	// (developers.cloudflare.com/workers-ai/models/llama-3.1-8b-instruct).
	DefaultMaxTokens = 256
	// MaxPrompt is the longest prompt, in characters (same page).
	MaxPrompt = 131072
	// MaxStops is the most texts that end an answer
	// (platform.openai.com/docs/api-reference/chat; Cloudflare documents none).
	MaxStops = 16
)

// ParseNative reads the input of a model as POST …/ai/run/{model} takes it.
// Functions, which hold code to be run, and parameters that nobody knows are ignored.
func ParseNative(body []byte) (*Request, error) {
	o := readBody(body)
	q := &Request{Options: o.options()}
	switch prompt, messages := o.has("prompt"), o.has("messages"); {
	case prompt && messages:
		o.refuse("oneOf at '/' not met, 2 matches: prompt and messages are mutually exclusive; send one of them")
	case prompt:
		q.Prompt = o.prompt()
		q.Raw = o.on("raw")
	case messages:
		q.Messages = o.messages()
	default:
		o.refuse("oneOf at '/' not met, 0 matches: required properties at '/' are 'prompt', required properties at '/' are 'messages'")
	}
	o.picture(q)
	o.tools(q)
	o.sampling(q, native)
	o.thinking(q)
	q.LoRA = o.text("lora")
	q.Format = o.format()
	return o.done(q)
}

// UsesResponses reports whether a body for …/ai/run is of the Responses dialect: it
// has input, and neither prompt nor messages.
func UsesResponses(body []byte) bool {
	o := readBody(body)
	return o.has("input") && !o.has("prompt") && !o.has("messages")
}

// ParseOptions reads what stands beside the input of any model, of any task.
func ParseOptions(body []byte) (Options, error) {
	o := readBody(body)
	return o.options(), o.err()
}

// options reads what stands beside the input.
func (o object) options() Options {
	options := Options{Model: o.text("model"), DryRun: o.on("dry_run")}
	if part, ok := o.part("options"); ok {
		options.RejectIfBusy = part.on("rejectIfBusy")
	}
	if part, ok := o.part("stream_options"); ok {
		options.IncludeUsage = part.on("include_usage")
	}
	return options
}

// prompt reads a text to go on with.
func (o object) prompt() string {
	s := o.text("prompt")
	o.length("prompt", s)
	return s
}

// length notes a fault unless the text of a key has 1 to MaxPrompt characters.
func (o object) length(key, s string) {
	switch n := utf8.RuneCountInString(s); {
	case n == 0:
		o.refuse("Length of '%s' must be >= 1", o.at(key))
	case n > MaxPrompt:
		o.refuse("Length of '%s' must be <= %d, and is %d; messages may be longer", o.at(key), MaxPrompt, n)
	}
}

// picture reads image, the older way to show something to a vision model: it
// belongs to what the user said last.
func (o object) picture(q *Request) {
	raw := o.raw("image")
	if raw == nil {
		return
	}
	image := o.image(o.at("image"), raw)
	if q.Messages == nil {
		q.Messages, q.Prompt = []Message{{Role: User, Content: q.Prompt}}, ""
	}
	for i := len(q.Messages) - 1; i >= 0; i-- {
		if m := &q.Messages[i]; m.Role == User {
			m.Images = append(m.Images, image)
			return
		}
	}
	o.refuse("'%s' belongs to a message of the user, and there is none", o.at("image"))
}

// dialect is what differs in the ranges of parameters.
type dialect struct {
	leastTopP          float64
	leastSeed, topSeed int64
}

var (
	native = dialect{leastTopP: 0.001, leastSeed: 1, topSeed: 9_999_999_999}
	// OpenAI's clients may send 0 for the smallest nucleus, and any seed.
	openAI = dialect{leastTopP: 0, leastSeed: math.MinInt64, topSeed: math.MaxInt64}
)

// sampling reads how the next token is chosen, and when to stop.
func (o object) sampling(q *Request, d dialect) {
	q.MaxTokens = o.tokens("max_tokens")
	if n := o.tokens("max_completion_tokens"); n > 0 { // the newer name wins
		q.MaxTokens = n
	}
	q.Temperature = o.number("temperature", 0, 5)
	q.TopP = o.number("top_p", d.leastTopP, 1)
	if k := o.integer("top_k", 1, 50); k != nil {
		topK := int(*k)
		q.TopK = &topK
	}
	q.Seed = o.integer("seed", d.leastSeed, d.topSeed)
	q.RepetitionPenalty = o.number("repetition_penalty", 0, 2)
	q.FrequencyPenalty = o.number("frequency_penalty", -2, 2)
	q.PresencePenalty = o.number("presence_penalty", -2, 2)
	q.Stop = o.stops()
	q.Stream = o.on("stream")
}

// stops reads the texts that end an answer: one, or several.
func (o object) stops() []string {
	raw := o.raw("stop")
	switch TypeOf(raw) {
	case "nothing":
		return nil
	case "string":
		if s := o.text("stop"); s != "" {
			return []string{s}
		}
		return nil
	case "array":
	default:
		o.mismatch(o.at("stop"), raw, "string, array")
		return nil
	}
	var stops []string
	list := o.list("stop")
	if len(list) > MaxStops {
		o.refuse("Length of '%s' must be <= %d, and is %d", o.at("stop"), MaxStops, len(list))
		return nil
	}
	for i, item := range list {
		if s := o.textAt(element(o.at("stop"), i), item); s != "" {
			stops = append(stops, s)
		}
	}
	return stops
}

// thinking reads whether, and how hard, a reasoning model thinks first.
func (o object) thinking(q *Request) {
	if part, ok := o.part("chat_template_kwargs"); ok {
		q.Thinking = part.flag("enable_thinking")
	}
	o.effort(q, "reasoning_effort")
}

// effort reads how hard a model thinks. The levels that only some models have
// become the nearest of those that all have.
func (o object) effort(q *Request, key string) {
	switch level := o.choice(key, "none", "minimal", "low", "medium", "high", "xhigh", "max"); level {
	case "":
	case "none":
		off := false
		q.Thinking = &off
	case "minimal":
		q.Effort = "low"
	case "xhigh", "max":
		q.Effort = "high"
	default:
		q.Effort = level
	}
}

// done returns what was read, if it can be answered.
func (o object) done(q *Request) (*Request, error) {
	if q.Format != nil && q.Stream {
		o.refuse("'/stream' is true, and JSON mode does not stream: the answer is checked before it is given out. Leave stream out, or response_format")
	}
	if err := o.err(); err != nil {
		return nil, err
	}
	return q, nil
}
