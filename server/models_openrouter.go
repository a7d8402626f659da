package server

import (
	"math/big"
	"slices"
	"strings"
	"time"

	"nearside/llm"
	"nearside/llm/neuron"
)

// openRouterModel is a model in the form in which OpenRouter has its providers
// list theirs (openrouter.ai/docs/guides/providers/integration-legacy). When it was
// made is not known, and how it is quantized is up to who serves it.
type openRouterModel struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Created     int               `json:"created"`
	Description string            `json:"description"`
	In          []string          `json:"input_modalities"`
	Out         []string          `json:"output_modalities"`
	Context     int               `json:"context_length,omitempty"`
	Pricing     map[string]string `json:"pricing"` // dollars for one token
	Sampling    []string          `json:"supported_sampling_parameters"`
	Features    []string          `json:"supported_features"`
	Deprecated  string            `json:"deprecation_date,omitempty"`
}

// openRouterPrices is what OpenRouter calls the prices of tokens.
var openRouterPrices = map[neuron.Unit]string{
	neuron.InputTokens: "prompt", neuron.CachedInputTokens: "input_cache_read", neuron.OutputTokens: "completion",
}

// samplingParameters are those of every model that generates text.
var samplingParameters = []string{
	"temperature", "top_p", "top_k", "seed", "stop", "max_tokens", "repetition_penalty", "frequency_penalty", "presence_penalty",
}

// listOpenRouterModels answers GET …/ai/models/search?format=openrouter: all models
// that generate text and that the other parameters let through, on one page.
func listOpenRouterModels(s *Server, c *call) error {
	list := struct {
		Data []openRouterModel `json:"data"`
	}{[]openRouterModel{}}
	for _, m := range s.parts.Models.Catalogue().Models() {
		if m.Task == llm.TextGeneration && c.wantsModel(m) {
			list.Data = append(list.Data, newOpenRouterModel(m))
		}
	}
	return c.bare(list)
}

func newOpenRouterModel(m llm.Model) openRouterModel {
	o := openRouterModel{
		ID: m.ID, Name: m.ID[strings.LastIndexByte(m.ID, '/')+1:], Description: m.Description, In: []string{"text"}, Out: []string{"text"},
		Context: m.Context, Pricing: map[string]string{"prompt": "0", "completion": "0"},
		Sampling: samplingParameters, Features: []string{"json_mode", "structured_outputs"},
	}
	if m.Can(llm.Vision) {
		o.In = append(o.In, "image")
	}
	for _, a := range []llm.Ability{llm.Tools, llm.Reasoning} {
		if m.Can(a) {
			o.Features = append(o.Features, string(a))
		}
	}
	slices.Sort(o.Features)
	for _, p := range m.Prices {
		if name := openRouterPrices[p.Unit]; name != "" {
			o.Pricing[name] = perToken(p.USD)
		}
	}
	if _, err := time.Parse(time.DateOnly, m.Deprecated); err == nil {
		o.Deprecated = m.Deprecated
	}
	return o
}

// perToken divides the price of a million tokens, which the catalogue has as a decimal.
func perToken(usd string) string {
	price, ok := new(big.Rat).SetString(usd)
	if !ok {
		return "0"
	}
	digits := price.Quo(price, big.NewRat(1_000_000, 1)).FloatString(12)
	return strings.TrimSuffix(strings.TrimRight(digits, "0"), ".")
}
