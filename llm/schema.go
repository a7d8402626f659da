package llm

import (
	"embed"
	"encoding/json"
	"fmt"
)

//go:embed schema/*.json
var schemas embed.FS

// Schema returns the JSON schemas of a model's input and output.
func (m *Model) Schema() (input, output json.RawMessage, err error) {
	source, err := schemas.ReadFile("schema/" + string(m.Input) + ".json")
	if err != nil {
		return nil, nil, fmt.Errorf("schema of %s: %w", m.ID, err)
	}
	var both struct{ Input, Output json.RawMessage }
	if err := json.Unmarshal(source, &both); err != nil {
		return nil, nil, fmt.Errorf("schema of %s: %w", m.ID, err)
	}
	return both.Input, both.Output, nil
}
