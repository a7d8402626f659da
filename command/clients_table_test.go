//go:build unix

package command_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var writeTable = flag.Bool("table", false, "write the tables of what real clients do into docs/models.md and docs/workers.md")

// The table stands in the document between two lines.
const (
	tableDocument = "../docs/models.md"
	tableBegin    = "<!-- seen in TestRealClientsDoEveryTask -->\n"
	tableEnd      = "<!-- end -->\n"
)

// readTable returns the table in the document, and what stands before and after it.
func readTable(t *testing.T) (before, table, after string) {
	t.Helper()
	raw, err := os.ReadFile(tableDocument)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(raw), tableBegin)
	table, after, ended := strings.Cut(rest, tableEnd)
	if !begun || !ended {
		t.Fatalf("%s has no table between %q and %q", tableDocument, tableBegin, tableEnd)
	}
	return before, table, after
}

// checkTable compares the table in the document with what was seen, and writes it with -table.
func checkTable(t *testing.T, seen []seenClient) {
	t.Helper()
	before, got, after := readTable(t)
	want := describeSeen(seen)
	if got == want {
		return
	}
	if !*writeTable {
		t.Errorf("the table in %s is not what was seen; run this test with -table to write it:\n%s", tableDocument, want)
		return
	}
	if err := os.WriteFile(tableDocument, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// describeSeen is the table task × client, in Markdown.
func describeSeen(seen []seenClient) string {
	var b strings.Builder
	b.WriteString("| |")
	for _, c := range seen {
		fmt.Fprintf(&b, " %s |", c.Client)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(seen)) + "\n")
	for _, task := range aiTasks {
		fmt.Fprintf(&b, "| %s |", task)
		for _, c := range seen {
			cell := "–"
			if slices.Contains(c.Worked, task) {
				cell = "yes"
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// namedVersion is a client with its version, in the head of the table.
var namedVersion = regexp.MustCompile(`(\S+) (\d+\.\d+\.\d+)`)

// TestTheTableIsOfTheClientsAndTasksThatAreTested holds what can be known without the
// clients: the versions are those that scripts/clients installs, the rows are the tasks.
func TestTheTableIsOfTheClientsAndTasksThatAreTested(t *testing.T) {
	_, table, _ := readTable(t)
	script, err := os.ReadFile("../scripts/clients")
	if err != nil {
		t.Fatal(err)
	}
	installed := strings.Fields(strings.ReplaceAll(string(script), "'", " "))
	rows := strings.Split(strings.TrimSpace(table), "\n")
	columns := strings.Split(strings.Trim(rows[0], "| "), "|")
	if len(columns) != len(aiScripts) {
		t.Errorf("%d clients in the table, %d are tested", len(columns), len(aiScripts))
	}
	for _, column := range columns {
		named := namedVersion.FindAllStringSubmatch(column, -1)
		if named == nil {
			t.Errorf("%q has no version", column)
		}
		for _, n := range named {
			name, version := n[1], n[2]
			if !slices.ContainsFunc(installed, func(item string) bool {
				return item == name+"=="+version || item == name+"@"+version || strings.HasSuffix(item, "@npm:"+name+"@"+version)
			}) {
				t.Errorf("%s %s is in the table, and scripts/clients does not install it; run TestRealClientsDoEveryTask with -table", name, version)
			}
		}
	}
	var tasks []string
	for _, row := range rows[2:] {
		tasks = append(tasks, strings.TrimSpace(strings.Split(row, "|")[1]))
		if !strings.Contains(row, "yes") {
			t.Errorf("no client does it: %s", row)
		}
	}
	if !slices.Equal(tasks, aiTasks) {
		t.Errorf("the table's tasks are %q, those of the test %q", tasks, aiTasks)
	}
}
