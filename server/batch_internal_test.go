package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"nearside/catalog"
	"nearside/llm/backend"
	"nearside/llm/backend/backendtest"
	"nearside/llm/batch"
	"nearside/llm/neuron"
	"nearside/llm/ollama"
)

const (
	llama33   = "@cf/meta/llama-3.3-70b-instruct-fp8-fast" // takes batches, native output
	qwen3     = "@cf/qwen/qwen3-30b-a3b-fp8"               // takes batches, chat.completion
	queued    = home + "/ai/run/" + llama33 + "?queueRequest=true"
	someItems = `{"requests":[{"prompt":"one","external_reference":"r1"},{"messages":[{"role":"user","content":"two"}]},{"prompt":"three","external_reference":"r3"}]}`
)

// withBatches is modelled with models that take batches.
func withBatches(t *testing.T) (*harness, servers, Parts) {
	t.Helper()
	h, s, parts := modelled(t, Config{})
	s.ollama.Add(backendtest.Model{Name: "llama3.3"}, backendtest.Model{Name: "qwen3:30b-a3b"})
	return h, s, parts
}

// queue queues a batch and returns its id.
func (h *harness) queue(path, body string, headers ...string) string {
	h.t.Helper()
	a := h.do("POST", path, strings.NewReader(body), append(headers, "Content-Type: application/json")...)
	a.want(h.t, 200, 0, `{"result":{"status":"queued","request_id":"`, `"success":true`)
	var reply struct {
		Result struct {
			ID string `json:"request_id"`
		}
	}
	if err := json.Unmarshal([]byte(a.body), &reply); err != nil || len(reply.Result.ID) != 36 {
		h.t.Fatalf("%v: %s", err, a.body)
	}
	if a.header.Get("cf-ai-neurons") != "" {
		h.t.Error("queueing says what it cost")
	}
	return reply.Result.ID
}

// fetch polls a batch until it has ended.
func (h *harness) fetch(path, id string, headers ...string) (last answer) {
	h.t.Helper()
	until(h.t, "the batch to end", func() bool {
		last = h.do("POST", path, strings.NewReader(`{"request_id":"`+id+`"}`), append(headers, "Content-Type: application/json")...)
		if last.status != 200 {
			h.t.Fatal(last.body)
		}
		return !strings.Contains(last.body, `"status":`)
	})
	return last
}

func TestABatchIsQueuedAndItsAnswersAreFetched(t *testing.T) {
	h, _, parts := withBatches(t)
	for _, poll := range []string{queued, strings.TrimSuffix(queued, "?queueRequest=true")} {
		a := h.fetch(poll, h.queue(queued, someItems))
		a.want(t, 200, 0,
			`{"result":{"responses":[{"id":0,"result":{"response":"The sky is blue."`, `"success":true,"external_reference":"r1"},{"id":1,"result":{"response":`,
			`"success":true},{"id":2,`, `"external_reference":"r3"}],"usage":{"prompt_tokens":`)
	}
	if parts.Ledger.Reservations() != 0 {
		t.Error("a reservation is left")
	}
}

func TestABatchIsTakenInEveryFormThatClientsSend(t *testing.T) {
	h, _, _ := withBatches(t)
	inBody := strings.TrimSuffix(someItems, "}") + `,"options":{"queueRequest":true}}`
	h.fetch(queued, h.queue(home+"/ai/run/"+llama33, inBody))
	escaped := strings.ReplaceAll(queued, "/meta/", "%2Fmeta%2F")
	h.fetch(escaped, h.queue(escaped, someItems))
	vectors := home + "/ai/run/" + bgeM3
	a := h.fetch(vectors, h.queue(vectors+"?queueRequest=true", `{"requests":[{"text":"a cat"},{"query":"a cat","contexts":[{"text":"a dog"},{"text":"a cat"}]}]}`))
	a.want(t, 200, 0, `{"id":0,"result":{"shape":[1,1024],"data":[[`, `{"id":1,"result":{"response":[{"id":1,"score":`)
	// An input that has a key of that name is an input all the same.
	h.post(home+"/ai/run/"+llama33, `{"prompt":"hello","request_id":"mine","requests":[]}`).want(t, 200, 0, `"response":`)
}

func TestABindingQueuesABatchAndFetchesItWithoutAnEnvelope(t *testing.T) {
	h, _, parts := withBatches(t)
	w := newWorker(h)
	a := w.run(llama33, someItems, `{"queueRequest":true}`)
	var state struct {
		Status string
		ID     string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(a.body), &state); err != nil || state.Status != "queued" || a.header.Get("Content-Type") != typeJSON {
		t.Fatalf("%v: %d %s", err, a.status, a.body)
	}
	until(t, "the batch to end", func() bool {
		a = w.run(llama33, `{"request_id":"`+state.ID+`"}`, `{}`)
		return a.status != 200 || strings.HasPrefix(a.body, `{"responses":[{"id":0,"result":{"response":"The sky is blue."`)
	})
	told := toldInBody.FindAllStringSubmatch(a.body, -1)
	if ledger := charged(t, parts); ledger == 0 || !sameNumber(told[len(told)-1][1], ledger.String()) {
		t.Errorf("charged %s: %s", ledger, a.body)
	}
}

func TestABatchThatBreaksARuleIsRefusedWithThePlace(t *testing.T) {
	h, _, parts := withBatches(t)
	many := `{"requests":[` + strings.Repeat(`{"prompt":"x"},`, batch.MaxItems) + `{"prompt":"x"}]}`
	for name, c := range map[string]struct {
		path, body string
		status     int
		code       int
		says       string
	}{
		"an item's value":        {queued, `{"requests":[{"prompt":"x"},{"prompt":"x","temperature":9}]}`, 400, 5006, "Bad input: Error: at '/requests/1': "},
		"an item that is none":   {queued, `{"requests":[7]}`, 400, 5006, "at '/requests/0': Type mismatch"},
		"an item's reference":    {queued, `{"requests":[{"prompt":"x","external_reference":7}]}`, 400, 5006, "/external_reference"},
		"an item that streams":   {queued, `{"requests":[{"prompt":"x","stream":true}]}`, 400, 5006, "'/stream' must be false"},
		"an item's dry run":      {queued, `{"requests":[{"prompt":"x","dry_run":true}]}`, 400, 5006, "'/dry_run' stands beside"},
		"no item":                {queued, `{"requests":[]}`, 400, 5006, "Length of '/requests'"},
		"too many items":         {queued, many, 400, 5006, "must be >= 1 and <= 10000, and is 10001"},
		"too many bytes":         {queued, `{"requests":[{"prompt":"` + strings.Repeat("x", batch.MaxBytes) + `"}]}`, 413, 3006, "at most 10485760"},
		"no list":                {queued, `{"requests":{}}`, 400, 5006, "'requests', a list of inputs"},
		"nothing":                {queued, `{"prompt":"x"}`, 400, 5006, "'requests', a list of inputs"},
		"not asked to be queued": {strings.TrimSuffix(queued, "?queueRequest=true"), someItems, 400, 5006, "?queueRequest=true"},
		"a long reference":       {queued, `{"requests":[{"prompt":"x","external_reference":"` + strings.Repeat("r", batch.MaxReference+1) + `"}]}`, 400, 5006, "AiError: AiError: Bad input: Error: Length of '/requests/0/external_reference' must be <= 512, and is 513 ("},
		"no id":                  {queued, `{"request_id":7}`, 400, 5006, "'/request_id' must be"},
		"an unknown id":          {queued, `{"request_id":"00000000-0000-4000-8000-000000000000"}`, 404, 10404, "no batch of this account"},
		"a model without":        {home + "/ai/run/" + llama + "?queueRequest=true", someItems, 400, 5006, "takes no batches"},
		"a model without, body":  {home + "/ai/run/" + llama, `{"prompt":"x","options":{"queueRequest":true}}`, 400, 5006, "takes no batches"},
		"an unknown model":       {home + "/ai/run/@cf/no/such?queueRequest=true", someItems, 400, 5007, "No such model"},
	} {
		a := h.post(c.path, c.body)
		if a.status != c.status || a.code() != c.code || !strings.Contains(a.body, c.says) {
			t.Errorf("%s: %d %d %.300s", name, a.status, a.code(), a.body)
		}
	}
	if ledger := charged(t, parts); ledger != 0 {
		t.Errorf("charged %s", ledger)
	}
}

func TestWhatABatchTellsOfItsCostIsWhatIsCharged(t *testing.T) {
	h, _, parts := withBatches(t)
	id := h.queue(queued, someItems)
	a := h.fetch(queued, id)
	ledger := charged(t, parts)
	told := toldInBody.FindAllStringSubmatch(a.body, -1)
	if ledger == 0 || !sameNumber(told[len(told)-1][1], ledger.String()) || a.header.Get("cf-ai-neurons") != "" {
		t.Errorf("told %v, charged %s: %s", told, ledger, a.body)
	}
	for range 3 {
		h.fetch(queued, id)
	}
	if again := charged(t, parts); again != ledger {
		t.Errorf("after more polls charged %s", again)
	}
	var reply struct {
		Result struct {
			Usage struct {
				Prompt     int64 `json:"prompt_tokens"`
				Completion int64 `json:"completion_tokens"`
			}
		}
	}
	report, err := parts.Ledger.Usage(t.Context(), neuron.Query{Account: "local"})
	if json.Unmarshal([]byte(a.body), &reply) != nil || err != nil || report.Total.Calls != 3 || report.Total.Units[neuron.InputTokens] != reply.Result.Usage.Prompt ||
		report.Total.Units[neuron.OutputTokens] != reply.Result.Usage.Completion {
		t.Errorf("told %+v, charged %+v", reply, report.Total)
	}
}

func TestOfAnItemThatFailsTheOthersAreToldAndPaid(t *testing.T) {
	h, s, parts := withBatches(t)
	s.openai.Down()
	s.ollama.LieTimes(backendtest.Status400, 1)
	a := h.fetch(queued, h.queue(queued, someItems))
	ledger := charged(t, parts)
	told := toldInBody.FindAllStringSubmatch(a.body, -1)
	if strings.Count(a.body, `"success":false,"error":{"code":5006,"message":"AiError: `) != 1 || strings.Count(a.body, `"response":`) != 2 || !sameNumber(told[len(told)-1][1], ledger.String()) {
		t.Errorf("charged %s: %s", ledger, a.body)
	}
}

func TestItemsBeyondWhatMayBeUsedInADayFailWithTheWordsOfThat(t *testing.T) {
	h, _, parts := withBatches(t)
	secret := h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Read, NeuronsPerDay: 1})
	long := fmt.Sprintf(`{"requests":[{"prompt":%q}]}`, strings.Repeat("word ", 2000))
	a := h.fetch(queued, h.queue(queued, long, "Authorization: Bearer "+secret), "Authorization: Bearer "+secret)
	if !strings.Contains(a.body, `"success":false,"error":{"code":3036,"message":"you have used up your daily free allocation of 10,000 neurons`) || charged(t, parts) != 0 {
		t.Errorf("%s", a.body)
	}
}

// A batch is paid for by the key that sent it, and is nothing that another account can see.
func TestABatchIsOnTheBillOfItsSenderAndNobodyElsesToSee(t *testing.T) {
	h, _, parts := withBatches(t)
	mine := h.keys.add(t, catalog.Key{Account: "local", Permission: catalog.Read})
	theirs := h.keys.add(t, catalog.Key{Account: "other", Permission: catalog.Read})
	id := h.queue(queued, someItems, "Authorization: Bearer "+mine)
	elsewhere := strings.Replace(queued, "/local/", "/other/", 1)
	a := h.do("POST", elsewhere, strings.NewReader(`{"request_id":"`+id+`"}`), "Content-Type: application/json", "Authorization: Bearer "+theirs)
	a.want(t, 404, 10404)
	h.fetch(queued, id, "Authorization: Bearer "+mine)
	report, err := parts.Ledger.Usage(t.Context(), neuron.Query{Account: "local", By: neuron.ByKey})
	if err != nil || len(report.Rows) != 1 || report.Rows[0].Name != "key-1" || report.Rows[0].Calls != 3 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestADryRunOfABatchIsTheSumOfItsItemsAndRunsNothing(t *testing.T) {
	h, s, parts := withBatches(t)
	dry := strings.TrimSuffix(someItems, "}") + `,"dry_run":true}`
	a := h.post(queued, dry)
	a.want(t, 200, 0, `"dry_run":true`, `"model":"`+llama33+`"`, `"neurons":`)
	var one struct{ Result struct{ Neurons json.Number } }
	sum := neuron.Micro(0)
	for _, item := range []string{`{"prompt":"one","dry_run":true}`, `{"messages":[{"role":"user","content":"two"}],"dry_run":true}`, `{"prompt":"three","dry_run":true}`} {
		if err := json.Unmarshal([]byte(h.post(home+"/ai/run/"+llama33, item).body), &one); err != nil {
			t.Fatal(err)
		}
		f, _ := one.Result.Neurons.Float64()
		sum += neuron.Micro(f*1e6 + 0.5)
	}
	if !strings.Contains(a.body, `"neurons":`+sum.String()) {
		t.Errorf("the items cost %s, the batch: %s", sum, a.body)
	}
	if charged(t, parts) != 0 || len(s.ollama.Asked("/api/chat"))+len(s.ollama.Asked("/api/generate")) != 0 {
		t.Error("it ran")
	}
}

func TestABatchThatWaitsSaysWhy(t *testing.T) {
	h, s, _ := withBatches(t)
	s.ollama.Down()
	s.openai.Down()
	id := h.queue(queued, someItems)
	until(t, "the batch to wait", func() bool {
		a := h.post(queued, `{"request_id":"`+id+`"}`)
		return strings.Contains(a.body, `"status":"running"`) && strings.Contains(a.header.Get("nearside-warning"), "requests of the batch are open, and wait: ")
	})
	s.ollama.Up()
	h.fetch(queued, id)
}

func TestABatchGoesOnWhenTheServerStartsAgain(t *testing.T) {
	h, s, parts := withBatches(t)
	s.ollama.Lie(backendtest.StallMidway)
	id := h.queue(queued, someItems)
	until(t, "two items to be under way", func() bool { return parts.Ledger.Reservations() == batch.AtOnce })
	h.stop()
	if err := await(t, "the server to stop", h.stopped); err != nil {
		t.Fatal(err)
	}
	if parts.Ledger.Reservations() != 0 {
		t.Errorf("%d reservations are left", parts.Ledger.Reservations())
	}
	s.ollama.Lie(backendtest.Honest)
	h = startWith(t, Config{}, parts)
	a := h.fetch(queued, id)
	ledger := charged(t, parts)
	told := toldInBody.FindAllStringSubmatch(a.body, -1)
	if strings.Count(a.body, `"response":"The sky is blue."`) != 3 || !sameNumber(told[len(told)-1][1], ledger.String()) {
		t.Errorf("charged %s: %s", ledger, a.body)
	}
}

// An item takes no place in a backend's queue, where people wait: it is tried again later.
func TestAnItemDoesNotWaitWherePeopleWait(t *testing.T) {
	s := backendtest.New(t)
	s.Add(backendtest.Model{Name: "llama3.3"})
	ollama, err := ollama.New(ollama.Options{Name: "ollama", URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	guard := backend.NewGuard(ollama, backend.Limits{Concurrency: 1})
	t.Cleanup(func() {
		if err := guard.Close(); err != nil {
			t.Error(err)
		}
	})
	h := startWith(t, Config{}, domainWith(t, nil, guard))
	s.LieTimes(backendtest.StallFirst, 1)
	person := h.dial()
	fmt.Fprintf(person, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"prompt\":\"x\"}", home+"/ai/run/"+llama33)
	until(t, "the person's call to be under way", func() bool { return guard.State().InFlight == 1 })
	id := h.queue(queued, someItems)
	until(t, "the batch to wait", func() bool {
		if guard.State().Queued != 0 {
			t.Fatal("an item waits in the backend's queue")
		}
		return strings.Contains(h.post(queued, `{"request_id":"`+id+`"}`).header.Get("nearside-warning"), "Capacity temporarily exceeded")
	})
	person.Close()
	h.fetch(queued, id)
}

func TestQwenAnswersABatchAsCompletions(t *testing.T) {
	h, _, parts := withBatches(t)
	path := home + "/ai/run/" + qwen3 + "?queueRequest=true"
	a := h.fetch(path, h.queue(path, `{"requests":[{"messages":[{"role":"user","content":"two"}],"external_reference":"r"}]}`))
	a.want(t, 200, 0, `"object":"chat.completion"`, `"external_reference":"r"`)
	if ledger := charged(t, parts); !strings.Contains(a.body, `"neurons":`+trimZeros(ledger.String())) {
		t.Errorf("charged %s: %s", ledger, a.body)
	}
}

func TestMetricsTellOfBatches(t *testing.T) {
	h, _, _ := withBatches(t)
	h.fetch(queued, h.queue(queued, someItems))
	until(t, "the meters to have counted", func() bool {
		body := h.do("GET", "/metrics", nil).body
		return strings.Contains(body, `nearside_batch_items_total{what="answered"} 3`) && strings.Contains(body, `nearside_batch_items_total{what="taken"} 3`) && strings.Contains(body, "nearside_batches_open 0")
	})
}
