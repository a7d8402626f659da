package llm

import (
	"cmp"
	"math"
	"slices"

	"nearside/llm/neuron"
)

// Rule is a line of the section auto: for which calls which models may answer in
// the place of a model that picks (Model.Auto).
type Rule struct {
	Name      string
	Task      Task         // of the call; "" = any
	MinTokens int          // of the call's input
	MaxTokens int          // of the call's input; 0 = no limit
	MaxCost   neuron.Micro // a model is passed over if the call would cost more there; 0 = no limit
	Cheapest  bool         // the cheapest first; else in the order given
	Models    []string     // ids; none = every model that generates text, the deprecated ones last
}

// Ask is a call that needs a model picked for it. Its tokens are estimates.
type Ask struct {
	Task   Task // as the caller sees it: Summarization, although a model for Text Generation will do it
	Input  int  // tokens
	Output int  // tokens
	Needs  []Ability
}

// Choice is a model that may answer a call.
type Choice struct {
	Model *Model
	Rule  string       // the name of the rule that picked it
	Cost  neuron.Micro // what the call would cost, by the estimates
}

// Choices returns the models that may answer, the best first: those of the first
// rule that fits the call, then those of the next. A model that lacks what the call
// needs, or whose context is too short for it, is not among them. Whether a model
// can be had now is for others to find out.
func (c *Catalogue) Choices(a Ask) []Choice {
	var choices []Choice
	seen := map[string]bool{}
	for _, r := range c.rules {
		if !r.fits(a) {
			continue
		}
		for _, choice := range c.picks(r, a) {
			if !seen[choice.Model.ID] {
				seen[choice.Model.ID] = true
				choices = append(choices, choice)
			}
		}
	}
	return choices
}

func (r Rule) fits(a Ask) bool {
	return (r.Task == "" || r.Task == a.Task) && a.Input >= r.MinTokens && (r.MaxTokens == 0 || a.Input <= r.MaxTokens)
}

// picks returns the models of a rule that can answer.
func (c *Catalogue) picks(r Rule, a Ask) []Choice {
	var picks []Choice
	usage := neuron.Usage{neuron.InputTokens: int64(a.Input), neuron.OutputTokens: int64(a.Output)}
	for _, m := range c.ruled(r) {
		cost := m.Tariff.Charge(usage)
		able := !slices.ContainsFunc(a.Needs, func(need Ability) bool { return !m.Can(need) })
		long := m.Context > 0 && a.Input+a.Output > m.Context
		if able && !long && (r.MaxCost == 0 || cost <= r.MaxCost) {
			picks = append(picks, Choice{m, r.Name, cost})
		}
	}
	slices.SortStableFunc(picks, func(x, y Choice) int {
		switch {
		case len(r.Models) == 0 && (x.Model.Deprecated == "") != (y.Model.Deprecated == ""):
			return cmp.Compare(len(x.Model.Deprecated), len(y.Model.Deprecated))
		case r.Cheapest:
			return cmp.Compare(x.Cost, y.Cost)
		default:
			return 0
		}
	})
	return picks
}

// ruled returns the models that a rule is about.
func (c *Catalogue) ruled(r Rule) []*Model {
	var models []*Model
	for _, id := range r.Models {
		if m, err := c.Model(id); err == nil { // the loader made sure
			models = append(models, m)
		}
	}
	if len(r.Models) > 0 {
		return models
	}
	for i := range c.models {
		if m := &c.models[i]; m.Task == TextGeneration && !m.Auto && m.Input != GuardShape { // which judges instead of answering
			models = append(models, m)
		}
	}
	return models
}

// ruleEntry is a rule as a catalogue file writes it.
type ruleEntry struct {
	Name       string   `yaml:"name"`
	Task       Task     `yaml:"task"`
	MinTokens  int      `yaml:"min_input_tokens"`
	MaxTokens  int      `yaml:"max_input_tokens"`
	MaxNeurons float64  `yaml:"max_neurons"`
	Prefer     string   `yaml:"prefer"`
	Models     []string `yaml:"models"`
}

// What a rule may prefer.
const (
	preferOrder = "order"
	preferPrice = "price"
)

func (l *loader) addRules() error {
	for _, e := range l.rulesRead {
		var r ruleEntry
		if err := e.decode(&r); err != nil {
			return err
		}
		if err := l.checkRule(e, r); err != nil {
			return err
		}
		l.rules = append(l.rules, Rule{
			r.Name, r.Task, r.MinTokens, r.MaxTokens, neuron.Micro(math.Round(r.MaxNeurons * 1e6)), r.Prefer == preferPrice, r.Models,
		})
	}
	return l.eachModel(func(e *entry, m *Model) error {
		if m.Auto && m.Task != TextGeneration {
			return e.at("auto").wrong("model %q is for %s; the section auto picks models for %s", m.ID, m.Task, TextGeneration)
		}
		if m.Auto && len(l.rules) == 0 {
			return e.at("auto").wrong("model %q is answered as the section auto says, and there is none", m.ID)
		}
		return nil
	})
}

func (l *loader) checkRule(e *entry, r ruleEntry) error {
	if r.Name == "" {
		return e.wrong("a rule of auto needs a name")
	}
	if slices.ContainsFunc(l.rules, func(o Rule) bool { return o.Name == r.Name }) {
		return e.at("name").wrong("rule %q is there twice", r.Name)
	}
	if r.Task != "" && !slices.ContainsFunc(l.tasks, func(t TaskEntry) bool { return t.Name == r.Task }) {
		return e.at("task").wrong("rule %q is for the task %q, which is not among the tasks", r.Name, r.Task)
	}
	if r.MinTokens < 0 || r.MaxTokens < 0 || r.MaxTokens != 0 && r.MaxTokens < r.MinTokens {
		return e.at("max_input_tokens").wrong("rule %q is for %d to %d tokens of input, which is no call", r.Name, r.MinTokens, r.MaxTokens)
	}
	const most = 1e12 // more neurons than a Micro can hold without care
	if !(r.MaxNeurons >= 0 && r.MaxNeurons <= most) {
		return e.at("max_neurons").wrong("rule %q allows %g neurons; it can allow more than 0, up to %g, or be silent", r.Name, r.MaxNeurons, most)
	}
	if r.Prefer != "" && r.Prefer != preferOrder && r.Prefer != preferPrice {
		return e.at("prefer").wrong("rule %q prefers %q; it can be %s or %s", r.Name, r.Prefer, preferOrder, preferPrice)
	}
	for i, id := range r.Models {
		if m, err := l.Model(id); err != nil || m.Task != TextGeneration || m.Auto {
			return e.at("models", i).wrong("rule %q names %q, which is no model for %s", r.Name, id, TextGeneration)
		}
	}
	return nil
}
