package chat

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// tools reads the functions that the model may have called, and whether it must.
func (o object) tools(q *Request) {
	for i, raw := range o.list("tools") {
		q.Tools = append(q.Tools, o.object(element(o.at("tools"), i), raw).tool())
	}
	q.ToolChoice = o.toolChoice(q.Tools)
	q.ParallelTools = o.flag("parallel_tool_calls")
}

// tool reads {name, description, parameters}, or {type: "function", function: {…}}.
// Responses has the type beside the rest.
func (o object) tool() Tool {
	if kind := o.text("type"); kind != "" && kind != "function" {
		o.refuse("'%s' must be 'function', and is %s; models here call no other tools", o.at("type"), Short(o.raw("type")))
	}
	if function, ok := o.part("function"); ok {
		o = function
	}
	t := Tool{Name: o.name("name"), Description: o.text("description")}
	if parameters := o.raw("parameters"); parameters != nil {
		if TypeOf(parameters) != "object" {
			o.mismatch(o.at("parameters"), parameters, "object")
		}
		t.Parameters = compact(parameters)
	}
	return t
}

// toolChoice reads auto, none, required (also called any), or the function that
// must be called: {type: "function", function: {name}}, {type: "function", name},
// or its bare name.
func (o object) toolChoice(tools []Tool) ToolChoice {
	const key = "tool_choice"
	raw, name := o.raw(key), ""
	switch TypeOf(raw) {
	case "nothing":
		return ToolAuto
	case "string":
		name = o.text(key)
	case "object":
		choice := o.object(o.at(key), raw)
		switch kind := choice.text("type"); kind {
		case "function", "tool", "":
			if function, ok := choice.part("function"); ok {
				choice = function
			}
			name = choice.name("name")
			return o.namedTool(name, tools)
		default:
			name = kind
		}
	default:
		o.mismatch(o.at(key), raw, "string, object")
		return ToolAuto
	}
	switch name {
	case "auto":
		return ToolAuto
	case "none":
		return ToolNone
	case "required", "any":
		if len(tools) == 0 {
			o.refuse("'%s' is %s, and there are no tools", o.at(key), name)
		}
		return ToolRequired
	}
	return o.namedTool(name, tools)
}

// namedTool is the choice of one tool, which must be among those given.
func (o object) namedTool(name string, tools []Tool) ToolChoice {
	for _, t := range tools {
		if t.Name != name {
			continue
		}
		if choice := ToolChoice(name); choice != ToolNone {
			return choice
		}
		return ToolRequired // NOTE: a tool called none cannot be told from the choice of none
	}
	o.refuse("'%s' must be one of 'auto', 'none', 'required', or the name of one of the tools", o.at("tool_choice"))
	return ToolAuto
}

// callID makes the id of the n-th call of an answer. The id of the request makes
// it differ from those of other answers.
func callID(request string, n int) string {
	id := make([]byte, 0, 40)
	id = append(id, "call_"...)
	for i := 0; i < len(request) && len(id) < 29; i++ {
		if request[i] != '-' {
			id = append(id, request[i])
		}
	}
	if request != "" {
		id = append(id, '_')
	}
	return string(strconv.AppendInt(id, int64(n), 10))
}

// compact removes the white space of a valid JSON value; what is not valid stays as it is.
func compact(raw json.RawMessage) json.RawMessage {
	var out bytes.Buffer
	if json.Compact(&out, raw) != nil {
		return raw
	}
	return out.Bytes()
}
