package llm

import (
	"regexp"
	"slices"
	"strings"

	"nearside/llm/neuron"
)

// modelEntry is a model as a catalogue file writes it.
type modelEntry struct {
	ID          string            `yaml:"id"`
	Alias       string            `yaml:"alias"`
	Task        Task              `yaml:"task"`
	Description string            `yaml:"description"`
	Input       Shape             `yaml:"input"`
	Output      Output            `yaml:"output"`
	Tokens      int               `yaml:"tokens"`
	Context     int               `yaml:"context"`
	Dimensions  int               `yaml:"dimensions"`
	Can         []Ability         `yaml:"can"`
	Paid        bool              `yaml:"paid"`
	Properties  map[string]string `yaml:"properties"`
	Deprecated  string            `yaml:"deprecated"`
	Successor   string            `yaml:"successor"`
	StandIn     string            `yaml:"stand_in"`
	Auto        bool              `yaml:"auto"`
	Prices      []priceEntry      `yaml:"prices"`
	Backends    []Backend         `yaml:"backends"`
}

type priceEntry struct {
	Unit    neuron.Unit `yaml:"unit"`
	USD     string      `yaml:"usd"`
	Neurons string      `yaml:"neurons"`
}

// withdrawn marks a deprecated model of which the day is not known.
const withdrawn = "withdrawn"

// since is when a model was deprecated.
var since = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2}|\d{4}|` + withdrawn + `)$`)

func (l *loader) addModels() error {
	if len(l.modelsRead) == 0 {
		return l.first.wrong("the catalogue has no models")
	}
	l.models = make([]Model, 0, len(l.modelsRead)) // never grows: byID points into it
	for _, e := range l.modelsRead {
		var m modelEntry
		if err := e.decode(&m); err != nil {
			return err
		}
		if m.Alias != "" {
			if m.Task != "" || len(m.Backends) > 0 {
				return e.wrong("%q is an alias of %q and can have nothing else", m.ID, m.Alias)
			}
			l.aliases[m.ID] = m.Alias
			continue
		}
		m.fillIn()
		if err := l.checkModel(e, m); err != nil {
			return err
		}
		model, err := m.model(e)
		if err != nil {
			return err
		}
		l.models = append(l.models, model)
		l.byID[m.ID] = &l.models[len(l.models)-1]
	}
	return nil
}

// fillIn sets what follows from the rest, for models that generate text.
func (m *modelEntry) fillIn() {
	if m.Task != TextGeneration {
		return
	}
	if m.Output == "" {
		m.Output = NativeOutput
	}
	switch {
	case m.Input != "":
	case m.Output == CompletionOutput:
		m.Input = CompletionShape
	case slices.Contains(m.Can, Vision):
		m.Input = VisionShape
	default:
		m.Input = ChatShape
	}
}

// model makes the model of an entry that was checked.
func (m *modelEntry) model(e *entry) (Model, error) {
	made := Model{
		ID: m.ID, Task: m.Task, Description: m.Description, Input: m.Input, Output: m.Output, Tokens: m.Tokens, Context: m.Context,
		Dimensions: m.Dimensions, Abilities: m.Can, Paid: m.Paid, Properties: m.Properties, Deprecated: m.Deprecated,
		Successor: m.Successor, StandIn: m.StandIn, Auto: m.Auto, Backends: m.Backends,
	}
	for _, p := range m.Prices {
		made.Prices = append(made.Prices, neuron.Price{Unit: p.Unit, USD: p.USD, Neurons: p.Neurons})
	}
	var err error
	if made.Tariff, err = neuron.NewTariff(made.Prices); err != nil {
		return made, e.at("prices").wrong("model %q: %s", m.ID, err)
	}
	return made, nil
}

func (l *loader) checkModel(e *entry, m modelEntry) error {
	if !slices.ContainsFunc(l.tasks, func(t TaskEntry) bool { return t.Name == m.Task }) {
		return e.at("task").wrong("model %q has the task %q, which is not among the tasks", m.ID, m.Task)
	}
	for key, n := range map[string]int{"tokens": m.Tokens, "context": m.Context} {
		if n < 0 {
			return e.at(key).wrong("model %q has a negative number of tokens", m.ID)
		}
	}
	if m.Task == Embeddings && m.Dimensions < 1 {
		return e.at("dimensions").wrong("model %q needs its dimensions, 1 or more", m.ID)
	}
	if fitting := shapesFor(m.Task); !slices.Contains(fitting, m.Input) {
		return e.at("input").wrong("model %q has the input %q; for %s it can be %s", m.ID, m.Input, m.Task, list(fitting))
	}
	if m.Task == TextGeneration && !slices.Contains(outputs, m.Output) {
		return e.at("output").wrong("model %q has the output %q; it can be %s", m.ID, m.Output, list(outputs))
	}
	if m.Task != TextGeneration && m.Output != "" {
		return e.at("output").wrong("model %q is for %s; only models for %s have an output", m.ID, m.Task, TextGeneration)
	}
	for i, a := range m.Can {
		if !slices.Contains(abilities, a) {
			return e.at("can", i).wrong("model %q can %q, which means nothing; there are %s", m.ID, a, list(abilities))
		}
	}
	for i, p := range m.Prices {
		if !p.Unit.Valid() {
			return e.at("prices", i, "unit").wrong("model %q is priced by %q, which is not a unit of Cloudflare's price list, such as %s", m.ID, p.Unit, neuron.InputTokens)
		}
	}
	if m.Deprecated != "" && !since.MatchString(m.Deprecated) {
		return e.at("deprecated").wrong("model %q is deprecated %q; write a day such as 2026-05-30, a year, or %s", m.ID, m.Deprecated, withdrawn)
	}
	return nil
}

// list joins words for a message: a, b or c.
func list[T ~string](words []T) string {
	var b strings.Builder
	for i, w := range words {
		switch i {
		case 0:
		case len(words) - 1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(string(w))
	}
	return b.String()
}

// resolveAliases replaces each alias by the model it stands for in the end.
func (l *loader) resolveAliases() error {
	for _, e := range l.modelsRead {
		target, ok := l.aliases[e.name]
		if !ok {
			continue
		}
		for steps := 0; l.byID[target] == nil; steps++ {
			next, ok := l.aliases[target]
			if !ok {
				return e.at("alias").wrong("%q is an alias of %q, which is no model", e.name, target)
			}
			if steps > len(l.aliases) {
				return e.at("alias").wrong("the alias %q leads back to itself", e.name)
			}
			target = next
		}
		l.aliases[e.name] = target
	}
	return nil
}

// eachModel calls check for every model and its entry.
func (l *loader) eachModel(check func(e *entry, m *Model) error) error {
	for _, e := range l.modelsRead {
		if m := l.byID[e.name]; m != nil {
			if err := check(e, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkBackends makes sure that each backend can be what it says.
func (l *loader) checkBackends() error {
	return l.eachModel(func(e *entry, m *Model) error {
		if m.Auto != (len(m.Backends) == 0) {
			if m.Auto {
				return e.at("backends").wrong("model %q is answered as the section auto says and can have no backends", m.ID)
			}
			return e.wrong("model %q has no backends", m.ID)
		}
		for i, b := range m.Backends {
			at := e.at("backends", i)
			if b.Kind != Builtin && !l.hasServer(b.Kind) {
				return at.wrong("model %q has a backend of kind %q; there are %s", m.ID, b.Kind, l.serverNames())
			}
			if b.Model == "" {
				return at.wrong("a backend of model %q has no model name", m.ID)
			}
			if b.Kind != Builtin {
				continue
			}
			if err := l.checkBuiltin(at, m, b); err != nil {
				return err
			}
		}
		return nil
	})
}

// checkBuiltin makes sure that a built-in backend names an embedding model of
// the catalogue that is no wider than the model it answers for.
func (l *loader) checkBuiltin(at place, m *Model, b Backend) error {
	weights := l.byID[b.Model]
	if weights == nil {
		return at.wrong("model %q falls back on %q, which is no model", m.ID, b.Model)
	}
	if m.Task != Embeddings || weights.Task != Embeddings {
		return at.wrong("model %q cannot be answered by %q: what is built in makes text embeddings only", m.ID, b.Model)
	}
	if weights.Dimensions > m.Dimensions {
		return at.wrong("model %q has %d dimensions and cannot be answered by %q with %d", m.ID, m.Dimensions, b.Model, weights.Dimensions)
	}
	if (b.Model != m.ID) != b.Substitute {
		return at.wrong("model %q answered by %q: substitute must be %t", m.ID, b.Model, b.Model != m.ID)
	}
	return nil
}

// inWords is the tasks that a model that generates text can do when told to.
var inWords = []Task{Classification, Translation, Summarization, ImageToText, ImageClassification}

// checkReferences makes sure that the other models that a model names are there and fit.
func (l *loader) checkReferences() error {
	return l.eachModel(func(e *entry, m *Model) error {
		if (m.Deprecated != "") != (m.Successor != "") {
			return e.at("successor").wrong("model %q needs both, deprecated and successor, or neither", m.ID)
		}
		if m.Successor != "" {
			next, err := l.Model(m.Successor)
			if err != nil || next.Deprecated != "" {
				return e.at("successor").wrong("model %q has the successor %q, which is no model or deprecated itself", m.ID, m.Successor)
			}
		}
		if m.StandIn == "" {
			return nil
		}
		if !slices.Contains(inWords, m.Task) {
			return e.at("stand_in").wrong("model %q is for %s and can have no stand_in; models for %s can", m.ID, m.Task, list(inWords))
		}
		if other, err := l.Model(m.StandIn); err != nil || other.Task != TextGeneration {
			return e.at("stand_in").wrong("model %q has the stand_in %q, which is no model for %s", m.ID, m.StandIn, TextGeneration)
		} else if m.Task.looks() && !other.Can(Vision) {
			return e.at("stand_in").wrong("model %q reads pictures; its stand_in %q is not listed with %s", m.ID, m.StandIn, Vision)
		}
		return nil
	})
}
