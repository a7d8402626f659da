package gateway_test

import (
	"fmt"
	"testing"
	"time"

	"nearside/llm/gateway"
)

// clock is a time that a test sets.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)} }

func (c *clock) now() time.Time { return c.at }

func ask(body string) gateway.Input {
	return gateway.Input{Account: "local", Gateway: "mine", Endpoint: "run", Model: "@cf/a/b", Type: "application/json", Body: []byte(body)}
}

func TestWhatCannotChangeTheAnswerDoesNotChangeTheKey(t *testing.T) {
	key := ask(`{"prompt":"hé","max_tokens":5,"options":{"x":1}}`).Key()
	for _, same := range []string{
		`{"max_tokens":5,"options":{"x":1},"prompt":"hé"}`,
		" {\n \"prompt\" : \"h\\u00e9\", \"max_tokens\":5 ,\"options\":{ \"x\":1 }} ",
		`{"prompt":"hé","max_tokens":5,"options":{"x":1,"gateway":{"id":"mine","cacheTtl":60},"rejectIfBusy":true}}`,
		`{"prompt":"other","prompt":"hé","max_tokens":5,"options":{"x":1}}`, // the last one holds, as everywhere
	} {
		if ask(same).Key() != key {
			t.Errorf("%s has another key", same)
		}
	}
	if ask(`{"prompt":"x","options":{"gateway":{}}}`).Key() != ask(`{"prompt":"x"}`).Key() {
		t.Error("the gateway's options alone change the key")
	}
}

func TestWhatCanChangeTheAnswerChangesTheKey(t *testing.T) {
	seen := map[gateway.Key]string{}
	add := func(name string, in gateway.Input) {
		if other, there := seen[in.Key()]; there {
			t.Errorf("%s has the key of %s", name, other)
		}
		seen[in.Key()] = name
	}
	for _, body := range []string{`{"prompt":"a"}`, `{"prompt":"a "}`, `{"prompt":"A"}`, `{"Prompt":"a"}`, `{"prompt":["a"]}`, `{"prompt":"a","seed":1}`, `{"prompt":"a","seed":2}`,
		`{"prompt":"a","seed":9007199254740993}`, `{"prompt":"a","seed":9007199254740992}`, `{"prompt":"a","stream":true}`, `{"prompt":"a","stream":false}`,
		`{"prompt":"a","messages":null}`, `["a"]`, `"a"`, ``, `{"prompt":"a"`, `{"prompt":"a"}{}`, `{"prompt":"a","options":[]}`, `{"prompt":"a","options":{"x":1}}`,
		`{"prompt":{"options":{"gateway":{}}}}`, `{"prompt":{"options":{}}}`} {
		add(body, ask(body))
	}
	for name, change := range map[string]func(*gateway.Input){
		"account":  func(in *gateway.Input) { in.Account = "other" },
		"gateway":  func(in *gateway.Input) { in.Gateway = "other" },
		"endpoint": func(in *gateway.Input) { in.Endpoint = "v1/chat/completions" },
		"model":    func(in *gateway.Input) { in.Model = "@cf/a/c" },
		"type":     func(in *gateway.Input) { in.Type = "audio/mpeg" },
		"beside":   func(in *gateway.Input) { in.Beside = "language=de" },
		"key":      func(in *gateway.Input) { in.Custom = `{"prompt":"a"}` },
		"shifted":  func(in *gateway.Input) { in.Account, in.Gateway = "loca", "lmine" },
	} {
		in := ask(`{"prompt":"a"}`)
		change(&in)
		add(name, in)
	}
}

func TestAKeyOfTheCallersStandsForTheInput(t *testing.T) {
	one, two := ask(`{"prompt":"a"}`), ask(`{"prompt":"b"}`)
	one.Custom, two.Custom = "k", "k"
	if one.Key() != two.Key() {
		t.Error("the input counts beside the caller's key")
	}
	if two.Model = "@cf/a/c"; one.Key() == two.Key() {
		t.Error("another model has the same key: it answers in another form")
	}
}

func TestAnswersAreKeptUntilTheirTimeIsOver(t *testing.T) {
	clock := newClock()
	cache := gateway.NewCache[string](clock.now)
	key := ask(`{}`).Key()
	if _, found := cache.At(key).Get(); found {
		t.Error("an empty cache has an answer")
	}
	cache.At(key).Keep("yes", 3, time.Minute)
	clock.at = clock.at.Add(time.Minute - 1)
	if got, found := cache.At(key).Get(); !found || got != "yes" {
		t.Errorf("before its time is over: %q, %t", got, found)
	}
	clock.at = clock.at.Add(1)
	if _, found := cache.At(key).Get(); found {
		t.Error("the answer outlives its time")
	}
	if answers, bytes := cache.Size(); answers != 0 || bytes != 0 {
		t.Errorf("%d answers of %d bytes are kept that nobody can have", answers, bytes)
	}
	cache.At(key).Keep("no", 2, 0)
	cache.At(key).Keep("one", 3, time.Minute)
	cache.At(key).Keep("two", 3, time.Hour)
	if got, _ := cache.At(key).Get(); got != "two" {
		t.Errorf("got %q, want the latest", got)
	}
}

func TestTheCacheIsBoundedAndKeepsWhatWasUsedLast(t *testing.T) {
	cache := gateway.NewCache[int](newClock().now)
	at := func(i int) gateway.Place[int] { return cache.At(ask(fmt.Sprint(i)).Key()) }
	const most = 10_000
	for i := range most {
		at(i).Keep(i, 1, time.Hour)
	}
	at(0).Get()
	for i := most; i < most+10; i++ {
		at(i).Keep(i, 1, time.Hour)
	}
	if answers, _ := cache.Size(); answers != most {
		t.Errorf("%d answers, want %d", answers, most)
	}
	for i, want := range map[int]bool{0: true, 1: false, 10: false, 11: true, most + 9: true} {
		if _, found := at(i).Get(); found != want {
			t.Errorf("answer %d is there: %t", i, found)
		}
	}
	const megabyte = 1 << 20
	for i := range 100 {
		at(i).Keep(i, megabyte, time.Hour)
	}
	if answers, bytes := cache.Size(); bytes > 64*megabyte || answers > 63 || answers < 60 {
		t.Errorf("%d answers of %d bytes", answers, bytes)
	}
	at(-1).Keep(-1, 9*megabyte, time.Hour)
	if _, found := at(-1).Get(); found {
		t.Error("an answer is kept that is too large")
	}
}

// Vectors of the weights from before a switch must not turn up after it, also if the
// call that they are from began before.
func TestWhatIsForgottenDoesNotComeBack(t *testing.T) {
	cache := gateway.NewCache[string](newClock().now)
	key := ask(`{}`).Key()
	cache.At(key).Keep("old", 3, time.Hour)
	place := cache.At(key)
	cache.Forget()
	place.Keep("old", 3, time.Hour)
	if _, found := cache.At(key).Get(); found {
		t.Error("an answer came back")
	}
	cache.At(key).Keep("new", 3, time.Hour)
	if got, _ := cache.At(key).Get(); got != "new" {
		t.Errorf("got %q", got)
	}
}
