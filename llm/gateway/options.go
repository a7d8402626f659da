package gateway

import (
	"encoding/json"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"
)

// The ranges of what a caller may ask for.
const (
	MaxTTL      = 30 * 24 * time.Hour // Cloudflare's month (developers.cloudflare.com/ai-gateway/features/caching)
	MaxTimeout  = time.Hour
	MaxAttempts = 5               // developers.cloudflare.com/ai-gateway/configuration/request-handling
	MaxDelay    = 5 * time.Second // between two attempts, before it grows; the same page

	keyedTTL     = 5 * time.Minute // of an answer with a key of the caller's and no time to live
	defaultDelay = 500 * time.Millisecond
	maxEvent     = 128 // bytes of an event's id
)

// Backoff says how the pause between attempts grows.
type Backoff string

// The ways in which it grows, with Cloudflare's names.
const (
	Constant    Backoff = "constant"    // d, d, d, …
	Linear      Backoff = "linear"      // d, 2d, 3d, …
	Exponential Backoff = "exponential" // d, 2d, 4d, …
)

// Options are what a caller asks of a gateway. The zero value asks for nothing.
type Options struct {
	Gateway   string // its id; "" if the caller named none
	SkipCache bool   // neither look into the cache nor keep the answer
	CacheKey  string // what stands for the input in the cache; "": the input itself
	Metadata  json.RawMessage
	NoLog     bool
	EventID   string
	Timeout   time.Duration  // of one attempt, until its answer begins; 0: none
	Attempts  int            // at most; 0: one
	Delay     *time.Duration // before the second attempt; nil: half a second
	Backoff   Backoff

	ttl   *time.Duration
	asked bool
}

// option is one thing that can be asked for, and its two names.
type option struct {
	field, header string
	set           func(o *Options, value string)
}

var options = []option{
	{"id", "cf-aig-gateway-id", func(o *Options, v string) { o.Gateway = Name(v) }},
	{"skipCache", "cf-aig-skip-cache", func(o *Options, v string) { o.SkipCache = truth(v) }},
	{"cacheTtl", "cf-aig-cache-ttl", func(o *Options, v string) {
		if ttl, ok := span(v, time.Second, MaxTTL); ok {
			o.ttl = &ttl
		}
	}},
	{"cacheKey", "cf-aig-cache-key", func(o *Options, v string) { o.CacheKey = v }},
	{"metadata", "cf-aig-metadata", func(o *Options, v string) { o.Metadata = metadata(v) }},
	{"collectLog", "cf-aig-collect-log", func(o *Options, v string) { o.NoLog = strings.EqualFold(v, "false") }},
	{"eventId", "cf-aig-event-id", func(o *Options, v string) { o.EventID = clean(v, maxEvent) }},
	{"requestTimeoutMs", "cf-aig-request-timeout", func(o *Options, v string) { o.Timeout, _ = span(v, time.Millisecond, MaxTimeout) }},
	{"maxAttempts", "cf-aig-max-attempts", func(o *Options, v string) {
		n, _ := number(v)
		o.Attempts = int(max(1, min(n, MaxAttempts)))
	}},
	{"retryDelayMs", "cf-aig-retry-delay", func(o *Options, v string) {
		if delay, ok := span(v, time.Millisecond, MaxDelay); ok {
			o.Delay = &delay
		}
	}},
	{"backoff", "cf-aig-backoff", func(o *Options, v string) { o.Backoff = Backoff(strings.ToLower(v)) }},
}

// Headers reads what headers ask for. get returns a header's value, "" if it is
// absent. What was read before stays unless a header says otherwise.
func (o *Options) Headers(get func(name string) string) {
	for _, x := range options {
		if value := strings.TrimSpace(get(x.header)); value != "" {
			o.asked = true
			x.set(o, value)
		}
	}
}

// Object reads what the object "gateway" of a body's options asks for. What was
// read before stays unless the object says otherwise.
func (o *Options) Object(raw json.RawMessage) {
	fields := map[string]json.RawMessage{}
	if json.Unmarshal(raw, &fields) != nil {
		return
	}
	var retries map[string]json.RawMessage
	if json.Unmarshal(fields["retries"], &retries) == nil {
		maps.Copy(fields, retries) // they have names of their own
	}
	for _, x := range options {
		if value := Text(fields[x.field]); value != "" {
			o.asked = true
			x.set(o, value)
		}
	}
}

// Through has the call go through a gateway, whatever was read before.
func (o *Options) Through(gateway string) {
	o.Gateway = Name(gateway)
	o.asked = true
}

// Asked reports whether the caller asks for anything that a gateway does.
func (o *Options) Asked() bool { return o.asked }

// TTL is how long the answer may be kept; 0: not at all. A time to live that was
// asked for holds; a key of the caller's alone has answers kept for five minutes.
func (o *Options) TTL() time.Duration {
	switch {
	case o.SkipCache:
		return 0
	case o.ttl != nil:
		return *o.ttl
	case o.CacheKey != "":
		return keyedTTL
	}
	return 0
}

// Text returns a string, a number, a truth value or an object as a header has it.
func Text(raw json.RawMessage) string {
	var s string
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return ""
	case json.Unmarshal(raw, &s) == nil:
		return s
	}
	return string(raw)
}

func truth(text string) bool { return strings.EqualFold(text, "true") || text == "1" }

// number reads a number; 0 and false if there is none.
func number(text string) (float64, bool) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(n, 0) || math.IsNaN(n) { // too large is only large
		return 0, false
	}
	return n, true
}

// span reads a number of units, from none to the longest span there may be.
func span(text string, unit, longest time.Duration) (time.Duration, bool) {
	n, ok := number(text)
	units := max(0, min(n, float64(longest)/float64(unit)))
	return time.Duration(units * float64(unit)), ok
}
