// Package gateway has what stands between a caller and a model when the caller
// asks for it by the name of an AI gateway: Options say what is wanted, Options.Try
// asks again and gives up in time, a Cache keeps answers, and Logs remember that
// calls were made.
//
// What is promised:
//
//   - No call is refused for its options. One that is unknown, or makes no sense, is
//     passed over; a figure out of range is taken as the nearest end of the range.
//   - An answer from the cache is that to the same input, byte for byte once white
//     space, the order of keys and escapes are put aside, by the same model, in the
//     same account and gateway; never older than the caller of then allowed.
//   - Logs hold no prompt and no answer, only that there was a call: when, to which
//     model, how long it took, how it ended, what it used and cost, and what the
//     caller wrote on it as metadata, feedback and score.
//   - A log can be read as soon as it is added, and after a restart. It reaches the
//     disk within a second: a crash may lose the last ones. What is patched is durable.
//   - The cache and the logs are bounded, and never fail a call.
//
// Answers are cached in memory only: they are what people asked and were told, and
// nothing of that should lie on a disk because somebody wanted a reply to be faster.
// A restart costs one call for each answer that is wanted again.
//
// Gateways need not be made, and cannot be set up: an id is a name to file logs and
// cached answers under. What is not served: rate limits, guardrails, evaluations,
// datasets, and providers other than this program. The package knows no HTTP.
package gateway

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"nearside/fault"
)

// Reasons of the faults of a gateway.
const (
	ReasonTimeout fault.Reason = "gateway_timeout" // an attempt took longer than the caller would wait
	ReasonNoLog   fault.Reason = "gateway_no_log"  // no log has the id, or not any more
	ReasonPatch   fault.Reason = "gateway_patch"   // a log cannot be changed like that
)

// Default is the gateway of calls that ask for something of one and name none.
const Default = "default"

// maxName is the longest id of a gateway, in bytes
// (developers.cloudflare.com/api/resources/ai_gateway).
const maxName = 64

// Name is the id under which a gateway is known that a caller calls so. What is too
// long is cut, and what cannot be seen is left out.
func Name(id string) string {
	if id = clean(id, maxName); id == "" {
		return Default
	}
	return id
}

// clean returns text of at most so many bytes that holds nothing invisible.
func clean(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
