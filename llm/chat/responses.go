package chat

// ParseResponses reads the body of POST …/v1/responses, and of …/ai/run for the
// models that take it; only the first must name the model, so its absence is left
// to the caller to refuse.
//
// Input is a text or a list of items: messages, calls of functions and their
// outputs; what a model thought before (reasoning) is passed over. Nothing is
// stored, so whatever refers to an earlier response is refused, as are tools that
// are no functions, and work in the background. Store, metadata, truncation,
// include and whatever else is not known change nothing in the answer, and are ignored.
func ParseResponses(body []byte) (*Request, error) {
	o := readBody(body)
	q := &Request{Options: o.options()}
	o.without("previous_response_id", "responses are not stored. Send the whole conversation as input")
	o.without("conversation", "conversations are not stored. Send the whole conversation as input")
	o.without("prompt", "prompts are not stored. Send the text as instructions and input")
	if o.on("background") {
		o.without("background", "a response is made while the caller waits. Leave background out")
	}
	o.need("input")
	if instructions := o.text("instructions"); instructions != "" {
		q.Messages = append(q.Messages, Message{Role: System, Content: instructions})
	}
	o.items(q)
	o.tools(q)
	o.sampling(q, openAI)
	if n := o.tokens("max_output_tokens"); n > 0 {
		q.MaxTokens = n
	}
	if reasoning, ok := o.part("reasoning"); ok {
		reasoning.effort(q, "effort")
	}
	if text, ok := o.part("text"); ok {
		q.Format = text.formatAt("format")
	}
	return o.done(q)
}

// items reads input: a text of the user's, or a list.
func (o object) items(q *Request) {
	const key = "input"
	switch raw := o.raw(key); TypeOf(raw) {
	case "nothing":
	case "string":
		o.length(key, o.text(key))
		q.Messages = append(q.Messages, Message{Role: User, Content: o.text(key)})
	case "array":
		list := o.list(key)
		if len(list) == 0 {
			o.refuse("Length of '%s' must be >= 1", o.at(key))
		}
		for i, item := range list {
			o.object(element(o.at(key), i), item).item(q)
		}
		q.Messages = answered(q.Messages)
	default:
		o.mismatch(o.at(key), raw, "string, array")
	}
}

// item reads one item of input. A message may leave its type out.
func (o object) item(q *Request) {
	switch kind := o.text("type"); kind {
	case "", "message":
		m := Message{Role: o.role()}
		o.need("content")
		o.content(&m, "content")
		q.Messages = append(q.Messages, m)
	case "function_call":
		o.called(q)
	case "function_call_output":
		m := Message{Role: ToolRole, ToolCallID: o.name("call_id")}
		o.need("output")
		o.content(&m, "output")
		q.Messages = append(q.Messages, m)
	case "reasoning":
	case "item_reference":
		o.refuse("'%s' refers to an item of another response, and responses are not stored. Send the item itself", o.path)
	default:
		o.refuse("'%s' must be one of 'message', 'function_call', 'function_call_output', 'reasoning', and is %s", o.at("type"), Short(o.raw("type")))
	}
}

// called reads a call of a function, which belongs to what the assistant said before it.
func (o object) called(q *Request) {
	o.need("name", "call_id")
	call := o.toolCall()
	call.ID = o.name("call_id")
	last := len(q.Messages) - 1
	if last < 0 || q.Messages[last].Role != Assistant {
		q.Messages = append(q.Messages, Message{Role: Assistant})
		last++
	}
	q.Messages[last].ToolCalls = append(q.Messages[last].ToolCalls, call)
}
