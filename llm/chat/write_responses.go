package chat

import (
	"encoding/json"
	"strconv"
	"strings"

	"nearside/llm/neuron"
)

// responsesWriter writes OpenAI's response. The object and the events are made by
// the same steps: the object is what the events add up to.
type responsesWriter struct {
	head   Head
	q      *Request
	events int // given out

	output []*outputItem
	open   *outputItem // the one that pieces go to; nil: none
	said   strings.Builder
}

// NewResponses returns a writer of OpenAI's response object and its typed events.
// What the model thought is an item of type reasoning. The stream ends with
// response.completed, or response.incomplete at max_output_tokens, and [DONE],
// which OpenAI's own does not have and its clients take.
func NewResponses(h Head, q *Request) Writer { return &responsesWriter{head: h, q: q} }

// response is the object. What a caller may not set here has the value it has anyway.
type response struct {
	ID                string            `json:"id"`
	Object            string            `json:"object"`
	CreatedAt         int64             `json:"created_at"`
	Status            string            `json:"status"`
	Error             *string           `json:"error"`
	Incomplete        *incomplete       `json:"incomplete_details"`
	Instructions      *string           `json:"instructions"`
	MaxOutputTokens   *int              `json:"max_output_tokens"`
	Model             string            `json:"model"`
	Output            []*outputItem     `json:"output"`
	OutputText        string            `json:"output_text"`
	ParallelToolCalls bool              `json:"parallel_tool_calls"`
	Previous          *string           `json:"previous_response_id"`
	Reasoning         reasoningEcho     `json:"reasoning"`
	Store             bool              `json:"store"`
	Temperature       *float64          `json:"temperature"`
	Text              textEcho          `json:"text"`
	ToolChoice        any               `json:"tool_choice"`
	Tools             []toolEcho        `json:"tools"`
	TopP              *float64          `json:"top_p"`
	Truncation        string            `json:"truncation"`
	Usage             *responseUsage    `json:"usage"`
	Metadata          map[string]string `json:"metadata"`
}

// incomplete says why a response is not whole.
type incomplete struct {
	Reason string `json:"reason"`
}

// reasoningEcho repeats how hard the model was to think.
type reasoningEcho struct {
	Effort  *string `json:"effort"`
	Summary *string `json:"summary"`
}

// textEcho repeats the form of the answer.
type textEcho struct {
	Format formatEcho `json:"format"`
}

// formatEcho is a form of answers.
type formatEcho struct {
	Type   string          `json:"type"`
	Name   string          `json:"name,omitempty"`
	Schema json.RawMessage `json:"schema,omitempty"`
}

// toolEcho repeats a tool.
type toolEcho struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      bool            `json:"strict"`
}

// outputItem is a message, a call of a function, or what was thought.
type outputItem struct {
	Type      string       `json:"type"`
	ID        string       `json:"id"`
	Status    string       `json:"status"`
	Role      Role         `json:"role,omitempty"`
	Summary   []string     `json:"summary,omitzero"` // of what was thought: always empty
	Content   []outputPart `json:"content,omitzero"`
	CallID    string       `json:"call_id,omitempty"`
	Name      string       `json:"name,omitempty"`
	Arguments *string      `json:"arguments,omitempty"`
}

// outputPart is a text in an item.
type outputPart struct {
	Type        string   `json:"type"`
	Text        string   `json:"text"`
	Annotations []string `json:"annotations,omitzero"`
	LogProbs    []string `json:"logprobs,omitzero"`
}

// responseUsage counts tokens in OpenAI's newer words.
type responseUsage struct {
	Input         int           `json:"input_tokens"`
	InputDetails  promptDetails `json:"input_tokens_details"`
	Output        int           `json:"output_tokens"`
	OutputDetails outputDetails `json:"output_tokens_details"`
	Total         int           `json:"total_tokens"`
	Neurons       json.Number   `json:"neurons"`
}

// outputDetails has the tokens of thinking. Backends do not count them apart: they are
// an estimate of ours, and never more than all.
type outputDetails struct {
	Reasoning int `json:"reasoning_tokens"`
}

// responseEvent is a frame of the stream.
type responseEvent struct {
	Type         string      `json:"type"`
	Sequence     int         `json:"sequence_number"`
	Response     *response   `json:"response,omitempty"`
	ItemID       string      `json:"item_id,omitempty"`
	OutputIndex  *int        `json:"output_index,omitempty"`
	ContentIndex *int        `json:"content_index,omitempty"`
	Item         *outputItem `json:"item,omitempty"`
	Part         *outputPart `json:"part,omitempty"`
	Delta        *string     `json:"delta,omitempty"`
	Text         *string     `json:"text,omitempty"`
	Name         string      `json:"name,omitempty"`
	Arguments    *string     `json:"arguments,omitempty"`
	LogProbs     []string    `json:"logprobs,omitzero"`
}

// The kinds of items, and of the texts in them.
const (
	messageItem   = "message"
	reasoningItem = "reasoning"
	callItem      = "function_call"
	messageText   = "output_text"
	reasoningText = "reasoning_text"
	inProgress    = "in_progress"
	completed     = "completed"
)

// Object implements Writer.
func (w *responsesWriter) Object(a *Answer, neurons neuron.Micro) ([]byte, error) {
	w.Piece(nil, Piece{Content: a.Content, Reasoning: a.Reasoning, ToolCalls: a.ToolCalls})
	w.close(nil)
	return encode(w.ended(a.End, neurons)), nil
}

// Start implements Writer.
func (w *responsesWriter) Start(to []byte) []byte {
	to = w.event(to, responseEvent{Type: "response.created", Response: w.response(inProgress)})
	return w.event(to, responseEvent{Type: "response.in_progress", Response: w.response(inProgress)})
}

// Piece implements Writer.
func (w *responsesWriter) Piece(to []byte, p Piece) []byte {
	to = w.text(to, reasoningItem, p.Reasoning)
	to = w.text(to, messageItem, p.Content)
	for _, call := range p.ToolCalls {
		to = w.call(to, call)
	}
	return to
}

// End implements Writer.
func (w *responsesWriter) End(to []byte, e End, neurons neuron.Micro) []byte {
	to = w.close(to)
	whole := w.ended(e, neurons)
	to = w.event(to, responseEvent{Type: "response." + whole.Status, Response: whole})
	return append(to, done...)
}

// Fail implements Writer.
func (w *responsesWriter) Fail(to []byte, f Failure) []byte {
	to = append(to, "event: error\n"...)
	return frame(to, struct {
		Type     string  `json:"type"`
		Sequence int     `json:"sequence_number"`
		Code     string  `json:"code"`
		Message  string  `json:"message"`
		Param    *string `json:"param"`
		failure
	}{Type: "error", Sequence: w.events, Code: strconv.Itoa(f.Code), Message: f.Message, failure: newFailure(f)})
}

// text appends a part of a message or of what was thought.
func (w *responsesWriter) text(to []byte, kind, s string) []byte {
	if s == "" {
		return to
	}
	if w.open == nil || w.open.Type != kind {
		to = w.begin(w.close(to), kind)
	}
	w.said.WriteString(s)
	e := w.about("response." + w.open.Content[0].Type + ".delta")
	e.ContentIndex, e.Delta = new(int), &s
	if kind == messageItem {
		e.LogProbs = []string{}
	}
	return w.event(to, e)
}

// begin opens an item with a text.
func (w *responsesWriter) begin(to []byte, kind string) []byte {
	item := &outputItem{Type: kind, Status: inProgress, Content: []outputPart{}}
	part := outputPart{Type: messageText, Annotations: []string{}, LogProbs: []string{}}
	if kind == reasoningItem {
		item.ID, item.Summary = w.itemID("rs_"), []string{}
		part = outputPart{Type: reasoningText}
	} else {
		item.ID, item.Role = w.itemID("msg_"), Assistant
	}
	to = w.add(to, item)
	item.Content = append(item.Content, part)
	e := w.about("response.content_part.added")
	e.ContentIndex, e.Part = new(int), &part
	return w.event(to, e)
}

// add appends an item to the output, and opens it.
func (w *responsesWriter) add(to []byte, item *outputItem) []byte {
	w.output = append(w.output, item)
	w.open = item
	w.said.Reset()
	e := w.about("response.output_item.added")
	e.ItemID, e.Item = "", item
	return w.event(to, e)
}

// close ends the open item, if there is one with a text.
func (w *responsesWriter) close(to []byte) []byte {
	if w.open == nil {
		return to
	}
	part := &w.open.Content[0]
	part.Text = w.said.String()
	e := w.about("response." + part.Type + ".done")
	e.ContentIndex, e.Text = new(int), &part.Text
	if part.Type == messageText {
		e.LogProbs = []string{}
	}
	to = w.event(to, e)
	e = w.about("response.content_part.done")
	e.ContentIndex, e.Part = new(int), part
	return w.finish(w.event(to, e))
}

// finish appends the end of the open item.
func (w *responsesWriter) finish(to []byte) []byte {
	w.open.Status = completed
	e := w.about("response.output_item.done")
	e.ItemID, e.Item = "", w.open
	to = w.event(to, e)
	w.open = nil
	return to
}

// call appends a call of a function, which comes whole.
func (w *responsesWriter) call(to []byte, call ToolCall) []byte {
	to = w.close(to)
	arguments := string(object0(call.Arguments))
	to = w.add(to, &outputItem{
		Type: callItem, ID: w.itemID("fc_"), Status: inProgress, CallID: call.ID, Name: call.Name, Arguments: new(string),
	})
	e := w.about("response.function_call_arguments.delta")
	e.Delta = &arguments
	to = w.event(to, e)
	e = w.about("response.function_call_arguments.done")
	e.Name, e.Arguments = call.Name, &arguments
	to = w.event(to, e)
	w.open.Arguments = &arguments
	return w.finish(to)
}

// itemID is the id of the next item.
func (w *responsesWriter) itemID(prefix string) string {
	return prefix + w.head.ID + "_" + strconv.Itoa(len(w.output))
}

// about is an event about the open item, which is the last.
func (w *responsesWriter) about(kind string) responseEvent {
	index := len(w.output) - 1
	return responseEvent{Type: kind, ItemID: w.open.ID, OutputIndex: &index}
}

// event appends a frame with its name.
func (w *responsesWriter) event(to []byte, e responseEvent) []byte {
	e.Sequence = w.events
	w.events++
	to = append(to, "event: "...)
	to = append(to, e.Type...)
	to = append(to, '\n')
	return frame(to, e)
}

// ended is the response when nothing more comes.
func (w *responsesWriter) ended(e End, neurons neuron.Micro) *response {
	r := w.response(completed)
	if e.Reason == Length {
		r.Status, r.Incomplete = "incomplete", &incomplete{"max_output_tokens"}
	}
	thought := 0
	for _, item := range w.output {
		switch item.Type {
		case messageItem:
			r.OutputText += item.Content[0].Text
		case reasoningItem:
			thought += EstimateText(item.Content[0].Text)
		}
	}
	r.Usage = &responseUsage{
		Input: e.Usage.Prompt, InputDetails: promptDetails{e.Usage.Cached},
		Output: e.Usage.Completion, OutputDetails: outputDetails{min(thought, e.Usage.Completion)},
		Total: e.Usage.Prompt + e.Usage.Completion, Neurons: float(neurons),
	}
	return r
}

// response is the response so far.
func (w *responsesWriter) response(status string) *response {
	r := &response{
		ID: "resp_" + w.head.ID, Object: "response", CreatedAt: w.head.Created.Unix(), Status: status, Model: w.head.Model,
		Output: append([]*outputItem{}, w.output...), ParallelToolCalls: w.q.ParallelTools == nil || *w.q.ParallelTools,
		Temperature: w.q.Temperature, TopP: w.q.TopP, ToolChoice: choiceEcho(w.q.ToolChoice), Tools: []toolEcho{},
		Text: textEcho{formatEcho{Type: "text"}}, Truncation: "disabled", Metadata: map[string]string{},
	}
	if w.q.MaxTokens > 0 {
		r.MaxOutputTokens = &w.q.MaxTokens
	}
	if w.q.Effort != "" {
		r.Reasoning.Effort = &w.q.Effort
	}
	for _, t := range w.q.Tools {
		r.Tools = append(r.Tools, toolEcho{"function", t.Name, t.Description, t.Parameters, false})
	}
	if f := w.q.Format; f != nil {
		r.Text.Format = formatEcho{Type: "json_object"}
		if f.Schema != nil {
			r.Text.Format = formatEcho{"json_schema", "answer", f.Schema}
		}
	}
	return r
}

// choiceEcho repeats the choice of tools.
func choiceEcho(c ToolChoice) any {
	switch c {
	case ToolAuto:
		return "auto"
	case ToolNone, ToolRequired:
		return string(c)
	}
	return map[string]string{"type": "function", "name": string(c)}
}
