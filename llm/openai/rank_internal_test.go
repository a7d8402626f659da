package openai

import (
	"errors"
	"testing"

	"nearside/llm/backend"
)

func TestScoresThatAreNotOneForEachTextAreRefused(t *testing.T) {
	for name, body := range map[string]string{
		"one twice":     `{"results":[{"index":0,"relevance_score":1},{"index":0,"relevance_score":2}]}`,
		"another text":  `{"results":[{"index":0,"relevance_score":1},{"index":2,"relevance_score":2}]}`,
		"below nothing": `{"results":[{"index":-1,"relevance_score":1},{"index":0,"relevance_score":2}]}`,
		"no index":      `{"results":[{"relevance_score":1},{"index":0,"relevance_score":2}]}`,
		"no score":      `{"results":[{"index":1},{"index":0,"relevance_score":2}]}`,
		"one too many":  `{"results":[{"index":1,"relevance_score":1},{"index":0,"relevance_score":2},{"index":0,"relevance_score":2}]}`,
	} {
		b := serve(t, "application/json", body, false)
		var e *backend.Error
		if scores, _, err := b.Rank(t.Context(), "m", "q", []string{"a", "b"}); !errors.As(err, &e) || e.Kind != backend.Broken || scores != nil {
			t.Errorf("%s: %v, %v", name, scores, err)
		}
	}
}

func TestVectorsThatAreNotOneForEachTextAreRefused(t *testing.T) {
	for name, body := range map[string]string{
		"one twice":    `{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[2]}]}`,
		"another text": `{"data":[{"index":0,"embedding":[1]},{"index":2,"embedding":[2]}]}`,
		"null in it":   `{"data":[{"index":0,"embedding":[1,null]},{"index":1,"embedding":[2,2]}]}`,
		"empty":        `{"data":[{"index":0,"embedding":[]},{"index":1,"embedding":[]}]}`,
		"half numbers": `{"data":[{"index":0,"embedding":"AAAA"},{"index":1,"embedding":"AAAAAA=="}]}`,
		"no base64":    `{"data":[{"index":0,"embedding":"!"},{"index":1,"embedding":"AAAAAA=="}]}`,
		"infinite":     `{"data":[{"index":0,"embedding":[1e39]},{"index":1,"embedding":[1]}]}`,
	} {
		b := serve(t, "application/json", body, false)
		var e *backend.Error
		if v, err := b.Embed(t.Context(), "m", []string{"a", "b"}); !errors.As(err, &e) || e.Kind != backend.Broken || v.Values != nil {
			t.Errorf("%s: %v, %v", name, v.Values, err)
		}
	}
	b := serve(t, "application/json", `{"data":[{"embedding":[1,2]},{"embedding":"AACAPwAAAEA="}]}`, false)
	if v, err := b.Embed(t.Context(), "m", []string{"a", "b"}); err != nil || v.Values[0][1] != 2 || v.Values[1][1] != 2 {
		t.Errorf("without indexes, and as base64: %v, %v", v.Values, err)
	}
}
