package ollama

import (
	"encoding/json"
	"fmt"

	"github.com/ollama/ollama/api"

	"nearside/llm/chat"
)

// messages are the turns of a conversation in Ollama's form.
func messages(list []chat.Message) ([]api.Message, error) {
	out := make([]api.Message, len(list))
	for i, m := range list {
		out[i] = api.Message{Role: string(m.Role), Content: m.Content, ToolCallID: m.ToolCallID}
		if m.Role == chat.ToolRole {
			out[i].ToolName = m.Name
		}
		for _, image := range m.Images {
			out[i].Images = append(out[i].Images, image.Bytes)
		}
		for j, call := range m.ToolCalls {
			made := api.ToolCall{ID: call.ID, Function: api.ToolCallFunction{Index: j, Name: call.Name}}
			if len(call.Arguments) > 0 && json.Unmarshal(call.Arguments, &made.Function.Arguments) != nil {
				return nil, fmt.Errorf("/messages/%d/tool_calls/%d has arguments that are no object", i, j)
			}
			out[i].ToolCalls = append(out[i].ToolCalls, made)
		}
	}
	return out, nil
}

// offered are the functions that may be called: none, all, or the one that is named.
func offered(q *chat.Request) []chat.Tool {
	switch q.ToolChoice {
	case chat.ToolNone:
		return nil
	case chat.ToolAuto, chat.ToolRequired:
		return q.Tools
	}
	for _, t := range q.Tools {
		if t.Name == string(q.ToolChoice) {
			return []chat.Tool{t}
		}
	}
	return q.Tools
}

// tools are functions in Ollama's form, which keeps types, descriptions, enums and
// what is required of a schema, and drops the rest.
func tools(list []chat.Tool) (api.Tools, error) {
	var out api.Tools
	for _, t := range list {
		made := api.Tool{Type: "function", Function: api.ToolFunction{Name: t.Name, Description: t.Description}}
		made.Function.Parameters = api.ToolFunctionParameters{Type: "object", Properties: api.NewToolPropertiesMap()}
		if len(t.Parameters) > 0 && json.Unmarshal(t.Parameters, &made.Function.Parameters) != nil {
			return nil, fmt.Errorf("the parameters of tool %q are a JSON schema in a form that Ollama does not read", t.Name)
		}
		out = append(out, made)
	}
	return out, nil
}
