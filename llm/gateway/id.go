package gateway

import (
	"crypto/rand"
	"encoding/base32"
	"time"
)

// newID returns a ULID, the form of Cloudflare's ids of logs: 48 bits of the time in
// milliseconds and 80 random ones, as 26 letters and digits that sort by time.
func newID(at time.Time) string {
	var raw [16]byte
	milli := uint64(at.UnixMilli())
	for i := range 6 {
		raw[i] = byte(milli >> (40 - 8*i))
	}
	rand.Read(raw[6:]) // never fails: the program ends first
	// 26 digits of 5 bits have 130: two zeros go before the 128. base32 has its
	// padding behind, so that the bits are moved to where it expects them.
	var moved [17]byte
	for i, b := range raw {
		moved[i] |= b >> 2
		moved[i+1] = b << 6
	}
	return crockford.EncodeToString(moved[:])[:26]
}

// crockford is base 32 without letters that look like digits (crockford.com/base32.html).
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)
