//go:build unix

package command_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// workersRoute is a way by which a Worker comes to nearside, with the calls that came out right by it.
type workersRoute struct {
	name  string
	calls []string
}

// checkWorkersTable holds the table binding call × route in docs/workers.md against what was seen.
func checkWorkersTable(t *testing.T, routes []workersRoute) {
	t.Helper()
	var b strings.Builder
	b.WriteString("<!-- seen in TestAWorkersProjectHasEveryCallAfterDevInit -->\n| |")
	for _, r := range routes {
		fmt.Fprintf(&b, " %s |", r.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(routes)) + "\n")
	for _, call := range routes[0].calls {
		method, about, _ := strings.Cut(call, ",")
		fmt.Fprintf(&b, "| %s |", strings.TrimSuffix("`"+method+"`,"+about, ","))
		for _, r := range routes {
			cell := "–"
			if slices.Contains(r.calls, call) {
				cell = "yes"
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	b.WriteString("<!-- end -->\n")
	document, err := os.ReadFile("../docs/workers.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(document), b.String()) {
		t.Errorf("the table in docs/workers.md is not what was seen, which is\n%s", b.String())
	}
}
