package llm

import (
	"errors"
	"fmt"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/google/uuid"

	"nearside/fault"
	"nearside/llm/neuron"
)

// entry is a model as models.yaml writes it.
type entry struct {
	ID          string            `yaml:"id"`
	Alias       string            `yaml:"alias"`
	Task        Task              `yaml:"task"`
	Description string            `yaml:"description"`
	Input       Shape             `yaml:"input"`
	Tokens      int               `yaml:"tokens"`
	Context     int               `yaml:"context"`
	Dimensions  int               `yaml:"dimensions"`
	Properties  map[string]string `yaml:"properties"`
	Deprecated  string            `yaml:"deprecated"`
	Prices      []price           `yaml:"prices"`
	Backends    []Backend         `yaml:"backends"`
}

type price struct {
	Unit    neuron.Unit `yaml:"unit"`
	USD     string      `yaml:"usd"`
	Neurons string      `yaml:"neurons"`
}

// Load reads models.yaml. Whatever is wrong with it is refused with its line.
func Load(source []byte) (*Catalogue, error) {
	var file struct {
		Tasks  []TaskEntry `yaml:"tasks"`
		Models []entry     `yaml:"models"`
	}
	if err := yaml.UnmarshalWithOptions(source, &file, yaml.Strict()); err != nil {
		return nil, syntaxFault(err)
	}
	l := &loader{source: source, entries: file.Models, Catalogue: &Catalogue{
		tasks: file.Tasks, byID: map[string]*Model{}, aliases: map[string]string{},
	}}
	steps := []func() error{l.checkTasks, l.addModels, l.resolveAliases, l.checkBackends}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return l.Catalogue, nil
}

func syntaxFault(err error) error {
	var located yaml.Error
	if errors.As(err, &located) && located.GetToken() != nil {
		return fault.New(fault.Invalid, "models.yaml:%d: %s", located.GetToken().Position.Line, located.GetMessage())
	}
	return fault.New(fault.Invalid, "models.yaml cannot be read").Because(err)
}

// loader turns entries into a catalogue and knows where they stand.
type loader struct {
	*Catalogue
	source  []byte
	entries []entry
}

// wrong is a fault at a YAML path such as $.models[3].dimensions. A path that is
// not in the file is answered with the line of what should hold it.
func (l *loader) wrong(path, format string, args ...any) error {
	return fault.New(fault.Invalid, "models.yaml:%d: %s", l.line(path), fmt.Sprintf(format, args...))
}

func (l *loader) line(path string) int {
	file, err := parser.ParseBytes(l.source, 0)
	if err != nil {
		return 1
	}
	for ; path != ""; path = parentPath(path) {
		at, err := yaml.PathString(path)
		if err != nil {
			continue
		}
		if node, err := at.FilterFile(file); err == nil && node != nil {
			return firstLine(node)
		}
	}
	return 1
}

// parentPath cuts the last step off: $.models[3].dimensions → $.models[3] → $.models → $.
func parentPath(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			return path[:i]
		}
	}
	return ""
}

// firstLine is where a node begins; a mapping's own token is the colon of its first key.
func firstLine(node ast.Node) int {
	if mapping, ok := node.(*ast.MappingNode); ok && len(mapping.Values) > 0 {
		node = mapping.Values[0].Key
	}
	return node.GetToken().Position.Line
}

func (l *loader) checkTasks() error {
	for i, t := range l.tasks {
		path := fmt.Sprintf("$.tasks[%d]", i)
		if t.Name == "" || t.Description == "" {
			return l.wrong(path, "a task needs a name and a description")
		}
		if _, err := uuid.Parse(t.ID); err != nil {
			return l.wrong(path+".id", "task %q has the id %q, which is not a UUID", t.Name, t.ID)
		}
		if slices.ContainsFunc(l.tasks[:i], func(o TaskEntry) bool { return o.Name == t.Name }) {
			return l.wrong(path, "task %q is there twice", t.Name)
		}
	}
	return nil
}

func (l *loader) addModels() error {
	l.models = make([]Model, 0, len(l.entries)) // never grows: byID points into it
	for i, e := range l.entries {
		path := fmt.Sprintf("$.models[%d]", i)
		if e.ID == "" {
			return l.wrong(path, "a model needs an id")
		}
		if l.byID[e.ID] != nil || l.aliases[e.ID] != "" {
			return l.wrong(path+".id", "model %q is there twice", e.ID)
		}
		if e.Alias != "" {
			if e.Task != "" || len(e.Backends) > 0 {
				return l.wrong(path, "%q is an alias of %q and can have nothing else", e.ID, e.Alias)
			}
			l.aliases[e.ID] = e.Alias
			continue
		}
		model, err := l.model(path, e)
		if err != nil {
			return err
		}
		l.models = append(l.models, model)
		l.byID[e.ID] = &l.models[len(l.models)-1]
	}
	if len(l.models) == 0 {
		return l.wrong("$.models", "the catalogue has no models")
	}
	return nil
}

func (l *loader) model(path string, e entry) (Model, error) {
	m := Model{
		ID: e.ID, Task: e.Task, Description: e.Description, Input: e.Input, Tokens: e.Tokens, Context: e.Context,
		Dimensions: e.Dimensions, Properties: e.Properties, Deprecated: e.Deprecated, Backends: e.Backends,
	}
	for _, p := range e.Prices {
		m.Prices = append(m.Prices, neuron.Price(p))
	}
	if !slices.ContainsFunc(l.tasks, func(t TaskEntry) bool { return t.Name == e.Task }) {
		return m, l.wrong(path+".task", "model %q has the task %q, which is not among the tasks", e.ID, e.Task)
	}
	if e.Tokens < 0 || e.Context < 0 {
		return m, l.wrong(path, "model %q has a negative number of tokens", e.ID)
	}
	if e.Task == Embeddings {
		if e.Dimensions < 1 {
			return m, l.wrong(path+".dimensions", "model %q needs its dimensions, 1 or more", e.ID)
		}
		if e.Input != TextShape && e.Input != BGEM3Shape && e.Input != Qwen3Shape {
			return m, l.wrong(path+".input", "model %q has the input %q; it can be %s, %s or %s", e.ID, e.Input, TextShape, BGEM3Shape, Qwen3Shape)
		}
	}
	var err error
	if m.Tariff, err = neuron.NewTariff(m.Prices); err != nil {
		return m, l.wrong(path+".prices", "model %q: %s", e.ID, err)
	}
	return m, nil
}

// resolveAliases replaces each alias by the model it stands for in the end.
func (l *loader) resolveAliases() error {
	for i, e := range l.entries {
		if e.Alias == "" {
			continue
		}
		target := e.Alias
		for steps := 0; l.byID[target] == nil; steps++ {
			next, ok := l.aliases[target]
			if !ok {
				return l.wrong(fmt.Sprintf("$.models[%d].alias", i), "%q is an alias of %q, which is no model", e.ID, target)
			}
			if steps > len(l.aliases) {
				return l.wrong(fmt.Sprintf("$.models[%d].alias", i), "the alias %q leads back to itself", e.ID)
			}
			target = next
		}
		l.aliases[e.ID] = target
	}
	return nil
}

// checkBackends makes sure that each backend can be what it says. A built-in
// one names a model of the catalogue that is no wider than the model it answers for.
func (l *loader) checkBackends() error {
	for i, e := range l.entries {
		if e.Alias != "" {
			continue
		}
		if len(e.Backends) == 0 {
			return l.wrong(fmt.Sprintf("$.models[%d]", i), "model %q has no backends", e.ID)
		}
		for j, b := range e.Backends {
			path := fmt.Sprintf("$.models[%d].backends[%d]", i, j)
			switch b.Kind {
			case Builtin, Ollama, OpenAI:
			default:
				return l.wrong(path, "model %q has a backend of kind %q; there are %s, %s and %s", e.ID, b.Kind, Builtin, Ollama, OpenAI)
			}
			if b.Model == "" {
				return l.wrong(path, "a backend of model %q has no model name", e.ID)
			}
			if err := l.checkBuiltin(path, e, b); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loader) checkBuiltin(path string, e entry, b Backend) error {
	if b.Kind != Builtin {
		return nil
	}
	weights := l.byID[b.Model]
	if weights == nil {
		return l.wrong(path, "model %q falls back on %q, which is no model", e.ID, b.Model)
	}
	if weights.Dimensions > e.Dimensions {
		return l.wrong(path, "model %q has %d dimensions and cannot be answered by %q with %d", e.ID, e.Dimensions, b.Model, weights.Dimensions)
	}
	if (b.Model != e.ID) != b.Substitute {
		return l.wrong(path, "model %q answered by %q: substitute must be %t", e.ID, b.Model, b.Model != e.ID)
	}
	return nil
}
