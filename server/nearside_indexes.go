package server

import (
	"cmp"

	"nearside/catalog"
	"nearside/index"
	"nearside/llm/neuron"
	"nearside/rag"
	"nearside/vectorize"
)

// textIndex is an index as nearside shows it: Cloudflare's object, and the
// embedding model whose texts it takes, with its weights.
type textIndex struct {
	indexObject
	Model       string `json:"model,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
}

// describedIndex is textIndex with what is in the index.
type describedIndex struct {
	textIndex
	Count      int        `json:"vectorCount"`
	Namespaces int        `json:"namespaceCount"`
	Bytes      int64      `json:"bytes"` // on the disk
	Graph      graph      `json:"graph"`
	Embeds     *textModel `json:"embeds,omitempty"` // absent if it takes vectors only
}

// textModel is what a loader must know of the model that embeds an index's texts.
type textModel struct {
	Model   string  `json:"model"`
	Window  int     `json:"window,omitempty"` // tokens that it reads of a text; absent where that is not known
	Neurons float64 `json:"neurons_per_million_tokens"`
}

// embedsOf returns the model of an index, nil if it has none or one that is not in the catalogue.
func (s *Server) embedsOf(x catalog.Index) *textModel {
	id := cmp.Or(x.Model, x.Preset)
	if id == "" {
		return nil
	}
	m, err := s.parts.Models.Catalogue().Model(id)
	if err != nil {
		return nil
	}
	million := m.Tariff.Charge(neuron.Usage{neuron.InputTokens: 1e6})
	return &textModel{m.ID, m.Tokens, float64(million) / 1e6}
}

// graph is index.Graph as nearside shows it.
type graph struct {
	State  string  `json:"state"` // none: every answer is exact; building; ready
	Tail   int     `json:"waitingCount"`
	Bytes  int64   `json:"memoryBytes"`
	EF     int     `json:"ef,omitempty"`
	Recall *recall `json:"recall,omitempty"` // absent until it was measured
}

// recall is the share of the nearest records that queries of late were given.
type recall struct {
	Mean    float64 `json:"mean"`
	Low     float64 `json:"low"` // its 95 % interval
	High    float64 `json:"high"`
	Queries int     `json:"queries"` // that were asked again exactly
}

func newGraph(g index.Graph) graph {
	shown := graph{State: "none", Tail: g.Tail, Bytes: g.Bytes, EF: g.Recall.EF}
	switch {
	case g.Building:
		shown.State = "building"
	case g.Covered > 0:
		shown.State = "ready"
	}
	if r := g.Recall; r.Queries > 0 {
		shown.Recall = &recall{r.Mean, r.Low, r.High, r.Queries}
	}
	return shown
}

func newTextIndex(x catalog.Index) textIndex {
	return textIndex{newIndexObject(x), x.Model, x.Fingerprint}
}

// createTextIndex answers POST …/nearside/indexes. With a model the index takes
// texts, and its dimensions are the model's; with a config it is as in v2.
func createTextIndex(s *Server, c *call) error {
	var wanted struct {
		Name        string       `json:"name"`
		Description string       `json:"description"`
		Model       string       `json:"model"`
		Metric      index.Metric `json:"metric"`
		Config      *indexConfig `json:"config"`
	}
	if err := c.bind(&wanted); err != nil {
		return err
	}
	if (wanted.Model == "") == (wanted.Config == nil) {
		return badJSON(`expected either model, such as "@nearside/all-minilm-l6-v2", or config, such as {"dimensions": 384, "metric": "cosine"}`)
	}
	if wanted.Config != nil {
		x, err := s.parts.Vectorize.Create(c, c.account, vectorize.Definition{
			Name: wanted.Name, Description: wanted.Description,
			Preset: wanted.Config.Preset, Dimensions: wanted.Config.Dimensions, Metric: wanted.Config.Metric,
		})
		if err != nil {
			return err
		}
		return c.reply(newTextIndex(x))
	}
	x, weights, err := s.parts.Texts.Create(c, c.account, rag.Definition{
		Name: wanted.Name, Description: wanted.Description, Model: wanted.Model, Metric: wanted.Metric,
	})
	if err != nil {
		return err
	}
	c.setHeader("nearside-model", weights.Served)
	if weights.Warning != "" {
		c.message(weights.Warning)
	}
	return c.reply(newTextIndex(x))
}

// listTextIndexes answers GET …/nearside/indexes.
func listTextIndexes(s *Server, c *call) error {
	list := []textIndex{}
	for _, x := range s.visible(c) {
		list = append(list, newTextIndex(x))
	}
	return c.reply(list)
}

// describeTextIndex answers GET …/nearside/indexes/{index}: the definition, the
// weights, and how much is in it.
func describeTextIndex(s *Server, c *call) error {
	x, read, err := s.reading(c)
	if err != nil {
		return err
	}
	info, err := x.Info(c, read)
	if err != nil {
		return err
	}
	return c.reply(describedIndex{newTextIndex(x.Definition), info.Count, info.Namespaces, info.Bytes, newGraph(info.Graph), s.embedsOf(x.Definition)})
}
