package server

import (
	"context"
	"errors"

	"nearside/fault"
	"nearside/index"
	"nearside/llm"
	"nearside/llm/gateway"
	"nearside/llm/neuron"
	"nearside/workers/traffic"
)

// boundMethods are the names that Workers have for the routes of bindings, by method and path.
// queryById has none of its own: it is a query that names a vector.
var boundMethods = map[string]string{
	"GET /info": "describe", "POST /query": "query", "POST /insert": "insert", "POST /upsert": "upsert", "POST /getByIds": "getByIds", "POST /deleteByIds": "deleteByIds",

	"GET /binding/indexes/{index}": "v1.describe", "POST /binding/indexes/{index}/query": "v1.query",
	"POST /binding/indexes/{index}/insert": "v1.insert", "POST /binding/indexes/{index}/upsert": "v1.upsert",
	"POST /binding/indexes/{index}/getByIds": "v1.getByIds", "POST /binding/indexes/{index}/deleteByIds": "v1.deleteByIds",

	"POST /run": "run", "POST /ai-gateway/run": "run", "GET /run": "run", "GET /ai-gateway/run": "run", "GET /ai-api/models/search": "models",
	"POST /ai-gateway/universal/run/{gateway}": "gateway.run", "GET /ai-gateway/gateways/{gateway}/url/{provider}": "gateway.getUrl",
	"GET /ai-gateway/gateways/{gateway}/logs/{log}": "gateway.getLog", "PATCH /ai-gateway/gateways/{gateway}/logs/{log}": "gateway.patchLog",
	"POST /to-everything/markdown/transformer": "toMarkdown", "GET /to-everything/markdown/supported": "toMarkdown",
}

// sawCall files what a call of a project's binding did, when it is over. A call of
// something that does not exist is none.
func (c *call) sawCall() {
	if c.seen == nil || c.route == nil {
		return
	}
	name := c.param(indexParam)
	if c.binding == "vectorize" && name == "" {
		return
	}
	c.seen.On(name)
	method := boundMethods[c.route.Method+" "+c.route.Path]
	if c.byID {
		method = "queryById"
	}
	c.seen.End(method, c.fault != nil)
}

// sawQuery notes what a query asks for.
func (c *call) sawQuery(q queryRequest) {
	c.byID = q.ID != ""
	c.seen.Query(q.TopK, q.Values || q.Metadata == index.AllMetadata)
}

// sawBatch notes vectors that are to be written, counted is how many, read or not.
func (c *call) sawBatch(records []index.Record, counted int) {
	if c.seen == nil {
		return
	}
	longest := 0
	for i := range records {
		longest = max(longest, len(records[i].Metadata))
	}
	c.seen.Batch(counted, longest)
}

// seeing is an errand that is noted each time it is done.
func (c *call) seeing(e errand, o gateway.Options, through bool) errand {
	if c.seen == nil || e.call.Model == "" {
		return e
	}
	a := traffic.Asked{Model: e.call.Model, InputBytes: len(e.input)}
	if through {
		a.Gateway = o.Gateway
	}
	do := e.do
	e.do = func(ctx context.Context) (outcome, error) {
		out, err := do(ctx)
		if out.stream == nil {
			c.sawAnswer(a, out.made, err)
			return out, err
		}
		inner := out.stream
		out.stream = func(c *call, to *flow, earlier neuron.Micro) (llm.Generated, error) {
			made, err := inner(c, to, earlier)
			c.sawAnswer(a, made, err)
			return made, err
		}
		return out, err
	}
	return e
}

// sawAnswer notes what a model answered. Who only asks for the price asks no model.
func (c *call) sawAnswer(a traffic.Asked, made llm.Generated, err error) {
	var quote *llm.Quote
	if errors.As(err, &quote) {
		return
	}
	a.Served, a.Substitute = made.Served, made.Route == llm.Substitute
	a.In, a.Out, a.MicroNeurons = made.Usage.Prompt, made.Usage.Completion, int64(made.Neurons)
	a.Failed = err != nil
	c.seen.Asked(a)
}

// sawNoModel notes a call to a model that does not exist.
func (c *call) sawNoModel(name string, err error) {
	if f := fault.As(err); f != nil && f.Reason == llm.ReasonModel {
		c.seen.Asked(traffic.Asked{Model: name, Failed: true})
	}
}
