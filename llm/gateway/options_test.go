package gateway_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"nearside/llm/gateway"
)

// headers returns what Options.Headers asks for headers.
func headers(list ...string) func(string) string {
	return func(name string) string {
		for _, h := range list {
			if n, v, _ := strings.Cut(h, ": "); n == name {
				return v
			}
		}
		return ""
	}
}

// shown writes options down.
func shown(o gateway.Options) string {
	delay := "default"
	if o.Delay != nil {
		delay = o.Delay.String()
	}
	return fmt.Sprintf("%s skip=%t ttl=%s key=%q meta=%s nolog=%t event=%q timeout=%s attempts=%d delay=%s backoff=%s",
		o.Gateway, o.SkipCache, o.TTL(), o.CacheKey, o.Metadata, o.NoLog, o.EventID, o.Timeout, o.Attempts, delay, o.Backoff)
}

const everything = `mine skip=false ttl=1h0m0s key="k" meta={"a":"b","n":7} nolog=true event="e1" timeout=1.5s attempts=3 delay=250ms backoff=linear`

func TestOptionsSayTheSameInABodyAndInHeaders(t *testing.T) {
	var body, head gateway.Options
	body.Object([]byte(`{"id":"mine","skipCache":false,"cacheTtl":3600,"cacheKey":"k","metadata":{"n":7,"a":"b"},"collectLog":false,"eventId":"e1","requestTimeoutMs":1500,
		"retries":{"maxAttempts":3,"retryDelayMs":250,"backoff":"linear"},"newThing":{"x":1}}`))
	head.Headers(headers("cf-aig-gateway-id: mine", "cf-aig-skip-cache: false", "cf-aig-cache-ttl: 3600", "cf-aig-cache-key: k", `cf-aig-metadata: {"n":7,"a":"b"}`,
		"cf-aig-collect-log: false", "cf-aig-event-id: e1", "cf-aig-request-timeout: 1500", "cf-aig-max-attempts: 3", "cf-aig-retry-delay: 250", "cf-aig-backoff: linear"))
	for name, o := range map[string]gateway.Options{"body": body, "headers": head} {
		if got := shown(o); got != everything || !o.Asked() {
			t.Errorf("%s:\n%s, want\n%s", name, got, everything)
		}
	}
	body.Object([]byte(`{"cacheTtl":"60","retries":{"maxAttempts":"2"}}`))
	if body.TTL() != time.Minute || body.Attempts != 2 || body.Gateway != "mine" {
		t.Errorf("what is read later does not go before: %s", shown(body))
	}
}

func TestNothingIsAskedForByNothing(t *testing.T) {
	for _, object := range []string{"", "null", "[]", "7", `"mine"`, "{", "[object Object]", `{"unknown":1}`, `{"id":null}`, `{"id":""}`} {
		var o gateway.Options
		o.Object([]byte(object))
		o.Headers(headers("cf-aig-something-new: 1", "cf-aig-cache-ttl: "))
		if o.Asked() {
			t.Errorf("%q asks for something: %s", object, shown(o))
		}
	}
}

func TestAbsurdFiguresAreTakenAsTheNearestThatMakeSense(t *testing.T) {
	for _, test := range []struct{ header, want string }{
		{"cf-aig-cache-ttl: 1e300", "ttl=720h0m0s"},
		{"cf-aig-cache-ttl: 99999999999999999999999", "ttl=720h0m0s"},
		{"cf-aig-cache-ttl: 1e999", "ttl=720h0m0s"},
		{"cf-aig-cache-ttl: -1", "ttl=0s"},
		{"cf-aig-cache-ttl: NaN", "ttl=0s"},
		{"cf-aig-cache-ttl: soon", "ttl=0s"},
		{"cf-aig-cache-ttl: 0.5", "ttl=500ms"},
		{"cf-aig-request-timeout: 1e18", "timeout=1h0m0s"},
		{"cf-aig-request-timeout: -5", "timeout=0s"},
		{"cf-aig-max-attempts: 1000000", "attempts=5"},
		{"cf-aig-max-attempts: 0", "attempts=1"},
		{"cf-aig-max-attempts: many", "attempts=1"},
		{"cf-aig-retry-delay: 60000", "delay=5s"},
		{"cf-aig-retry-delay: -1", "delay=0s"},
		{"cf-aig-retry-delay: x", "delay=default"},
		{"cf-aig-backoff: sideways", "backoff=sideways"}, // as constant
		{"cf-aig-gateway-id: " + strings.Repeat("g", 1000), strings.Repeat("g", 64) + " "},
		{"cf-aig-gateway-id: \u202e\u0000", gateway.Default + " "},
		{"cf-aig-event-id: " + strings.Repeat("é", 100) + "\n\x1b[31m", `event="` + strings.Repeat("é", 64) + `"`},
	} {
		var o gateway.Options
		o.Headers(headers(test.header))
		if got := shown(o); !strings.Contains(got, test.want) {
			t.Errorf("%.60q: %s, want %s", test.header, got, test.want)
		}
	}
}

func TestAKeyOfTheCallersAloneIsKeptForFiveMinutes(t *testing.T) {
	for object, want := range map[string]time.Duration{
		`{"cacheKey":"k"}`:                                 5 * time.Minute,
		`{"cacheKey":"k","cacheTtl":0}`:                    0,
		`{"cacheKey":"k","cacheTtl":60,"skipCache":true}`:  0,
		`{"id":"mine"}`:                                    0,
		`{"id":"mine","cacheTtl":60,"skipCache":"false"}`:  time.Minute,
		`{"id":"mine","cacheTtl":"60","skipCache":"TRUE"}`: 0,
	} {
		var o gateway.Options
		o.Object([]byte(object))
		if o.TTL() != want {
			t.Errorf("%s: kept for %s, want %s", object, o.TTL(), want)
		}
	}
}

func TestHostileMetadataAreCutToWhatCanBeKept(t *testing.T) {
	many := map[string]int{}
	for i := range 1000 {
		many[fmt.Sprintf("k%03d", i)] = i
	}
	large, err := json.Marshal(many)
	if err != nil {
		t.Fatal(err)
	}
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	for _, test := range []struct{ name, metadata, want string }{
		{"nested", `{"a":{"b":1},"c":[1],"d":"x","e":null,"f":true,"g":1.50}`, `{"d":"x","e":null,"f":true,"g":1.50}`},
		{"a list", `[1,2]`, ""},
		{"no JSON", `user=7`, ""},
		{"two values", `{"a":1}{"b":2}`, ""},
		{"nothing in it", `{}`, ""},
		{"a long key", `{"` + strings.Repeat("k", 65) + `":1,"":2,"a":3}`, `{"a":3}`},
		{"a long text", `{"a":"` + strings.Repeat("x", 1025) + `","b":1}`, `{"b":1}`},
		{"a long number", `{"a":1` + strings.Repeat("0", 2000) + `,"b":1}`, `{"b":1}`},
		{"deep", `{"x":1,"y":` + deep + `}`, `{"x":1}`},
		{"control characters", "{\"a\":\"\\u0000\\u001b[31m\\u2028</script>\"}", `{"a":"\u0000\u001b[31m\u2028\u003c/script\u003e"}`},
		{"half a character", `{"a":"\ud800"}`, `{"a":"` + "\ufffd" + `"}`},
		{"equal keys", `{"a":1,"a":2}`, `{"a":2}`},
	} {
		var o gateway.Options
		o.Headers(headers("cf-aig-metadata: " + test.metadata))
		if string(o.Metadata) != test.want {
			t.Errorf("%s: kept %s, want %s", test.name, o.Metadata, test.want)
		}
	}
	var o gateway.Options
	o.Object([]byte(`{"metadata":` + string(large) + `}`))
	if n := strings.Count(string(o.Metadata), ":"); n != 16 || !strings.HasPrefix(string(o.Metadata), `{"k000":0,"k001":1,`) {
		t.Errorf("of a thousand entries %d are kept: %.100s", n, o.Metadata)
	}
}
