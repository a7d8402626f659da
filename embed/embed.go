// Package embed turns texts into vectors.
//
// Embedder is the one interface of everything that does so: the built-in
// sentence encoder (package embed/bert), the lexical fallback (Lexical), and
// model servers behind package llm. Cached remembers what any of them computed.
//
// An Embedder never cuts a text silently: what exceeds its window is counted
// in Embedding.Dropped. It never mixes weights: all its vectors carry one
// Fingerprint.
package embed

import "context"

// Fingerprint identifies the exact weights and pooling behind a vector. Two
// vectors compare only if their fingerprints are equal.
type Fingerprint string

// Embedding is the vector of one text.
type Embedding struct {
	Values  []float32 // Dimensions numbers, unit length
	Tokens  int       // tokens read, with the model's special tokens
	Dropped int       // tokens beyond the window that were not read
}

// Embedder turns texts into vectors. It may be called from any goroutine.
type Embedder interface {
	// Model is the id by which people know the model, such as "@nearside/all-minilm-l6-v2".
	Model() string
	// Fingerprint identifies the weights.
	Fingerprint() Fingerprint
	// Dimensions is the length of every vector.
	Dimensions() int
	// Window is the number of tokens read of one text, special tokens included.
	Window() int
	// Embed returns one embedding a text, in order. It stops early, with ctx's error, when ctx ends.
	Embed(ctx context.Context, texts []string) ([]Embedding, error)
}
