package llm_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"nearside/llm"
)

// What docs/models.md shows of catalogue files can be loaded, one after the other.
func TestTheExamplesOfTheDocumentationLoad(t *testing.T) {
	text, err := os.ReadFile("../docs/models.md")
	if err != nil {
		t.Fatal(err)
	}
	built, err := os.ReadFile("../models.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sources := []llm.Source{{Name: "models.yaml", Bytes: built}}
	for i, block := range strings.Split(string(text), "```yaml\n")[1:] {
		example, _, _ := strings.Cut(block, "```")
		sources = append(sources, llm.Source{Name: fmt.Sprintf("example %d", i+1), Bytes: []byte(example)})
	}
	if len(sources) < 4 {
		t.Fatalf("only %d examples were found", len(sources)-1)
	}
	c, err := llm.LoadFiles(sources...)
	if err != nil {
		t.Fatal(err)
	}
	if m := model(t, c, "@mine/helper"); m.Prices[0].USD != "0.11" {
		t.Errorf("got %+v", m)
	}
	if m := model(t, c, "@cf/meta/llama-3.3-70b-instruct-fp8-fast"); m.Backends[0].Kind != "gpu-box" || m.Prices == nil {
		t.Errorf("got %+v", m)
	}
	if picks := c.Choices(llm.Ask{Task: llm.Summarization, Input: 2000}); len(picks) == 0 {
		t.Errorf("the rules pick %+v", picks)
	}
}
