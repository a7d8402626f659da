//go:build unix

package command_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	ollama "github.com/ollama/ollama/api"

	"nearside/llm/ollama/tinymodel"
)

// What must come of each example, beyond that its commands run.

// passages is an answer of document-search.
type passages struct {
	Passages []struct {
		Document string
		Passage  int
		Score    float64
		Text     string
	}
}

// document is what document-search says of one.
type document struct {
	Version    string
	Passages   int
	Collection string
}

func checkDocumentSearch(e *example) {
	put, found := decode[document](e.t, e.tried[0]), decode[passages](e.t, e.tried[1])
	if put.Passages != 3 || len(found.Passages) != 1 || found.Passages[0].Document != "tides" || !strings.Contains(found.Passages[0].Text, "almost an hour later") {
		e.t.Fatalf("the README's commands: %s %s", e.tried[0], e.tried[1])
	}
	if now := decode[document](e.t, e.call("GET", "/documents/tides", "").body); now != (document{put.Version, 3, "sea"}) {
		e.t.Errorf("the document that was put is %+v", now)
	}

	sourdough, err := os.ReadFile(filepath.Join(e.dir, "samples", "sourdough.txt"))
	if err != nil {
		e.t.Fatal(err)
	}
	e.call("PUT", "/documents/sourdough", string(sourdough))
	const grey = "/search?q=what+is+the+grey+liquid+in+the+jar&k=4"
	found = decode[passages](e.t, e.call("GET", grey, "").body)
	if len(found.Passages) != 4 || found.Passages[0].Document != "sourdough" || found.Passages[0].Passage != 1 {
		e.t.Errorf("the grey liquid is found in %+v", found)
	}
	for _, p := range decode[passages](e.t, e.call("GET", grey+"&collection=sea", "").body).Passages {
		if p.Document != "tides" {
			e.t.Errorf("of the collection sea, %s was found", p.Document)
		}
	}

	e.checkReplacing(put.Version)
	e.checkPassages()
	e.refuses(
		refused{"PUT", "/documents/a%20b", "text", 400}, refused{"PUT", "/documents/x", " \n\n ", 400},
		refused{"PUT", "/documents/x", strings.Repeat("long ", 20_001), 413}, refused{"POST", "/documents/x", "text", 405},
		refused{"PUT", "/documents/x?collection=%3F", "text", 400}, refused{"GET", "/documents/x", "", 404},
		refused{"GET", "/search", "", 400}, refused{"GET", "/search?q=sea&k=51", "", 400}, refused{"GET", "/nothing", "", 404},
	)
}

// checkReplacing has a shorter text take the place of a longer one, and then nothing.
func (e *example) checkReplacing(before string) {
	e.t.Helper()
	e.call("PUT", "/documents/tides?collection=sea", "The tide tables of this harbour were lost in the flood of the year before last.")
	now := decode[document](e.t, e.call("GET", "/documents/tides", "").body)
	if now.Passages != 1 || now.Version == before {
		e.t.Errorf("after it was replaced, the document is %+v", now)
	}
	if found := decode[passages](e.t, e.call("GET", "/search?q=tide&k=9&collection=sea", "").body).Passages; len(found) != 1 || !strings.Contains(found[0].Text, "flood") {
		e.t.Errorf("after the document was replaced, one finds %+v", found)
	}
	if gone := e.call("DELETE", "/documents/tides", ""); gone.status != 202 {
		e.t.Errorf("deleting: %+v", gone)
	}
	e.refuses(refused{"GET", "/documents/tides", "", 404})
}

// checkPassages has a long paragraph cut: no passage is too long, and each begins with the end of the one before.
func (e *example) checkPassages() {
	e.t.Helper()
	var text strings.Builder
	for i := range 40 {
		fmt.Fprintf(&text, "Sentence number %d tells of the ferry that crossed the strait in the winter of that year. ", i)
	}
	e.call("PUT", "/documents/ferry?collection=long", "The ferry\n\n"+text.String())
	found := decode[passages](e.t, e.call("GET", "/search?q=ferry&k=50&collection=long", "").body).Passages
	if len(found) < 5 || decode[document](e.t, e.call("GET", "/documents/ferry", "").body).Passages != len(found) {
		e.t.Fatalf("a long paragraph becomes %d passages", len(found))
	}
	texts := make([]string, len(found))
	for _, p := range found {
		texts[p.Passage] = p.Text
	}
	if !strings.HasPrefix(texts[0], "The ferry\nSentence number 0 ") {
		e.t.Errorf("the first passage lacks its heading: %.60q", texts[0])
	}
	for i, passage := range texts {
		if len(passage) > 711 { // with the heading
			e.t.Errorf("passage %d has %d characters", i, len(passage))
		}
		if i == 0 {
			continue
		}
		first, _, _ := strings.Cut(passage, ". ")
		if !strings.HasSuffix(texts[i-1], first+".") {
			e.t.Errorf("passage %d begins with %q, and the one before ends with %q", i, first, texts[i-1][len(texts[i-1])-90:])
		}
	}
	if last := texts[len(texts)-1]; !strings.Contains(last, "number 39 ") {
		e.t.Errorf("the end is missing: %q", last)
	}
}

// heard is a stream of question-answering, taken apart.
type heard struct {
	names   []string // of the events, in their order; runs of tokens once
	sources []struct {
		Number int
		ID     string
		Score  float64
	}
	said string
	done struct {
		Answered                      bool
		Supported, Doubtful, Invented []int
	}
}

func (e *example) hear(stream string) (h heard) {
	e.t.Helper()
	for _, frame := range strings.Split(strings.TrimSuffix(stream, "\n\n"), "\n\n") {
		head, data, _ := strings.Cut(frame, "\ndata: ")
		name, ok := strings.CutPrefix(head, "event: ")
		if !ok {
			e.t.Fatalf("this is no event: %q", frame)
		}
		var err error
		switch name {
		case "sources":
			err = json.Unmarshal([]byte(data), &h.sources)
		case "token":
			h.said += decode[string](e.t, data)
		case "done":
			err = json.Unmarshal([]byte(data), &h.done)
		}
		if err != nil {
			e.t.Fatalf("%s: %v", frame, err)
		}
		if len(h.names) == 0 || h.names[len(h.names)-1] != name {
			h.names = append(h.names, name)
		}
	}
	return h
}

func checkQuestionAnswering(e *example) {
	h := e.hear(e.tried[1])
	if !slices.Equal(h.names, []string{"sources", "token", "done"}) || h.said != strings.Join(pulled["llama3.2"].Say, "") {
		e.t.Errorf("the stream: %+v", h)
	}
	if len(h.sources) == 0 || h.sources[0].ID != "return" || h.sources[0].Number != 1 {
		e.t.Errorf("the sources: %+v", h.sources)
	}
	if !h.done.Answered || !slices.Equal(h.done.Supported, []int{1}) || !slices.Equal(h.done.Doubtful, []int{2}) || !slices.Equal(h.done.Invented, []int{9}) {
		e.t.Errorf("the citations: %+v", h.done)
	}
	for question, want := range map[string]string{"May I bring my dog?": "dogs", "When can we walk on the island?": "island", "What does a lost oar cost?": "deposit"} {
		body, err := json.Marshal(map[string]string{"question": question})
		if err != nil {
			e.t.Fatal(err)
		}
		if h := e.hear(e.call("POST", "/answer", string(body)).body); len(h.sources) == 0 || h.sources[0].ID != want {
			e.t.Errorf("%s: %+v", question, h.sources)
		}
	}

	const model = "@cf/meta/llama-3.2-3b-instruct"
	before := paidFor(e.t, e.api, model)
	answer := e.call("POST", "/answer", `{"question": "Who wrote the symphony of a thousand?"}`)
	h = e.hear(answer.body)
	if len(h.sources) != 0 || h.done.Answered || !strings.HasPrefix(h.said, "I do not know") || answer.header.Get("content-type") != "text/event-stream; charset=utf-8" {
		e.t.Errorf("to a question about something else: %+v %s", h, answer.header)
	}
	if after := paidFor(e.t, e.api, model); after != before || before == 0 {
		e.t.Errorf("%v neurons before a question that nothing answers, and %v after it", before, after)
	}
	e.refuses(
		refused{"PUT", "/passages", `[]`, 400}, refused{"PUT", "/passages", `[{"id": "x"}]`, 400}, refused{"PUT", "/passages", `no JSON`, 400},
		refused{"POST", "/answer", `{}`, 400}, refused{"POST", "/answer", `null`, 400}, refused{"GET", "/answer", "", 404},
	)
	e.checkEnds()
}

// checkEnds has an answer that goes on for long: a reader who goes away ends the work of the
// model, and a model that dies is told of by an event.
func (e *example) checkEnds() {
	e.t.Helper()
	e.ollama.createTalker("llama3.2", tinymodel.Script{Say: []string{" on", " and"}, Repeat: true})
	begin := func() (*http.Response, *bufio.Reader) {
		res, err := http.Post(e.url+"/answer", "application/json", strings.NewReader(`{"question": "May I bring my dog?"}`))
		if err != nil {
			e.t.Fatal(err)
		}
		events := bufio.NewReader(res.Body)
		for line := ""; !strings.HasPrefix(line, "event: token"); {
			if line, err = events.ReadString('\n'); err != nil {
				e.t.Fatalf("the stream ended before the first word: %v", err)
			}
		}
		return res, events
	}
	at := func(n string) bool {
		return strings.Contains(get(e.t, e.api, "/metrics"), `nearside_backend_in_flight{backend="ollama"} `+n)
	}
	res, _ := begin()
	if !at("1") {
		e.t.Error("while it answers, no call is in flight")
	}
	_ = res.Body.Close() // nothing is wanted of it any more
	eventually(e.t, "the model stops when nobody listens", func() bool { return at("0") })

	res, events := begin()
	defer res.Body.Close()
	e.ollama.end(syscall.SIGKILL)
	rest, err := io.ReadAll(events)
	if err != nil || !strings.HasSuffix(string(rest), "event: error\ndata: \"The answer broke off; ask again.\"\n\n") {
		e.t.Errorf("the model died, and the stream ends with %.200q, %v", rest[max(0, len(rest)-200):], err)
	}
	e.ollama.up()
}

// items is an answer of recommendations.
type items struct {
	Items []struct {
		ID, Category string
		Score        float64
	}
	Unknown []string
}

func (l items) ids() (ids []string) {
	for _, x := range l.Items {
		ids = append(ids, x.ID)
	}
	return ids
}

// count returns how many are of the category.
func (l items) count(category string) (n int) {
	for _, x := range l.Items {
		if x.Category == category {
			n++
		}
	}
	return n
}

func checkRecommendations(e *example) {
	similar, forYou := decode[items](e.t, e.tried[1]), decode[items](e.t, e.tried[2])
	if len(similar.Items) != 3 || similar.count("coast") != 3 || slices.Contains(similar.ids(), "dunes") {
		e.t.Errorf("similar to the dunes are %v", similar.Items)
	}
	if len(forYou.Items) != 4 || forYou.count("coast") != 2 || forYou.count("mountain") != 2 {
		e.t.Errorf("for who likes the dunes and a hut: %v", forYou.Items)
	}
	for _, known := range []string{"dunes", "hut", "towers"} {
		if slices.Contains(forYou.ids(), known) {
			e.t.Errorf("%s is recommended and known", known)
		}
	}
	if got := decode[items](e.t, e.call("GET", "/similar/dunes?category=town", "").body); len(got.Items) != 2 || got.count("town") != 2 {
		e.t.Errorf("towns similar to the dunes are %v", got.Items)
	}
	got := decode[items](e.t, e.call("POST", "/for-you", `{"liked": ["beeches", "nowhere"], "seen": ["spring"], "k": 3}`).body)
	if got.ids()[0] != "charcoal" || slices.Contains(got.ids(), "spring") || !slices.Equal(got.Unknown, []string{"nowhere"}) {
		e.t.Errorf("for who likes beeches: %+v", got)
	}
	// A dislike pushes away: with it, towns score less than without.
	with := decode[items](e.t, e.call("POST", "/for-you", `{"liked": ["dunes"], "disliked": ["towers"], "k": 20}`).body)
	without := decode[items](e.t, e.call("POST", "/for-you", `{"liked": ["dunes"], "seen": ["towers"], "k": 20}`).body)
	score := func(l items) float64 { return l.Items[slices.Index(l.ids(), "museum")].Score }
	if len(with.Items) != 10 || score(with) >= score(without) {
		e.t.Errorf("the museum: %v for who dislikes towers, else %v", score(with), score(without))
	}
	// As many known items as a filter has room for, with ids as long as may be.
	known := make([]string, 50)
	for i := range known {
		known[i] = fmt.Sprintf("%032d", i)
	}
	for n, status := range map[int]int{49: 200, 50: 400} {
		body, err := json.Marshal(map[string]any{"liked": []string{"dunes"}, "seen": known[:n]})
		if err != nil {
			e.t.Fatal(err)
		}
		if got := e.call("POST", "/for-you", string(body)); got.status != status {
			e.t.Errorf("with %d known items: %d %s", n+1, got.status, got.body)
		}
	}
	e.refuses(
		refused{"GET", "/similar/nowhere", "", 404}, refused{"GET", "/similar/dunes?k=21", "", 400}, refused{"GET", "/similar/dunes?category=%22", "", 400},
		refused{"POST", "/for-you", `{"liked": []}`, 400}, refused{"POST", "/for-you", `{"liked": ["nowhere"]}`, 404}, refused{"POST", "/for-you", `{"liked": [7]}`, 400},
		refused{"PUT", "/items", `[{"id": "x y", "title": "t", "category": "c", "text": ""}]`, 400}, refused{"PUT", "/items", `{}`, 400}, refused{"GET", "/", "", 404},
	)
}

// checked is an answer of moderation.
type checked struct {
	Decision string
	Findings []struct{ Stage, Decision, Reason string }
}

// stages returns the stages that were asked, with what each decided.
func (c checked) stages() (said []string) {
	for _, f := range c.Findings {
		said = append(said, f.Stage+": "+f.Decision)
	}
	return said
}

func (e *example) decides(text, decision string, stages ...string) {
	e.t.Helper()
	body, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		e.t.Fatal(err)
	}
	got := e.call("POST", "/check", string(body))
	if c := decode[checked](e.t, got.body); c.Decision != decision || !slices.Equal(c.stages(), stages) {
		e.t.Errorf("%q: %s, want %s by %q", text, got.body, decision, stages)
	}
}

func checkModeration(e *example) {
	c := decode[checked](e.t, e.tried[1])
	if c.Decision != "block" || !slices.Equal(c.stages(), []string{"known-bad: block"}) || !strings.Contains(c.Findings[0].Reason, "spam-1 (advertisement)") {
		e.t.Errorf("an advertisement, a little changed: %s", e.tried[1])
	}
	e.decides("The bakery on the corner has lovely bread.", "allow", "known-bad: allow", "guard: allow")
	e.decides(threat, "block", "known-bad: allow", "guard: block")
	e.decides("Make 3000 euros a week at home! No experience needed, send me a message, the number is in my profile, and start today.", "review", "known-bad: review", "guard: allow")
	e.call("DELETE", "/known/spam-1", "")
	e.decides("Earn 5000 euros a week from home! No experience needed, just send a message to the number in my profile and start today.", "allow", "known-bad: allow", "guard: allow")
	e.refuses(
		refused{"POST", "/check", `{}`, 400}, refused{"POST", "/check", `{"text": "` + strings.Repeat("x", 2001) + `"}`, 413},
		refused{"PUT", "/known/a%20b", `{"text": "x"}`, 400}, refused{"GET", "/known/a", "", 405}, refused{"GET", "/", "", 404},
	)

	// What the guard finds bad but not clearly so, people look at.
	e.ollama.createTalker("llama-guard3", tinymodel.Script{Say: []string{"unsafe", "\nS10"}})
	e.decides("The bakery on the corner has lovely bread.", "review", "known-bad: allow", "guard: review")
	if got := e.call("POST", "/check", `{"text": "The bakery on the corner has lovely bread."}`); !strings.Contains(got.body, "unsafe: S10") {
		e.t.Errorf("the guard says S10, and the Worker %s", got.body)
	}

	// Without the guard nothing is allowed.
	if err := e.ollama.client().Delete(e.t.Context(), &ollama.DeleteRequest{Model: "llama-guard3"}); err != nil {
		e.t.Fatal(err)
	}
	e.decides("The bakery on the corner has lovely bread.", "review", "known-bad: allow", "guard: review")
}

// checkPrices compares the table of the router with the catalogue.
func (e *example) checkPrices() {
	e.t.Helper()
	table, err := os.ReadFile(filepath.Join(e.dir, "src", "models.ts"))
	if err != nil {
		e.t.Fatal(err)
	}
	catalogue, err := os.ReadFile(filepath.Join("..", "models.yaml"))
	if err != nil {
		e.t.Fatal(err)
	}
	rows := regexp.MustCompile(`id: ("@cf/[^"]+"), context: ([\d_]+), input: ([\d_]+), output: ([\d_]+)`).FindAllStringSubmatch(strings.ReplaceAll(string(table), "_", ""), -1)
	if len(rows) != strings.Count(string(table), `"@cf/`) {
		e.t.Errorf("of the router's table, %d rows can be read", len(rows))
	}
	for _, row := range rows {
		_, entry, ok := strings.Cut(string(catalogue), "  - id: "+row[1]+"\n")
		entry, _, _ = strings.Cut(entry, "\n\n")
		for _, want := range []string{"context: " + row[2] + "\n", `M_input_tokens, usd: "[^"]+", neurons: "` + row[3] + `"`, `M_output_tokens, usd: "[^"]+", neurons: "` + row[4] + `"`} {
			if !ok || !regexp.MustCompile(want).MatchString(entry) {
				e.t.Errorf("of %s, the catalogue does not have %s", row[1], want)
			}
		}
	}
}

func checkModelRouter(e *example) {
	e.checkPrices()
	const first, second = "@cf/ibm-granite/granite-4.0-h-micro", "@cf/meta/llama-3.2-3b-instruct"
	said := strings.Join(pulled["llama3.2"].Say, "")
	got := e.call("POST", "/ask", `{"question": "What colour is the sky?"}`)
	answer := decode[struct{ Kind, Answer string }](e.t, got.body)
	if answer.Kind != "simple" || answer.Answer != said || got.header.Get("x-model") != second || got.header.Get("x-passed-over") != first+" (503, code 7009)" {
		e.t.Errorf("with the cheapest model away: %s %s", got.header, got.body)
	}
	if want := "HTTP/1.1 200 OK"; !strings.HasPrefix(e.tried[0], want) || !strings.Contains(e.tried[0], "x-model: "+second) {
		e.t.Errorf("the README's command prints %s", e.tried[0])
	}
	cost, err := strconv.ParseFloat(got.header.Get("x-neurons"), 64)
	if err != nil || cost <= 0 {
		e.t.Errorf("the price is %q", got.header.Get("x-neurons"))
	}
	spent := 10_000 - decode[struct{ NeuronsLeft float64 }](e.t, e.call("GET", "/budget", "").body).NeuronsLeft
	if math.Abs(spent-2*cost) > 1e-6 { // the README's command cost the same
		e.t.Errorf("two calls of %v neurons left a budget with %v spent", cost, spent)
	}

	got = e.call("POST", "/ask", `{"question": "Write a function that counts words.", "maxTokens": 100}`)
	if answer := decode[struct{ Kind, Answer string }](e.t, got.body); answer.Kind != "code" || answer.Answer != "Use a map." || got.header.Get("x-model") != "@cf/openai/gpt-oss-20b" {
		e.t.Errorf("a question about code: %s %s", got.header, got.body)
	}
	e.refuses(
		refused{"POST", "/ask", `{}`, 400}, refused{"POST", "/ask", `{"question": "x", "kind": "odd"}`, 400}, refused{"POST", "/ask", `{"question": "x", "maxTokens": 2001}`, 400},
		refused{"POST", "/ask", `{"question": "` + strings.Repeat("x", 60_001) + `"}`, 413}, refused{"GET", "/ask", "", 404},
	)
	e.checkBudget()
}

// checkBudget runs the router with a budget of one neuron, and asks for more than that at once.
func (e *example) checkBudget() {
	e.t.Helper()
	stop := e.here("--var", "NEURONS_PER_DAY:1")
	defer stop()
	over := e.call("POST", "/ask", `{"question": "What colour is the sky?"}`) // may cost 500 tokens
	if seconds, err := strconv.Atoi(over.header.Get("retry-after")); over.status != 429 || err != nil || seconds < 1 || seconds > 86_400 {
		e.t.Errorf("over the budget: %+v", over)
	}
	statuses := make([]int, 12)
	var asking sync.WaitGroup
	for i := range statuses {
		asking.Go(func() { statuses[i] = e.call("POST", "/ask", `{"question": "Sky?", "maxTokens": 8}`).status })
	}
	asking.Wait()
	answered := 0
	for _, status := range statuses {
		if status == 200 {
			answered++
		} else if status != 429 {
			e.t.Errorf("one of many at once: %d", status)
		}
	}
	left := decode[struct{ NeuronsLeft float64 }](e.t, e.call("GET", "/budget", "").body).NeuronsLeft
	if answered == 0 || answered == len(statuses) || left < 0 || left >= 1 {
		e.t.Errorf("of %d at once, %d were answered, and %v neurons of one are left", len(statuses), answered, left)
	}
}
