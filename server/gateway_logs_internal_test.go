package server

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"nearside/fault"
	"nearside/llm"
	"nearside/llm/backend/backendtest"
	"nearside/llm/gateway"
	"nearside/llm/neuron"
)

func TestALogTellsOfACallAndNothingOfWhatWasSaid(t *testing.T) {
	h, _, parts := modelled(t, Config{})
	body := `{"prompt":"SECRET-PROMPT","options":{"gateway":{"id":"mine","metadata":{"user":"u1","deep":{"x":1}},"eventId":"event-7"}}}`
	a := h.call(runs, body)
	log := h.logOf(a)
	if log.Model != llama || log.Task != "Text Generation" || log.Provider != "workers-ai" || log.Path != "run" || !log.Success || log.Status != 200 || log.Cached ||
		log.TokensIn == 0 || log.TokensOut == 0 || log.Cost != float64(charged(t, parts).Price())/1e12 || string(log.Metadata) != `{"user":"u1"}` || log.EventID != "event-7" ||
		log.RequestSize != len(body) || log.ResponseSize == 0 || log.RequestType != "application/json" {
		t.Errorf("%+v", log)
	}
	if a.header.Get("cf-aig-event-id") != "event-7" {
		t.Errorf("event %q", a.header.Get("cf-aig-event-id"))
	}
	stream := h.call(runs, `{"prompt":"SECRET-PROMPT","stream":true,"options":{"gateway":{"id":"mine"}}}`)
	until(t, "the log of the stream", func() bool {
		return h.do("GET", logsOf+"/"+stream.header.Get("cf-aig-log-id"), nil).status == 200
	})
	if log := h.logOf(stream); log.TokensOut == 0 || log.Cost == 0 || log.ResponseType != "text/event-stream" {
		t.Errorf("of the stream: %+v", log)
	}
	quiet := h.call(runs, `{"prompt":"x","options":{"gateway":{"id":"mine","collectLog":false}}}`)
	if quiet.header.Get("cf-aig-log-id") != "" || quiet.cacheStatus() == "" {
		t.Errorf("a call that must not be logged: %v", quiet.header)
	}
	list := h.do("GET", logsOf, nil)
	list.want(t, 200, 0, `"total_count":2`, `"request_head_complete":false`)
	for _, said := range []string{"SECRET-PROMPT", "The sky is blue"} {
		if strings.Contains(list.body, said) || strings.Contains(h.log.String(), said) {
			t.Errorf("%q is in a log", said)
		}
	}
}

func TestLogsAreGivenFeedback(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	id := h.call(runs, oddly).header.Get("cf-aig-log-id")
	patch := func(path, body string) answer { return h.do("PATCH", path, strings.NewReader(body)) }
	patch(logsOf+"/"+id, `{"feedback":-1,"score":87,"metadata":{"team":"x","n":1}}`).want(t, 200, 0, `"result":{}`)
	h.do("GET", logsOf+"/"+id, nil).want(t, 200, 0, `"metadata":{"n":1,"team":"x"}`, `"feedback":-1`, `"score":87`)
	h.do("GET", logsOf+"?feedback=-1&success=true&model="+llama+"&order_by_direction=asc", nil).want(t, 200, 0, `"total_count":1`)
	h.do("GET", logsOf+"?feedback=1", nil).want(t, 200, 0, `"total_count":0`, `"result":[]`)
	h.do("GET", logsOf+"?page=2", nil).want(t, 200, 0, `"result":[]`)
	for _, body := range []string{``, `[]`, `{"feedback":9}`, `{"metadata":{"a":[]}}`, strings.Repeat(`{"a":`, 200), "{\"metadata\":{\"a\":\"\xff\"}}"} {
		if a := patch(logsOf+"/"+id, body); a.status != 400 {
			t.Errorf("%.40s: %d", body, a.status)
		}
	}
	for _, path := range []string{logsOf + "/01AAAAAAAAAAAAAAAAAAAAAAAA", strings.Replace(logsOf, "mine", "yours", 1) + "/" + id, strings.Replace(logsOf, "local", "other", 1) + "/" + id} {
		h.do("GET", path, nil).want(t, 404, 10404)
		patch(path, `{"score":1}`).want(t, 404, 10404)
	}
	for _, query := range []string{"?filters[0][key]=cost", "?search=x", "?order_by=cost", "?success=maybe", "?per_page=51", "?page=0", "?start_date=2026-01-01"} {
		if a := h.do("GET", logsOf+query, nil); a.status != 400 {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
}

func TestGatewaysAreThoseThatWereUsed(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	list := home + "/ai-gateway/gateways"
	h.do("GET", list, nil).want(t, 200, 0, `"result":[]`)
	h.call(runs, oddly)
	h.call("/v1/local/a%20b/workers-ai/"+llama, `{"prompt":"x"}`).want(t, 200, 0)
	h.do("GET", list, nil).want(t, 200, 0, `"id":"a b"`, `"id":"mine"`, `"total_count":2`)
	h.do("GET", list+"/mine", nil).want(t, 200, 0, `"id":"mine"`, `"cache_ttl":null`)
	h.do("GET", list+"/none", nil).want(t, 404, 10404, "need not be made")
	for provider, want := range map[string]string{"workers-ai": "/workers-ai", "compat": "/compat", "universal": ""} {
		h.do("GET", list+"/mine/url/"+provider, nil).want(t, 200, 0, `"result":"`+h.url()+"/v1/local/mine"+want+`"`)
	}
	h.do("GET", list+"/mine/url/openai", nil).want(t, 501, 10501, "workers-ai and compat")
	for _, rest := range []string{"/mine/datasets", "/mine/evaluations", "/mine/provider_configs", "/mine/logs/x/request", "/mine/routes"} {
		h.do("GET", list+rest, nil).want(t, 501, 10501, "AI Gateway beyond gateways")
	}
}

// No backend is known that charges for a stream before it begins; if one did, it
// would be told by the stream's end and by the log.
func TestWhatAttemptsBeforeAStreamCostIsToldAndLogged(t *testing.T) {
	parts := domain(t)
	h := startWith(t, Config{}, parts)
	attempts := 0
	var o gateway.Options
	o.Object([]byte(`{"id":"mine","retries":{"maxAttempts":2}}`))
	e := errand{call: llm.Call{Payer: neuron.Payer{Account: "local"}, Model: llama}, kind: typeJSON, do: func(context.Context) (outcome, error) {
		if attempts++; attempts == 1 {
			return failed(llm.Generated{Neurons: 5}, fault.New(fault.Busy, "busy"))
		}
		return outcome{kind: typeSSE, stream: func(*call, *flow, neuron.Micro) (llm.Generated, error) { return llm.Generated{Neurons: 7}, nil }}, nil
	}}
	way := transit{server: h.server, errand: e, options: o, provider: workersAIProvider, pause: func(context.Context, time.Duration) error { return nil }}
	out, err := way.run(t.Context())
	if err != nil || out.earlier != 5 {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := out.stream(nil, nil, out.earlier); err != nil {
		t.Fatal(err)
	}
	if log, err := parts.Gateway.Get(t.Context(), "local", "mine", out.crossing.log); err != nil || log.Neurons != 12 {
		t.Errorf("logged %+v, %v", log, err)
	}
}

func TestACallerWhoHangsUpIsLoggedAsOne(t *testing.T) {
	for _, stream := range []bool{false, true} {
		h, s, parts := modelled(t, Config{})
		s.ollama.Lie(backendtest.StallMidway)
		body := fmt.Sprintf(`{"prompt":"x","stream":%t,"options":{"gateway":{"id":"mine"}}}`, stream)
		conn := h.dial()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", runs, len(body), body)
		until(t, "the model to be asked", func() bool { return parts.Ledger.Reservations() == 1 })
		conn.Close()
		var logs []gateway.Log
		until(t, "the log", func() bool {
			var err error
			if logs, _, err = parts.Gateway.List(t.Context(), gateway.Query{Account: "local", Gateway: "mine", Limit: 9}); err != nil {
				t.Fatal(err)
			}
			return len(logs) > 0
		})
		if len(logs) != 1 || logs[0].Status != 408 || logs[0].Neurons != charged(t, parts) {
			t.Errorf("stream %t: logged %+v, charged %s", stream, logs, charged(t, parts))
		}
	}
}
