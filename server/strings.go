package server

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"
)

// requestIDBytes is the length of a request id.
const requestIDBytes = 16

// newRay returns a cf-ray: a request id of hexadecimal digits, and where it was answered.
func newRay() string {
	var random [requestIDBytes / 2]byte
	rand.Read(random[:]) // never fails: the program ends if the system has no randomness
	ray := make([]byte, 0, requestIDBytes+len(place))
	return string(append(hex.AppendEncode(ray, random[:]), place...))
}

// place stands for this machine where a cf-ray names Cloudflare's data centre.
const place = "-LCL"

// quote quotes s for a message.
func quote(s string) string { return strconv.QuoteToGraphic(s) }

// count writes n with a comma between thousands.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var out strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			out.WriteByte(',')
		}
		out.WriteRune(d)
	}
	return out.String()
}
