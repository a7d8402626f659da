package server

import (
	"context"
	"encoding/base64"
	"encoding/json"

	"nearside/fault"
	"nearside/llm"
	"nearside/llm/backend"
)

// runSpeech reads a text aloud.
func runSpeech(ctx context.Context, s *Server, r run) (outcome, error) {
	if r.model.Input == llm.MelottsShape {
		return runMelotts(ctx, s, r)
	}
	var input struct {
		Text      string          `json:"text"`
		Speaker   string          `json:"speaker"`
		Encoding  string          `json:"encoding"`
		Container string          `json:"container"`
		Rate      json.RawMessage `json:"sample_rate"`
		Bits      json.RawMessage `json:"bit_rate"`
	}
	if err := r.input(&input); err != nil {
		return outcome{}, err
	}
	format, err := speechFormat(input.Encoding, input.Container)
	if err != nil {
		return outcome{}, err
	}
	spoken, made, err := s.parts.Models.Speak(ctx, r.call, backend.Speaking{Text: input.Text, Voice: input.Speaker, Format: format})
	if err != nil {
		return failed(made, err)
	}
	remarks := untold([]option{{"sample_rate", input.Rate}, {"bit_rate", input.Bits}})
	return outcome{made: made, kind: spoken.Type, result: spoken.Bytes, remarks: remarks}, nil
}

// speechFormat says in OpenAI's words how a sound is to be written.
func speechFormat(encoding, container string) (string, error) {
	switch encoding {
	case "", "mp3":
		return "mp3", nil
	case "linear16":
		if container == "none" {
			return "pcm", nil
		}
		return "wav", nil
	case "flac", "opus", "aac":
		return encoding, nil
	}
	return "", &fault.Error{Kind: fault.Unsupported, Reason: llm.ReasonUnable,
		Message: "the encoding " + encoding + " is none that OpenAI's speech API has; take mp3, linear16, flac, opus or aac"}
}

// runMelotts reads a text aloud and answers in JSON, as melotts does.
func runMelotts(ctx context.Context, s *Server, r run) (outcome, error) {
	var input struct {
		Prompt string `json:"prompt"`
		Lang   string `json:"lang"`
	}
	if err := r.input(&input); err != nil {
		return outcome{}, err
	}
	q := backend.Speaking{Text: input.Prompt, Format: "mp3"}
	if input.Lang != "en" { // its own
		q.Language = input.Lang
	}
	spoken, made, err := s.parts.Models.Speak(ctx, r.call, q)
	if err != nil {
		return failed(made, err)
	}
	return asJSON(made, struct {
		Audio string `json:"audio"`
	}{base64.StdEncoding.EncodeToString(spoken.Bytes)})
}
