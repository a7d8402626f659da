//go:build unix

package command_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"nearside/client"
	"nearside/llm/ollama/tinymodel"
)

// The tests of this file run nearside before a real Ollama, whose models are tiny.

// sky is what the model "talker" says: six tokens, or a call, or JSON.
var sky = tinymodel.Script{
	Say:  []string{"The", " sky", " is", " blue", ".", "\n"},
	Call: []string{`{"name": `, `"weather"`, `, "parameters": `, `{"city": `, `"Oslo"`, `}}`},
	JSON: []string{`{"answer":`, `"blue`, `"}`},
}

const (
	skySaid   = "The sky is blue.\n"
	skyTokens = 7 // with the one that ends it
)

// catalogueOf describes the models of a server, behind its own API and behind the one it shares with OpenAI.
const catalogueOf = `backends:
  - {name: here, kind: ollama, url: %[1]q}
  - {name: v1, kind: openai, url: "%[1]s/v1"}
models:
  - {id: "@test/talker", task: Text Generation, output: native, can: [tools, streaming], prices: %[2]s, backends: [{kind: here, model: talker}]}
  - {id: "@test/talker-v1", task: Text Generation, output: native, can: [tools, streaming], prices: %[2]s, backends: [{kind: v1, model: talker}]}
  - {id: "@test/endless", task: Text Generation, output: native, can: [streaming], prices: %[2]s, backends: [{kind: here, model: endless}]}
  - {id: "@test/endless-v1", task: Text Generation, output: native, can: [streaming], prices: %[2]s, backends: [{kind: v1, model: endless-too}]}
  - {id: "@test/absent", task: Text Generation, output: native, backends: [{kind: here, model: absent}]}
  - {id: "@test/encoder", task: Text Embeddings, input: text, dimensions: 64, backends: [{kind: here, model: encoder}]}
  - {id: "@test/encoder-v1", task: Text Embeddings, input: text, dimensions: 64, backends: [{kind: v1, model: encoder}]}
`

// neuronAToken is a price of one neuron for each token that comes out.
const neuronAToken = `[{unit: M_output_tokens, usd: "11", neurons: "1000000"}]`

// before starts nearside before a server.
func before(t *testing.T, s *ollamaServer) *client.Client {
	t.Helper()
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "models.yaml"), fmt.Appendf(nil, catalogueOf, s.url(), neuronAToken), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, data, "--ollama", "off", "--models", t.TempDir()).ready()
}

// answered is a reply of /ai/run.
type answered struct {
	status int
	header http.Header
	Result struct {
		Response json.RawMessage
		Calls    []struct {
			Name      string
			Arguments json.RawMessage
		} `json:"tool_calls"`
		Usage struct {
			Prompt     int `json:"prompt_tokens"`
			Completion int `json:"completion_tokens"`
		}
		Data [][]float64
	}
	Errors, Messages []struct{ Message string }
}

// text is a response that is a text.
func (a answered) text() (text string) {
	_ = json.Unmarshal(a.Result.Response, &text) // "" for what is none
	return text
}

// post sends a body to a model.
func post(t *testing.T, api *client.Client, model, body string) *http.Response {
	t.Helper()
	res, err := http.Post(api.URL+"/client/v4/accounts/local/ai/run/"+model, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// ask sends a body to a model and reads the whole reply.
func ask(t *testing.T, api *client.Client, model, body string) (a answered) {
	t.Helper()
	res := post(t, api, model, body)
	a.status, a.header = res.StatusCode, res.Header
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		t.Fatalf("%s: %v", model, err)
	}
	return a
}

// frames reads a stream to its end: the text of all its frames, and the last two.
func frames(t *testing.T, from io.Reader) (said string, last []string) {
	t.Helper()
	for lines := bufio.NewScanner(from); lines.Scan(); {
		frame, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var piece struct{ Response string }
		if json.Unmarshal([]byte(frame), &piece) == nil {
			said += piece.Response
		}
		if last = append(last, frame); len(last) > 2 {
			last = last[1:]
		}
	}
	return said, last
}

const tool = `"tools": [{"name": "weather", "description": "of a city", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]`

func TestARealOllamaChats(t *testing.T) {
	s := startOllama(t)
	s.createTalker("talker", sky)
	api := before(t, s)
	for _, model := range []string{"@test/talker", "@test/talker-v1"} {
		t.Run(model, func(t *testing.T) {
			a := ask(t, api, model, `{"messages": [{"role": "user", "content": "What colour is the sky?"}]}`)
			if a.text() != skySaid || a.Result.Usage.Completion != skyTokens || a.Result.Usage.Prompt == 0 || a.header.Get("cf-ai-neurons") != "7.000000" {
				t.Errorf("chat: %+v", a)
			}
			if a := ask(t, api, model, `{"prompt": "hello", "max_tokens": 3}`); a.text() != "The sky is" || a.Result.Usage.Completion != 3 {
				t.Errorf("3 tokens: %+v", a)
			}
			said, last := frames(t, post(t, api, model, `{"prompt": "hello", "stream": true}`).Body)
			if said != skySaid || last[1] != "[DONE]" || !strings.Contains(last[0], `"completion_tokens":7`) || !strings.Contains(last[0], `"neurons":7`) {
				t.Errorf("stream: %q, and last %q", said, last)
			}
			a = ask(t, api, model, `{"messages": [{"role": "user", "content": "Is it warm?"}], `+tool+`}`)
			if len(a.Result.Calls) != 1 || a.Result.Calls[0].Name != "weather" || strings.ReplaceAll(string(a.Result.Calls[0].Arguments), " ", "") != `{"city":"Oslo"}` {
				t.Errorf("tool: %+v", a)
			}
			a = ask(t, api, model, `{"messages": [{"role": "user", "content": "Is it warm?"},
				{"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}}]},
				{"role": "tool", "tool_call_id": "c1", "name": "weather", "content": "12 degrees"}], `+tool+`}`)
			if a.text() != skySaid {
				t.Errorf("after the tool's answer: %+v", a)
			}
			for _, format := range []string{
				`{"type": "json_object"}`,
				`{"type": "json_schema", "json_schema": {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}}`,
			} {
				a := ask(t, api, model, `{"messages": [{"role": "user", "content": "Which colour?"}], "response_format": `+format+`}`)
				if string(a.Result.Response) != `{"answer":"blue"}` {
					t.Errorf("%s: %+v %s", format, a, a.Result.Response)
				}
			}
		})
	}
	if a := ask(t, api, "@test/absent", `{"prompt": "hello"}`); a.status != 503 || len(a.Errors) == 0 || !strings.Contains(a.Errors[0].Message, "ollama pull absent") {
		t.Errorf("a model that is not pulled: %+v", a)
	}
}

func TestARealOllamaAnswersManyAtOnceAndTheCommandLine(t *testing.T) {
	s := startOllama(t)
	s.createTalker("talker", sky)
	api := before(t, s)
	answers := make([]string, 12) // three times what a backend is asked at once
	var asking sync.WaitGroup
	for i := range answers {
		asking.Go(func() {
			res, err := http.Post(api.URL+"/v1/chat/completions", "application/json", strings.NewReader(`{"model": "@test/talker", "messages": [{"role": "user", "content": "hello"}]}`))
			if err != nil {
				answers[i] = err.Error()
				return
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			answers[i] = fmt.Sprint(string(body), err)
		})
	}
	asking.Wait()
	for _, answer := range answers {
		if !strings.Contains(answer, `"content":"The sky is blue.\n"`) || !strings.Contains(answer, `"finish_reason":"stop"`) {
			t.Errorf("of many at once, one was answered %s", answer)
		}
	}
	if paid := paidFor(t, api, "@test/talker"); paid != float64(len(answers)*skyTokens) {
		t.Errorf("%v neurons for %d answers of %d tokens", paid, len(answers), skyTokens)
	}
	if out, code := nearsideCode(t, t.Context(), "chat", "hello", "--model", "@test/talker", "--url", api.URL); code != 0 || !strings.HasPrefix(out, skySaid) {
		t.Errorf("nearside chat: %d, %q", code, out)
	}
}

func TestARealOllamaEmbeds(t *testing.T) {
	s := startOllama(t)
	words := []string{"the", "sky", "is", "blue", "today", "taxes", "are", "due"}
	s.create("encoder", "", tinymodel.Encoder(words, 1))
	api := before(t, s)
	for _, model := range []string{"@test/encoder", "@test/encoder-v1"} {
		t.Run(model, func(t *testing.T) {
			texts := []string{"the sky is blue", "today the sky is blue", "taxes are due", "the sky is blue"}
			for len(texts) < 40 { // more than one batch of a backend
				texts = append(texts, strings.Repeat("sky ", len(texts)))
			}
			body, err := json.Marshal(map[string]any{"text": texts})
			if err != nil {
				t.Fatal(err)
			}
			a := ask(t, api, model, string(body))
			v := a.Result.Data
			if len(v) != len(texts) || len(v[0]) != tinymodel.EncoderWidth {
				t.Fatalf("%d vectors for %d texts: %+v", len(v), len(texts), a.Errors)
			}
			if !slices.Equal(v[0], v[3]) || slices.Equal(v[0], v[1]) {
				t.Error("equal texts must have equal vectors, and others other ones")
			}
			if near, far := dot(v[0], v[1]), dot(v[0], v[2]); near < 0.8 || far > 0.5 {
				t.Errorf("%v to a text of the same words, %v to one of others", near, far)
			}
			if again := ask(t, api, model, `{"text": "the sky is blue"}`); dot(again.Result.Data[0], v[0]) < 0.99999 {
				t.Error("alone, a text has another vector than among others")
			}
		})
	}

	if a := ask(t, api, "@test/encoder", `{"text": ["short", "`+strings.Repeat("sky ", 2000)+`"]}`); a.status != 200 || len(a.Result.Data) != 2 || !strings.Contains(fmt.Sprint(a.header, a.Messages), "tokens") {
		t.Errorf("a text beyond the context: %d, %v, %+v", a.status, a.header, a.Messages)
	}

	// The account is pinned to these weights; others under the same name do not answer in their place.
	s.create("encoder", "", tinymodel.Encoder(words, 2))
	if a := ask(t, api, "@test/encoder", `{"text": "the sky is blue"}`); a.status == 200 {
		t.Errorf("other weights answered at once: %+v", a.status)
	}
	eventually(t, "other weights are refused by name", func() bool {
		a := ask(t, api, "@test/encoder", `{"text": "the sky is blue"}`)
		if a.status == 200 {
			t.Fatal("other weights answered")
		}
		return a.status == 409 && strings.Contains(a.Errors[0].Message, "do not compare")
	})
	s.create("encoder", "", tinymodel.Encoder(words, 1))
	eventually(t, "the first weights answer again", func() bool { return ask(t, api, "@test/encoder", `{"text": "the sky is blue"}`).status == 200 })
}

// dot is the cosine of vectors of length 1.
func dot(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// endless is a question whose answer takes longer than a test waits.
const endless = `{"prompt": "hello", "stream": true, "max_tokens": 100000}`

func TestARealOllamaThatDiesMidwayIsPaidForWhatItSaid(t *testing.T) {
	s := startOllama(t)
	s.createTalker("talker", sky)
	s.createTalker("endless", tinymodel.Script{Say: []string{" on", " and"}, Repeat: true})
	s.createTalker("endless-too", tinymodel.Script{Say: []string{" more", " and"}, Repeat: true}) // of one model, Ollama loads another size of context only when nobody waits for an answer
	api := before(t, s)
	streams := map[string]*bufio.Reader{}
	for _, model := range []string{"@test/endless", "@test/endless-v1"} {
		streams[model] = bufio.NewReader(post(t, api, model, endless).Body)
		if begin, err := streams[model].ReadString('\n'); err != nil || !strings.Contains(begin, `"response":"`) {
			t.Fatalf("%s begins with %q, %v", model, begin, err)
		}
	}
	s.end(syscall.SIGKILL)
	for model, stream := range streams {
		said, last := frames(t, stream)
		if len(last) == 0 || !strings.Contains(last[len(last)-1], `"errors":[{"`) {
			t.Errorf("%s: after %d bytes the stream ends with %q", model, len(said), last)
		}
		tokens := float64(strings.Count(said, " ") + 1)                         // the first went by above
		if paid := paidFor(t, api, model); paid < tokens/2 || paid > tokens*2 { // estimated: nobody counted to the end
			t.Errorf("%s: %v neurons for %v tokens", model, paid, tokens)
		}
	}

	// While it is away, calls fail; after a few they fail at once.
	for model, backend := range map[string]string{"@test/talker": "here", "@test/talker-v1": "v1"} {
		eventually(t, "the backend is left alone", func() bool {
			if a := ask(t, api, model, `{"prompt": "hello"}`); a.status == 200 {
				t.Fatalf("a server that is away answered: %+v", a)
			}
			return isOpen(t, api, backend)
		})
	}
	s.up()
	for model, backend := range map[string]string{"@test/talker": "here", "@test/talker-v1": "v1"} {
		eventually(t, "the backend is asked again", func() bool { return ask(t, api, model, `{"prompt": "hello"}`).text() == skySaid })
		if isOpen(t, api, backend) {
			t.Errorf("%s answers, and is still left alone", backend)
		}
	}
}

// paidFor is what the calls of a model have cost, in neurons.
func paidFor(t *testing.T, api *client.Client, model string) (neurons float64) {
	t.Helper()
	for _, row := range usageOf(t, api.URL).Rows {
		if row.Model != model {
			continue
		}
		var err error
		if neurons, err = row.Neurons.Float64(); err != nil {
			t.Fatal(err)
		}
	}
	return neurons
}

// isOpen reports whether a backend is left alone.
func isOpen(t *testing.T, api *client.Client, backend string) bool {
	t.Helper()
	return strings.Contains(get(t, api, "/metrics"), fmt.Sprintf("nearside_backend_open{backend=%q} 1", backend))
}

// A caller who hangs up ends the work of the model, and pays for what there was.
func TestARealOllamaStopsWhenNobodyListens(t *testing.T) {
	s := startOllama(t)
	s.createTalker("endless", tinymodel.Script{Say: []string{" on", " and"}, Repeat: true})
	api := before(t, s)
	res := post(t, api, "@test/endless", endless)
	if _, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the call is paid", func() bool {
		paid := paidFor(t, api, "@test/endless")
		return paid >= 1 && paid < 100_000
	})
	eventually(t, "the backend is free", func() bool {
		return strings.Contains(get(t, api, "/metrics"), `nearside_backend_in_flight{backend="here"} 0`)
	})
}
