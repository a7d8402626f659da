package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"strings"

	"nearside/fault"
)

// aiBinding is env.AI: the calls of the runtime's module cloudflare-internal:ai-api. A
// call to a model is answered with the bare result, which the runtime parses if its content
// type is application/json and nothing more; the other calls are those of the public API.
var aiBinding = []Route{
	{Method: "POST", Path: "/run", Handle: runBound, Scope: read, Family: aiBound, BodyLimit: maxMediaInput, Reaches: true},
	{Method: "POST", Path: "/ai-gateway/run", Handle: runBound, Scope: read, Family: aiBound, BodyLimit: maxMediaInput, Reaches: true},
	{Method: "GET", Path: "/run", Handle: refuseSocket, Scope: read, Family: aiBound},
	{Method: "GET", Path: "/ai-gateway/run", Handle: refuseSocket, Scope: read, Family: aiBound},

	{Method: "GET", Path: "/ai-api/models/search", Handle: searchModels, Scope: read, Family: workersAI},
	{Method: "POST", Path: "/ai-gateway/universal/run/{gateway}", Handle: callUniversal, Scope: read, Family: workersAI, BodyLimit: maxModelInput, Reaches: true},
	{Method: "GET", Path: "/ai-gateway/gateways/{gateway}/url/{provider}", Handle: boundGatewayURL, Scope: read, Family: platformAPI},
	{Method: "GET", Path: "/ai-gateway/gateways/{gateway}/logs/{log}", Handle: showGatewayLog, Scope: read, Family: platformAPI},
	{Method: "PATCH", Path: "/ai-gateway/gateways/{gateway}/logs/{log}", Handle: patchGatewayLog, Scope: write, Family: platformAPI, BodyLimit: maxSmall},

	{Method: "POST", Path: "/to-everything/markdown/transformer", Handle: toMarkdownBound, Scope: read, Family: workersAI, BodyLimit: maxMediaInput, Reaches: true},
	{Method: "GET", Path: "/to-everything/markdown/supported", Handle: supportedTypes, Scope: read, Family: workersAI},
}

// aiFailure is a failure of env.AI. Calls to models read the first five, the others errors.
type aiFailure struct {
	Code        int      `json:"internalCode"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Message     string   `json:"message"`
	Status      int      `json:"httpCode"`
	Request     string   `json:"requestId"`
	Errors      []remark `json:"errors"`
}

// headerModel names the model of a call; there may be a prefix before its id, with a colon.
const headerModel = "cf-consn-model-id"

// boundModel returns the id of the model that a binding asks for.
func (c *call) boundModel() (string, error) {
	model := c.header(headerModel)
	if model == "" {
		return "", fault.For(reasonNoInput, "the header %s is missing, which names the model", headerModel)
	}
	if at := strings.LastIndex(model, ":@"); at >= 0 {
		model = model[at+1:]
	}
	return model, nil
}

// runBound answers env.AI.run. The input stands in the body beside the options, or, if
// it is a stream, it is the body, and all else stands in the query.
func runBound(_ *Server, c *call) error {
	model, err := c.boundModel()
	if err != nil {
		return err
	}
	if c.mediaType() == typeJSON && c.queryParam("userInputs") == "" {
		return c.runInput(model, c.boundInput)
	}
	if err := c.spread("userInputs"); err != nil {
		return err
	}
	return c.runInput(model, c.readBody)
}

// boundInput reads {"inputs": …, "options": …}, and returns the input with the options in
// it, as the public API has them.
func (c *call) boundInput() ([]byte, error) {
	body, err := c.readBody()
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return body, err
	}
	if err := checkInput(body); err != nil {
		return nil, err
	}
	var sent struct {
		Inputs  json.RawMessage `json:"inputs"`
		Options json.RawMessage `json:"options"`
	}
	if err := json.Unmarshal(body, &sent); err != nil || len(sent.Inputs) == 0 {
		return nil, badInput("required properties at '/' are 'inputs'")
	}
	options := bytes.TrimSpace(sent.Options)
	if len(options) == 0 || string(options) == "null" || string(options) == "{}" || sent.Inputs[0] != '{' {
		return sent.Inputs, nil
	}
	if len(bytes.Trim(sent.Inputs, "{} \t\r\n")) == 0 {
		return fmt.Appendf(nil, `{"options":%s}`, options), nil
	}
	return addKey(bytes.TrimSpace(sent.Inputs), "options", options), nil
}

// spread puts the keys of an object in the query into the query itself.
func (c *call) spread(name string) error {
	text := c.query.Get(name)
	spread := url.Values{}
	for key, values := range c.query {
		if key != name && key != "version" {
			spread[key] = values
		}
	}
	if text != "" {
		inputs := map[string]json.RawMessage{}
		if err := json.Unmarshal([]byte(text), &inputs); err != nil {
			return badInput("%s in the query must be a JSON object", name)
		}
		for key, value := range inputs {
			var word string
			if json.Unmarshal(value, &word) != nil {
				word = string(value) // a number, true, false
			}
			spread.Set(key, word)
		}
	}
	c.query = spread
	return nil
}

// boundGatewayURL answers env.AI.gateway(…).getUrl. The host that the call names is the
// runtime's invention; the URL has the address at which this server is.
func boundGatewayURL(s *Server, c *call) error {
	host, port, err := net.SplitHostPort(s.Addr().String())
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	base, err := s.gatewayURL(c, net.JoinHostPort(host, port))
	if err != nil {
		return err
	}
	return c.reply(struct {
		URL string `json:"url"`
	}{base})
}

// refuseSocket answers env.AI.run with websocket: true.
func refuseSocket(_ *Server, _ *call) error {
	return notBuilt("nearside opens no WebSocket to a model; leave websocket out and send the sound as a whole")
}
