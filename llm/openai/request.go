package openai

import (
	"encoding/base64"
	"encoding/json"

	"nearside/llm/chat"
)

// request is a body for /chat/completions or /completions. The names that OpenAI
// itself does not have are sent only when a caller asks for them.
type request struct {
	Model         string         `json:"model"`
	Messages      []message      `json:"messages,omitempty"`
	Prompt        string         `json:"prompt,omitempty"`
	Stream        bool           `json:"stream"`
	StreamOptions map[string]any `json:"stream_options"`

	MaxTokens         int      `json:"max_tokens,omitempty"`
	Temperature       *float64 `json:"temperature,omitempty"`
	TopP              *float64 `json:"top_p,omitempty"`
	TopK              *int     `json:"top_k,omitempty"`
	Seed              *int64   `json:"seed,omitempty"`
	RepetitionPenalty *float64 `json:"repetition_penalty,omitempty"` // vLLM
	RepeatPenalty     *float64 `json:"repeat_penalty,omitempty"`     // llama.cpp, LocalAI
	FrequencyPenalty  *float64 `json:"frequency_penalty,omitempty"`
	PresencePenalty   *float64 `json:"presence_penalty,omitempty"`
	Stop              []string `json:"stop,omitempty"`

	Tools         []tool `json:"tools,omitempty"`
	ToolChoice    any    `json:"tool_choice,omitempty"`
	ParallelTools *bool  `json:"parallel_tool_calls,omitempty"`
	Format        any    `json:"response_format,omitempty"`
	Effort        string `json:"reasoning_effort,omitempty"`
	Template      any    `json:"chat_template_kwargs,omitempty"` // vLLM, llama.cpp
}

type message struct {
	Role       string     `json:"role"`
	Content    any        `json:"content"` // a text, or parts
	Name       string     `json:"name,omitempty"`
	ToolCalls  []toolCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

type toolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type tool struct {
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
}

// newRequest returns what is sent for q, and to which path. A raw prompt goes to
// /completions, which adds no template; any other is the message of a user.
func newRequest(model string, q *chat.Request) (path string, r request) {
	r = request{
		Model: model, Stream: true, StreamOptions: map[string]any{"include_usage": true},
		MaxTokens: q.MaxTokens, Temperature: q.Temperature, TopP: q.TopP, TopK: q.TopK, Seed: q.Seed,
		RepetitionPenalty: q.RepetitionPenalty, RepeatPenalty: q.RepetitionPenalty,
		FrequencyPenalty: q.FrequencyPenalty, PresencePenalty: q.PresencePenalty, Stop: q.Stop,
		Format: format(q.Format), Effort: q.Effort,
	}
	if q.LoRA != "" {
		r.Model = q.LoRA // vLLM serves a fine-tune as a model of its own
	}
	if q.Thinking != nil {
		r.Template = map[string]bool{"enable_thinking": *q.Thinking}
	}
	if len(q.Messages) == 0 && q.Raw {
		r.Prompt = q.Prompt
		return "completions", r
	}
	for _, m := range q.Messages {
		r.Messages = append(r.Messages, newMessage(m))
	}
	if len(q.Messages) == 0 {
		r.Messages = []message{{Role: string(chat.User), Content: q.Prompt}}
	}
	for _, t := range q.Tools {
		r.Tools = append(r.Tools, tool{"function", function{t.Name, t.Description, t.Parameters}})
	}
	if len(q.Tools) > 0 {
		r.ToolChoice, r.ParallelTools = choice(q.ToolChoice), q.ParallelTools
	}
	return "chat/completions", r
}

func newMessage(m chat.Message) message {
	out := message{Role: string(m.Role), Content: m.Content, Name: m.Name, ToolCallID: m.ToolCallID}
	if len(m.Images) > 0 {
		parts := []any{}
		if m.Content != "" {
			parts = append(parts, map[string]any{"type": "text", "text": m.Content})
		}
		for _, image := range m.Images {
			uri := "data:" + image.Type + ";base64," + base64.StdEncoding.EncodeToString(image.Bytes)
			parts = append(parts, map[string]any{"type": "image_url", "image_url": map[string]string{"url": uri}})
		}
		out.Content = parts
	}
	for _, c := range m.ToolCalls {
		call := toolCall{ID: c.ID, Type: "function"}
		call.Function.Name, call.Function.Arguments = c.Name, "{}"
		if len(c.Arguments) > 0 {
			call.Function.Arguments = string(c.Arguments)
		}
		out.ToolCalls = append(out.ToolCalls, call)
	}
	return out
}

func choice(c chat.ToolChoice) any {
	switch c {
	case chat.ToolAuto:
		return nil
	case chat.ToolNone, chat.ToolRequired:
		return string(c)
	}
	return map[string]any{"type": "function", "function": map[string]string{"name": string(c)}}
}

func format(f *chat.Format) any {
	switch {
	case f == nil:
		return nil
	case len(f.Schema) == 0:
		return map[string]string{"type": "json_object"}
	}
	return map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "answer", "schema": f.Schema}}
}
