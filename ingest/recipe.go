package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"nearside/doc/chunk"
	"nearside/doc/parse"
)

// recipeVersion is raised when the same file, parsed and cut with the same options, gives other records than before.
const recipeVersion = 1

// newRecipe returns a short hash of all that decides the records beside the content: what was asked for. The model of
// the index is no part of it, nor are its window and its tokenizer: vectors are the index's own business, and when it is
// re-embedded its passages stay as they are.
func (l *load) newRecipe(asked chunk.Options) (string, error) {
	raw, err := json.Marshal(struct {
		Version               int
		Parse                 parse.Options
		Window, Size, Overlap int
		Bare, Estimate        bool
		Namespace             string
		Metadata              map[string]any
	}{
		recipeVersion, l.Parse, asked.Window, asked.Size, asked.Overlap, asked.Bare, l.Estimate,
		l.Namespace, l.Metadata,
	})
	if err != nil {
		return "", fmt.Errorf("the metadata cannot be written as JSON: %w", err)
	}
	return short(raw), nil
}

// versionDigest is the digest of an item whose source says what stands for its content.
func versionDigest(version string) string { return "version " + short([]byte(version)) }

// short returns the first 128 bits of a SHA-256 in hex.
func short(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}
