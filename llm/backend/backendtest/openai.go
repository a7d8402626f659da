package backendtest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"

	"nearside/llm/chat"
)

// Picture is what /v1/images/generations and /v1/images/edits answer with: a black
// PNG of the size.
func Picture(width, height int) []byte {
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		panic(err) // memory takes everything
	}
	return out.Bytes()
}

// Sound is what /v1/audio/speech answers with: an MP3 of SoundSeconds, without a sound.
var Sound = bytes.Repeat(append([]byte{0xff, 0xfb, 0x90, 0x00}, make([]byte, 413)...), 100)

// SoundSeconds is how long Sound plays: 100 frames of 1,152 samples at 44,100 Hz.
const SoundSeconds = 100 * 1152.0 / 44_100

func openaiModels(c *call) {
	list := []any{}
	for _, m := range c.server.allModels() {
		list = append(list, map[string]any{"id": m.Name, "object": "model", "created": 1790000000, "owned_by": "test", "max_model_len": m.Context})
	}
	c.reply("application/json", encode(map[string]any{"object": "list", "data": list}))
}

// find returns the model, or answers that it is missing.
func (c *call) find(name string) (Model, bool) {
	m, ok := c.server.model(name)
	if !ok {
		c.missing(name)
	}
	return m, ok
}

// openaiChat answers /v1/chat/completions and /v1/completions, as a stream if the request wants one.
func openaiChat(c *call) {
	var q struct {
		Model    string
		Prompt   string
		Messages []struct{ Content json.RawMessage }
		Stream   bool
		Options  struct {
			Usage bool `json:"include_usage"`
		} `json:"stream_options"`
	}
	if !c.begin(&q) {
		return
	}
	m, ok := c.find(q.Model)
	if !ok {
		return
	}
	prompt := q.Prompt
	for _, message := range q.Messages {
		prompt += " " + contentOf(message.Content)
	}
	answer := c.server.nextAnswer()
	usage := map[string]any{
		"prompt_tokens": Words(prompt), "completion_tokens": answer.tokens(), "total_tokens": Words(prompt) + answer.tokens(),
		"prompt_tokens_details": map[string]any{"cached_tokens": answer.Cached},
	}
	if c.lie == NoUsage || q.Stream && !q.Options.Usage {
		usage = nil
	}
	if !q.Stream {
		whole := chat.Piece{Content: strings.Join(answer.Pieces, ""), Reasoning: strings.Join(answer.Reasoning, ""), ToolCalls: answer.Tools}
		body := openaiBody(m, "chat.completion", map[string]any{"index": 0, "message": openaiDelta(whole), "finish_reason": answer.Reason})
		body["usage"] = usage
		c.reply("application/json", encode(body))
		return
	}
	c.openaiStream(m, answer, usage)
}

func (c *call) openaiStream(m Model, answer Answer, usage map[string]any) {
	c.w.Header().Set("Content-Type", "text/event-stream")
	c.w.WriteHeader(http.StatusOK)
	frame := func(v any) { c.frame(append(append([]byte("data: "), encode(v)...), "\n\n"...)) }
	chunk := func(delta map[string]any, reason any) {
		choice := map[string]any{"index": 0, "delta": delta, "finish_reason": reason}
		if strings.HasSuffix(c.r.URL.Path, "/v1/completions") {
			choice = map[string]any{"index": 0, "text": delta["content"], "finish_reason": reason}
		}
		frame(openaiBody(m, "chat.completion.chunk", choice))
	}
	for i, part := range answer.parts(c.lie) {
		if c.lie == ErrorFrame && c.frames == 2 {
			frame(map[string]any{"error": map[string]any{"message": "the engine is dead", "type": "server_error"}})
			return
		}
		if len(part.ToolCalls) > 0 {
			for _, delta := range openaiToolDeltas(part.ToolCalls) {
				chunk(delta, nil)
			}
			continue
		}
		delta := openaiDelta(part)
		if i > 0 {
			delete(delta, "role")
		}
		chunk(delta, nil)
	}
	if c.lie == NoLastFrame {
		return
	}
	chunk(map[string]any{}, answer.Reason)
	if usage != nil {
		body := openaiBody(m, "chat.completion.chunk")
		body["usage"] = usage
		frame(body)
	}
	c.frame([]byte("data: [DONE]\n\n"))
}

func openaiBody(m Model, object string, choices ...any) map[string]any {
	return map[string]any{
		"id": "c1", "object": object, "created": 1790000000, "model": m.Name,
		"system_fingerprint": "fp_" + m.Digest[:8], "choices": append([]any{}, choices...),
	}
}

// openaiDelta is a message, or a part of one.
func openaiDelta(p chat.Piece) map[string]any {
	delta := map[string]any{"role": "assistant", "content": p.Content}
	if p.Reasoning != "" {
		delta["reasoning_content"] = p.Reasoning
	}
	var calls []any
	for i, t := range p.ToolCalls {
		calls = append(calls, map[string]any{"index": i, "id": t.ID, "type": "function", "function": map[string]any{"name": t.Name, "arguments": string(t.Arguments)}})
	}
	if calls != nil {
		delta["tool_calls"] = calls
	}
	return delta
}

// openaiToolDeltas are calls in pieces: first all names, then all arguments by turns,
// a few bytes at a time.
func openaiToolDeltas(tools []chat.ToolCall) []map[string]any {
	const few = 5
	var deltas []map[string]any
	add := func(call map[string]any) { deltas = append(deltas, map[string]any{"tool_calls": []any{call}}) }
	longest := 0
	for i, t := range tools {
		add(map[string]any{"index": i, "id": t.ID, "type": "function", "function": map[string]any{"name": t.Name, "arguments": ""}})
		longest = max(longest, len(t.Arguments))
	}
	for from := 0; from < longest; from += few {
		for i, t := range tools {
			if from < len(t.Arguments) {
				add(map[string]any{"index": i, "function": map[string]any{"arguments": string(t.Arguments[from:min(from+few, len(t.Arguments))])}})
			}
		}
	}
	return deltas
}

// contentOf is the text of a message, whose content is a text or a list of parts.
func contentOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var parts []struct{ Text string }
	if json.Unmarshal(raw, &parts) != nil {
		return ""
	}
	for _, p := range parts {
		text += p.Text + " "
	}
	return text
}

func openaiEmbed(c *call) {
	var q struct {
		Model  string
		Input  any
		Format string `json:"encoding_format"`
	}
	if !c.begin(&q) {
		return
	}
	m, ok := c.find(q.Model)
	if !ok {
		return
	}
	texts := textsOf(q.Input)
	data := []any{}
	for i, v := range c.vectors(m, texts) {
		var values any = v
		if c.lie == NaN { // which only base64 can say
			v[0] = float32(math.NaN())
		}
		if q.Format == "base64" || c.lie == NaN {
			var raw []byte
			for _, x := range v {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
			}
			values = base64.StdEncoding.EncodeToString(raw)
		}
		data = append(data, map[string]any{"object": "embedding", "index": i, "embedding": values})
	}
	slices.Reverse(data) // the index tells the order, not the place
	body := map[string]any{"object": "list", "data": data, "model": q.Model, "usage": map[string]any{"prompt_tokens": Words(texts...), "total_tokens": Words(texts...)}}
	if c.lie == NoUsage {
		delete(body, "usage")
	}
	c.reply("application/json", encode(body))
}

func openaiRerank(c *call) {
	var q struct {
		Model, Query string
		Documents    []string
	}
	if !c.begin(&q) {
		return
	}
	if _, ok := c.find(q.Model); !ok {
		return
	}
	type result struct {
		Index int     `json:"index"`
		Score float64 `json:"relevance_score"`
	}
	results := []result{}
	for i, text := range q.Documents {
		score := 0.0
		for _, word := range strings.Fields(text) {
			if slices.Contains(strings.Fields(q.Query), word) {
				score++
			}
		}
		results = append(results, result{i, score})
	}
	if c.lie == FewVectors {
		results = results[:len(results)-1]
	}
	slices.SortStableFunc(results, func(a, b result) int { return int(b.Score - a.Score) })
	c.reply("application/json", encode(map[string]any{"results": results, "usage": map[string]any{"total_tokens": Words(append(q.Documents, q.Query)...)}}))
}

func openaiTranscribe(c *call) {
	if !c.form() || !c.begin(nil) {
		return
	}
	if _, ok := c.find(c.r.FormValue("model")); !ok {
		return
	}
	heard := map[string]any{"text": "hello there"}
	if c.r.FormValue("response_format") == "verbose_json" {
		heard = map[string]any{
			"task": "transcribe", "language": "english", "duration": 1.5, "text": "hello there",
			"segments": []any{map[string]any{"id": 0, "start": 0.0, "end": 1.5, "text": " hello there", "temperature": 0.2, "avg_logprob": -0.25, "compression_ratio": 0.75, "no_speech_prob": 0.125}},
			"words":    []any{map[string]any{"word": "hello", "start": 0.0, "end": 0.7}, map[string]any{"word": "there", "start": 0.8, "end": 1.5}},
		}
	}
	switch c.lie {
	case NoTimes:
		heard = map[string]any{"text": heard["text"]}
	case NoUsage:
		delete(heard, "duration")
	case Empty:
		heard["text"], heard["segments"], heard["words"] = "", nil, nil
	case WrongType:
		heard["text"] = 7
	}
	c.reply("application/json", encode(heard))
}

// form reads the body as a form, or refuses it.
func (c *call) form() bool {
	c.r.Body = io.NopCloser(bytes.NewReader(c.body))
	err := c.r.ParseMultipartForm(1 << 20)
	if err != nil {
		c.fail(http.StatusBadRequest, err.Error())
	}
	return err == nil
}

func openaiSpeak(c *call) {
	var q struct {
		Model  string
		Format string `json:"response_format"`
	}
	if !c.begin(&q) {
		return
	}
	if _, ok := c.find(q.Model); !ok {
		return
	}
	kind := "audio/" + strings.Replace(q.Format, "mp3", "mpeg", 1)
	switch c.lie {
	case Empty:
		c.reply(kind, nil)
	case WrongType:
		c.reply("text/html", []byte("<html>no sound</html>"))
	default:
		c.reply(kind, Sound)
	}
}

// openaiPaint answers with a picture of the size that is asked for; of 64 pixels a side without one.
func openaiPaint(c *call) {
	var q struct{ Model, Size string }
	if strings.HasSuffix(c.r.URL.Path, "/edits") {
		if !c.form() || !c.begin(nil) {
			return
		}
		q.Model, q.Size = c.r.FormValue("model"), c.r.FormValue("size")
	} else if !c.begin(&q) {
		return
	}
	if _, ok := c.find(q.Model); !ok {
		return
	}
	width, height := 64, 64
	if q.Size != "" {
		if _, err := fmt.Sscanf(q.Size, "%dx%d", &width, &height); err != nil {
			c.fail(http.StatusBadRequest, "size is not WxH")
			return
		}
	}
	made := Picture(width, height)
	switch c.lie {
	case Empty:
		made = nil
	case WrongType:
		made = Sound
	}
	c.reply("application/json", encode(map[string]any{"created": 1790000000, "data": []any{map[string]any{"b64_json": base64.StdEncoding.EncodeToString(made)}}}))
}
