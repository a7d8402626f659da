package server

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"
)

// newRequestID returns 16 hexadecimal digits, as a cf-ray has.
func newRequestID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails: the program ends if the system has no randomness
	return hex.EncodeToString(b[:])
}

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
