package server

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// panicked records a panic. The log gets its stack, which has no contents of
// strings, and its value only where that is the runtime's, such as an index out of
// range: any other might quote what the client sent.
func (c *call) panicked(what string, value any) {
	said, ours := value.(runtime.Error)
	shown := fmt.Sprintf("%T", value)
	if ours {
		shown = said.Error()
	}
	c.server.metrics.panics.Inc()
	c.server.log.Error(what+" panicked", "request", c.id, "route", c.pattern(), "panic", shown, "stack", string(debug.Stack()))
}
