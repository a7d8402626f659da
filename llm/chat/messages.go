package chat

import (
	"bytes"
	"encoding/json"
	"strings"
)

// messages reads the turns of a conversation, of which there must be one.
func (o object) messages() []Message {
	list := o.list("messages")
	if o.fault == nil && len(list) == 0 {
		o.refuse("Length of '%s' must be >= 1", o.at("messages"))
	}
	turns := make([]Message, 0, len(list))
	for i, raw := range list {
		turns = append(turns, o.object(element(o.at("messages"), i), raw).message())
	}
	return answered(turns)
}

// roles are the names that roles go by. Developer is OpenAI's newer word for
// system, and function its older one for tool.
var roles = map[string]Role{
	"system": System, "developer": System, "user": User, "assistant": Assistant, "tool": ToolRole, "function": ToolRole,
}

// role reads whom a message is from.
func (o object) role() Role {
	o.need("role")
	name := o.text("role")
	role, ok := roles[name]
	if !ok {
		o.refuse("'%s' must be one of 'system', 'user', 'assistant', 'tool', and is %s", o.at("role"), Short(o.raw("role")))
	}
	return role
}

// message reads one turn. What an assistant says may be calls alone; everybody
// else has content.
func (o object) message() Message {
	m := Message{Role: o.role(), Name: o.text("name")}
	if m.Role == Assistant {
		m.ToolCalls = o.toolCalls("tool_calls")
	} else {
		o.need("content")
	}
	if m.Role == ToolRole {
		m.ToolCallID = o.text("tool_call_id")
	}
	o.content(&m, "content")
	return m
}

// content reads what a message says: a text, or a list of parts. Texts of several
// parts become paragraphs.
func (o object) content(m *Message, key string) {
	raw := o.raw(key)
	switch TypeOf(raw) {
	case "nothing":
	case "string":
		m.Content = o.textAt(o.at(key), raw)
	case "array":
		var texts []string
		for i, part := range o.listAt(o.at(key), raw) {
			p := o.object(element(o.at(key), i), part)
			p.contentPart(m, &texts)
		}
		m.Content = strings.Join(texts, "\n")
	default:
		o.mismatch(o.at(key), raw, "string, array")
	}
}

// contentPart reads a part in the words of chat.completions or of responses.
func (o object) contentPart(m *Message, texts *[]string) {
	switch kind := o.name("type"); kind {
	case "text", "input_text", "output_text":
		o.need("text")
		*texts = append(*texts, o.text("text"))
	case "refusal":
		*texts = append(*texts, o.text("refusal"))
	case "image_url", "input_image":
		m.Images = append(m.Images, o.imageURL())
	default:
		o.refuse("'%s' must be one of 'text', 'image_url', and is %s", o.at("type"), Short(o.raw("type")))
	}
}

// imageURL reads a picture: image_url is a data URI, or an object with one as its url.
func (o object) imageURL() Image {
	o.need("image_url")
	raw := o.raw("image_url")
	switch TypeOf(raw) {
	case "nothing": // refused above; file_id of responses comes here
		return Image{}
	case "object":
		part := o.object(o.at("image_url"), raw)
		part.need("url")
		return o.dataURI(part.at("url"), part.text("url"))
	default:
		return o.dataURI(o.at("image_url"), o.textAt(o.at("image_url"), raw))
	}
}

// toolCalls reads the calls that a model made before, in any spelling.
func (o object) toolCalls(key string) []ToolCall {
	var calls []ToolCall
	for i, raw := range o.list(key) {
		calls = append(calls, o.object(element(o.at(key), i), raw).toolCall())
	}
	return calls
}

// toolCall reads {name, arguments}, or {id, type, function: {name, arguments}}.
func (o object) toolCall() ToolCall {
	call := ToolCall{ID: o.text("id")}
	if function, ok := o.part("function"); ok {
		o = function
	}
	call.Name = o.name("name")
	arguments, ok := arguments(o.raw("arguments"))
	if !ok {
		o.refuse("'%s' must be an object, or a string that holds one", o.at("arguments"))
	}
	call.Arguments = arguments
	return call
}

// arguments returns what a tool is called with as an object: it may come as one,
// as a string that holds one, or not at all.
func arguments(raw json.RawMessage) (_ json.RawMessage, ok bool) {
	raw = bytes.TrimSpace(raw)
	if TypeOf(raw) == "string" {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return nil, false
		}
		raw = json.RawMessage(strings.TrimSpace(s))
	}
	if t := TypeOf(raw); t == "nothing" || t == "null" {
		return json.RawMessage("{}"), true
	}
	return compact(raw), TypeOf(raw) == "object" && json.Valid(raw)
}

// maxOpen is how many calls may wait for their results, so that a hostile
// conversation costs no more than its length.
const maxOpen = 128

// answered joins the results of tools with the calls that they answer: a result
// with only an id learns the name, one with only a name, or neither, the id of
// the first call that is still open; and calls without an id are given one. So
// every backend finds what it wants. Of open calls the last maxOpen are kept.
func answered(turns []Message) []Message {
	var open []*ToolCall
	made := 0
	for i := range turns {
		m := &turns[i]
		for k := range m.ToolCalls {
			call := &m.ToolCalls[k]
			if call.ID == "" {
				call.ID = callID("", made)
				made++
			}
			open = append(open, call)
		}
		open = open[max(0, len(open)-maxOpen):]
		if m.Role != ToolRole {
			continue
		}
		for k, call := range open {
			if m.answers(call) {
				m.ToolCallID, m.Name = call.ID, call.Name
				open = append(open[:k:k], open[k+1:]...)
				break
			}
		}
	}
	return turns
}

// answers reports whether a result may be that of a call.
func (m *Message) answers(call *ToolCall) bool {
	if m.ToolCallID != "" {
		return m.ToolCallID == call.ID
	}
	return m.Name == "" || m.Name == call.Name
}
