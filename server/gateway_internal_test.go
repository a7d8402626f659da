package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/catalog"
	"nearside/llm/backend/backendtest"
	"nearside/llm/gateway"
	"nearside/llm/neuron"
)

const (
	logsOf = home + "/ai-gateway/gateways/mine/logs"
	runs   = home + "/ai/run/" + llama
	oddly  = `{` + hello + `,"options":{"gateway":{"id":"mine","cacheTtl":3600}}}`
)

// call posts JSON with headers.
func (h *harness) call(path, body string, headers ...string) answer {
	h.t.Helper()
	return h.do("POST", path, strings.NewReader(body), append(headers, "Content-Type: application/json")...)
}

// cached is a gateway that keeps answers for an hour, as headers ask for it.
var cached = []string{"cf-aig-gateway-id: mine", "cf-aig-cache-ttl: 3600"}

// cacheStatus is what a reply says of the cache.
func (a answer) cacheStatus() string { return a.header.Get("cf-aig-cache-status") }

// logOf returns the log of an answer.
func (h *harness) logOf(a answer) gatewayLog {
	h.t.Helper()
	return result[gatewayLog](h.t, h.do("GET", logsOf+"/"+a.header.Get("cf-aig-log-id"), nil))
}

// counted is the calls that the ledger has counted, and those of them from a cache.
func counted(t *testing.T, parts Parts) (calls, fromCache int64) {
	t.Helper()
	report, err := parts.Ledger.Usage(t.Context(), neuron.Query{Account: "local"})
	if err != nil {
		t.Fatal(err)
	}
	return report.Total.Calls, report.Total.Cached
}

// toldOf adds up what replies tell of their cost.
func toldOf(t *testing.T, replies ...answer) neuron.Micro {
	t.Helper()
	var sum neuron.Micro
	for _, a := range replies {
		var whole, micro int64
		header := a.header.Get("cf-ai-neurons")
		if header == "" {
			header = a.told(t)
		}
		digits, fraction, _ := strings.Cut(header, ".")
		if _, err := fmt.Sscanf(digits+" "+(fraction + "000000")[:6], "%d %d", &whole, &micro); err != nil {
			t.Errorf("told %q: %v", header, err)
		}
		sum += neuron.Micro(whole*1_000_000 + micro)
	}
	return sum
}

func TestWithoutAGatewayNothingOfOneIsTold(t *testing.T) {
	h, _, parts := modelled(t, Config{})
	a := h.call(runs, `{`+hello+`,"options":{"rejectIfBusy":false}}`, "cf-aig-something: 1")
	for name := range a.header {
		if strings.HasPrefix(strings.ToLower(name), "cf-aig-") {
			t.Errorf("the reply has %s", name)
		}
	}
	if gateways, err := parts.Gateway.Gateways(t.Context(), "local"); err != nil || len(gateways) != 0 {
		t.Errorf("%v, %v", gateways, err)
	}
}

func TestACachedAnswerIsTheSameAndCostsNothingAndSaysSo(t *testing.T) {
	everyCharge(t, false, func(t *testing.T, c chargeTest, h *harness, s servers, parts Parts) {
		if strings.Contains(c.path, "/nearside/") {
			return // it has vectors for itself, and goes through no gateway
		}
		first := h.call(c.path, c.body, cached...)
		first.want(t, 200, 0)
		paid := charged(t, parts)
		s.ollama.Down()
		s.openai.Down()
		second := h.call(c.path, c.body, cached...)
		second.want(t, 200, 0)
		if first.cacheStatus() != "MISS" || second.cacheStatus() != "HIT" || first.header.Get("cf-aig-step") != second.header.Get("cf-aig-step") {
			t.Errorf("first %s, then %s", first.cacheStatus(), second.cacheStatus())
		}
		if second.header.Get("cf-ai-neurons") != "0.000000" || charged(t, parts) != paid || paid == 0 || toldOf(t, first, second) != paid {
			t.Errorf("told %q and %q, charged %s, then %s", first.header.Get("cf-ai-neurons"), second.header.Get("cf-ai-neurons"), paid, charged(t, parts))
		}
		if free := toldInBody.ReplaceAllString(first.body, `"neurons":0.000000`); second.body != free {
			t.Errorf("got %.500s\nwant %.500s", second.body, free)
		}
		for _, header := range []string{"nearside-model", "nearside-backend", "Content-Type"} {
			if first.header.Get(header) != second.header.Get(header) {
				t.Errorf("%s: %q, then %q", header, first.header.Get(header), second.header.Get(header))
			}
		}
		if calls, fromCache := counted(t, parts); calls != 1 || fromCache != 1 {
			t.Errorf("%d calls, %d from the cache", calls, fromCache)
		}
	})
}

// What stands beside a file, in the query, is part of the input.
func TestFilesAreCachedWithWhatStandsBesideThem(t *testing.T) {
	h, _, _ := medial(t, Config{})
	for _, test := range []struct{ query, body, kind, want string }{
		{"", "ID3 one", "audio/mpeg", "MISS"}, {"", "ID3 one", "audio/mpeg", "HIT"}, {"", "ID3 two", "audio/mpeg", "MISS"},
		{"?language=de", "ID3 one", "audio/mpeg", "MISS"}, {"?language=de", "ID3 one", "audio/mpeg", "HIT"}, {"", "ID3 one", "audio/wav", "MISS"},
	} {
		a := h.do("POST", home+"/ai/run/"+nova3+test.query, strings.NewReader(test.body), append(cached, "Content-Type: "+test.kind)...)
		if a.status != 200 || a.cacheStatus() != test.want {
			t.Errorf("%+v: %d, %s %.200s", test, a.status, a.cacheStatus(), a.body)
		}
	}
}

func TestOnlyTheSameInputInTheSamePlaceHits(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	h.call(runs, `{"prompt":"why","seed":1,"options":{"gateway":{"id":"mine","cacheTtl":3600}}}`).want(t, 200, 0)
	for _, test := range []struct{ name, path, body, want string }{
		{"another order of keys", runs, `{"seed":1, "options":{"gateway":{"cacheTtl":60,"id":"mine"}}, "prompt":"wh\u0079"}`, "HIT"},
		{"by its alias's full name", home + "/ai/run/@cf%2Fmeta%2Fllama-3.1-8b-instruct-fp8", `{"prompt":"why","seed":1,"options":{"gateway":{"id":"mine","cacheTtl":3600}}}`, "HIT"},
		{"through the path of a gateway", "/v1/local/mine/workers-ai/" + llama, `{"prompt":"why","seed":1,"options":{"gateway":{"cacheTtl":3600}}}`, "HIT"},
		{"another account", strings.Replace(runs, "local", "other", 1), `{"prompt":"why","seed":1,"options":{"gateway":{"id":"mine","cacheTtl":3600}}}`, "MISS"},
		{"another gateway", runs, `{"prompt":"why","seed":1,"options":{"gateway":{"id":"yours","cacheTtl":3600}}}`, "MISS"},
		{"another seed", runs, `{"prompt":"why","seed":2,"options":{"gateway":{"id":"mine","cacheTtl":3600}}}`, "MISS"},
		{"without a time to live", runs, `{"prompt":"why","seed":1,"options":{"gateway":{"id":"mine"}}}`, "BYPASS"},
		{"past the cache", runs, `{"prompt":"why","seed":1,"options":{"gateway":{"id":"mine","cacheTtl":3600,"skipCache":true}}}`, "BYPASS"},
		{"a stream", runs, `{"prompt":"why","seed":1,"stream":true,"options":{"gateway":{"id":"mine","cacheTtl":3600}}}`, "BYPASS"},
		{"the stream again", runs, `{"prompt":"why","seed":1,"stream":true,"options":{"gateway":{"id":"mine","cacheTtl":3600}}}`, "BYPASS"},
		{"a key for it", runs, `{"prompt":"why","options":{"gateway":{"id":"mine","cacheKey":"k"}}}`, "MISS"},
		{"the key for something else", runs, `{"prompt":"what","options":{"gateway":{"id":"mine","cacheKey":"k"}}}`, "HIT"},
		{"the default gateway", runs, `{"prompt":"why","options":{"gateway":{"cacheTtl":60}}}`, "MISS"},
		{"the default gateway by name", runs, `{"prompt":"why","options":{"gateway":{"cacheTtl":60,"id":"default"}}}`, "HIT"},
		{"in the query", runs + "?gateway=%7B%22id%22%3A%22mine%22%2C%22cacheTtl%22%3A60%7D", `{"prompt":"why","seed":1}`, "HIT"},
		{"in the query as a client spoils it", runs + "?gateway=%5Bobject+Object%5D", `{"prompt":"why","seed":1}`, ""},
	} {
		a := h.call(test.path, test.body)
		a.want(t, 200, 0)
		if a.cacheStatus() != test.want {
			t.Errorf("%s: %q, want %s", test.name, a.cacheStatus(), test.want)
		}
	}
}

func TestCachedAnswersGrowOld(t *testing.T) {
	h, s, _ := modelled(t, Config{})
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	h.server.cache = gateway.NewCache[outcome](func() time.Time { return clock })
	ask := func(want string) {
		t.Helper()
		if a := h.call(runs, oddly); a.status != 200 || a.cacheStatus() != want {
			t.Errorf("got %d, %s, want %s", a.status, a.cacheStatus(), want)
		}
	}
	ask("MISS")
	clock = clock.Add(time.Hour - 1)
	ask("HIT")
	clock = clock.Add(1)
	ask("MISS")
	clock = clock.Add(time.Hour)
	s.ollama.Lie(backendtest.Status500)
	s.openai.Down()
	h.call(runs, oddly).want(t, 503, 7009) // a failure is not kept
	s.ollama.Lie(backendtest.Honest)
	ask("MISS")
	ask("HIT")
}

func TestWhoHasNothingLeftForTodayStillGetsWhatIsCached(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	key := "Authorization: Bearer " + h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Read, NeuronsPerDay: 7})
	ask := func(seed int) answer {
		return h.call(runs, fmt.Sprintf(`{"prompt":"why","seed":%d,"options":{"gateway":{"id":"mine","cacheTtl":60}}}`, seed), key)
	}
	ask(1).want(t, 200, 0)
	refused := 0
	for seed := 2; refused == 0 && seed < 200; seed++ { // each costs little of what it reserves
		if a := ask(seed); a.status == 429 {
			refused = seed
		}
	}
	ask(refused).want(t, 429, 3036)
	if a := ask(1); a.status != 200 || a.cacheStatus() != "HIT" || a.header.Get("nearside-neurons-left") == "" {
		t.Errorf("got %d, %s, %v", a.status, a.cacheStatus(), a.header)
	}
}

func TestAfterASwitchNoVectorsOfOtherWeightsComeBack(t *testing.T) {
	h, s, _ := modelled(t, Config{})
	body := `{"text":"a cat","options":{"gateway":{"id":"mine","cacheTtl":3600}}}`
	first := h.call(home+"/ai/run/"+bgeM3, body)
	s.ollama.Add(backendtest.Model{Name: "bge-m3", Dimensions: 1024, Digest: "other"})
	if a := h.call(home+"/ai/run/"+bgeM3, body); a.cacheStatus() != "HIT" || a.body != first.body {
		t.Errorf("before the switch: %s", a.cacheStatus())
	}
	h.call(home+"/nearside/models/switch", `{"model":"`+bgeM3+`"}`).want(t, 200, 0)
	if a := h.call(home+"/ai/run/"+bgeM3, body); a.cacheStatus() != "MISS" {
		t.Errorf("after the switch: %d, %s", a.status, a.cacheStatus())
	}
}

func TestACallThatFailsForAMomentIsMadeAgain(t *testing.T) {
	for _, stream := range []bool{false, true} {
		h, s, parts := modelled(t, Config{})
		s.openai.Down()
		s.ollama.LieTimes(backendtest.Status500, 2)
		body := fmt.Sprintf(`{`+hello+`,"stream":%t,"options":{"gateway":{"id":"mine","retries":{"maxAttempts":3,"retryDelayMs":1}}}}`, stream)
		a := h.call(runs, body)
		a.want(t, 200, 0)
		if charged(t, parts) == 0 || !sameNumber(a.told(t), charged(t, parts).String()) {
			t.Errorf("told %s, charged %s", a.told(t), charged(t, parts))
		}
		s.ollama.LieTimes(backendtest.Status500, 3)
		h.call(runs, body).want(t, 503, 7009)
		s.ollama.LieTimes(backendtest.Status400, 1)
		h.call(runs, body).want(t, 400, 5006) // that does not pass
	}
}

// What an attempt had made before it failed is paid for, and so is the next one.
func TestAllAttemptsArePaidForAndTold(t *testing.T) {
	h, s, parts := modelled(t, Config{})
	s.openai.Down()
	s.ollama.LieTimes(backendtest.CloseMidway, 2)
	a := h.call(runs, `{`+hello+`,"options":{"gateway":{"id":"mine","cacheTtl":60,"retries":{"maxAttempts":3,"retryDelayMs":1}}}}`)
	a.want(t, 200, 0)
	calls, _ := counted(t, parts)
	if told := toldInBody.FindStringSubmatch(a.body); calls != 3 || toldOf(t, a) != charged(t, parts) || told == nil || !sameNumber(told[1], a.told(t)) {
		t.Errorf("%d calls, told %s and %v in the body, charged %s", calls, a.told(t), told, charged(t, parts))
	}
	if cost := h.logOf(a).Cost; cost != float64(charged(t, parts).Price())/1e12 {
		t.Errorf("the log says $%g, charged %s", cost, charged(t, parts))
	}
	s.ollama.LieTimes(backendtest.CloseMidway, 2)
	before := charged(t, parts)
	b := h.call(runs, `{"prompt":"all fail","options":{"gateway":{"id":"mine","retries":{"maxAttempts":2,"retryDelayMs":1}}}}`)
	b.want(t, 503, 7009)
	if toldOf(t, b) != charged(t, parts)-before || charged(t, parts) == before {
		t.Errorf("told %s, charged %s", b.told(t), charged(t, parts)-before)
	}
}

func TestAnAnswerThatDoesNotBeginInTimeIsGivenUp(t *testing.T) {
	for _, stream := range []bool{false, true} {
		h, s, parts := modelled(t, Config{})
		s.openai.Down()
		s.ollama.Lie(backendtest.StallFirst)
		body := fmt.Sprintf(`{`+hello+`,"stream":%t,"options":{"gateway":{"id":"mine","requestTimeoutMs":50,"retries":{"maxAttempts":2,"retryDelayMs":1}}}}`, stream)
		a := h.call(runs, body)
		a.want(t, 408, 3007, "no answer began within the 50ms that the caller allows")
		if log := h.logOf(a); log.Success || log.Status != 408 {
			t.Errorf("logged as %+v", log)
		}
		s.ollama.Lie(backendtest.StallMidway)
		if !stream { // a stream has begun by then
			b := h.call(runs, body)
			b.want(t, 408, 3007)
			if told := b.header.Get("cf-ai-neurons"); told != charged(t, parts).String() || charged(t, parts) == 0 {
				t.Errorf("told %q, charged %s", told, charged(t, parts))
			}
		}
		if parts.Ledger.Reservations() != 0 {
			t.Errorf("%d reservations are left", parts.Ledger.Reservations())
		}
	}
}

func TestGatewaysAskForKeysAsEverythingDoes(t *testing.T) {
	h, _, _ := modelled(t, Config{})
	reader := h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Read})
	writer := h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Write})
	stranger := h.keys.add(t, catalog.Key{Account: "other", Permission: catalog.Admin})
	body := `{"prompt":"x"}`
	path := "/v1/local/mine/workers-ai/" + llama
	h.call(path, body).want(t, 401, 10000)
	h.call(path, body, "Authorization: Bearer "+stranger).want(t, 403, 10000)
	h.call(path, body, "Authorization: Bearer "+reader).want(t, 200, 0)
	a := h.call(path, body, "Authorization: Bearer sk-of-another-provider", "cf-aig-authorization: Bearer "+reader)
	a.want(t, 200, 0)
	log := logsOf + "/" + a.header.Get("cf-aig-log-id")
	for key, want := range map[string][2]int{reader: {200, 403}, writer: {200, 200}, stranger: {403, 403}, "": {401, 401}} {
		header := "Authorization: Bearer " + key
		got := [2]int{h.do("GET", log, nil, header).status, h.do("PATCH", log, strings.NewReader(`{"score":1}`), header).status}
		if got != want {
			t.Errorf("with the key %q: %v, want %v", key, got, want)
		}
	}
}

func TestHostileOptionsOfAGatewayAreNeverRefused(t *testing.T) {
	h, _, parts := modelled(t, Config{})
	for _, options := range []string{`7`, `[]`, `"mine"`, `{"id":7}`, `{"id":{"a":1}}`, `{"id":"../../etc"}`, `{"id":"` + strings.Repeat("x", 5000) + `"}`, `{"cacheTtl":1e308,"requestTimeoutMs":1e308}`,
		`{"cacheTtl":-1e308}`, `{"metadata":` + strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat("}", 100) + `}`, `{"metadata":"` + strings.Repeat("x", 10000) + `"}`, `{"retries":{"maxAttempts":1e9}}`,
		`{"retries":[]}`, `{"retries":{"retries":{"retries":{}}}}`, `{"eventId":"\r\nSet-Cookie: a=b"}`, `{"cacheKey":"\u0000"}`, `{"id":"mine","byok":{"x":1},"zdr":true}`} {
		a := h.call(runs, `{"prompt":"x","options":{"gateway":`+options+`}}`)
		a.want(t, 200, 0)
		if a.header.Get("Set-Cookie") != "" {
			t.Error("a header was smuggled in")
		}
	}
	gateways, err := parts.Gateway.Gateways(t.Context(), "local")
	if err != nil || !slices.ContainsFunc(gateways, func(g gateway.Gateway) bool { return g.ID == "../../etc" }) {
		t.Errorf("%v, %v", gateways, err)
	}
}

// Whatever way answers come about, what replies tell adds up to the ledger, and so do the logs.
func TestWhatEveryWayThroughAGatewayTellsIsTheLedger(t *testing.T) {
	h, s, parts := modelled(t, Config{})
	s.openai.Down()
	var told neuron.Micro
	ask := func(lie backendtest.Lie, times int, path, body string) {
		t.Helper()
		if times > 0 {
			s.ollama.LieTimes(lie, times)
		}
		a := h.call(path, body)
		if a.header.Get("cf-ai-neurons") != "" || a.status == http.StatusOK {
			told += toldOf(t, a)
		}
	}
	for i, stream := range []bool{false, true} {
		input := func(n int, options string) string {
			return fmt.Sprintf(`{"prompt":"%d-%d","stream":%t,"options":{"gateway":{"id":"mine",%s}}}`, i, n, stream, options)
		}
		ask(backendtest.Honest, 0, runs, input(1, `"cacheTtl":60`))
		ask(backendtest.Honest, 0, runs, input(1, `"cacheTtl":60`))
		ask(backendtest.Status500, 1, runs, input(2, `"retries":{"maxAttempts":2,"retryDelayMs":0}`))
		ask(backendtest.Status500, 2, runs, input(3, `"retries":{"maxAttempts":2,"retryDelayMs":0}`))
		ask(backendtest.StallFirst, 1, runs, input(4, `"requestTimeoutMs":50`))
		step := func(n int) string {
			return `{"provider":"workers-ai","endpoint":"` + llama + `","query":` + input(n, `"cacheTtl":60`) + `}`
		}
		ask(backendtest.Status500, 1, "/v1/local/mine", `[`+step(5)+`,`+step(6)+`]`)
		ask(backendtest.Honest, 0, "/v1/local/mine", `[`+step(6)+`]`)
		if !stream {
			ask(backendtest.CloseMidway, 1, runs, input(7, `"retries":{"maxAttempts":2,"retryDelayMs":0}`))
			ask(backendtest.StallMidway, 1, runs, input(8, `"requestTimeoutMs":50`))
			ask(backendtest.CloseMidway, 1, "/v1/local/mine", `[`+step(9)+`,`+step(10)+`]`)
		}
	}
	if ledger := charged(t, parts); told != ledger || ledger == 0 || parts.Ledger.Reservations() != 0 {
		t.Errorf("told %s, charged %s, %d reservations", told, ledger, parts.Ledger.Reservations())
	}
	logged := func() (sum neuron.Micro) {
		logs, _, err := parts.Gateway.List(t.Context(), gateway.Query{Account: "local", Gateway: "mine", Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range logs {
			sum += l.Neurons
		}
		return sum
	}
	until(t, "the logs of the last stream", func() bool { return logged() == told })
}

func TestRestatingTouchesNothingButTheNeurons(t *testing.T) {
	for _, test := range []struct{ result, want string }{
		{`{"response":"\"usage\":{\"neurons\":9}","usage":{"prompt_tokens":1,"neurons":1.5}}`, `{"response":"\"usage\":{\"neurons\":9}","usage":{"prompt_tokens":1,"neurons":2.000001}}`},
		{`{"a":{"usage":{"neurons":1}}, "usage" : { "neurons" : 0 , "x":[] } }`, `{"a":{"usage":{"neurons":1}}, "usage" : { "neurons" : 2.000001 , "x":[] } }`},
		{`{"usage":{"prompt_tokens":1}}`, `{"usage":{"prompt_tokens":1}}`},
		{`{"usage":null}`, `{"usage":null}`},
		{`[{"usage":{"neurons":1}}]`, `[{"usage":{"neurons":1}}]`},
		{``, ``}, {`{`, `{`}, {`7`, `7`},
	} {
		if got := string(restated([]byte(test.result), 2_000_001)); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
		if json.Valid([]byte(test.result)) != json.Valid(restated([]byte(test.result), 1)) {
			t.Errorf("%s is spoilt", test.result)
		}
	}
}
