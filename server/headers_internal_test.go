package server

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The README's table of response headers is the one place that lists them.
func TestEveryHeaderOfRepliesIsInTheREADME(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	set := regexp.MustCompile(`setHeader\("((?:nearside|cf-ai|cf-aig)-[a-z-]+)"`)
	known := map[string]bool{}
	for _, name := range sources {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, header := range set.FindAllStringSubmatch(string(source), -1) {
			known[header[1]] = true
			if !strings.Contains(string(readme), "`"+header[1]+"`") {
				t.Errorf("%s sets the header %s, which the README does not list", name, header[1])
			}
		}
	}
	listed := regexp.MustCompile("`((?:nearside|cf-ai|cf-aig)-[a-z-]+)`")
	for line := range strings.Lines(string(readme)) {
		if !strings.HasPrefix(line, "| `nearside-") && !strings.HasPrefix(line, "| `cf-ai") {
			continue
		}
		cells := strings.Split(line, "|")
		for _, header := range listed.FindAllStringSubmatch(cells[1], -1) {
			if !known[header[1]] {
				t.Errorf("the README lists the header %s, which nothing sets", header[1])
			}
		}
	}
	if len(known) < 10 {
		t.Errorf("only %d headers were found", len(known))
	}
}
