// Package llm knows the models by name and routes calls to whatever can answer.
//
// A Catalogue is read from models.yaml and from files of the user's: every model,
// its task, prices, and the backends that may answer for it, in order. A Router
// has models answered by the first backend that is here. Model.Validate checks the
// body of a call against the model's JSON schema, and ParseEmbedding reads the
// inputs of Cloudflare's embedding models.
//
// What is promised: vectors that are compared come from the same weights. The
// fingerprint that first serves a model in an account is pinned, and from then
// on that one serves it, or the call is refused with both names; never do other
// weights step in quietly. A substitute is used only where the catalogue allows
// it, and every answer says who gave it. A call is charged once, for what was
// really used.
package llm

import (
	"fmt"
	"slices"

	"nearside/fault"
	"nearside/llm/neuron"
)

// Reasons of the faults about models.
const (
	ReasonModel     fault.Reason = "model_unknown"     // no such id in the catalogue
	ReasonTask      fault.Reason = "model_task"        // the model exists, for another task
	ReasonInput     fault.Reason = "model_input"       // the input breaks the model's schema
	ReasonNoBackend fault.Reason = "model_no_backend"  // nothing here can answer for the model
	ReasonPinned    fault.Reason = "model_fingerprint" // other weights than the pinned ones
)

// Task names what a model does, in Cloudflare's words.
type Task string

// The tasks.
const (
	TextGeneration      Task = "Text Generation"
	Embeddings          Task = "Text Embeddings"
	Classification      Task = "Text Classification" // of texts; the reranker's task too, as Cloudflare has it
	Translation         Task = "Translation"
	Summarization       Task = "Summarization"
	TextToImage         Task = "Text-to-Image"
	ImageToText         Task = "Image-to-Text"
	ImageClassification Task = "Image Classification"
	ObjectDetection     Task = "Object Detection"
	SpeechRecognition   Task = "Automatic Speech Recognition"
	TextToSpeech        Task = "Text-to-Speech"
	DumbPipe            Task = "Dumb Pipe" // whatever has a form of its own
	ImageEmbeddings     Task = "Image Embeddings"
	Decision            Task = "Decision"
)

// TaskEntry describes a task in the catalogue.
type TaskEntry struct {
	Name        Task   `yaml:"name"`
	ID          string `yaml:"id"` // a UUID
	Description string `yaml:"description"`
}

// Kind names a backend: one that is always there (Builtin), or one of the
// catalogue's section backends.
type Kind string

// The kinds of programs that run models; Builtin, Ollama and OpenAI are also the
// names of the backends that nearside knows from the start.
const (
	Builtin Kind = "builtin" // in this program
	Ollama  Kind = "ollama"  // an Ollama server
	OpenAI  Kind = "openai"  // any server that speaks OpenAI's API
)

// Backend is one way to have a model answered.
type Backend struct {
	Kind       Kind   `yaml:"kind"`       // which backend
	Model      string `yaml:"model"`      // its name there
	Substitute bool   `yaml:"substitute"` // other weights than the model's id promises
}

// String names the backend for people.
func (b Backend) String() string { return fmt.Sprintf("%s (%s)", b.Kind, b.Model) }

// Output is the form in which a model that generates text answers on ai/run.
type Output string

// The outputs.
const (
	NativeOutput     Output = "native"          // {response, tool_calls, usage}; a call is {name, arguments}
	NestedOutput     Output = "native-nested"   // the same; a call is {id, type, function: {name, arguments}}
	CompletionOutput Output = "chat.completion" // OpenAI's object
)

var outputs = []Output{NativeOutput, NestedOutput, CompletionOutput}

// Ability is something that a model can do, as Cloudflare lists it. That one is
// not listed does not mean that a backend cannot do it.
type Ability string

// The abilities.
const (
	Tools      Ability = "tools"       // it calls functions
	Reasoning  Ability = "reasoning"   // it thinks before it answers
	Vision     Ability = "vision"      // it takes pictures
	LoRA       Ability = "lora"        // it takes fine-tunes
	AsyncBatch Ability = "async_batch" // it takes batches that are answered later
	Streaming  Ability = "streaming"   // it answers piece by piece
	WebSocket  Ability = "websocket"   // it listens while one speaks
)

var abilities = []Ability{Tools, Reasoning, Vision, LoRA, AsyncBatch, Streaming, WebSocket}

// Model is one entry of the catalogue.
type Model struct {
	ID          string
	Task        Task
	Description string
	Input       Shape
	Output      Output // of models that generate text
	Tokens      int    // the longest text that is read; 0 = not known
	Context     int    // tokens of a whole call; 0 = not known
	Dimensions  int
	Abilities   []Ability
	Paid        bool // on Cloudflare, only with a paid plan
	Properties  map[string]string
	Deprecated  string // when Cloudflare withdrew it: a day, a year, or "withdrawn" for not known; "" = never
	Successor   string // the id to use instead, if Deprecated
	StandIn     string // id of the model that does the task in words when no backend can; "" = none
	Auto        bool   // the rules of the section auto pick who answers; there are no Backends
	Prices      []neuron.Price
	Backends    []Backend // in order of preference
	Tariff      neuron.Tariff
}

// Can reports whether the model is listed with the ability.
func (m *Model) Can(a Ability) bool { return slices.Contains(m.Abilities, a) }

// priced reports whether the model has a price for what a unit counts.
func (m *Model) priced(u neuron.Unit) bool {
	return slices.ContainsFunc(m.Prices, func(p neuron.Price) bool { return p.Unit == u })
}

// Notice is what the callers of a deprecated model should know; "" for others.
func (m *Model) Notice() string {
	switch m.Deprecated {
	case "":
		return ""
	case withdrawn:
		return fmt.Sprintf("%s is no longer in Cloudflare's catalogue; %s takes its place", m.ID, m.Successor)
	default:
		return fmt.Sprintf("%s is deprecated on Cloudflare since %s; %s takes its place", m.ID, m.Deprecated, m.Successor)
	}
}

// Catalogue is the models of models.yaml and of the user's files. It does not change.
type Catalogue struct {
	tasks   []TaskEntry
	servers []Server
	models  []Model
	byID    map[string]*Model
	aliases map[string]string // alias → the id it stands for in the end
	rules   []Rule
}

// Models returns every model, in the catalogue's order, without aliases.
func (c *Catalogue) Models() []Model { return slices.Clone(c.models) }

// Tasks returns the tasks there are models for.
func (c *Catalogue) Tasks() []TaskEntry { return slices.Clone(c.tasks) }

// Servers returns the backends that are not built in.
func (c *Catalogue) Servers() []Server { return slices.Clone(c.servers) }

// Model returns the model with the id, or the one the id is an alias of.
func (c *Catalogue) Model(id string) (*Model, error) {
	if target, ok := c.aliases[id]; ok {
		id = target
	}
	if m := c.byID[id]; m != nil {
		return m, nil
	}
	const most = 200
	return nil, fault.For(ReasonModel, "No such model %s or task", id[:min(len(id), most)])
}
