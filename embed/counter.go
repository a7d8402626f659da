package embed

import "context"

// Counter counts tokens as an embedder reads them.
type Counter interface {
	// CountTokens returns how many tokens a text has, those that the model adds included.
	CountTokens(ctx context.Context, text string) (int, error)
}

// CounterOf returns what counts an embedder's tokens; nil = nothing here can.
func CounterOf(e Embedder) Counter {
	if c, ok := e.(*cached); ok {
		e = c.Embedder
	}
	counter, _ := e.(Counter)
	return counter
}
