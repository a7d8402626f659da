package server

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// routesDocument is the list of routes for people, made from the table.
const routesDocument = "../docs/routes.md"

// TestRoutesDocumentIsTheTable keeps docs/routes.md equal to the table; -update writes it.
func TestRoutesDocumentIsTheTable(t *testing.T) {
	want := describeRoutes()
	if *update {
		if err := os.WriteFile(routesDocument, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(routesDocument)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what routes.go says; run: go test ./server -run RoutesDocument -update", routesDocument)
	}
}

func describeRoutes() string {
	var b strings.Builder
	b.WriteString("# Routes\n\nEvery route of the server, made from `server/routes.go`. A key is needed once one exists; the column says what it must allow.\n\n")
	b.WriteString("| method | path | key | largest body | reaches a model |\n|---|---|---|---|---|\n")
	for _, r := range routes {
		key, body, model := string(r.Scope), "", ""
		if r.Scope == public {
			key = "none"
		}
		if r.BySecret {
			key += ", or the project's secret"
		}
		if r.BodyLimit > 0 {
			body = bodySize(r.BodyLimit)
		}
		if r.Reaches {
			model = "yes"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", r.Method, r.Path, key, body, model)
	}
	return b.String()
}

func bodySize(n int64) string {
	for _, unit := range []string{"bytes", "KiB", "MiB", "GiB", "TiB"} {
		if n < 1024 || n%1024 != 0 {
			return fmt.Sprintf("%d %s", n, unit)
		}
		n /= 1024
	}
	return fmt.Sprintf("%d PiB", n)
}
