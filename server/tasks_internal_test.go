package server

import (
	"strings"
	"testing"

	"nearside/llm/backend/backendtest"
)

func TestTasksAnswerInTheirShapesAndCostWhatTheySay(t *testing.T) {
	labels := backendtest.Answer{Pieces: []string{`{"NEGATIVE":0.1,`, `"POSITIVE":0.9}`}}
	for name, test := range map[string]struct {
		model, body, want string
		answer            backendtest.Answer
	}{
		"summary":               {"@cf/facebook/bart-large-cnn", `{"input_text":"a long text"}`, `"result":{"summary":"The sky is blue."}`, backendtest.Answer{}},
		"translation":           {"@cf/meta/m2m100-1.2b", `{"text":"der Himmel ist blau","source_lang":"de","target_lang":"en"}`, `"result":{"translated_text":"The sky is blue."}`, backendtest.Answer{}},
		"translations to India": {"@cf/ai4bharat/indictrans2-en-indic-1B", `{"text":["a","b"],"target_language":"hin_Deva"}`, `"result":{"translations":["The sky is blue.","The sky is blue."]}`, backendtest.Answer{}},
		"labels":                {"@cf/huggingface/distilbert-sst-2-int8", `{"text":"what a day"}`, `"result":[{"label":"NEGATIVE","score":0.1},{"label":"POSITIVE","score":0.9}]`, labels},
	} {
		h, s, parts := modelled(t, Config{})
		s.ollama.Add(backendtest.Model{Name: "llama3.2"})
		if test.answer.Pieces != nil {
			s.ollama.Answer(test.answer)
		}
		a := h.post(home+"/ai/run/"+test.model, test.body)
		a.want(t, 200, 0, test.want, "stands in for "+test.model)
		if a.header.Get("nearside-route") != "substitute" || a.header.Get("nearside-model") == "" || a.told(t) != charged(t, parts).String() {
			t.Errorf("%s: headers %v, charged %s", name, a.header, charged(t, parts))
		}
	}
}

func TestContextsAreRankedBestFirst(t *testing.T) {
	h, s, parts := modelled(t, Config{})
	s.openai.Add(backendtest.Model{Name: "BAAI/bge-reranker-base"}) // scores the words that query and text share
	body := `{"query":"a cat","contexts":[{"text":"dogs"},{"text":"a cat sat"},{"text":"a dog"}],"top_k":2}`
	a := h.post(home+"/ai/run/@cf/baai/bge-reranker-base", body)
	a.want(t, 200, 0, `"result":{"response":[{"id":1,"score":2},{"id":2,"score":1}]}`)
	if a.header.Get("nearside-backend") != "openai" || a.told(t) != charged(t, parts).String() || charged(t, parts) == 0 {
		t.Errorf("headers %v, charged %s", a.header, charged(t, parts))
	}
	s.openai.Down()
	h.post(home+"/ai/run/@cf/baai/bge-reranker-base", body).want(t, 200, 0, `"result":{"response":[{"id":1,"score":`, "no reranker is here")
}

// bge-m3 ranks by its own vectors; the one that is the query's is the nearest to it.
func TestContextsWithAQueryAreRankedByTheirVectors(t *testing.T) {
	h, _, parts := modelled(t, Config{})
	a := h.post(home+"/ai/run/"+bgeM3, `{"query":"a cat","contexts":[{"text":"dogs"},{"text":"a cat"},{"text":"a dog"}]}`)
	a.want(t, 200, 0, `"result":{"response":[{"id":1,"score":`)
	if got := result[rankedContexts](t, a); len(got.Response) != 3 || got.Response[0].Score < .9999 || a.told(t) != charged(t, parts).String() {
		t.Errorf("got %+v, told %s, charged %s", got, a.told(t), charged(t, parts))
	}
}

func TestTasksRefuseWhatTheirModelsSchemasRefuse(t *testing.T) {
	h, s, parts := modelled(t, Config{})
	for _, test := range []struct {
		model, body  string
		status, code int
		fragment     string
	}{
		{"@cf/facebook/bart-large-cnn", `{}`, 400, 5006, "'input_text'"},
		{"@cf/meta/m2m100-1.2b", `{"text":"x"}`, 400, 5006, "'target_lang'"},
		{"@cf/meta/m2m100-1.2b", `{"text":"x","target_lang":"` + strings.Repeat("x", 65) + `"}`, 400, 5006, "at most 64"},
		{"@cf/huggingface/distilbert-sst-2-int8", `{"text":7}`, 400, 5006, "'/text'"},
		{"@cf/baai/bge-reranker-base", `{"query":"x"}`, 400, 5006, "'contexts'"},
	} {
		h.post(home+"/ai/run/"+test.model, test.body).want(t, test.status, test.code, test.fragment)
	}
	s.ollama.Down()
	s.openai.Down()
	h.post(home+"/ai/run/@cf/meta/m2m100-1.2b", `{"text":"x","target_lang":"en"}`).want(t, 503, 7009)
	if charged(t, parts) != 0 {
		t.Errorf("charged %s", charged(t, parts))
	}
}
