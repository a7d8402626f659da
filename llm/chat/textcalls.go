package chat

import (
	"encoding/json"
	"strings"
)

// The marks that some models put around a call.
const (
	callBegins = "<tool_call>"
	callEnds   = "</tool_call>"
)

// textCalls finds calls that a model wrote as text, because nothing between it and
// us knew its way of calling: <tool_call>{…}</tool_call> anywhere, or an answer
// that is nothing but {"name": …, "parameters": {…}} or a list of those.
//
// It is conservative. Only the names of the tools that were given count, and only
// JSON with no other keys than a call has; everything else stays the text it was.
// Text is held back only while it may still be a call.
type textCalls struct {
	tools map[string]bool
	held  string
	begun bool // something was said that is no call, or a call was found: bare JSON is text now
	after bool // a call was just found: white space that follows it is not text
}

// newTextCalls returns nil where no calls are to be found.
func newTextCalls(q *Request) *textCalls {
	if len(q.Tools) == 0 || q.ToolChoice == ToolNone {
		return nil
	}
	t := &textCalls{tools: map[string]bool{}}
	for _, tool := range q.Tools {
		t.tools[tool.Name] = true
	}
	return t
}

// add takes a part of the answer, and returns what of it is text and which calls are complete.
func (t *textCalls) add(s string) (text string, calls []ToolCall) {
	t.held += s
	if !t.begun && !t.begin() {
		return "", nil
	}
	for {
		before, rest, found := strings.Cut(t.held, callBegins)
		if !found {
			sure := len(t.held) - partOf(callBegins, t.held)
			text += t.say(t.held[:sure])
			t.held = t.held[sure:]
			return text, calls
		}
		text += t.say(before)
		inner, rest, closed := strings.Cut(rest, callEnds)
		if !closed {
			t.held = callBegins + inner
			return text, calls
		}
		t.held = rest
		if call, ok := t.call(json.RawMessage(inner)); ok {
			calls = append(calls, call)
			t.after = true
		} else {
			text += t.say(callBegins + inner + callEnds)
		}
	}
}

// begin reports whether it is settled that the answer is not bare JSON.
func (t *textCalls) begin() bool {
	trimmed := trimLeft(t.held)
	if trimmed == "" || mayBeCall(trimmed) {
		return false
	}
	if strings.HasPrefix(trimmed, callBegins) {
		t.held = trimmed
	} else if strings.HasPrefix(callBegins, trimmed) { // as yet
		return false
	}
	t.begun = true
	return true
}

// say lets text through, except white space behind a call.
func (t *textCalls) say(text string) string {
	if t.after {
		if text = trimLeft(text); text != "" {
			t.after = false
		}
	}
	return text
}

// end returns what was held back, as calls if it is some.
func (t *textCalls) end() (text string, calls []ToolCall) {
	held := t.held
	t.held = ""
	if inner, marked := strings.CutPrefix(trimLeft(held), callBegins); marked { // its end was not said
		if call, ok := t.call(json.RawMessage(inner)); ok {
			return "", []ToolCall{call}
		}
	}
	if !t.begun {
		if calls, ok := t.list(json.RawMessage(strings.TrimSpace(held))); ok {
			return "", calls
		}
	}
	return t.say(held), nil
}

// list reads one call, or an array of calls.
func (t *textCalls) list(raw json.RawMessage) (calls []ToolCall, ok bool) {
	if TypeOf(raw) != "array" {
		call, ok := t.call(raw)
		return []ToolCall{call}, ok
	}
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil || len(elements) == 0 {
		return nil, false
	}
	for _, e := range elements {
		call, ok := t.call(e)
		if !ok {
			return nil, false
		}
		calls = append(calls, call)
	}
	return calls, true
}

// callKeys are the keys that a call may have.
var callKeys = map[string]bool{"name": true, "parameters": true, "arguments": true, "type": true, "id": true, "function": true}

// call reads {"name": …, "parameters" or "arguments": {…}}, or the same as "function".
func (t *textCalls) call(raw json.RawMessage) (_ ToolCall, ok bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil || fields == nil {
		return ToolCall{}, false
	}
	for key := range fields {
		if !callKeys[key] {
			return ToolCall{}, false
		}
	}
	if function := fields["function"]; TypeOf(function) == "object" {
		return t.call(function)
	}
	var call ToolCall
	if json.Unmarshal(fields["name"], &call.Name) != nil || !t.tools[call.Name] {
		return ToolCall{}, false
	}
	given := fields["parameters"]
	if given == nil {
		given = fields["arguments"]
	}
	if given == nil {
		return ToolCall{}, false
	}
	call.Arguments, ok = arguments(given)
	return call, ok
}

// callStarts are the first keys of a call.
var callStarts = []string{`"name"`, `"type"`, `"function"`, `"id"`, `"parameters"`, `"arguments"`}

// mayBeCall reports whether a text, as far as it goes, begins as a bare call or a list of calls does.
func mayBeCall(s string) bool {
	if list, isList := strings.CutPrefix(s, "["); isList {
		if s = trimLeft(list); s == "" {
			return true
		}
	}
	inner, isObject := strings.CutPrefix(s, "{")
	if !isObject {
		return false
	}
	inner = trimLeft(inner)
	for _, key := range callStarts {
		if strings.HasPrefix(inner, key) || strings.HasPrefix(key, inner) {
			return true
		}
	}
	return false
}
