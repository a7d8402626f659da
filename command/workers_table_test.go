//go:build unix

package command_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The table of docs/workers.md stands between two lines.
const (
	workersDocument   = "../docs/workers.md"
	workersTableBegin = "<!-- seen in TestAWorkersProjectHasEveryCallAfterDevInit and TestAProjectThatWasNotChangedHasEveryCall -->\n"
	workersTableEnd   = "<!-- end -->\n"
)

// The ways by which a Worker's calls come to nearside, as the table names them.
const (
	byEdge   = "A" // serve --workers-edge, with a project that was not changed
	byPlugin = "B" // the environment of dev init
)

// workersTable says by which ways a call came out right: binding call × client.
type workersTable struct {
	clients, calls []string
	ways           map[[2]string][]string // by call and client
}

// workersSeen has the calls that came out right for each client, in the order in which they ran.
type workersSeen struct {
	clients []string
	calls   map[string][]string
}

func (s *workersSeen) add(client string, calls []string) {
	if s.calls == nil {
		s.calls = map[string][]string{}
	}
	s.clients = append(s.clients, client)
	s.calls[client] = calls
}

// holdWorkersTable compares the table in docs/workers.md with what was seen by one way, and
// writes it with -table. What the table says of the other way is another test's.
func holdWorkersTable(t *testing.T, way string, seen workersSeen) {
	t.Helper()
	holdTableOfCalls(t, workersTableBegin, way, seen)
}

// holdTableOfCalls does so with the table that begins after a line.
func holdTableOfCalls(t *testing.T, begin, way string, seen workersSeen) {
	t.Helper()
	raw, err := os.ReadFile(workersDocument)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(raw), begin)
	got, after, ended := strings.Cut(rest, workersTableEnd)
	if !begun || !ended {
		t.Fatalf("%s has no table between %q and %q", workersDocument, begin, workersTableEnd)
	}
	table := parseWorkersTable(got)
	for _, client := range seen.clients {
		table.see(way, client, seen.calls[client])
	}
	want := table.markdown()
	if got == want {
		return
	}
	if !*writeTable {
		t.Errorf("the table in %s is not what was seen; run this test with -table to write it:\n%s", workersDocument, want)
		return
	}
	if err := os.WriteFile(workersDocument, []byte(before+begin+want+workersTableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// see notes the calls of a client that came out right by a way; all others did not.
func (x *workersTable) see(way, client string, calls []string) {
	if !slices.Contains(x.clients, client) {
		x.clients = append(x.clients, client)
	}
	for i, call := range calls {
		if slices.Contains(x.calls, call) {
			continue
		}
		at := 0
		if i > 0 {
			at = slices.Index(x.calls, calls[i-1]) + 1
		}
		x.calls = slices.Insert(x.calls, at, call)
	}
	for _, call := range x.calls {
		cell := [2]string{call, client}
		ways := slices.DeleteFunc(x.ways[cell], func(w string) bool { return w == way })
		if slices.Contains(calls, call) {
			ways = append(ways, way)
		}
		slices.Sort(ways)
		x.ways[cell] = ways
	}
}

// nowhere stands in a cell of a call that came out right by no way.
const nowhere = "–"

func (x *workersTable) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| | %s |\n|---|%s\n", strings.Join(x.clients, " | "), strings.Repeat("---|", len(x.clients)))
	for _, call := range x.calls {
		row, any := "", false
		for _, client := range x.clients {
			cell := nowhere
			if ways := x.ways[[2]string{call, client}]; len(ways) > 0 {
				cell, any = strings.Join(ways, ", "), true
			}
			row += " " + cell + " |"
		}
		if !any {
			continue // the call is made no more
		}
		method, about, _ := strings.Cut(call, ",")
		fmt.Fprintf(&b, "| %s |%s\n", strings.TrimSuffix("`"+method+"`,"+about, ","), row)
	}
	return b.String()
}

var between = regexp.MustCompile(` ?\| ?`)

func parseWorkersTable(text string) *workersTable {
	x := &workersTable{ways: map[[2]string][]string{}}
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		cells := between.Split(strings.TrimSuffix(strings.TrimPrefix(line, "|"), " |"), -1)
		switch {
		case i == 0:
			x.clients = cells[1:]
		case i > 1:
			call := strings.ReplaceAll(strings.TrimSpace(cells[0]), "`", "")
			x.calls = append(x.calls, call)
			for j, cell := range cells[1:] {
				if ways := strings.Split(strings.TrimSpace(cell), ", "); cell != nowhere && j < len(x.clients) {
					x.ways[[2]string{call, x.clients[j]}] = ways
				}
			}
		}
	}
	return x
}

// TestTheTableOfCallsIsReadAsItIsWritten is for the helper that the other tests trust.
func TestTheTableOfCallsIsReadAsItIsWritten(t *testing.T) {
	x := parseWorkersTable("")
	x.see(byPlugin, "`wrangler dev` 4", []string{"AI.run, chat", "AI.models"})
	x.see(byEdge, "`wrangler dev` 4", []string{"AI.run, chat", "AI.run, stream", "AI.models"})
	x.see(byEdge, "`vite dev`", []string{"AI.models"})
	want := "| | `wrangler dev` 4 | `vite dev` |\n|---|---|---|\n| `AI.run`, chat | A, B | – |\n| `AI.run`, stream | A | – |\n| `AI.models` | A, B | A |\n"
	if got := x.markdown(); got != want || parseWorkersTable(got).markdown() != want {
		t.Errorf("the table is\n%s\nread and written again\n%s\nwant\n%s", got, parseWorkersTable(got).markdown(), want)
	}
	x.see(byEdge, "`wrangler dev` 4", []string{"AI.models"})
	if got := x.markdown(); strings.Contains(got, "stream") || !strings.Contains(got, "chat | B | – |") {
		t.Errorf("what was not seen any more is still in\n%s", got)
	}
}
