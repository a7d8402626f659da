package server

import (
	"strings"

	"nearside/llm"
)

// servedModel is a model as GET …/nearside/models lists it: what would answer for
// it now, and why nothing before that would.
type servedModel struct {
	Name       string   `json:"name"`
	Task       string   `json:"task"`
	Input      string   `json:"input"` // the name of its JSON schemas
	Dimensions int      `json:"dimensions,omitempty"`
	Deprecated string   `json:"deprecated,omitempty"`
	Successor  string   `json:"successor,omitempty"`
	Backends   []string `json:"backends,omitempty"`  // who may answer, in order of preference
	Served     string   `json:"served_by,omitempty"` // the name of what answers, in its backend
	Backend    string   `json:"backend,omitempty"`
	Route      string   `json:"route,omitempty"`
	Skipped    []string `json:"skipped,omitempty"` // backends that would be asked first, and what they lack
	Missing    string   `json:"missing,omitempty"` // why nothing answers
}

// listServedModels answers GET …/nearside/models. With served=true it lists only
// the models that something answers for, with task=… only those for a task.
func listServedModels(s *Server, c *call) error {
	list := []servedModel{}
	survey := s.parts.Models.Survey(c)
	for _, m := range s.parts.Models.Catalogue().Models() {
		if task := c.queryParam("task"); task != "" && !strings.EqualFold(task, string(m.Task)) {
			continue
		}
		one := newServedModel(survey, m)
		if one.Missing == "" || c.queryParam("served") != "true" {
			list = append(list, one)
		}
	}
	return c.reply(list)
}

func newServedModel(survey *llm.Survey, m llm.Model) servedModel {
	by, missing := survey.Serves(&m)
	one := servedModel{
		Name: m.ID, Task: string(m.Task), Input: string(m.Input), Dimensions: m.Dimensions, Deprecated: m.Deprecated,
		Successor: m.Successor, Served: by.Served, Backend: string(by.Backend), Route: string(by.Route),
	}
	for _, b := range m.Backends {
		one.Backends = append(one.Backends, b.String())
	}
	for _, skipped := range by.Skipped {
		one.Skipped = append(one.Skipped, skipped.String())
	}
	if missing != nil {
		one.Missing = missing.Error()
	}
	return one
}

// switchModel answers POST …/nearside/models/switch: the best weights that are
// here serve the model in the account from now on.
func switchModel(s *Server, c *call) error {
	var request struct {
		Model string `json:"model"`
	}
	if err := c.bind(&request); err != nil {
		return err
	}
	was, now, err := s.parts.Models.Switch(c, c.account, request.Model)
	if err != nil {
		return err
	}
	s.cache.Forget() // vectors of other weights must not come back from there
	return c.reply(struct {
		Model string `json:"model"`
		Was   string `json:"was"`
		Now   string `json:"now"`
	}{request.Model, string(was), string(now)})
}
