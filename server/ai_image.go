package server

import (
	"context"
	"encoding/json"

	"nearside/fault"
	"nearside/llm"
	"nearside/llm/chat"
)

// picture reads the picture of a call: the body itself, or the key image of JSON.
func (r run) picture() (chat.Image, error) {
	if r.kind != typeJSON {
		return llm.PictureFile("/", r.body)
	}
	var input struct {
		Image json.RawMessage `json:"image"`
	}
	if err := r.input(&input); err != nil {
		return chat.Image{}, err
	}
	return llm.Picture("/image", input.Image)
}

// runLooking says in words what is in a picture.
func runLooking(ctx context.Context, s *Server, r run) (outcome, error) {
	if r.model.Input == llm.MoondreamShape {
		return runMoondream(ctx, s, r)
	}
	q, err := r.looking()
	if err != nil {
		return outcome{}, err
	}
	text, made, err := s.parts.Models.Look(ctx, r.call, q)
	if err != nil {
		return failed(made, err)
	}
	return asJSON(made, struct {
		Description string `json:"description"`
	}{text})
}

// looking reads what is asked about a picture.
func (r run) looking() (*chat.Request, error) {
	if r.kind != typeJSON {
		picture, err := r.picture()
		if err != nil {
			return nil, err
		}
		return llm.Describing(picture, r.beside.Get("prompt"))
	}
	if err := r.model.Validate(r.body); err != nil {
		return nil, err
	}
	return llm.ParseLooking(r.body)
}

// moondream is the reply of Moondream to a question, or to the wish for a caption.
type moondream struct {
	Finish  string           `json:"finish_reason"`
	Metrics moondreamMetrics `json:"metrics"`
	Answer  *string          `json:"answer,omitempty"`
	Caption *string          `json:"caption,omitempty"`
}

// moondreamMetrics are those of Moondream's metrics that are known here.
type moondreamMetrics struct {
	Input  int `json:"input_tokens"`
	Output int `json:"output_tokens"`
}

// runMoondream answers a question about a picture, or describes it. Where things
// are in it is nothing that a model which chats could be believed.
func runMoondream(ctx context.Context, s *Server, r run) (outcome, error) {
	var input moondreamInput
	if err := r.input(&input); err != nil {
		return outcome{}, err
	}
	q, err := input.request(r.model.ID)
	if err != nil {
		return outcome{}, err
	}
	text, made, err := s.parts.Models.Look(ctx, r.call, q)
	if err != nil {
		return failed(made, err)
	}
	reply := moondream{Finish: string(made.Reason), Metrics: moondreamMetrics{made.Usage.Prompt, made.Usage.Completion}, Answer: &text}
	if input.Task == "caption" {
		reply.Answer, reply.Caption = nil, &text
	}
	return asJSON(made, reply)
}

// moondreamInput is what Moondream is asked.
type moondreamInput struct {
	Task        string          `json:"task"`
	Image       json.RawMessage `json:"image"`
	Question    string          `json:"question"`
	Length      string          `json:"length"`
	MaxTokens   int             `json:"max_tokens"`
	Temperature *float64        `json:"temperature"`
	TopP        *float64        `json:"top_p"`
}

// captions says how a picture is described.
var captions = map[string]string{
	"short":  "Describe the picture in one short sentence.",
	"":       "Describe the picture in a few sentences.",
	"normal": "Describe the picture in a few sentences.",
	"long":   "Describe the picture in detail.",
}

// request is what a model that chats is asked in its place.
func (in moondreamInput) request(model string) (*chat.Request, error) {
	ask := captions[in.Length]
	switch in.Task {
	case "point", "detect":
		return nil, &fault.Error{Kind: fault.Unsupported, Reason: llm.ReasonUnable, Message: model + " is asked here by OpenAI's chat API, which has no " + in.Task +
			", and the places that a model makes up which chats would be worth nothing; Moondream's own server has /v1/" + in.Task + " and can be asked directly. query and caption are answered here"}
	case "query":
		if ask = in.Question; ask == "" {
			return nil, badInput("required properties at '/' are 'question'")
		}
	}
	picture, err := llm.Picture("/image", in.Image)
	if err != nil {
		return nil, err
	}
	return &chat.Request{
		Messages:  []chat.Message{{Role: chat.User, Content: ask, Images: []chat.Image{picture}}},
		MaxTokens: max(in.MaxTokens, 0), Temperature: in.Temperature, TopP: in.TopP,
	}, nil
}

// runLabelling names what is in a picture.
func runLabelling(ctx context.Context, s *Server, r run) (outcome, error) {
	picture, err := r.picture()
	if err != nil {
		return outcome{}, err
	}
	labels, made, err := s.parts.Models.Label(ctx, r.call, picture)
	if err != nil {
		return failed(made, err)
	}
	out, err := asJSON(made, labels)
	out.remarks = append(out.remarks, "the scores are what "+made.Served+" says of its own judgement, and the labels its own words")
	return out, err
}
