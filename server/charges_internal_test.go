package server

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"nearside/llm/backend/backendtest"
	"nearside/llm/neuron"
)

// chargeTest is how a route that reaches a model is called, to see whether what
// it tells of the cost is what the ledger holds.
type chargeTest struct {
	path    string // the route's, filled in
	body    string
	stream  string // the body of the call for a stream; "": there is none
	prepare func(h *harness)
	free    bool
	media   bool // a model for pictures and sounds answers, which only the server openai has
}

const (
	hello       = `"messages":[{"role":"user","content":"why is the sky blue"}]`
	completions = `{"model":"` + gptOSS + `",` + hello
	texts       = `{"model":"` + llama + `","prompt":"why is the sky blue"`
	responses   = `{"model":"` + gptOSS + `","input":"why is the sky blue"`
	embeds      = `{"model":"` + bgeM3 + `","input":["a cat","a dog"]}`
	compat      = `{"model":"workers-ai/` + gptOSS + `",` + hello
	elsewhere   = `[{"provider":"openai","endpoint":"chat/completions","query":{"model":"gpt-4o"}},{"provider":"workers-ai","endpoint":"` + llama + `","query":{` + hello
)

// notes makes an index that takes texts.
func notes(h *harness) {
	h.post(home+"/nearside/indexes", `{"name":"notes","model":"`+bgeM3+`"}`)
}

// chargeTests has every route that reaches a model. A route that is missing here fails the build.
var chargeTests = map[string]chargeTest{
	"POST /client/v4/accounts/{account}/ai/run/{model...}":                {path: home + "/ai/run/" + llama, body: `{` + hello + `}`, stream: `{` + hello + `,"stream":true}`},
	"POST /client/v4/accounts/{account}/ai/v1/chat/completions":           {path: home + "/ai/v1/chat/completions", body: completions + `}`, stream: completions + `,"stream":true}`},
	"POST /client/v4/accounts/{account}/ai/v1/completions":                {path: home + "/ai/v1/completions", body: texts + `}`, stream: texts + `,"stream":true}`},
	"POST /client/v4/accounts/{account}/ai/v1/responses":                  {path: home + "/ai/v1/responses", body: responses + `}`, stream: responses + `,"stream":true}`},
	"POST /client/v4/accounts/{account}/ai/v1/embeddings":                 {path: home + "/ai/v1/embeddings", body: embeds},
	"POST /v1/chat/completions":                                           {path: "/v1/chat/completions", body: completions + `}`, stream: completions + `,"stream":true}`},
	"POST /v1/completions":                                                {path: "/v1/completions", body: texts + `}`, stream: texts + `,"stream":true}`},
	"POST /v1/responses":                                                  {path: "/v1/responses", body: responses + `}`, stream: responses + `,"stream":true}`},
	"POST /v1/embeddings":                                                 {path: "/v1/embeddings", body: embeds},
	"POST /v1/{account}/{gateway}":                                        {path: "/v1/local/mine", body: elsewhere + `}}]`, stream: elsewhere + `,"stream":true}}]`},
	"POST /v1/{account}/{gateway}/workers-ai/{endpoint...}":               {path: "/v1/local/mine/workers-ai/run/" + llama, body: `{` + hello + `}`, stream: `{` + hello + `,"stream":true}`},
	"POST /v1/{account}/{gateway}/compat/{endpoint...}":                   {path: "/v1/local/mine/compat/chat/completions", body: compat + `}`, stream: compat + `,"stream":true}`},
	"POST /client/v4/accounts/{account}/ai/tomarkdown":                    {free: true}, // but for pictures, by a model that has no price
	"POST /client/v4/accounts/{account}/nearside/indexes/{index}/files":   {free: true}, // the job pays: see TestWhatAJobTellsOfItsCostIsWhatIsCharged
	"POST /client/v4/accounts/{account}/nearside/indexes":                 {path: home + "/nearside/indexes", body: `{"name":"notes","model":"` + bgeM3 + `"}`, free: true},
	"POST /client/v4/accounts/{account}/nearside/indexes/{index}/texts":   {path: home + "/nearside/indexes/notes/texts", body: `{"texts":[{"id":"1","text":"a cat and a dog"}]}`, prepare: notes},
	"POST /client/v4/accounts/{account}/nearside/indexes/{index}/reembed": {free: true}, // the job is charged, later
	"POST /client/v4/accounts/{account}/nearside/indexes/{index}/search":  {path: home + "/nearside/indexes/notes/search", body: `{"query":"a cat","topK":1}`, prepare: notes},
}

func TestEveryRouteThatReachesAModelHasAChargeTest(t *testing.T) {
	reaching := map[string]bool{}
	for _, r := range routes {
		name := r.Method + " " + r.Path
		if reaching[name] = r.Reaches; !r.Reaches {
			continue
		}
		if _, ok := chargeTests[name]; !ok {
			t.Errorf("%s reaches a model and has no charge test: add how it is called to chargeTests", name)
		}
	}
	for name := range chargeTests {
		if !reaching[name] {
			t.Errorf("%s has a charge test, and is not a route that reaches a model", name)
		}
	}
}

// charged is what the ledger holds of the default account.
func charged(t *testing.T, parts Parts) neuron.Micro {
	t.Helper()
	report, err := parts.Ledger.Usage(t.Context(), neuron.Query{Account: "local"})
	if err != nil {
		t.Fatal(err)
	}
	return report.Total.Neurons
}

// told is what a reply says it cost: in its header, or in the last usage of its stream.
func (a answer) told(t *testing.T) string {
	t.Helper()
	if header := a.header.Get("cf-ai-neurons"); header != "" {
		return header
	}
	found := toldInBody.FindAllStringSubmatch(a.body, -1)
	if len(found) == 0 {
		t.Errorf("the reply does not say what it cost: %v, %.300s", a.header, a.body)
		return ""
	}
	return found[len(found)-1][1]
}

var toldInBody = regexp.MustCompile(`"neurons":([0-9.]+)`)

// everyCharge runs a test for every route that reaches a model, and for every task
// on pictures and sounds, on a server of its own.
func everyCharge(t *testing.T, streams bool, run func(t *testing.T, c chargeTest, h *harness, s servers, parts Parts)) {
	all := maps.Clone(chargeTests)
	maps.Copy(all, mediaCharges)
	for name, c := range all {
		if streams && c.stream == "" || c.free {
			continue
		}
		t.Run(name, func(t *testing.T) {
			with := modelled
			if c.media {
				with = medial
			}
			h, s, parts := with(t, Config{})
			if c.prepare != nil {
				c.prepare(h)
			}
			run(t, c, h, s, parts)
		})
	}
}

func TestWhatAReplyTellsOfItsCostIsWhatIsCharged(t *testing.T) {
	everyCharge(t, false, func(t *testing.T, c chargeTest, h *harness, _ servers, parts Parts) {
		a := h.post(c.path, c.body)
		a.want(t, 200, 0)
		if ledger := charged(t, parts); ledger == 0 || a.told(t) != ledger.String() {
			t.Errorf("told %s, charged %s", a.told(t), ledger)
		}
		if inBody := toldInBody.FindStringSubmatch(a.body); inBody != nil && !sameNumber(inBody[1], a.told(t)) {
			t.Errorf("the body says %s, the header %s", inBody[1], a.told(t))
		}
	})
}

// sameNumber compares decimals that may differ in zeros at the end.
func sameNumber(x, y string) bool { return trimZeros(x) == trimZeros(y) }

func trimZeros(x string) string {
	if !strings.Contains(x, ".") {
		return x
	}
	return strings.TrimRight(strings.TrimRight(x, "0"), ".")
}

func TestWhatAStreamTellsOfItsCostIsWhatIsCharged(t *testing.T) {
	everyCharge(t, true, func(t *testing.T, c chargeTest, h *harness, _ servers, parts Parts) {
		a := h.post(c.path, c.stream)
		a.want(t, 200, 0)
		if ledger := charged(t, parts); ledger == 0 || !sameNumber(a.told(t), ledger.String()) {
			t.Errorf("told %s, charged %s", a.told(t), ledger)
		}
	})
}

func TestAfterAFailoverOneCallIsCharged(t *testing.T) {
	everyCharge(t, true, func(t *testing.T, c chargeTest, h *harness, s servers, parts Parts) {
		s.ollama.Down()
		for _, body := range []string{c.body, c.stream} {
			before := charged(t, parts)
			a := h.post(c.path, body)
			a.want(t, 200, 0)
			if ledger := charged(t, parts) - before; ledger == 0 || a.header.Get("nearside-route") != "failover" || !sameNumber(a.told(t), ledger.String()) {
				t.Errorf("told %s, charged %s, route %s", a.told(t), ledger, a.header.Get("nearside-route"))
			}
		}
	})
}

func TestACallThatFailsBeforeAnythingIsNotCharged(t *testing.T) {
	everyCharge(t, false, func(t *testing.T, c chargeTest, h *harness, s servers, parts Parts) {
		s.ollama.Lie(backendtest.Status500)
		s.openai.Down()
		for _, body := range []string{c.body, c.stream} {
			if body == "" {
				continue
			}
			if a := h.post(c.path, body); a.status < 400 || a.header.Get("cf-ai-neurons") != "" {
				t.Errorf("got %d, cf-ai-neurons %q: %.200s", a.status, a.header.Get("cf-ai-neurons"), a.body)
			}
		}
		if ledger := charged(t, parts); ledger != 0 || parts.Ledger.Reservations() != 0 {
			t.Errorf("charged %s, %d reservations left", ledger, parts.Ledger.Reservations())
		}
	})
}

// What was produced before a backend broke off is charged, and told where a header can still tell it.
func TestAnAnswerThatBreaksOffIsChargedAsFarAsItCame(t *testing.T) {
	everyCharge(t, true, func(t *testing.T, c chargeTest, h *harness, s servers, parts Parts) {
		s.ollama.Lie(backendtest.CloseMidway)
		a := h.post(c.path, c.body)
		ledger := charged(t, parts)
		if a.status != 503 || ledger == 0 || a.told(t) != ledger.String() {
			t.Errorf("as a whole: %d, told %s, charged %s", a.status, a.told(t), ledger)
		}
		if _, err := h.try("POST", c.path, strings.NewReader(c.stream), "Content-Type: application/json"); err == nil {
			t.Error("the client took the stream for a whole one")
		}
		until(t, "the stream to be charged as the whole was", func() bool { return charged(t, parts) == 2*ledger })
	})
}

func TestAClientThatHangsUpPaysForWhatWasMade(t *testing.T) {
	everyCharge(t, true, func(t *testing.T, c chargeTest, h *harness, s servers, parts Parts) {
		s.ollama.Lie(backendtest.StallMidway)
		conn := h.dial()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", c.path, len(c.stream), c.stream)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%v, %+v", err, res)
		}
		if _, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		until(t, "the call to end", func() bool { return parts.Ledger.Reservations() == 0 && h.server.watch.size() == 0 })
		if ledger := charged(t, parts); ledger == 0 {
			t.Error("nothing was charged")
		}
	})
}
