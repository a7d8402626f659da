package llm_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/fault"
	"nearside/llm"
	"nearside/llm/neuron"
)

const head = `tasks:
  - {name: Text Embeddings, id: 0137cdcf-162a-4108-94f2-1ca59e8c65ee, description: d}
models:
`

// models writes a catalogue with the given entries, the first in line 4.
func models(entries ...string) []byte {
	return append([]byte(head), listed("", entries)...)
}

const chatHead = `tasks:
  - {name: Text Generation, id: 0137cdcf-162a-4108-94f2-1ca59e8c65ee, description: d}
  - {name: Summarization, id: 0137cdcf-162a-4108-94f2-1ca59e8c65ef, description: d}
backends:
  - {name: ollama, kind: ollama, url: 'http://127.0.0.1:11434'}
models:
`

// chats writes a catalogue of models that generate text, the first in line 7.
func chats(entries ...string) []byte {
	return append([]byte(chatHead), listed("", entries)...)
}

// ruled writes a catalogue with the model chat and the given rules, the first in line 9.
func ruled(rules ...string) []byte {
	return append(chats(talks), listed("auto:\n", rules)...)
}

// served writes a catalogue with the model a and the given backends, the first in line 6.
func served(backends ...string) []byte {
	return append(models(fine), listed("backends:\n", backends)...)
}

func listed(title string, entries []string) []byte {
	var b strings.Builder
	b.WriteString(title)
	for _, e := range entries {
		fmt.Fprintf(&b, "  - %s\n", e)
	}
	return []byte(b.String())
}

const (
	fine  = `{id: a, task: Text Embeddings, input: text, dimensions: 2, backends: [{kind: builtin, model: a}]}`
	talks = `{id: chat, task: Text Generation, backends: [{kind: ollama, model: m}]}`
)

func TestWhatIsWrongWithACatalogueIsToldByLine(t *testing.T) {
	tests := map[string]struct {
		source []byte
		want   string
	}{
		"no YAML":            {[]byte("models: ["), "models.yaml:1:"},
		"nothing":            {nil, "models.yaml:1: the catalogue has no models"},
		"a text":             {[]byte("\nmodels"), "models.yaml:2: here should be keys and values"},
		"an unknown section": {[]byte("tasks: []\nmodel: []"), `models.yaml:2: unknown section "model"`},
		"a section no list":  {[]byte("models:\n  id: a"), `models.yaml:2: here should be a list`},
		"two documents":      {append(models(fine), "---\nmodels: []\n"...), "models.yaml:6: a second document"},
		"a key twice":        {models("{id: a, id: b}"), `models.yaml:4: mapping key "id" already defined`},

		"an unknown key":           {models(fine, "\n    id: b\n    dimension: 3"), `models.yaml:7: unknown field "dimension"`},
		"a wrong type":             {models("\n    id: b\n    dimensions: many"), "models.yaml:6:"},
		"no id":                    {models("{task: Text Embeddings}"), "models.yaml:4: a model needs an id"},
		"a number for an id":       {models("{id: 7}"), "models.yaml:4: a model needs an id"},
		"twice":                    {models(fine, fine), `models.yaml:5: model "a" is there twice`},
		"no dimensions":            {models(fine, "\n    task: Text Embeddings\n    id: b\n    input: text"), `models.yaml:6: model "b" needs its dimensions`},
		"dimensions of 0":          {models("\n    id: b\n    task: Text Embeddings\n    dimensions: 0"), `models.yaml:7: model "b" needs its dimensions`},
		"an unknown task":          {models("\n    id: b\n    task: Guessing"), `models.yaml:6: model "b" has the task "Guessing"`},
		"an unknown input":         {models("{id: b, task: Text Embeddings, dimensions: 1, input: song}"), `models.yaml:4: model "b" has the input "song"; for Text Embeddings it can be bge-m3, qwen3 or text`},
		"the input of another":     {chats("{id: b, task: Text Generation, input: bge-m3}"), `models.yaml:7: model "b" has the input "bge-m3"`},
		"an unknown output":        {chats("\n    id: b\n    task: Text Generation\n    output: prose"), `models.yaml:10: model "b" has the output "prose"; it can be native, native-nested or chat.completion`},
		"an output of none":        {models("{id: b, task: Text Embeddings, dimensions: 1, input: text, output: native}"), `only models for Text Generation have an output`},
		"an unknown ability":       {chats("\n    id: b\n    task: Text Generation\n    can:\n      - tools\n      - sing"), `models.yaml:12: model "b" can "sing", which means nothing; there are tools,`},
		"negative tokens":          {models("{id: b, task: Text Embeddings, dimensions: 1, input: text, tokens: -1}"), "models.yaml:4: model \"b\" has a negative"},
		"a price in words":         {models("{id: b, task: Text Embeddings, dimensions: 1, input: text, prices: [{unit: step, usd: cheap, neurons: '1'}]}"), `models.yaml:4: model "b": usd "cheap"`},
		"an unknown unit":          {models("\n    id: b\n    task: Text Embeddings\n    dimensions: 1\n    input: text\n    prices:\n      - {unit: smiles, usd: '1', neurons: '1'}"), `models.yaml:10: model "b" is priced by "smiles"`},
		"no backends":              {models("{id: b, task: Text Embeddings, dimensions: 1, input: text}"), `models.yaml:4: model "b" has no backends`},
		"an unknown backend":       {models("{id: b, task: Text Embeddings, dimensions: 1, input: text, backends: [{kind: magic, model: x}]}"), `kind "magic"; there are builtin`},
		"a backend not set up":     {models("{id: b, task: Text Embeddings, dimensions: 1, input: text, backends: [{kind: ollama, model: x}]}"), `kind "ollama"; there are builtin`},
		"a nameless backend":       {chats("\n    id: b\n    task: Text Generation\n    backends:\n      - {kind: ollama, model: x}\n      - {kind: ollama}"), `models.yaml:12: a backend of model "b" has no model name`},
		"a built-in chat":          {chats("{id: b, task: Text Generation, backends: [{kind: builtin, model: b}]}"), `what is built in makes text embeddings only`},
		"an absent substitute":     {models(fine, "{id: b, task: Text Embeddings, dimensions: 2, input: text, backends: [{kind: builtin, model: c, substitute: true}]}"), `models.yaml:5: model "b" falls back on "c", which is no model`},
		"a wider substitute":       {models(fine, "{id: b, task: Text Embeddings, dimensions: 1, input: text, backends: [{kind: builtin, model: a, substitute: true}]}"), `models.yaml:5: model "b" has 1 dimensions and cannot be answered by "a" with 2`},
		"a substitute unsaid":      {models(fine, "{id: b, task: Text Embeddings, dimensions: 2, input: text, backends: [{kind: builtin, model: a}]}"), `substitute must be true`},
		"an alias to nothing":      {models(fine, "{id: b, alias: c}"), `models.yaml:5: "b" is an alias of "c", which is no model`},
		"aliases in a ring":        {models(fine, "{id: b, alias: c}", "{id: c, alias: b}"), `models.yaml:5: the alias "b" leads back to itself`},
		"an alias with more":       {models(fine, "{id: b, alias: a, task: Text Embeddings}"), "can have nothing else"},
		"an alias twice":           {models(fine, "{id: b, alias: a}", "{id: b, alias: a}"), `models.yaml:6: model "b" is there twice`},
		"deprecated some day":      {chats("{id: b, task: Text Generation, deprecated: soon}"), `models.yaml:7: model "b" is deprecated "soon"; write a day such as 2026-05-30, a year, or withdrawn`},
		"deprecated for nothing":   {chats("{id: b, task: Text Generation, deprecated: '2025', backends: [{kind: ollama, model: m}]}"), `needs both, deprecated and successor`},
		"an absent successor":      {chats("\n    id: b\n    task: Text Generation\n    deprecated: '2025'\n    successor: c\n    backends: [{kind: ollama, model: m}]"), `models.yaml:11: model "b" has the successor "c", which is no model`},
		"its own successor":        {chats("{id: b, task: Text Generation, deprecated: '2025', successor: b, backends: [{kind: ollama, model: m}]}"), `deprecated itself`},
		"a stand-in for chats":     {chats(talks, "{id: b, task: Text Generation, stand_in: chat, backends: [{kind: ollama, model: m}]}"), `models.yaml:8: model "b" is for Text Generation and can have no stand_in; models for Text Classification, Translation, Summarization, Image-to-Text or Image Classification can`},
		"an absent stand-in":       {chats("{id: b, task: Summarization, input: summarize, stand_in: c, backends: [{kind: ollama, model: m}]}"), `has the stand_in "c", which is no model for Text Generation`},
		"auto without rules":       {chats("{id: b, task: Text Generation, auto: true}"), `models.yaml:7: model "b" is answered as the section auto says, and there is none`},
		"auto with backends":       {chats("{id: b, task: Text Generation, auto: true, backends: [{kind: ollama, model: m}]}"), `can have no backends`},
		"auto for something else":  {append(chats(talks, "{id: b, task: Summarization, input: summarize, auto: true}"), "auto: [{name: r}]\n"...), `models.yaml:8: model "b" is for Summarization; the section auto picks`},
		"a task without words":     {[]byte("tasks:\n  - {name: x, id: y}\n"), "models.yaml:2: a task needs"},
		"a task without name":      {[]byte("tasks:\n  - {id: y}\n"), "models.yaml:2: a task needs a name"},
		"a task id no UUID":        {[]byte("tasks:\n  - {name: x, id: y, description: d}\n"), `models.yaml:2: task "x" has the id "y"`},
		"a task twice":             {[]byte("tasks:\n" + strings.Repeat("  - {name: x, id: 0137cdcf-162a-4108-94f2-1ca59e8c65ee, description: d}\n", 2)), `models.yaml:3: task "x" is there twice`},
		"a backend of no kind":     {served("{name: b}"), `models.yaml:6: backend "b" is of kind ""; it can be ollama or openai`},
		"a backend without name":   {served("{kind: ollama}"), `models.yaml:6: a backend needs a name`},
		"a backend twice":          {served("{name: b, kind: ollama}", "{name: b, kind: ollama}"), `models.yaml:7: backend "b" is there twice`},
		"what is built in":         {served("{name: builtin, kind: openai}"), `cannot be described`},
		"an unknown key of one":    {served("{name: b, kind: openai, port: 7}"), `models.yaml:6: unknown field "port"`},
		"a path for a url":         {served("\n    name: b\n    kind: openai\n    url: localhost:8080"), `models.yaml:9: backend "b" needs a url such as`},
		"another scheme":           {served("{name: b, kind: openai, url: 'file:///etc'}"), `needs a url such as`},
		"a password in the url":    {served("{name: b, kind: openai, url: 'http://me:secret@host/v1'}"), `name or password in its url`},
		"a key for its name":       {served("{name: b, kind: openai, key_env: sk-123}"), `key_env is the name of an environment variable`},
		"on without a url":         {served("{name: b, kind: openai, enabled: true}"), `enabled and has no url`},
		"too much at once":         {served("{name: b, kind: openai, concurrency: 10001}"), `concurrency is 10001; it can be 0 to 10000`},
		"fewer than none":          {served("{name: b, kind: openai, queue: -1}"), `queue is -1; it can be 0 to 100000`},
		"silence for ever":         {served("{name: b, kind: openai, first_byte: 2h}"), `first_byte is 2h0m0s; it can be 0s to 1h0m0s`},
		"no duration":              {served("{name: b, kind: openai, between_tokens: long}"), `models.yaml:6:`},
		"a rule without name":      {ruled("{prefer: price}"), `models.yaml:9: a rule of auto needs a name`},
		"a rule twice":             {ruled("{name: r}", "{name: r}"), `models.yaml:10: rule "r" is there twice`},
		"a rule for nothing":       {ruled("{name: r, task: Guessing}"), `models.yaml:9: rule "r" is for the task "Guessing"`},
		"a rule for no length":     {ruled("{name: r, min_input_tokens: 3, max_input_tokens: 2}"), `rule "r" is for 3 to 2 tokens`},
		"a rule that pays one":     {ruled("{name: r, max_neurons: -1}"), `rule "r" allows -1 neurons`},
		"a rule with taste":        {ruled("{name: r, prefer: beauty}"), `rule "r" prefers "beauty"; it can be order or price`},
		"a rule for an absent one": {ruled("\n    name: r\n    models:\n      - chat\n      - cat"), `models.yaml:13: rule "r" names "cat", which is no model for Text Generation`},
		"an unknown key of a rule": {ruled("{name: r, if: then}"), `models.yaml:9: unknown field "if"`},
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

func TestAPasswordInAURLIsNotRepeated(t *testing.T) {
	for _, url := range []string{"http://me:secret@host/v1", "http://me:secret@host/%zz", "ftp://me:secret@host"} {
		if _, err := llm.Load(served("{name: b, kind: openai, url: '" + url + "'}")); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
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

// load loads files that must be right, each called by its number.
func load(t *testing.T, files ...[]byte) *llm.Catalogue {
	t.Helper()
	c, err := llm.LoadFiles(sources(files...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func sources(files ...[]byte) []llm.Source {
	var all []llm.Source
	for i, bytes := range files {
		all = append(all, llm.Source{Name: fmt.Sprintf("%d.yaml", i), Bytes: bytes})
	}
	return all
}

func model(t *testing.T, c *llm.Catalogue, id string) *llm.Model {
	t.Helper()
	m, err := c.Model(id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestALaterFileChangesOnlyWhatItSays(t *testing.T) {
	base := chats(`{id: a, task: Text Generation, description: d, context: 100, can: [tools, vision], properties: {x: "1"},
      prices: [{unit: M_input_tokens, usd: "0.02", neurons: "1818"}], backends: [{kind: ollama, model: m}, {kind: ollama, model: n}]}`, talks)
	c := load(t, base, []byte(`models: [{id: a, context: 200, backends: [{kind: ollama, model: mine}]}]`))
	want := *model(t, load(t, base), "a")
	want.Context, want.Backends = 200, []llm.Backend{{Kind: llm.Ollama, Model: "mine"}}
	if got := *model(t, c, "a"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !reflect.DeepEqual(*model(t, c, "chat"), *model(t, load(t, base), "chat")) {
		t.Error("another model changed")
	}
}

func TestPricesOfOnesOwnReplaceThePublished(t *testing.T) {
	base := chats(`{id: a, task: Text Generation, prices: [{unit: M_input_tokens, usd: "0.02", neurons: "1818"}], backends: [{kind: ollama, model: m}]}`)
	c := load(t, base, []byte(`models: [{id: a, prices: [{unit: M_output_tokens, usd: "0.011", neurons: "1000"}]}]`))
	charge := model(t, c, "a").Tariff.Charge(neuron.Usage{neuron.InputTokens: 1_000_000, neuron.OutputTokens: 1_000_000})
	if charge != 1000*1e6 {
		t.Errorf("charged %s neurons", charge)
	}
}

func TestNewModelsTasksAndBackendsAreAdded(t *testing.T) {
	c := load(t, chats(talks), []byte(`
tasks: [{name: Translation, id: 0137cdcf-162a-4108-94f2-1ca59e8c65ee, description: d}]
backends: [{name: mine, kind: openai, url: "http://127.0.0.1:1/v1", key_env: MY_KEY, first_byte: 3s}]
models: [{id: new, task: Translation, input: translate, backends: [{kind: mine, model: x}]}, {id: nick, alias: chat}]`))
	if m := model(t, c, "new"); m.Task != llm.Translation || m.Backends[0].Kind != "mine" {
		t.Errorf("%+v", m)
	}
	if m := model(t, c, "nick"); m.ID != "chat" {
		t.Errorf("%+v", m)
	}
	want := llm.Server{Name: "mine", Kind: llm.OpenAI, URL: "http://127.0.0.1:1/v1", KeyEnv: "MY_KEY", FirstByte: 3 * time.Second, Enabled: true}
	if servers := c.Servers(); !slices.Contains(servers, want) || len(servers) != 2 {
		t.Errorf("%+v", servers)
	}
}

func TestABackendIsOnOnceItHasAURLUnlessToldOtherwise(t *testing.T) {
	base := append(chats(talks), "x"...)[:len(chats(talks))]
	for file, want := range map[string]map[llm.Kind]bool{
		`{}`: {llm.Ollama: true},
		`backends: [{name: ollama, enabled: false}]`:                                   {llm.Ollama: false},
		`backends: [{name: ollama, url: "http://gpu:11434"}]`:                          {llm.Ollama: true},
		`backends: [{name: b, kind: openai}]`:                                          {llm.Ollama: true, "b": false},
		`backends: [{name: b, kind: openai, url: "http://h/v1"}]`:                      {llm.Ollama: true, "b": true},
		`backends: [{name: b, kind: openai, url: "http://h/v1", enabled: false}]`:      {llm.Ollama: true, "b": false},
		"backends:\n  - name: ollama\n    url: http://gpu:11434\n    concurrency: 1\n": {llm.Ollama: true},
	} {
		got := map[llm.Kind]bool{}
		for _, s := range load(t, base, []byte(file)).Servers() {
			got[s.Name] = s.Enabled
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", file, got, want)
		}
	}
}

func TestAnAliasAndAModelReplaceEachOtherWhole(t *testing.T) {
	c := load(t, chats(talks, `{id: a, task: Text Generation, context: 5, backends: [{kind: ollama, model: m}]}`), []byte(`models: [{id: a, alias: chat}]`))
	if m := model(t, c, "a"); m.ID != "chat" {
		t.Errorf("%+v", m)
	}
	c = load(t, chats(talks, `{id: a, alias: chat}`), []byte(`models: [{id: a, task: Text Generation, backends: [{kind: ollama, model: m}]}]`))
	if m := model(t, c, "a"); m.ID != "a" || len(c.Models()) != 2 {
		t.Errorf("%+v", m)
	}
}

func TestFaultsOfMergedFilesNameTheFileAndLineThatBroughtThem(t *testing.T) {
	base := chats(talks, "{id: a, task: Text Generation, deprecated: '2025', successor: chat, backends: [{kind: ollama, model: m}]}")
	for file, want := range map[string]string{
		"models:\n  - id: chat\n    context: -1":                    `1.yaml:3: model "chat" has a negative`,
		"models:\n  - id: chat\n    contxt: 1":                      `1.yaml:3: unknown field "contxt"`,
		"models:\n  - id: chat\n    can: [tools,\n      sing]":      `1.yaml:4: model "chat" can "sing"`,
		"\nmodels:\n  - id: chat\n    backends: [{kind: x}]":        `1.yaml:4: model "chat" has a backend of kind "x"; there are builtin, ollama`,
		"models:\n  - id: chat\n    deprecated: '2025'":             `1.yaml:2: model "chat" needs both`,
		"models:\n  - id: chat\n  - id: chat":                       `1.yaml:3: model "chat" is there twice`,
		"models:\n  - {id: a, successor: ''}":                       `1.yaml:2: model "a" needs both`,
		"models:\n  - {id: chat, deprecated: '2025', successor: a}": `1.yaml:2: model "chat" has the successor "a", which is no model or deprecated itself`,
		"backends:\n  - {name: ollama, url: nowhere}":               `1.yaml:2: backend "ollama" needs a url`,
		"backends:\n  - {name: ollama, kind: magic}":                `1.yaml:2: backend "ollama" is of kind "magic"`,
		"backends: [": `1.yaml:1:`,
		"models:\n  - {id: b, task: Text Generation}":                `1.yaml:2: model "b" has no backends`,
		"auto:\n  - {name: r, models: [nobody]}":                     `1.yaml:2: rule "r" names "nobody"`,
		"models:\n  - {id: chat, description: d, dimensions: 'two'}": `1.yaml:2:`,
	} {
		_, err := llm.LoadFiles(sources(base, []byte(file))...)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", file, err, want)
		}
	}
}

func TestTheRulesOfALaterFileReplaceThoseBefore(t *testing.T) {
	choose := func(files ...[]byte) []string {
		var names []string
		for _, choice := range load(t, files...).Choices(llm.Ask{Task: llm.TextGeneration}) {
			names = append(names, choice.Rule)
		}
		return names
	}
	if got := choose(ruled("{name: r}"), []byte("auto: [{name: s}]")); !slices.Equal(got, []string{"s"}) {
		t.Errorf("chosen by %v", got)
	}
	if got := choose(ruled("{name: r}"), []byte("models: []")); !slices.Equal(got, []string{"r"}) {
		t.Errorf("chosen by %v", got)
	}
}

func TestTheFormOfAChatModelFollowsFromWhatItIs(t *testing.T) {
	for entry, want := range map[string]struct {
		input  llm.Shape
		output llm.Output
	}{
		"":                                  {llm.ChatShape, llm.NativeOutput},
		"can: [vision]":                     {llm.VisionShape, llm.NativeOutput},
		"output: chat.completion":           {llm.CompletionShape, llm.CompletionOutput},
		"input: guard":                      {llm.GuardShape, llm.NativeOutput},
		"input: chat, can: [vision, tools]": {llm.ChatShape, llm.NativeOutput},
	} {
		m := model(t, load(t, chats(fmt.Sprintf("{id: a, task: Text Generation, backends: [{kind: ollama, model: m}], %s}", entry))), "a")
		if m.Input != want.input || m.Output != want.output {
			t.Errorf("%s: %s, %s", entry, m.Input, m.Output)
		}
	}
}

func FuzzLoadFiles(f *testing.F) {
	for _, seed := range []string{"", "models: [{id: chat}]", "- a", "models:\n  - id: [1]\n", "auto: [{name: r, max_neurons: .nan}]", "backends: [{name: b, first_byte: 1e9h}]", "a: &a [*a]", "models: [{<<: {id: a}}]", "? x"} {
		f.Add(seed)
	}
	base := llm.Source{Name: "models.yaml", Bytes: chats(talks)}
	f.Fuzz(func(t *testing.T, file string) {
		c, err := llm.LoadFiles(base, llm.Source{Name: "mine", Bytes: []byte(file)})
		if err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", file, err)
		}
		if err == nil && len(c.Models()) == 0 {
			t.Errorf("%q: no models", file)
		}
	})
}
