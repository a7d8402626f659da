package server

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"nearside/fault"
	"nearside/llm"
)

// reasonNoSchema is a question for the schema of a model that is not known.
const reasonNoSchema fault.Reason = "model_no_schema"

// modelsPage bounds a page of models/search; wrangler asks for 50.
const (
	modelsPage    = 50
	maxModelsPage = 1000
)

// modelSpace makes the ids of models: the same name always has the same one.
var modelSpace = uuid.MustParse("3d4e8f52-3f9e-4c86-8c0f-0d9d6a5f6f10")

// modelObject is a model as models/search lists it.
type modelObject struct {
	ID          string          `json:"id"`
	Source      int             `json:"source"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Task        taskObject      `json:"task"`
	Tags        []string        `json:"tags"`
	Properties  []modelProperty `json:"properties"`
}

// taskObject is a task on the wire.
type taskObject struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// modelProperty is a fact about a model: a string, or for the price a list.
type modelProperty struct {
	ID    string `json:"property_id"`
	Value any    `json:"value"`
}

// priceObject is one line of a model's price.
type priceObject struct {
	Unit     string      `json:"unit"`
	Price    json.Number `json:"price"`
	Currency string      `json:"currency"`
}

func newModelObject(m llm.Model, tasks map[llm.Task]taskObject) modelObject {
	return modelObject{
		ID: uuid.NewSHA1(modelSpace, []byte(m.ID)).String(), Source: source(m.ID), Name: m.ID,
		Description: m.Description, Task: tasks[m.Task], Tags: []string{}, Properties: modelProperties(m),
	}
}

// propertyNames is what models/search calls what a model can.
var propertyNames = []struct {
	ability llm.Ability
	name    string
}{
	{llm.Tools, "function_calling"}, {llm.Reasoning, "reasoning"}, {llm.Vision, "vision"}, {llm.LoRA, "lora"},
	{llm.AsyncBatch, "async_queue"}, {llm.WebSocket, "realtime"},
}

// modelProperties lists the facts about a model. What is not known, or not so, is left out.
func modelProperties(m llm.Model) []modelProperty {
	properties := []modelProperty{}
	add := func(id string, value any, known bool) {
		if known {
			properties = append(properties, modelProperty{id, value})
		}
	}
	number := func(id string, n int) { add(id, strconv.Itoa(n), n > 0) }
	number("max_input_tokens", m.Tokens)
	number("context_window", m.Context)
	number("output_dimensions", m.Dimensions)
	for _, p := range propertyNames {
		add(p.name, "true", m.Can(p.ability))
	}
	add("require_workers_paid", "true", m.Paid)
	for _, id := range slices.Sorted(maps.Keys(m.Properties)) {
		add(id, m.Properties[id], true)
	}
	_, notDay := time.Parse(time.DateOnly, m.Deprecated)
	add("planned_deprecation_date", m.Deprecated, notDay == nil)
	prices := make([]priceObject, len(m.Prices))
	for i, p := range m.Prices {
		prices[i] = priceObject{"per " + strings.ReplaceAll(string(p.Unit), "_", " "), json.Number(p.USD), "USD"}
	}
	add("price", prices, len(prices) > 0)
	return properties
}

// source is where a model comes from: 1 Cloudflare, 2 Hugging Face, 3 this server.
func source(id string) int {
	switch {
	case strings.HasPrefix(id, "@cf/"):
		return 1
	case strings.HasPrefix(id, "@hf/"):
		return 2
	default:
		return 3
	}
}

// author is who made a model: the middle of @cf/author/name, the first part of @nearside/name.
func author(id string) string {
	parts := strings.Split(strings.TrimPrefix(id, "@"), "/")
	return parts[min(len(parts)-1, len(parts)/3)]
}

// searchModels answers GET …/ai/models/search. Pages go on until an empty one:
// that is how clients' iterators know the end.
func searchModels(s *Server, c *call) error {
	switch format := c.queryParam("format"); format {
	case "":
	case "openrouter":
		return listOpenRouterModels(s, c)
	default:
		return fault.New(fault.Invalid, "format: %s is none that models are listed in; leave it out, or write openrouter", quoteShort(format))
	}
	page, err := c.queryInt("page", 1, 1, 1_000_000)
	if err != nil {
		return err
	}
	perPage, err := c.queryInt("per_page", modelsPage, 1, maxModelsPage)
	if err != nil {
		return err
	}
	catalogue := s.parts.Models.Catalogue()
	tasks := taskObjects(catalogue)
	found := []modelObject{}
	for _, m := range catalogue.Models() {
		if c.wantsModel(m) {
			found = append(found, newModelObject(m, tasks))
		}
	}
	first := min((page-1)*perPage, len(found))
	part := found[first:min(first+perPage, len(found))]
	return c.replyInfo(part, resultInfo{Page: page, PerPage: perPage, Count: len(part), TotalCount: len(found), TotalPages: (len(found) + perPage - 1) / perPage})
}

// wantsModel reports whether the call's parameters let a model through.
func (c *call) wantsModel(m llm.Model) bool {
	search := strings.ToLower(c.queryParam("search"))
	is := func(parameter, value string) bool {
		wanted := c.queryParam(parameter)
		return wanted == "" || strings.EqualFold(wanted, value)
	}
	return (strings.Contains(strings.ToLower(m.ID), search) || strings.Contains(strings.ToLower(m.Description), search)) &&
		is("task", string(m.Task)) && is("author", author(m.ID)) && is("source", strconv.Itoa(source(m.ID))) &&
		(m.Deprecated == "" || c.queryParam("include_deprecated") == "true") &&
		(m.Properties["beta"] != "true" || c.queryParam("hide_experimental") != "true")
}

func taskObjects(c *llm.Catalogue) map[llm.Task]taskObject {
	objects := map[llm.Task]taskObject{}
	for _, t := range c.Tasks() {
		objects[t.Name] = taskObject{t.ID, string(t.Name), t.Description}
	}
	return objects
}

// showModelSchema answers GET …/ai/models/schema?model=….
func showModelSchema(s *Server, c *call) error {
	id := c.queryParam("model")
	m, err := s.parts.Models.Catalogue().Model(id)
	if err != nil {
		return fault.For(reasonNoSchema, "no schema for the model %s; GET ai/models/search lists the models", quoteShort(id))
	}
	input, output := m.Schema()
	return c.reply(struct {
		Input  json.RawMessage `json:"input"`
		Output json.RawMessage `json:"output"`
	}{input, output})
}

// searchTasks answers GET …/ai/tasks/search.
func searchTasks(s *Server, c *call) error {
	tasks := []taskObject{}
	for _, t := range s.parts.Models.Catalogue().Tasks() {
		tasks = append(tasks, taskObject{t.ID, string(t.Name), t.Description})
	}
	return c.reply(tasks)
}

// searchAuthors answers GET …/ai/authors/search.
func searchAuthors(s *Server, c *call) error {
	type authorObject struct {
		Name string `json:"name"`
	}
	authors := []authorObject{}
	for _, m := range s.parts.Models.Catalogue().Models() {
		if a := (authorObject{author(m.ID)}); !slices.Contains(authors, a) {
			authors = append(authors, a)
		}
	}
	return c.reply(authors)
}
