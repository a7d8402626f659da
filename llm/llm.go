// Package llm knows the models by name and routes calls to whatever can answer.
//
// A Catalogue is read from models.yaml: every model, its task, prices, and the
// backends that may answer for it, in order. A Router embeds texts through the
// first backend that is here. ParseEmbedding reads the inputs of Cloudflare's
// embedding models.
//
// What is promised: vectors that are compared come from the same weights. The
// fingerprint that first serves a model in an account is pinned, and from then
// on that one serves it, or the call is refused with both names; never do other
// weights step in quietly. A substitute is used only where the catalogue allows
// it, and every Embedded says who answered. A call is charged once, for the
// tokens really read.
//
// Today the package serves embeddings, and of the backends the built-in ones.
// Models of the catalogue that need another backend are refused by name.
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

// Embeddings is the task of turning texts into vectors.
const Embeddings Task = "Text Embeddings"

// TaskEntry describes a task in the catalogue.
type TaskEntry struct {
	Name        Task   `yaml:"name"`
	ID          string `yaml:"id"` // a UUID
	Description string `yaml:"description"`
}

// Kind says what sort of program a backend is.
type Kind string

// The kinds of backends.
const (
	Builtin Kind = "builtin" // in this program
	Ollama  Kind = "ollama"  // an Ollama server
	OpenAI  Kind = "openai"  // any server that speaks OpenAI's API
)

// Backend is one way to have a model answered.
type Backend struct {
	Kind       Kind   `yaml:"kind"`
	Model      string `yaml:"model"`      // its name there
	Substitute bool   `yaml:"substitute"` // other weights than the model's id promises
}

// String names the backend for people.
func (b Backend) String() string { return fmt.Sprintf("%s (%s)", b.Kind, b.Model) }

// Shape is the form of a model's input.
type Shape string

// The shapes of embedding inputs.
const (
	TextShape  Shape = "text"   // {text, pooling?}
	BGEM3Shape Shape = "bge-m3" // {text} or {contexts}
	Qwen3Shape Shape = "qwen3"  // {queries|documents|text, instruction?}
)

// Model is one entry of the catalogue.
type Model struct {
	ID          string
	Task        Task
	Description string
	Input       Shape
	Tokens      int // the longest text that is read; 0 = not known
	Context     int // tokens of a whole call; 0 = not known
	Dimensions  int
	Properties  map[string]string
	Deprecated  string // a day, or ""
	Prices      []neuron.Price
	Backends    []Backend // in order of preference
	Tariff      neuron.Tariff
}

// Catalogue is the models of models.yaml. It does not change.
type Catalogue struct {
	tasks   []TaskEntry
	models  []Model
	byID    map[string]*Model
	aliases map[string]string // alias → the id it stands for in the end
}

// Models returns every model, in the catalogue's order, without aliases.
func (c *Catalogue) Models() []Model { return slices.Clone(c.models) }

// Tasks returns the tasks there are models for.
func (c *Catalogue) Tasks() []TaskEntry { return slices.Clone(c.tasks) }

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
