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

// newRecipe returns a short hash of all that decides the records beside the content.
func (l *load) newRecipe() (string, error) {
	cutter, err := chunk.New(l.Chunk) // with its defaults
	if err != nil {
		return "", err
	}
	_, estimated := cutter.Tokenizer.(chunk.Estimate)
	raw, err := json.Marshal(struct {
		Version               int
		Parse                 parse.Options
		Window, Size, Overlap int
		Bare, Estimated       bool
		Model                 string
		Namespace             string
		Metadata              map[string]any
	}{
		recipeVersion, l.Parse, cutter.Window, cutter.Size, cutter.Overlap, cutter.Bare, estimated,
		l.index.Model, l.Namespace, l.Metadata,
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
