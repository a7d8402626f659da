package server

import (
	"fmt"
	"strings"
	"testing"

	"nearside/llm/backend/backendtest"
)

// The calls whose cost the real service was seen to tell cost the same here, to the
// last of six decimals, whichever way they are made. Pictures are in
// TestMediaCostWhatCloudflareChargesForThem.
func TestWorkedExamplesCostWhatTheRealServiceTold(t *testing.T) {
	const gemma = "@cf/google/gemma-4-26b-a4b-it"
	prompt := strings.TrimSpace(strings.Repeat("word ", 147))
	pieces := strings.SplitAfter(strings.Repeat("said ", 16), " ")[:16]
	messages := fmt.Sprintf(`"messages":[{"role":"user","content":%q}]`, prompt)
	inputs := map[string]string{
		home + "/ai/run/" + gemma:                   `{` + messages + `%s}`,
		home + "/ai/v1/chat/completions":            `{"model":"` + gemma + `",` + messages + `%s}`,
		"/v1/responses":                             `{"model":"` + gemma + `","input":"` + prompt + `"%s}`,
		"/v1/local/mine/workers-ai/run/" + gemma:    `{` + messages + `%s}`,
		"/v1/local/mine/compat/chat/completions":    `{"model":"workers-ai/` + gemma + `",` + messages + `%s}`,
		home + "/ai/run/" + gemma + "?x=with+query": `{` + messages + `%s}`,
	}
	for _, example := range []struct {
		cached int    // of the 147 tokens of the prompt
		want   string // neurons
	}{
		{0, "1.772727"},   // (147 × $0.10 + 16 × $0.30) / 1,000,000 / $0.000011 = 1.77272…
		{100, "1.318182"}, // 100 of them at half the price: 1.31818…
	} {
		h, s, parts := modelled(t, Config{})
		s.openai.Add(backendtest.Model{Name: "google/gemma-4-26B-A4B-it"})
		s.openai.Answer(backendtest.Answer{Pieces: pieces, Cached: example.cached})
		sum := charged(t, parts)
		for path, body := range inputs {
			for _, stream := range []string{"", `,"stream":true`} {
				a := h.post(path, fmt.Sprintf(body, stream))
				a.want(t, 200, 0)
				if !sameNumber(a.told(t), example.want) {
					t.Errorf("%s%s, %d cached: told %s, want %s", path, stream, example.cached, a.told(t), example.want)
				}
				if now := charged(t, parts); (now - sum).String() != example.want {
					t.Errorf("%s%s, %d cached: charged %s, want %s", path, stream, example.cached, now-sum, example.want)
				}
				sum = charged(t, parts)
			}
		}
	}
}
