package server

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"nearside/llm"
)

// propertyOf returns what models/search says about a model.
func propertiesOf(t *testing.T, h *harness, id string) map[string]any {
	t.Helper()
	for _, m := range result[[]modelObject](t, h.do("GET", home+"/ai/models/search?include_deprecated=true&search="+url.QueryEscape(id), nil)) {
		if m.Name == id {
			properties := map[string]any{}
			for _, p := range m.Properties {
				properties[p.ID] = p.Value
			}
			return properties
		}
	}
	t.Fatalf("%s is not listed", id)
	return nil
}

func TestPropertiesAreTheFactsThatCloudflareLists(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	price := func(unit string, usd float64) any {
		return map[string]any{"unit": unit, "price": usd, "currency": "USD"}
	}
	for id, want := range map[string]map[string]any{
		"@cf/moonshotai/kimi-k2.6": {
			"context_window": "262144", "function_calling": "true", "reasoning": "true", "vision": "true", "require_workers_paid": "true",
			"price": []any{price("per M input tokens", 0.95), price("per M cached input tokens", 0.16), price("per M output tokens", 4)},
		},
		"@cf/meta-llama/llama-2-7b-chat-hf-lora": {"context_window": "8192", "lora": "true"},
		"@cf/meta/m2m100-1.2b":                   {"async_queue": "true", "price": []any{price("per M input tokens", 0.342), price("per M output tokens", 0.342)}},
		"@cf/microsoft/phi-2":                    {"context_window": "2048", "planned_deprecation_date": "2026-05-30"},
		"@cf/tiiuae/falcon-7b-instruct":          {"context_window": "4096"}, // the day of its end is not known
		"@cf/black-forest-labs/flux-1-schnell":   {"price": []any{price("per 512x512 tile", 0.0000528), price("per step", 0.0001056)}},
		"@cf/deepgram/nova-3":                    {"realtime": "true", "price": []any{price("per audio minute", 0.0052), price("per audio minute websocket", 0.0092)}},
	} {
		got, err := json.Marshal(propertiesOf(t, h, id))
		if err != nil {
			t.Fatal(err)
		}
		wanted, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(wanted) {
			t.Errorf("%s: got %s, want %s", id, got, wanted)
		}
	}
}

func TestPricesKeepTheirPublishedDigits(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	h.do("GET", home+"/ai/models/search?search=phoenix", nil).want(t, 200, 0, `"price":0.005830,`, `"price":0.000110,`)
}

func TestEveryModelIsFoundAndHasASchema(t *testing.T) {
	parts := domain(t, encoder)
	h := startWith(t, Config{}, parts)
	ids := map[string]bool{}
	for _, m := range result[[]modelObject](t, h.do("GET", home+"/ai/models/search?include_deprecated=true&per_page=1000", nil)) {
		if m.Task.ID == "" || m.Task.Name == "" || m.Task.Description == "" || m.Description == "" || ids[m.ID] {
			t.Errorf("%+v", m)
		}
		ids[m.ID] = true
		h.do("GET", home+"/ai/models/schema?model="+url.QueryEscape(m.Name), nil).want(t, 200, 0, `"input":{`, `"output":{`)
	}
	if len(ids) != len(parts.Models.Catalogue().Models()) {
		t.Errorf("%d models are listed", len(ids))
	}
}

func TestModelsAreListedInOpenRoutersForm(t *testing.T) {
	h := startWith(t, Config{}, domain(t, encoder))
	a := h.do("GET", home+"/ai/models/search?format=openrouter&per_page=5", nil)
	a.want(t, 200, 0)
	var list struct{ Data []openRouterModel }
	if err := json.Unmarshal([]byte(a.body), &list); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(list.Data, func(m openRouterModel) bool { return m.ID == "@cf/moonshotai/kimi-k2.6" })
	if len(list.Data) < 30 || at < 0 {
		t.Fatalf("%d models: %.300s", len(list.Data), a.body)
	}
	kimi := list.Data[at]
	if kimi.Name != "kimi-k2.6" || kimi.Context != 262144 || !slices.Equal(kimi.In, []string{"text", "image"}) ||
		!slices.Contains(kimi.Features, "tools") || !slices.Contains(kimi.Features, "reasoning") {
		t.Errorf("%+v", kimi)
	}
	if p := kimi.Pricing; p["prompt"] != "0.00000095" || p["completion"] != "0.000004" || p["input_cache_read"] != "0.00000016" {
		t.Errorf("%v", p)
	}
	for _, m := range list.Data {
		if strings.Contains(m.ID, "bge") || m.Deprecated != "" {
			t.Errorf("listed: %+v", m)
		}
	}
	a = h.do("GET", home+"/ai/models/search?format=openrouter&include_deprecated=true&search=gemma-3-12b", nil)
	a.want(t, 200, 0, `"deprecation_date":"2026-05-30"`, `"prompt":"0.000000345"`)
}

func TestServedModelsAreFoundByTaskAndService(t *testing.T) {
	parts := domain(t, encoder)
	h := startWith(t, Config{}, parts)
	list := func(query string) []servedModel {
		return result[[]servedModel](t, h.do("GET", home+"/nearside/models?"+query, nil))
	}
	if all := list(""); len(all) != len(parts.Models.Catalogue().Models()) {
		t.Errorf("%d models", len(all))
	}
	served := list("served=true")
	for _, m := range served {
		if m.Missing != "" || m.Served == "" || m.Backend != "builtin" || m.Task != string(llm.Embeddings) {
			t.Errorf("served: %+v", m)
		}
	}
	if len(served) != 4 { // the encoder itself, and for what it may stand in
		t.Errorf("%d are served: %+v", len(served), served)
	}
	for _, m := range list("task=translation") {
		if m.Task != string(llm.Translation) || m.Missing == "" || m.Input == "" {
			t.Errorf("%+v", m)
		}
	}
	old := list("task=Summarization")
	if len(old) != 1 || old[0].Deprecated != "2026-05-30" || old[0].Successor != "@cf/meta/llama-3.2-3b-instruct" {
		t.Errorf("%+v", old)
	}
}

func TestDollarsPerTokenLoseNoDigit(t *testing.T) {
	for usd, want := range map[string]string{"0.020": "0.00000002", "0.95": "0.00000095", "4.000": "0.000004", "0.0000528": "0.000000000053", "x": "0"} {
		if got := perToken(usd); got != want {
			t.Errorf("%s: got %s, want %s", usd, got, want)
		}
	}
}
