package chat

import "encoding/json"

// ParseChatCompletions reads the body of POST …/v1/chat/completions.
//
// What would change the answer and cannot be had here is refused: more than one
// choice, log probabilities, a bias on tokens (they number another vocabulary),
// audio, a search of the web, and the functions that came before tools. What
// changes nothing in the answer is ignored: user, store, metadata, service_tier,
// prediction, verbosity, prompt_cache_key and whatever else is not known.
func ParseChatCompletions(body []byte) (*Request, error) {
	o := readBody(body)
	q := &Request{Options: o.options()}
	o.need("model", "messages")
	q.Messages = o.messages()
	o.tools(q)
	o.shared(q)
	o.thinking(q)
	q.Format = o.format()
	o.without("functions", "send the functions as tools")
	o.without("audio", "models here answer in text; audio/speech reads it aloud")
	o.without("web_search_options", "models here do not search the web")
	for i, raw := range o.list("modalities") {
		if path := element(o.at("modalities"), i); o.textAt(path, raw) != "text" {
			o.refuse("'%s' must be 'text', and is %s; models here answer in text", path, Short(raw))
		}
	}
	return o.done(q)
}

// ParseCompletions reads the body of POST …/v1/completions: a prompt, which the
// model's template wraps like a message of the user, because the models here are
// made to be talked to; raw: true leaves the template out. Refused are, beside
// what ParseChatCompletions refuses, several prompts in one call, tokens as a
// prompt, suffix, echo and best_of.
func ParseCompletions(body []byte) (*Request, error) {
	o := readBody(body)
	q := &Request{Options: o.options()}
	o.need("model", "prompt")
	q.Prompt = o.onePrompt()
	q.Raw = o.on("raw")
	o.shared(q)
	q.Format = o.format()
	o.without("suffix", "models here go on with a text and do not fill it in")
	if o.on("echo") {
		o.refuse("'/echo' must be false: the prompt is not repeated before the answer")
	}
	o.integer("best_of", 1, 1)
	return o.done(q)
}

// shared reads what the two kinds of completions have in common.
func (o object) shared(q *Request) {
	o.name("model")
	o.sampling(q, openAI)
	q.LoRA = o.text("lora")
	if n := o.integer("n", 1, 128); n != nil && *n > 1 {
		o.refuse("'/n' must be <= 1, and is %d; an answer has one choice here. Make as many calls", *n)
	}
	switch raw := o.raw("logprobs"); TypeOf(raw) {
	case "nothing":
	case "boolean":
		if o.on("logprobs") {
			o.without("logprobs", "the backends here do not give them")
		}
	default:
		o.without("logprobs", "the backends here do not give them")
	}
	if n := o.integer("top_logprobs", 0, 20); n != nil && *n > 0 {
		o.without("top_logprobs", "the backends here do not give them")
	}
	if bias, ok := o.part("logit_bias"); ok && len(bias.fields) > 0 {
		o.without("logit_bias", "tokens are numbered in another vocabulary in each model")
	}
}

// without notes a fault if a key is there that cannot be served, and says why.
func (o object) without(key, why string) {
	if o.has(key) {
		o.refuse("'%s' is not served: %s", o.at(key), why)
	}
}

// onePrompt reads a prompt, which may come as a list of one.
func (o object) onePrompt() string {
	raw := o.raw("prompt")
	if TypeOf(raw) != "array" {
		return o.prompt()
	}
	list := o.list("prompt")
	switch {
	case len(list) == 1 && TypeOf(list[0]) == "string":
		s := o.textAt(element(o.at("prompt"), 0), list[0])
		o.length("prompt", s)
		return s
	case len(list) > 0 && holdsTokens(list[0]):
		o.refuse("'%s' holds tokens; they number another vocabulary than that of the models here. Send text", o.at("prompt"))
	default:
		o.refuse("Length of '%s' must be 1, and is %d; send each prompt in a call of its own", o.at("prompt"), len(list))
	}
	return ""
}

// holdsTokens reports whether an element of a prompt is a token or a list of them.
func holdsTokens(raw json.RawMessage) bool { return TypeOf(raw) != "string" }
