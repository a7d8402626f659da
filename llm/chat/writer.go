package chat

import (
	"time"

	"nearside/llm/neuron"
)

// Head is what a reply says of itself beside the answer.
type Head struct {
	ID      string    // of the request; the ids in the reply are made from it
	Model   string    // as the caller named it
	Created time.Time // when the call came
}

// Writer puts one answer into the dialect that the caller speaks: as one object,
// or as the frames of a stream. The methods of a stream append whole frames, each
// with its blank line, to the bytes that they are given, and return them; a piece
// that says nothing appends nothing. Pieces come from a Sieve.
//
// A stream is Start, any number of Piece, and one of End and Fail. Only End appends
// [DONE], so that clients can tell an answer that was cut short.
type Writer interface {
	// Object returns the whole answer, without Cloudflare's envelope.
	Object(a *Answer, neurons neuron.Micro) ([]byte, error)
	// Start appends what comes before the first piece.
	Start(to []byte) []byte
	// Piece appends a piece of the answer.
	Piece(to []byte, p Piece) []byte
	// End appends the end of the answer with what it used, and [DONE].
	End(to []byte, e End, neurons neuron.Micro) []byte
	// Fail appends what went wrong after the stream began.
	Fail(to []byte, f Failure) []byte
}

// Failure is an error inside a stream, in the words that a reply of its own would have.
type Failure struct {
	Code    int    // Cloudflare's
	Type    string // OpenAI's: invalid_request_error, rate_limit_error, server_error
	Message string
}
