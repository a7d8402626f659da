package server

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"nearside/llm"
)

// runSummary makes a text short.
func runSummary(ctx context.Context, s *Server, r run) (outcome, error) {
	var input struct {
		Text string `json:"input_text"`
		Most int    `json:"max_length"`
	}
	input.Most = 1024 // tokens (developers.cloudflare.com/workers-ai/models/bart-large-cnn)
	if err := r.input(&input); err != nil {
		return outcome{}, err
	}
	summary, made, err := s.parts.Models.Summarize(ctx, r.call, input.Text, input.Most)
	if err != nil {
		return failed(made, err)
	}
	return asJSON(made, struct {
		Summary string `json:"summary"`
	}{summary})
}

// runTranslation says texts in another language.
func runTranslation(ctx context.Context, s *Server, r run) (outcome, error) {
	if r.model.Input == llm.TranslateIndicShape {
		return runIndicTranslation(ctx, s, r)
	}
	var input struct {
		Text string `json:"text"`
		From string `json:"source_lang"`
		To   string `json:"target_lang"`
	}
	input.From = "en"
	if err := r.input(&input); err != nil {
		return outcome{}, err
	}
	text, made, err := s.parts.Models.Translate(ctx, r.call, []string{input.Text}, input.From, input.To)
	if err != nil {
		return failed(made, err)
	}
	return asJSON(made, struct {
		Text string `json:"translated_text"`
	}{text[0]})
}

// runIndicTranslation says English texts in a language of India.
func runIndicTranslation(ctx context.Context, s *Server, r run) (outcome, error) {
	var input struct {
		Text json.RawMessage `json:"text"`
		To   string          `json:"target_language"`
	}
	input.To = "hin_Deva"
	if err := r.input(&input); err != nil {
		return outcome{}, err
	}
	texts, err := llm.Texts("/text", input.Text, llm.MaxTexts)
	if err != nil {
		return outcome{}, err
	}
	translations, made, err := s.parts.Models.Translate(ctx, r.call, texts, "eng_Latn", input.To)
	if err != nil {
		return failed(made, err)
	}
	return asJSON(made, struct {
		Translations []string `json:"translations"`
	}{translations})
}

// moods are the labels of distilbert-sst-2, the one model of Cloudflare's that classifies texts.
var moods = []string{"NEGATIVE", "POSITIVE"}

// runClassification says what kind of text it is.
func runClassification(ctx context.Context, s *Server, r run) (outcome, error) {
	if r.model.Input == llm.RerankShape {
		return runRanking(ctx, s, r)
	}
	var input struct {
		Text string `json:"text"`
	}
	if err := r.input(&input); err != nil {
		return outcome{}, err
	}
	labels, made, err := s.parts.Models.Classify(ctx, r.call, input.Text, moods)
	if err != nil {
		return failed(made, err)
	}
	return asJSON(made, labels)
}

// ranked is a context with its score.
type ranked struct {
	ID    int     `json:"id"` // which of the contexts, from 0
	Score float64 `json:"score"`
}

// runRanking says how well contexts answer a query, best first.
func runRanking(ctx context.Context, s *Server, r run) (outcome, error) {
	var input struct {
		Query    string `json:"query"`
		Contexts []struct {
			Text string `json:"text"`
		} `json:"contexts"`
		Most int `json:"top_k"`
	}
	if err := r.input(&input); err != nil {
		return outcome{}, err
	}
	if len(input.Contexts) > maxInputs {
		return outcome{}, badInput("Length of '/contexts' must be <= %d, and is %d", maxInputs, len(input.Contexts))
	}
	texts := make([]string, len(input.Contexts))
	for i, context := range input.Contexts {
		texts[i] = context.Text
	}
	scores, made, err := s.parts.Models.Rank(ctx, r.call, input.Query, texts)
	if err != nil {
		return failed(made, err)
	}
	return asJSON(made, rankedContexts{bestFirst(scores, input.Most)})
}

// bestFirst puts scores in order, equal ones as they came. At most so many are kept; 0: all.
func bestFirst(scores []float64, most int) []ranked {
	list := make([]ranked, len(scores))
	for i, score := range scores {
		list[i] = ranked{i, score}
	}
	slices.SortStableFunc(list, func(a, b ranked) int { return cmp.Compare(b.Score, a.Score) })
	if most > 0 {
		list = list[:min(most, len(list))]
	}
	return list
}

// input checks the body against the model's schema and decodes it.
func (r run) input(into any) error {
	if err := r.model.Validate(r.body); err != nil {
		return err
	}
	return decodeJSON(r.body, into)
}
