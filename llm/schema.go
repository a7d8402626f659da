package llm

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Shape names the JSON schemas of a model's input and output: a file of the
// folder schema, without its ending.
type Shape string

// The shapes that code asks for by name.
const (
	TextShape  Shape = "text"   // {text, pooling?}
	BGEM3Shape Shape = "bge-m3" // {text} or {contexts}
	Qwen3Shape Shape = "qwen3"  // {queries|documents|text, instruction?}

	ChatShape       Shape = "chat"            // {prompt} or {messages} of texts
	VisionShape     Shape = "chat-vision"     // the same, with pictures
	CompletionShape Shape = "chat-completion" // as OpenAI's chat completions
	ResponsesShape  Shape = "chat-responses"  // the same, or OpenAI's responses
	GuardShape      Shape = "guard"           // {messages} to be judged

	RerankShape           Shape = "rerank"            // {query, contexts, top_k?}
	ClassifyShape         Shape = "classify"          // {text}
	TranslateShape        Shape = "translate"         // {text, source_lang?, target_lang}
	TranslateIndicShape   Shape = "translate-indic"   // {text, target_language?}
	SummarizeShape        Shape = "summarize"         // {input_text, max_length?}
	ImageDescriptionShape Shape = "image-description" // the bytes, or {image, prompt?}
	MoondreamShape        Shape = "moondream"         // {task, image, question?, target?}
	ImageLabelsShape      Shape = "image-labels"      // the bytes, or {image}
	ImageObjectsShape     Shape = "image-objects"     // the bytes, or {image}
	ImageEmbeddingShape   Shape = "image-embedding"   // the bytes, or {image}
	WhisperShape          Shape = "whisper"           // the bytes, or {audio: [bytes]}
	WhisperLargeShape     Shape = "whisper-large"     // {audio: base64}
	NovaShape             Shape = "nova"              // the bytes, or {audio: {body, contentType}}
	SpeechShape           Shape = "speech"            // the bytes, or {audio}, answered with {text, duration}
	MelottsShape          Shape = "melotts"           // {prompt, lang?}, answered in JSON
	AuraShape             Shape = "aura"              // {text, speaker?, encoding?}, answered with bytes
	DiffusionShape        Shape = "diffusion"         // {prompt, …}, answered with bytes
	LucidShape            Shape = "lucid"             // {prompt, …}, answered in JSON
	PhoenixShape          Shape = "phoenix"           // {prompt, …}, answered with bytes
	Flux1Shape            Shape = "flux-1"            // {prompt, steps?}, answered in JSON
	Flux2Shape            Shape = "flux-2"            // multipart, answered in JSON
	TurnShape             Shape = "turn"              // the bytes, or {audio}
	AnyShape              Shape = "any"               // not known
)

//go:embed schema/*.json
var schemaFiles embed.FS

// use is the key that takes over a part of shared.json, or several: what stands
// beside it goes before what they say. It is no word of JSON schema, and is
// resolved before anybody sees it.
const use = "$use"

// schema is the JSON schemas of a shape.
type schema struct {
	tasks         []Task
	input, output json.RawMessage
	compiled      func() (*jsonschema.Schema, error) // the input, once
}

// schemas reads all schemas, once. They are part of the program: what is wrong
// with them is a broken invariant of ours.
var schemas = sync.OnceValue(func() map[Shape]*schema {
	var shared map[string]any
	mustRead("schema/shared.json", &shared)
	files, err := schemaFiles.ReadDir("schema")
	if err != nil {
		panic(err)
	}
	all := map[Shape]*schema{}
	for _, file := range files {
		if file.Name() == "shared.json" {
			continue
		}
		var written struct {
			Tasks  []Task
			Input  map[string]any
			Output map[string]any
		}
		mustRead(path.Join("schema", file.Name()), &written)
		shape := Shape(strings.TrimSuffix(file.Name(), ".json"))
		input := expand(written.Input, shared)
		all[shape] = &schema{
			tasks: written.Tasks, input: mustWrite(input), output: mustWrite(expand(written.Output, shared)),
			compiled: sync.OnceValues(func() (*jsonschema.Schema, error) { return compile(shape, input) }),
		}
	}
	return all
})

func mustRead(name string, into any) {
	source, err := schemaFiles.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(source, into)
	}
	if err != nil {
		panic(fmt.Errorf("%s: %w", name, err))
	}
}

func mustWrite(v any) json.RawMessage {
	written, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return written
}

// expand replaces every use by what is shared.
func expand(v any, shared map[string]any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = expand(item, shared)
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for _, name := range used(v[use]) {
			part, ok := shared[name]
			if !ok {
				panic(fmt.Errorf("schema/shared.json has no %q", name))
			}
			maps.Copy(object, expand(part, shared).(map[string]any))
		}
		for key, value := range v {
			if key != use {
				object[key] = expand(value, shared)
			}
		}
		return object
	default:
		return v
	}
}

// used returns the names that a use gives: one, or a list.
func used(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var names []string
		for _, name := range v {
			names = append(names, name.(string))
		}
		return names
	default:
		return nil
	}
}

func compile(shape Shape, document any) (*jsonschema.Schema, error) {
	compiler := jsonschema.NewCompiler()
	url := "schema:" + string(shape)
	if err := compiler.AddResource(url, document); err != nil {
		return nil, err
	}
	return compiler.Compile(url)
}

// shapesFor lists the shapes that models of a task can have.
func shapesFor(t Task) []Shape {
	var shapes []Shape
	for shape, s := range schemas() {
		if slices.Contains(s.tasks, t) {
			shapes = append(shapes, shape)
		}
	}
	slices.Sort(shapes)
	return shapes
}

// Schema returns the JSON schemas of a model's input and output. They are not to be changed.
func (m *Model) Schema() (input, output json.RawMessage) {
	s := schemas()[m.Input] // the loader made sure that there is one
	return s.input, s.output
}
