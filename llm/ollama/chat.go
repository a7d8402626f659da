package ollama

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/types/model"

	"nearside/llm/backend"
	"nearside/llm/backend/wire"
	"nearside/llm/chat"
)

// Chat answers a request piece by piece. Nothing of the input is left out to make
// it fit: one that is longer than the model's context is refused, and an answer
// that reaches the context's end stops there (Length).
func (b *Backend) Chat(ctx context.Context, name string, q *chat.Request, yield func(chat.Piece) error) (chat.End, error) {
	m, err := b.pulled(ctx, name)
	if err != nil {
		return chat.End{}, err
	}
	d, err := b.details(ctx, m)
	if err != nil {
		return chat.End{}, forModel(err, name)
	}
	if err := b.able(name, d, q); err != nil {
		return chat.End{}, err
	}
	tally := &wire.Tally{Client: b.client, Model: name, Prompt: chat.EstimateTokens(q), MaxTokens: q.MaxTokens, Yield: yield}
	path, body, err := b.request(m, d, q, tally.Prompt)
	if err != nil {
		return chat.End{}, b.client.Error(name, backend.Refused, nil, "%v", err)
	}
	lines, err := b.client.Stream(ctx, name, path, body)
	if err != nil {
		b.forgetIfMissing(err)
		return chat.End{}, err
	}
	defer lines.Close()
	for {
		end, err := b.next(name, lines, tally)
		if err != nil {
			return tally.Fail(err)
		}
		if end != nil {
			lines.Finish()
			return *end, nil
		}
	}
}

// able says no where the server would, or where it would leave something out in silence.
func (b *Backend) able(name string, d *details, q *chat.Request) error {
	pictures := false
	for _, m := range q.Messages {
		pictures = pictures || len(m.Images) > 0
	}
	switch {
	case !d.can(model.CapabilityCompletion):
		return b.client.Error(name, backend.Unable, nil, "the model generates no text")
	case pictures && !d.can(model.CapabilityVision):
		return b.client.Error(name, backend.Unable, nil, "the model reads no pictures")
	case len(offered(q)) > 0 && !d.can(model.CapabilityTools):
		return b.client.Error(name, backend.Unable, nil, "the model calls no tools")
	case q.LoRA != "":
		return b.client.Error(name, backend.Unable, nil, "Ollama has no fine-tunes beside its models")
	}
	return nil
}

// forgetIfMissing drops the list of models when it proved wrong.
func (b *Backend) forgetIfMissing(err error) {
	var e *backend.Error
	if errors.As(err, &e) && e.Kind == backend.Missing {
		b.list.Forget()
	}
}

// frame is a line of /api/chat or of /api/generate.
type frame struct {
	Message    api.Message `json:"message"`
	Response   string      `json:"response"`
	Thinking   string      `json:"thinking"`
	Done       bool        `json:"done"`
	DoneReason string      `json:"done_reason"`
	api.Metrics
	Error json.RawMessage `json:"error"`
}

// next reads a line of the answer. It returns the end if the line is the last.
func (b *Backend) next(name string, lines *wire.Lines, tally *wire.Tally) (*chat.End, error) {
	line, err := lines.Next()
	if errors.Is(err, io.EOF) {
		return nil, b.client.Error(name, backend.Broken, nil, "its answer ended without the last line; Ollama does so to a model that says the same again and again")
	}
	if err != nil || len(line) == 0 {
		return nil, err
	}
	return b.line(name, line, tally)
}

// line gives out the piece that a line has.
func (b *Backend) line(name string, line []byte, tally *wire.Tally) (*chat.End, error) {
	var f frame
	if json.Unmarshal(line, &f) != nil {
		return nil, b.client.Error(name, backend.Broken, nil, "a line of its answer is not the JSON that was expected")
	}
	if len(f.Error) > 0 {
		return nil, b.client.Reported(name, 0, string(f.Error))
	}
	piece := chat.Piece{Content: f.Message.Content + f.Response, Reasoning: f.Message.Thinking + f.Thinking}
	for _, call := range f.Message.ToolCalls {
		arguments := call.Function.Arguments.String()
		if arguments == "null" {
			arguments = "{}"
		}
		piece.ToolCalls = append(piece.ToolCalls, chat.ToolCall{ID: call.ID, Name: call.Function.Name, Arguments: json.RawMessage(arguments)})
	}
	if err := tally.Add(piece); err != nil || !f.Done {
		return nil, err
	}
	return f.end(tally), nil
}

func (f frame) end(tally *wire.Tally) *chat.End {
	reason := chat.Stopped
	switch {
	case f.DoneReason == "length":
		reason = chat.Length
	case tally.Called:
		reason = chat.CalledTools
	}
	end := tally.Counted(reason, chat.Usage{Prompt: f.PromptEvalCount, Completion: f.EvalCount})
	return &end
}

// request says what is sent, and to which path: a prompt to go on with has its own.
func (b *Backend) request(m api.ListModelResponse, d *details, q *chat.Request, prompt int) (path string, body any, err error) {
	yes, no := true, false
	var keep *api.Duration
	if b.options.KeepAlive != 0 {
		keep = &api.Duration{Duration: b.options.KeepAlive}
	}
	options := options(q)
	room := q.MaxTokens
	if room == 0 {
		room = answerRoom
	}
	options["num_ctx"] = d.numCtx(prompt + room + templateRoom)
	if len(q.Messages) == 0 {
		return "/api/generate", api.GenerateRequest{
			Model: m.Name, Prompt: q.Prompt, Raw: q.Raw, Format: format(q.Format), Think: think(d, q),
			Options: options, KeepAlive: keep, Stream: &yes, Truncate: &no, Shift: &no,
		}, nil
	}
	messages, err := messages(q.Messages)
	if err != nil {
		return "", nil, err
	}
	tools, err := tools(offered(q))
	return "/api/chat", api.ChatRequest{
		Model: m.Name, Messages: messages, Tools: tools, Format: format(q.Format), Think: think(d, q),
		Options: options, KeepAlive: keep, Stream: &yes, Truncate: &no, Shift: &no,
	}, err
}

// options are the parameters of a request by their names here.
func options(q *chat.Request) map[string]any {
	options := map[string]any{}
	set(options, "temperature", q.Temperature)
	set(options, "top_p", q.TopP)
	set(options, "top_k", q.TopK)
	set(options, "seed", q.Seed)
	set(options, "repeat_penalty", q.RepetitionPenalty)
	set(options, "frequency_penalty", q.FrequencyPenalty)
	set(options, "presence_penalty", q.PresencePenalty)
	if q.MaxTokens > 0 {
		options["num_predict"] = q.MaxTokens
	}
	if len(q.Stop) > 0 {
		options["stop"] = q.Stop
	}
	return options
}

func set[T any](options map[string]any, name string, value *T) {
	if value != nil {
		options[name] = *value
	}
}

func format(f *chat.Format) json.RawMessage {
	switch {
	case f == nil:
		return nil
	case len(f.Schema) == 0:
		return json.RawMessage(`"json"`)
	}
	return f.Schema
}

// think says whether the model thinks first. How hard can be said to gpt-oss only;
// to the others any effort means yes.
func think(d *details, q *chat.Request) *api.ThinkValue {
	switch {
	case !d.can(model.CapabilityThinking) || q.Thinking == nil && q.Effort == "":
		return nil
	case q.Thinking != nil && !*q.Thinking:
		return &api.ThinkValue{Value: false}
	case q.Effort != "" && strings.HasPrefix(d.family, "gpt"):
		return &api.ThinkValue{Value: q.Effort}
	}
	return &api.ThinkValue{Value: true}
}
