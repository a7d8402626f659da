package backendtest

import (
	"net/http"
	"strings"
	"time"

	"nearside/llm/chat"
)

func ollamaVersion(c *call) { c.reply("application/json", []byte(`{"version":"0.17.4"}`)) }

func ollamaTags(c *call) {
	var models []map[string]any
	for _, m := range c.server.allModels() {
		name := m.Name
		if !strings.Contains(name, ":") {
			name += ":latest"
		}
		models = append(models, map[string]any{"name": name, "model": name, "digest": m.Digest, "size": 1000})
	}
	c.reply("application/json", encode(map[string]any{"models": models}))
}

func ollamaShow(c *call) {
	var q struct{ Model string }
	if !c.decode(&q) {
		return
	}
	m, ok := c.server.model(q.Model)
	if !ok {
		c.missing(q.Model)
		return
	}
	c.reply("application/json", encode(map[string]any{
		"capabilities": m.Capabilities,
		"details":      map[string]any{"family": "test"},
		"model_info":   map[string]any{"general.architecture": "test", "test.context_length": m.Context, "test.embedding_length": m.Dimensions},
	}))
}

// ollamaChat answers /api/chat and /api/generate, as a stream unless the request wants none.
func ollamaChat(c *call) {
	var q struct {
		Model, Prompt string
		Stream        *bool
		Messages      []struct{ Content string }
	}
	if !c.begin(&q) {
		return
	}
	m, ok := c.server.model(q.Model)
	if !ok {
		c.missing(q.Model)
		return
	}
	prompt := q.Prompt
	for _, message := range q.Messages {
		prompt += " " + message.Content
	}
	answer, generate := c.server.nextAnswer(), strings.HasSuffix(c.r.URL.Path, "generate")
	if q.Stream != nil && !*q.Stream {
		whole := Answer{Reasoning: []string{strings.Join(answer.Reasoning, "")}, Pieces: []string{strings.Join(answer.Pieces, "")}, Tools: answer.Tools}
		body := ollamaFrame(m, generate, whole.Reasoning[0], whole.Pieces[0], whole.Tools)
		c.reply("application/json", encode(ollamaLast(body, answer, prompt, c.lie)))
		return
	}
	c.w.Header().Set("Content-Type", "application/x-ndjson")
	c.w.WriteHeader(http.StatusOK)
	line := func(v any) { c.frame(append(encode(v), '\n')) }
	for _, part := range answer.parts(c.lie) {
		if c.lie == ErrorFrame && c.frames == 2 {
			line(map[string]any{"error": "the model runner has unexpectedly stopped"})
			return
		}
		line(ollamaFrame(m, generate, part.Reasoning, part.Content, part.ToolCalls))
	}
	if c.lie != NoLastFrame {
		line(ollamaLast(ollamaFrame(m, generate, "", "", nil), answer, prompt, c.lie))
	}
}

func ollamaFrame(m Model, generate bool, thinking, content string, calls []chat.ToolCall) map[string]any {
	frame := map[string]any{"model": m.Name, "created_at": time.Unix(1790000000, 0).UTC(), "done": false}
	if generate {
		frame["response"], frame["thinking"] = content, thinking
		return frame
	}
	message := map[string]any{"role": "assistant", "content": content, "thinking": thinking}
	var tools []any
	for i, t := range calls {
		tools = append(tools, map[string]any{"id": t.ID, "function": map[string]any{"index": i, "name": t.Name, "arguments": t.Arguments}})
	}
	if len(tools) > 0 {
		message["tool_calls"] = tools
	}
	frame["message"] = message
	return frame
}

// ollamaLast makes a frame the last one.
func ollamaLast(frame map[string]any, a Answer, prompt string, lie Lie) map[string]any {
	frame["done"], frame["done_reason"] = true, string(a.Reason)
	if a.Reason == chat.CalledTools {
		frame["done_reason"] = "stop" // Ollama has no word for it
	}
	if lie != NoUsage {
		frame["prompt_eval_count"], frame["eval_count"] = Words(prompt), a.tokens()
	}
	return frame
}

func ollamaEmbed(c *call) {
	var q struct {
		Model    string
		Input    any
		Truncate *bool
	}
	if !c.begin(&q) {
		return
	}
	m, ok := c.server.model(q.Model)
	if !ok {
		c.missing(q.Model)
		return
	}
	if c.lie == NaN {
		c.fail(http.StatusInternalServerError, "failed to encode response: json: unsupported value: NaN")
		return
	}
	texts, tokens := textsOf(q.Input), 0
	for i, text := range texts {
		if Words(text) > m.Context && q.Truncate != nil && !*q.Truncate {
			c.fail(http.StatusBadRequest, "the input length exceeds the context length")
			return
		}
		fields := strings.Fields(text)
		if len(fields) > m.Context {
			texts[i] = strings.Join(fields[:m.Context], " ")
		}
		tokens += min(len(fields), m.Context)
	}
	body := map[string]any{"model": q.Model, "embeddings": c.vectors(m, texts), "prompt_eval_count": tokens}
	if c.lie == NoUsage {
		delete(body, "prompt_eval_count")
	}
	c.reply("application/json", encode(body))
}

// textsOf reads a text or a list of texts. An empty text is none, as with Ollama.
func textsOf(input any) []string {
	switch v := input.(type) {
	case string:
		if v == "" {
			return []string{}
		}
		return []string{v}
	case []any:
		list := make([]string, len(v))
		for i := range v {
			list[i], _ = v[i].(string)
		}
		return list
	}
	return []string{}
}

// parts are the pieces of an answer as they are streamed.
func (a Answer) parts(lie Lie) func(func(int, chat.Piece) bool) {
	return func(yield func(int, chat.Piece) bool) {
		i := 0
		next := func(p chat.Piece) bool { i++; return yield(i-1, p) }
		for lie == Endless {
			if !next(chat.Piece{Content: "again "}) {
				return
			}
		}
		for _, s := range a.Reasoning {
			if !next(chat.Piece{Reasoning: s}) {
				return
			}
		}
		for _, s := range a.Pieces {
			if !next(chat.Piece{Content: s}) {
				return
			}
		}
		if len(a.Tools) > 0 {
			next(chat.Piece{ToolCalls: a.Tools})
		}
	}
}

// tokens of the answer.
func (a Answer) tokens() int { return len(a.Reasoning) + len(a.Pieces) + len(a.Tools) }
