package server

import (
	"fmt"
	"strings"
	"testing"

	"nearside/llm/backend/backendtest"
)

func TestStepsAreTakenUntilOneSucceeds(t *testing.T) {
	h, s, parts := modelled(t, Config{})
	workers := func(endpoint, query string) string {
		return `{"provider":"workers-ai","endpoint":"` + endpoint + `","headers":{"Authorization":"Bearer x","Content-Type":"application/json"},"query":` + query + `}`
	}
	other := `{"provider":"openai","endpoint":"chat/completions","headers":{},"query":{"model":"gpt-4o"}}`
	chat := `{"model":"` + gptOSS + `",` + hello + `}`
	for _, test := range []struct{ name, body, step, fragment string }{
		{"a model", `[` + workers(llama, `{"prompt":"x"}`) + `]`, "0", `"result":{"response":"The sky is blue."`},
		{"its path", `[` + workers("run/"+llama, `{"prompt":"x"}`) + `]`, "0", `"success":true`},
		{"not in a list", workers(llama, `{"prompt":"x"}`), "0", `"success":true`},
		{"OpenAI's API", `[` + workers("v1/chat/completions", chat) + `]`, "0", `"object":"chat.completion"`},
		{"compat", `[{"provider":"compat","endpoint":"chat/completions","query":` + strings.Replace(chat, "@cf", "workers-ai/@cf", 1) + `}]`, "0", `"object":"chat.completion"`},
		{"vectors", `[` + workers("v1/embeddings", embeds) + `]`, "0", `"object":"list"`},
		{"another provider first", `[` + other + `,` + workers(llama, `{"prompt":"x"}`) + `]`, "1", `step 0, \"openai\", failed: the provider \"openai\" is not served`},
		{"an unknown model and a bad input first", `[` + workers("@cf/no/model", `{"prompt":"x"}`) + `,` + workers(llama, `{"prompt":7}`) + `,` + workers(llama, `{"prompt":"x"}`) + `]`, "2", "No such model @cf/no/model"},
	} {
		a := h.call("/v1/local/mine", test.body)
		a.want(t, 200, 0, test.fragment)
		if a.header.Get("cf-aig-step") != test.step || len(a.header.Get("cf-aig-log-id")) != 26 {
			t.Errorf("%s: step %q, log %q", test.name, a.header.Get("cf-aig-step"), a.header.Get("cf-aig-log-id"))
		}
	}
	// A model that breaks off in the middle is paid for as far as it came; then the next.
	for _, stream := range []bool{false, true} {
		before := charged(t, parts)
		s.ollama.LieTimes(backendtest.CloseMidway, 1)
		second := workers(llama, fmt.Sprintf(`{"prompt":"y","stream":%t}`, stream))
		a := h.call("/v1/local/mine", `[`+workers(llama, `{"prompt":"broken"}`)+`,`+second+`]`)
		a.want(t, 200, 0)
		if spent := charged(t, parts) - before; toldOf(t, a) != spent || a.header.Get("cf-aig-step") != "1" || spent == 0 {
			t.Errorf("told %s at step %s, charged %s", toldOf(t, a), a.header.Get("cf-aig-step"), spent)
		}
	}
	h.call("/v1/local/mine", `[`+other+`,`+workers("@cf/no/model", `{}`)+`]`).want(t, 400, 5007, "step 0")
	h.call("/v1/local/mine", `[`+other+`]`).want(t, 501, 10501, "nearside serves workers-ai")
	h.call("/v1/local/mine", `[`+workers(llama, `{"prompt":"x","dry_run":true}`)+`]`).want(t, 200, 0, `"dry_run":true`)
	for _, body := range []string{`[]`, `{}`, `[{}]`, `[7]`, `"x"`, `[{"provider":"workers-ai"}]`, `[` + strings.TrimSuffix(strings.Repeat(other+",", 11), ",") + `]`, chat} {
		if a := h.call("/v1/local/mine", body); a.status != 400 {
			t.Errorf("%.60s: %d", body, a.status)
		}
	}
	if s := result[[]gatewayLog](t, h.do("GET", logsOf+"?success=false&provider=openai", nil)); len(s) == 0 || s[0].Status != 501 || s[0].Path != "chat/completions" {
		t.Errorf("steps of another provider are logged as %+v", s)
	}
}

// What is asked of one step goes before what is asked of all.
func TestAStepMayAskForSomethingOfItsOwn(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	body := func(headers string) string {
		return `[{"provider":"workers-ai","endpoint":"` + llama + `","headers":` + headers + `,"query":{"prompt":"x"}}]`
	}
	for _, test := range []struct{ headers, want string }{
		{`{}`, "MISS"}, {`{}`, "HIT"}, {`{"CF-AIG-Cache-TTL":0}`, "BYPASS"}, {`{"cf-aig-skip-cache":true}`, "BYPASS"}, {`{"cf-aig-metadata":{"a":1}}`, "HIT"}, {`{"cf-aig-cache-ttl":"60"}`, "HIT"},
	} {
		if a := h.call("/v1/local/mine", body(test.headers), "cf-aig-cache-ttl: 3600"); a.cacheStatus() != test.want {
			t.Errorf("%s: %d, %s, want %s", test.headers, a.status, a.cacheStatus(), test.want)
		}
	}
}

func TestTheRestOfOpenAIsAPIIsNoGateway(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	for _, path := range []string{"/v1/audio/speech", "/v1/images/generations", "/v1/fine_tuning/jobs", "/v1/audio/workers-ai/x"} {
		h.call(path, `{"model":"x"}`).want(t, 501, 10501, "OpenAI-compatible API beyond")
	}
	h.call("/v1/chat/completions", completions+`}`).want(t, 200, 0, `"object":"chat.completion"`)
	h.call("/v1/local/mine/openai/chat/completions", `{}`).want(t, 501, 10501, "other providers than workers-ai and compat")
	h.call("/v1/local/mine/compat/images", `{}`).want(t, 501, 10501, "no endpoint")
	h.call("/v1/models/mine", `[]`).want(t, 405, 7001)
}
