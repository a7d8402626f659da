package server

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// docs/routes.md is made from the route table, so that no route is missing in it.
func TestTheListOfRoutesIsCurrent(t *testing.T) {
	var out strings.Builder
	out.WriteString("# Routes\n\nEvery request nearside answers, made from the table in `server/routes.go` (`go test ./server -run ListOfRoutes -update`).\n" +
		"A key's scope includes those before it: read, write, admin. Without any key every route is open, on the loopback address only.\n" +
		"A route marked * can reach a model. The body limit counts packed and unpacked bytes.\n\n" +
		"| method | path | scope | body limit, bytes |\n|---|---|---|---|\n")
	for _, r := range routes {
		scope, limit, model := string(r.Scope), "", ""
		if r.Scope == public {
			scope = "none"
		}
		if r.BodyLimit > 0 {
			limit = count(r.BodyLimit)
		}
		if r.Reaches {
			model = " *"
		}
		fmt.Fprintf(&out, "| %s | `%s`%s | %s | %s |\n", r.Method, r.Path, model, scope, limit)
	}
	const file = "../docs/routes.md"
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(file); err != nil || string(have) != out.String() {
		t.Errorf("%s is not what the route table says (%v); write it anew with -update", file, err)
	}
}
