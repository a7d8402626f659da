//go:build unix

package command_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// The README counts what the tables of docs/workers.md list.
const (
	readmeDocument   = "../README.md"
	readmeTableBegin = "<!-- counted in TestTheReadmeCountsTheCallsOfWorkers -->\n"
	packageWay       = "yes" // in the table of the package, which has one way only
)

// TestTheReadmeCountsTheCallsOfWorkers holds the README's table against those of docs/workers.md, which
// tests with real clients hold. -table writes it.
func TestTheReadmeCountsTheCallsOfWorkers(t *testing.T) {
	document, err := os.ReadFile(workersDocument)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("| `env.AI` and `env.VECTORIZE` in | after `dev init` | with nothing changed | by the npm package |\n|---|---|---|---|\n")
	for rest := string(document); ; {
		_, begun, found := strings.Cut(rest, "<!-- seen in Test")
		if !found {
			break
		}
		_, begun, _ = strings.Cut(begun, "\n")
		table, after, _ := strings.Cut(begun, workersTableEnd)
		countCalls(&want, parseWorkersTable(table))
		rest = after
	}
	raw, err := os.ReadFile(readmeDocument)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(raw), readmeTableBegin)
	got, after, ended := strings.Cut(rest, workersTableEnd)
	if !begun || !ended {
		t.Fatalf("%s has no table between %q and %q", readmeDocument, readmeTableBegin, workersTableEnd)
	}
	if got == want.String() {
		return
	}
	if !*writeTable {
		t.Fatalf("the table in %s is not what docs/workers.md lists; run this test with -table to write it:\n%s", readmeDocument, want.String())
	}
	if err := os.WriteFile(readmeDocument, []byte(before+readmeTableBegin+want.String()+workersTableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// countCalls writes a row for each client of a table.
func countCalls(to *strings.Builder, x *workersTable) {
	for _, client := range x.clients {
		fmt.Fprintf(to, "| %s |", client)
		for _, way := range []string{byPlugin, byEdge, packageWay} {
			n := 0
			for _, call := range x.calls {
				if slices.Contains(x.ways[[2]string{call, client}], way) {
					n++
				}
			}
			if n == 0 {
				fmt.Fprintf(to, " %s |", nowhere)
			} else {
				fmt.Fprintf(to, " %d of %d calls |", n, len(x.calls))
			}
		}
		to.WriteString("\n")
	}
}
