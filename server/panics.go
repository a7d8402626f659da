package server

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// panicked records a panic.
func (c *call) panicked(what string, value any) {
	c.server.metrics.panics.Inc()
	c.server.log.Error(what+" panicked", "request", c.id, "route", c.pattern(), "panic", panicText(value), "stack", string(debug.Stack()))
}

// panicText is what the log says of a panic beside its stack, which has no contents
// of strings: its value only where that is the runtime's, such as an index out of
// range. Any other might quote what a client sent.
func panicText(value any) string {
	if said, ok := value.(runtime.Error); ok {
		return said.Error()
	}
	return fmt.Sprintf("%T", value)
}
