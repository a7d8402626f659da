// Package fault has the one error type of nearside.
//
// A fault says what kind of thing went wrong (Kind), optionally which rule
// precisely was broken (Reason), and a message for the person who caused or
// must mend it: the value that arrived, what is allowed, and the next step.
// The server has the one table from Reason and Kind to an HTTP status and a
// Cloudflare error code; no other package knows either.
//
// The package imports nothing of nearside and does no logging.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind is the coarse class of a fault. It decides the HTTP status unless a
// Reason decides it first.
type Kind uint8

// The kinds, from the caller's mistakes to ours.
const (
	Internal     Kind = iota // a bug or an unforeseen failure; the client sees only a request id
	Invalid                  // the request breaks a rule
	NotFound                 // the named thing does not exist
	Gone                     // the named thing existed and was deleted
	Conflict                 // the named thing exists already, or is in use
	Unauthorized             // no key, or a wrong one
	Forbidden                // the key does not allow this
	TooLarge                 // the body is larger than the limit
	Quota                    // an allowance is used up
	Busy                     // too much work at once; RetryAfter says when to come back
	Canceled                 // the client hung up or its deadline passed
	Unsupported              // a Cloudflare feature that nearside does not have
	Unavailable              // a part is missing for now: a model, a full disk, a draining server
	Corrupt                  // stored bytes are damaged; the message names the file
)

var kindNames = [...]string{
	"internal", "invalid", "not_found", "gone", "conflict", "unauthorized", "forbidden", "too_large",
	"quota", "busy", "canceled", "unsupported", "unavailable", "corrupt",
}

// String returns the kind as it appears in logs and metrics.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Reason names one precise rule, such as "vector_dimensions". The packages
// that enforce a rule declare its Reason; the server maps it to a code.
type Reason string

// Error is a fault.
type Error struct {
	Kind       Kind
	Reason     Reason        // "" when the kind says enough
	Message    string        // for the person: value, limit, next step
	RetryAfter time.Duration // with Busy and Unavailable: when it is worth trying again; 0 = unknown
	cause      error
}

// Error returns the message, followed by the cause if there is one.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// New returns a fault of the given kind.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// For returns an Invalid fault that broke the rule named by reason.
func For(reason Reason, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Because returns e with cause as its cause; it is meant to be chained to New or For.
func (e *Error) Because(cause error) *Error {
	e.cause = cause
	return e
}

// As returns the outermost fault in err's chain, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// KindOf returns the kind of the outermost fault in err's chain; Internal if there is none.
func KindOf(err error) Kind {
	if e := As(err); e != nil {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is a fault of the given kind.
func Is(err error, kind Kind) bool {
	e := As(err)
	return e != nil && e.Kind == kind
}
