//go:build unix

package command_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearside/client"
	"nearside/llm/backend/backendtest"
	"nearside/llm/chat"
)

// catalogueOfClients has Cloudflare's models answered by a real Ollama, through both of
// its APIs, and by servers of the tests where the content matters. What each says
// stands in testdata/clients/house.mjs.
const catalogueOfClients = `backends:
  - {name: here, kind: ollama, url: %[1]q}
  - {name: v1, kind: openai, url: "%[1]s/v1"}
  - {name: thinker, kind: openai, url: "%[2]s/v1"}
  - {name: eyes, kind: openai, url: "%[3]s/v1"}
  - {name: caller, kind: openai, url: "%[4]s/v1"}
  - {name: judge, kind: openai, url: "%[5]s/v1"}
  - {name: labeller, kind: openai, url: "%[6]s/v1"}
  - {name: fragile, kind: openai, url: "%[7]s/v1"}
models:
  - {id: "@cf/meta/llama-3.3-70b-instruct-fp8-fast", backends: [{kind: here, model: talker}]}
  - {id: "@cf/zai-org/glm-4.7-flash", backends: [{kind: v1, model: talker-too}]}
  - {id: "@cf/facebook/bart-large-cnn", backends: [{kind: here, model: talker}]}
  - {id: "@cf/meta/m2m100-1.2b", backends: [{kind: v1, model: talker-too}]}
  - {id: "@cf/qwen/qwen3-30b-a3b-fp8", backends: [{kind: thinker, model: chat}]}
  - {id: "@cf/meta/llama-3.2-11b-vision-instruct", backends: [{kind: eyes, model: chat}]}
  - {id: "@cf/ibm-granite/granite-4.0-h-micro", backends: [{kind: caller, model: chat}]}
  - {id: "@cf/google/gemma-4-26b-a4b-it", backends: [{kind: caller, model: chat}]}
  - {id: "@cf/huggingface/distilbert-sst-2-int8", backends: [{kind: judge, model: chat}]}
  - {id: "@cf/mistralai/mistral-small-3.1-24b-instruct", backends: [{kind: fragile, model: chat}]}
  - {id: "@cf/openai/gpt-oss-20b", backends: [{kind: v1, model: talker-too}]}
  - {id: "@cf/baai/bge-reranker-base", backends: [{kind: judge, model: chat}]}
  - {id: "@cf/llava-hf/llava-1.5-7b-hf", backends: [{kind: eyes, model: chat}]}
  - {id: "@cf/microsoft/resnet-50", stand_in: "@cf/google/gemma-3-12b-it"}
  - {id: "@cf/google/gemma-3-12b-it", backends: [{kind: labeller, model: chat}]}
  - {id: "@cf/openai/whisper", backends: [{kind: judge, model: chat}]}
  - {id: "@cf/openai/whisper-large-v3-turbo", backends: [{kind: judge, model: chat}]}
  - {id: "@cf/deepgram/nova-3", backends: [{kind: judge, model: chat}]}
  - {id: "@cf/deepgram/aura-1", backends: [{kind: judge, model: chat}]}
  - {id: "@cf/myshell-ai/melotts", backends: [{kind: judge, model: chat}]}
  - {id: "@cf/stabilityai/stable-diffusion-xl-base-1.0", backends: [{kind: judge, model: chat}]}
  - {id: "@cf/black-forest-labs/flux-1-schnell", backends: [{kind: judge, model: chat}]}
`

// house is nearside before the servers of catalogueOfClients.
type house struct {
	api           *client.Client
	eyes, fragile *backendtest.Server
}

func openHouse(t *testing.T) house {
	t.Helper()
	ollama := startOllama(t)
	ollama.createTalker("talker", sky)
	again := sky
	again.Call = []string{`{"name": "weather", `, `"parameters": `, `{"city": "Oslo"}}`} // another file: of one, Ollama loads another size of context anew each time
	ollama.createTalker("talker-too", again)
	saying := func(a backendtest.Answer) *backendtest.Server {
		s := backendtest.New(t)
		s.Answer(a)
		return s
	}
	thinker := saying(backendtest.Answer{Reasoning: []string{"Let me", " see."}, Pieces: []string{"It is", " blue."}})
	eyes := saying(backendtest.Answer{Pieces: []string{"A red", " dot."}})
	caller := saying(backendtest.Answer{Tools: []chat.ToolCall{
		{ID: "c1", Name: "weather", Arguments: json.RawMessage(`{"city":"Oslo"}`)},
		{ID: "c2", Name: "time", Arguments: json.RawMessage(`{"city":"Bergen"}`)},
	}})
	judge := saying(backendtest.Answer{Pieces: []string{`{"NEGATIVE":0.75,`, `"POSITIVE":0.25}`}})
	labeller := saying(backendtest.Answer{Pieces: []string{`{"labels":[{"label":"red dot","score":0.75},`, `{"label":"pixel","score":0.25}]}`}})
	fragile := saying(backendtest.Answer{Pieces: []string{"It", " is", " whole", "."}})
	catalogue := filepath.Join(t.TempDir(), "models.yaml")
	if err := os.WriteFile(catalogue, fmt.Appendf(nil, catalogueOfClients, ollama.url(), thinker.URL, eyes.URL, caller.URL, judge.URL, labeller.URL, fragile.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	serve := func(args ...string) *client.Client {
		return start(t, t.TempDir(), append([]string{"--ollama", "off", "--models-file", catalogue}, args...)...).ready()
	}
	t.Setenv("NEARSIDE_SPENT_URL", serve("--neurons-per-day", "1").URL)
	return house{serve(), eyes, fragile}
}

// aiScripts are the clients whose calls to models are in the table, in its order.
var aiScripts = [][]string{
	{"node", "openai.mjs"},
	{"python3", "openai_sdk.py"},
	{"node", "cloudflare_ai.mjs", "cloudflare"},
	{"node", "cloudflare_ai.mjs", "cloudflare-5"},
	{"node", "cloudflare_ai.mjs", "cloudflare-4"},
	{"python3", "cloudflare_ai.py"},
	{"node", "workers_ai_provider.mjs", "binding"},
	{"node", "workers_ai_provider.mjs", "rest"},
	{"node", "langchain.mjs"},
}

// aiTasks are the rows of the table. A script names them as they stand here.
var aiTasks = []string{
	"text", "text, streamed", "text from a prompt", "tools and their results", "tools, streamed", "JSON mode",
	"thoughts apart from the answer", "pictures in messages",
	"embeddings", "reranking", "text classification", "summarization", "translation",
	"image to text", "image classification", "speech to text", "text to speech", "text to image",
	"responses", "responses, streamed",
	"batches", "cache of a gateway", "logs of a gateway",
	"list of models", "schemas of models", "fine-tunes kept", "price in neurons", "limits in neurons", "errors with code and words", "broken streams are errors",
}

// seenClient is what a script reports of a client.
type seenClient struct {
	Client string // with its version
	Worked []string
}

// TestRealClientsDoEveryTask has real clients do what each can, and holds the table
// in docs/models.md against what was seen; -table writes it.
func TestRealClientsDoEveryTask(t *testing.T) {
	clientsDir(t)
	house := openHouse(t)
	var seen []seenClient
	for _, script := range aiScripts {
		t.Run(strings.Join(script[1:], " "), func(t *testing.T) {
			house.fragile.LieTimes(backendtest.CloseMidway, 1)
			seen = append(seen, reported(t, runScript(t, house.api, script[0], script[1:]...)))
		})
	}
	for _, body := range house.eyes.Asked("/v1/chat/completions") {
		if !strings.Contains(string(body), "data:image/png;base64,iVBORw0KGgo") {
			t.Errorf("a picture did not arrive: %s", body)
		}
	}
	if !t.Failed() && len(seen) == len(aiScripts) { // not with -run of a part
		checkTable(t, seen)
	}
}

// reported reads the last line that a script printed.
func reported(t *testing.T, out string) (seen seenClient) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &seen); err != nil {
		t.Fatalf("%v; the script printed\n%s", err, out)
	}
	for _, task := range seen.Worked {
		if !slices.Contains(aiTasks, task) {
			t.Errorf("%s did %q, which is no row of the table", seen.Client, task)
		}
	}
	return seen
}
