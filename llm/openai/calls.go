package openai

import (
	"encoding/json"

	"nearside/llm/chat"
)

// Limits of the calls in one answer.
const (
	maxCalls     = 128
	maxArguments = 1 << 20 // bytes of a call
)

// callDelta is a part of a call of a tool.
type callDelta struct {
	Index    *int   `json:"index"`
	ID       string `json:"id"`
	Function struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"` // a piece of a string; from some servers an object
	} `json:"function"`
}

// calls puts calls together whose parts come by turns.
type calls struct {
	list []call
}

type call struct {
	index     int
	id, name  string
	arguments []byte
}

// add takes over a part, and reports whether it is within the limits. A part belongs
// to the call of its index; without one, to the call of its id, or to the latest.
func (c *calls) add(d callDelta) bool {
	if d.ID == "" && d.Function.Name == "" && (len(d.Function.Arguments) == 0 || string(d.Function.Arguments) == "null") {
		return true // some models end with an empty one
	}
	at := c.find(d)
	if at < 0 {
		if len(c.list) == maxCalls {
			return false
		}
		made := call{index: len(c.list)}
		if d.Index != nil {
			made.index = *d.Index
		}
		c.list = append(c.list, made)
		at = len(c.list) - 1
	}
	one := &c.list[at]
	if one.id == "" {
		one.id = d.ID
	}
	if one.name == "" {
		one.name = d.Function.Name
	}
	var text string
	if json.Unmarshal(d.Function.Arguments, &text) == nil {
		one.arguments = append(one.arguments, text...)
	} else {
		one.arguments = append(one.arguments, d.Function.Arguments...)
	}
	return len(one.arguments) <= maxArguments
}

// find returns where the call of a part is, or -1 if it begins one. A part with a
// name and an id of its own begins one, whatever its index: Ollama gives all calls
// the same.
func (c *calls) find(d callDelta) int {
	last := len(c.list) - 1
	for i := last; i >= 0; i-- {
		one := c.list[i]
		sameID := d.ID == "" || one.id == "" || d.ID == one.id
		if d.Index != nil && one.index == *d.Index && (sameID || d.Function.Name == "") || d.Index == nil && d.ID != "" && one.id == d.ID {
			return i
		}
	}
	if d.Index == nil && d.ID == "" {
		return last
	}
	return -1
}

// whole returns the calls, in the order in which they began.
func (c *calls) whole() []chat.ToolCall {
	var list []chat.ToolCall
	for _, one := range c.list {
		list = append(list, chat.ToolCall{ID: one.id, Name: one.name, Arguments: json.RawMessage(one.arguments)})
	}
	return list
}
