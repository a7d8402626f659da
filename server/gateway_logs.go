package server

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"nearside/fault"
	"nearside/llm/gateway"
)

// gatewayLog is a log on the wire. What was said is in no log: the heads of
// request and reply are never there.
type gatewayLog struct {
	ID            string          `json:"id"`
	Created       string          `json:"created_at"`
	Provider      string          `json:"provider"`
	Model         string          `json:"model"`
	Task          string          `json:"model_type"`
	Path          string          `json:"path"`
	Duration      int64           `json:"duration"` // ms
	Status        int             `json:"status_code"`
	Success       bool            `json:"success"`
	Cached        bool            `json:"cached"`
	TokensIn      int             `json:"tokens_in"`
	TokensOut     int             `json:"tokens_out"`
	Cost          float64         `json:"cost"` // dollars
	CustomCost    bool            `json:"custom_cost"`
	Step          int             `json:"step"`
	Metadata      json.RawMessage `json:"metadata,omitempty"`
	Feedback      *int            `json:"feedback"`
	Score         *float64        `json:"score"`
	EventID       string          `json:"event_id,omitempty"`
	RequestType   string          `json:"request_content_type"`
	RequestSize   int             `json:"request_size"`
	RequestWhole  bool            `json:"request_head_complete"`
	ResponseType  string          `json:"response_content_type"`
	ResponseSize  int             `json:"response_size"`
	ResponseWhole bool            `json:"response_head_complete"`
}

func newGatewayLog(l gateway.Log) gatewayLog {
	return gatewayLog{
		ID: l.ID, Created: l.Created.UTC().Format(timeMillis), Provider: l.Provider, Model: l.Model, Task: l.Task, Path: l.Path,
		Duration: l.Duration.Milliseconds(), Status: l.Status, Success: l.Status < 400, Cached: l.Cached,
		TokensIn: l.TokensIn, TokensOut: l.TokensOut, Cost: float64(l.Neurons.Price()) / 1e12, Step: l.Step,
		Metadata: l.Metadata, Feedback: l.Feedback, Score: l.Score, EventID: l.EventID,
		RequestType: l.RequestType, RequestSize: l.RequestBytes, ResponseType: l.ResponseType, ResponseSize: l.ResponseBytes,
	}
}

// showGatewayLog answers GET …/ai-gateway/gateways/{gateway}/logs/{log}.
func showGatewayLog(s *Server, c *call) error {
	log, err := s.parts.Gateway.Get(c, c.account, gateway.Name(c.param("gateway")), c.param("log"))
	if err != nil {
		return err
	}
	return c.reply(newGatewayLog(log))
}

// patchGatewayLog answers PATCH …/ai-gateway/gateways/{gateway}/logs/{log}.
func patchGatewayLog(s *Server, c *call) error {
	body, err := c.readBody()
	if err != nil {
		return err
	}
	if err := checkJSON(body); err != nil {
		return err
	}
	if err := s.parts.Gateway.Patch(c, c.account, gateway.Name(c.param("gateway")), c.param("log"), body); err != nil {
		return err
	}
	return c.reply(struct{}{})
}

// maxLogPage is the most logs of one page.
const maxLogPage = 50

// listGatewayLogs answers GET …/ai-gateway/gateways/{gateway}/logs.
func listGatewayLogs(s *Server, c *call) error {
	page, err := c.queryInt("page", 1, 1, 1<<30)
	if err != nil {
		return err
	}
	size, err := c.queryInt("per_page", 20, 1, maxLogPage)
	if err != nil {
		return err
	}
	q, err := c.logQuery()
	if err != nil {
		return err
	}
	q.Skip, q.Limit = (page-1)*size, size
	logs, total, err := s.parts.Gateway.List(c, q)
	if err != nil {
		return err
	}
	shown := make([]gatewayLog, len(logs))
	for i, l := range logs {
		shown[i] = newGatewayLog(l)
	}
	return c.replyInfo(shown, resultInfo{Page: page, PerPage: size, Count: len(shown), TotalCount: total, TotalPages: (total + size - 1) / size})
}

// The parameters of a list of logs. Those of Cloudflare's that would leave logs out
// and are not served are refused: a list that is longer than it says would mislead.
var (
	logFilters  = []string{"success", "cached", "model", "provider", "feedback"}
	otherParams = []string{"page", "per_page", "order_by", "order_by_direction", "direction", "meta_info", "gateway"}
)

// logQuery reads which logs are asked for.
func (c *call) logQuery() (gateway.Query, error) {
	q := gateway.Query{Account: c.account, Gateway: gateway.Name(c.param("gateway")), Model: c.queryParam("model"), Provider: c.queryParam("provider")}
	for name := range c.query {
		if !slices.Contains(logFilters, name) && !slices.Contains(otherParams, name) {
			return q, fault.For(reasonQuery, "logs cannot be chosen by %s; there are %s", quoteShort(name), strings.Join(logFilters, ", "))
		}
	}
	if by := c.queryParam("order_by"); by != "" && by != "created_at" {
		return q, fault.For(reasonQuery, "logs cannot be put in order by %s; they are by created_at", quoteShort(by))
	}
	q.OldestFirst = c.queryParam("order_by_direction") == "asc" || c.queryParam("direction") == "asc"
	var err error
	if q.Success, err = c.queryBool("success"); err != nil {
		return q, err
	}
	if q.Cached, err = c.queryBool("cached"); err != nil {
		return q, err
	}
	if c.queryParam("feedback") != "" {
		feedback, err := c.queryInt("feedback", 0, -1, 1)
		q.Feedback = &feedback
		return q, err
	}
	return q, nil
}

// queryBool returns a truth value from the query; nil if it is absent.
func (c *call) queryBool(name string) (*bool, error) {
	text := c.queryParam(name)
	value := text == "true"
	switch {
	case text == "":
		return nil, nil
	case text != "true" && text != "false":
		return nil, fault.For(reasonQuery, "the query parameter %s is %s; it is true or false", name, quoteShort(text))
	}
	return &value, nil
}

// gatewayObject is a gateway on the wire. Its settings are the same for all, and cannot be changed.
type gatewayObject struct {
	ID              string `json:"id"`
	Created         string `json:"created_at"`
	Modified        string `json:"modified_at"`
	CollectLogs     bool   `json:"collect_logs"`
	CacheTTL        *int   `json:"cache_ttl"`
	CacheInvalidate bool   `json:"cache_invalidate_on_update"`
	RateLimit       *int   `json:"rate_limiting_limit"`
	RateInterval    *int   `json:"rate_limiting_interval"`
	Authentication  bool   `json:"authentication"`
	LogManagement   string `json:"log_management_strategy"`
	IsDefault       bool   `json:"is_default"`
}

// listGateways answers GET …/ai-gateway/gateways with those that there are logs of:
// they need not be made, and any id may be used.
func listGateways(s *Server, c *call) error {
	seen, err := s.parts.Gateway.Gateways(c, c.account)
	if err != nil {
		return err
	}
	list := make([]gatewayObject, len(seen))
	for i, g := range seen {
		list[i] = s.gatewayObject(g)
	}
	return replyOnePage(c, list)
}

// showGateway answers GET …/ai-gateway/gateways/{gateway}.
func showGateway(s *Server, c *call) error {
	seen, err := s.parts.Gateway.Gateways(c, c.account)
	if err != nil {
		return err
	}
	id := gateway.Name(c.param("gateway"))
	for _, g := range seen {
		if g.ID == id {
			return c.reply(s.gatewayObject(g))
		}
	}
	return &fault.Error{Kind: fault.NotFound, Message: "nothing has gone through the gateway " + quoteShort(id) + "; it need not be made: name it in a call"}
}

func (s *Server) gatewayObject(g gateway.Gateway) gatewayObject {
	return gatewayObject{ID: g.ID, Created: g.First.Format(timeMillis), Modified: g.Last.Format(timeMillis), CollectLogs: true,
		Authentication: s.keyed(), LogManagement: "DELETE_OLDEST", IsDefault: g.ID == gateway.Default}
}

// showGatewayURL answers GET …/ai-gateway/gateways/{gateway}/url/{provider} with the
// base URL for the provider; universal is that of the universal form.
func showGatewayURL(s *Server, c *call) error {
	base, err := s.gatewayURL(c, string(c.fiber.Request().Header.Host()))
	if err != nil {
		return err
	}
	return c.reply(base)
}

// gatewayURL is the base URL for the gateway and the provider of a call, on a host.
func (s *Server) gatewayURL(c *call, host string) (string, error) {
	scheme := "http"
	if s.config.TLSCert != "" {
		scheme = "https"
	}
	base := scheme + "://" + host + "/v1/" + c.account + "/" + url.PathEscape(gateway.Name(c.param("gateway")))
	switch provider := c.param("provider"); provider {
	case "universal":
		return base, nil
	case workersAIProvider, compatProvider:
		return base + "/" + provider, nil
	default:
		return "", notBuilt("the provider %s is not served; nearside serves workers-ai and compat", quoteShort(provider))
	}
}
