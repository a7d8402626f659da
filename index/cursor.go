package index

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"nearside/fault"
	"nearside/index/filter"
)

// CursorLife is how long a cursor of a listing works, and so how long an index
// keeps the records of the listing's first call. Each page's cursor has a new life.
const CursorLife = 10 * time.Minute

// Cursor says where the next page of a listing begins.
type Cursor struct {
	Sequence Sequence  // the state of the first call
	After    VectorID  // the last id already listed
	Expires  time.Time // to the second
}

// The layout of a cursor, in URL-safe base64 without padding:
//
//	sequence  8 bytes, little-endian
//	expires   8 bytes, seconds since 1970
//	after     the id
//	check     8 bytes of SHA-256 over the number of the index and all the above
//
// The check finds cursors that were cut, mistyped or made for another index. It
// is no secret: a cursor gives no right to see anything, the scope of the call does.
const cursorFixed, cursorCheck = 16, 8

// Encode returns the cursor as text, for the index with the given number only.
func (c Cursor) Encode(n Number) string {
	b := binary.LittleEndian.AppendUint64(nil, uint64(c.Sequence))
	b = binary.LittleEndian.AppendUint64(b, uint64(c.Expires.Unix()))
	b = append(b, c.After...)
	check := checkCursor(n, b)
	return base64.RawURLEncoding.EncodeToString(append(b, check[:cursorCheck]...))
}

// DecodeCursor is the inverse of Encode. It refuses a cursor that has expired.
func DecodeCursor(text string, n Number, now time.Time) (Cursor, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < cursorFixed+cursorCheck {
		return Cursor{}, badCursor(text)
	}
	b, claimed := b[:len(b)-cursorCheck], b[len(b)-cursorCheck:]
	if check := checkCursor(n, b); string(check[:cursorCheck]) != string(claimed) {
		return Cursor{}, badCursor(text)
	}
	c := Cursor{
		Sequence: Sequence(binary.LittleEndian.Uint64(b)),
		Expires:  time.Unix(int64(binary.LittleEndian.Uint64(b[8:])), 0).UTC(),
		After:    VectorID(b[cursorFixed:]),
	}
	if c.Encode(n) != text {
		return Cursor{}, badCursor(text) // base64 passes over line ends
	}
	if !now.Before(c.Expires) {
		return Cursor{}, ExpiredCursor(c.Expires)
	}
	return c, nil
}

// ExpiredCursor is the fault of a cursor whose records may be gone.
func ExpiredCursor(at time.Time) error {
	return fault.For(ReasonCursor, "the cursor expired at %s; begin the listing again without a cursor", at.Format(time.RFC3339))
}

func badCursor(text string) error {
	return fault.For(ReasonCursor, "the cursor %s was not made by a listing of this index; pass nextCursor on as it came, or begin again without a cursor", filter.Quote(text))
}

func checkCursor(n Number, b []byte) [sha256.Size]byte {
	return sha256.Sum256(append(binary.LittleEndian.AppendUint64(nil, uint64(n)), b...))
}
