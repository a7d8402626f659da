package llm_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/llm"
)

// shipped loads the catalogue that is built into nearside.
func shipped(t *testing.T) *llm.Catalogue {
	t.Helper()
	source, err := os.ReadFile("../models.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := llm.Load(source)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheShippedCatalogueLoads(t *testing.T) {
	c := shipped(t)
	want := map[string]int{
		"@cf/baai/bge-small-en-v1.5": 384, "@cf/baai/bge-base-en-v1.5": 768, "@cf/baai/bge-large-en-v1.5": 1024, "@cf/baai/bge-m3": 1024,
		"@cf/google/embeddinggemma-300m": 768, "@cf/qwen/qwen3-embedding-0.6b": 1024, "@cf/pfnet/plamo-embedding-1b": 2048,
		"@nearside/all-minilm-l6-v2": 384, "@nearside/lexical-hash": 384,
	}
	for _, m := range c.Models() {
		if m.Task != llm.Embeddings || m.Description == "" || m.Dimensions != want[m.ID] {
			t.Errorf("%+v", m)
		}
		delete(want, m.ID)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

func TestEveryModelHasSchemas(t *testing.T) {
	for _, m := range shipped(t).Models() {
		input, output, err := m.Schema()
		if err != nil || !json.Valid(input) || !json.Valid(output) {
			t.Errorf("%s: %v, %s, %s", m.ID, err, input, output)
		}
	}
}

const head = `tasks:
  - {name: Text Embeddings, id: 0137cdcf-162a-4108-94f2-1ca59e8c65ee, description: d}
models:
`

// models writes a catalogue with the given entries, the first in line 4.
func models(entries ...string) []byte {
	var b strings.Builder
	b.WriteString(head)
	for _, e := range entries {
		fmt.Fprintf(&b, "  - %s\n", e)
	}
	return []byte(b.String())
}

const fine = `{id: a, task: Text Embeddings, input: text, dimensions: 2, backends: [{kind: builtin, model: a}]}`

func TestWhatIsWrongWithACatalogueIsToldByLine(t *testing.T) {
	tests := map[string]struct {
		source []byte
		want   string
	}{
		"no YAML":              {[]byte("models: ["), "models.yaml:1:"},
		"nothing":              {nil, "models.yaml:1: the catalogue has no models"},
		"an unknown key":       {models(fine, "\n    id: b\n    dimension: 3"), `models.yaml:7: unknown field "dimension"`},
		"a wrong type":         {models("\n    id: b\n    dimensions: many"), "models.yaml:6:"},
		"no id":                {models("{task: Text Embeddings}"), "models.yaml:4: a model needs an id"},
		"twice":                {models(fine, fine), `models.yaml:5: model "a" is there twice`},
		"no dimensions":        {models(fine, "\n    task: Text Embeddings\n    id: b\n    input: text"), `models.yaml:6: model "b" needs its dimensions`},
		"dimensions of 0":      {models("\n    id: b\n    task: Text Embeddings\n    dimensions: 0"), `models.yaml:7: model "b" needs its dimensions`},
		"an unknown task":      {models("\n    id: b\n    task: Guessing"), `models.yaml:6: model "b" has the task "Guessing"`},
		"an unknown input":     {models("{id: b, task: Text Embeddings, dimensions: 1, input: song}"), `models.yaml:4: model "b" has the input "song"`},
		"negative tokens":      {models("{id: b, task: Text Embeddings, dimensions: 1, input: text, tokens: -1}"), "models.yaml:4: model \"b\" has a negative"},
		"a price in words":     {models("{id: b, task: Text Embeddings, dimensions: 1, input: text, prices: [{unit: step, usd: cheap, neurons: '1'}]}"), `models.yaml:4: model "b": usd "cheap"`},
		"no backends":          {models("{id: b, task: Text Embeddings, dimensions: 1, input: text}"), `models.yaml:4: model "b" has no backends`},
		"an unknown backend":   {models("{id: b, task: Text Embeddings, dimensions: 1, input: text, backends: [{kind: magic, model: x}]}"), `kind "magic"`},
		"a nameless backend":   {models("{id: b, task: Text Embeddings, dimensions: 1, input: text, backends: [{kind: ollama}]}"), `no model name`},
		"an absent substitute": {models(fine, "{id: b, task: Text Embeddings, dimensions: 2, input: text, backends: [{kind: builtin, model: c, substitute: true}]}"), `models.yaml:5: model "b" falls back on "c", which is no model`},
		"a wider substitute":   {models(fine, "{id: b, task: Text Embeddings, dimensions: 1, input: text, backends: [{kind: builtin, model: a, substitute: true}]}"), `models.yaml:5: model "b" has 1 dimensions and cannot be answered by "a" with 2`},
		"a silent substitute":  {models(fine, "{id: b, task: Text Embeddings, dimensions: 2, input: text, backends: [{kind: builtin, model: a}]}"), "substitute must be true"},
		"an alias to nothing":  {models(fine, "{id: b, alias: c}"), `models.yaml:5: "b" is an alias of "c", which is no model`},
		"an alias of itself":   {models(fine, "{id: b, alias: b}"), `models.yaml:5: the alias "b" leads back to itself`},
		"an alias loop":        {models(fine, "{id: b, alias: c}", "{id: c, alias: d}", "{id: d, alias: b}"), `models.yaml:5: the alias "b" leads back to itself`},
		"an alias with more":   {models(fine, "{id: b, alias: a, task: Text Embeddings}"), "can have nothing else"},
		"an alias twice":       {models(fine, "{id: b, alias: a}", "{id: b, alias: a}"), `models.yaml:6: model "b" is there twice`},
		"a task without words": {[]byte("tasks:\n  - {name: x, id: y}\n"), "models.yaml:2: a task needs"},
		"a task id no UUID":    {[]byte("tasks:\n  - {name: x, id: y, description: d}\n"), `models.yaml:2: task "x" has the id "y"`},
		"a task twice":         {[]byte("tasks:\n" + strings.Repeat("  - {name: x, id: 0137cdcf-162a-4108-94f2-1ca59e8c65ee, description: d}\n", 2)), `models.yaml:3: task "x" is there twice`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := llm.Load(test.source)
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "models.yaml:") {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestAliasesLeadToTheirModelOverAnyNumberOfSteps(t *testing.T) {
	c, err := llm.Load(models("{id: d, alias: c}", fine, "{id: c, alias: b}", "{id: b, alias: a}"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c", "d"} {
		if m, err := c.Model(id); err != nil || m.ID != "a" {
			t.Errorf("%s: %v, %v", id, m, err)
		}
	}
	if len(c.Models()) != 1 {
		t.Errorf("aliases are listed as models: %v", c.Models())
	}
}

func TestUnknownModelsAreNamedAndCut(t *testing.T) {
	c := shipped(t)
	_, err := c.Model("@cf/x/y")
	if f := fault.As(err); f == nil || f.Reason != llm.ReasonModel || f.Message != "No such model @cf/x/y or task" {
		t.Errorf("got %v", err)
	}
	if _, err := c.Model(strings.Repeat("x", 10_000)); len(err.Error()) > 300 {
		t.Errorf("a message of %d bytes", len(err.Error()))
	}
}
