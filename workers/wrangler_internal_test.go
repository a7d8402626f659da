package workers

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

var long = flag.Bool("long", false, "compare with the wrangler that scripts/clients installed")

// notInheritable is how wrangler's program says that environments do not inherit a key.
var notInheritable = regexp.MustCompile(`(?s)notInheritable\(\s*diagnostics,\s*topLevelEnv,\s*rawConfig,\s*rawEnv,\s*envName,\s*"(\w+)"`)

// TestTheRepeatedKeysAreThoseOfWrangler reads them out of its program.
func TestTheRepeatedKeysAreThoseOfWrangler(t *testing.T) {
	if !*long {
		t.Skip("runs with -long")
	}
	dir := os.Getenv("NEARSIDE_CLIENTS")
	if dir == "" {
		t.Fatal("NEARSIDE_CLIENTS is not set; install the clients with scripts/clients DIR and set it to DIR")
	}
	program, err := os.ReadFile(filepath.Join(dir, "node_modules", "wrangler", "wrangler-dist", "cli.js"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, m := range notInheritable.FindAllSubmatch(program, -1) {
		want[string(m[1])] = true
	}
	have := slices.Concat(repeated, []string{"ai", "vectorize", "unsafe"})
	if len(want) < 30 {
		t.Fatalf("wrangler's program shows %d such keys; it is written in another way now", len(want))
	}
	for _, key := range have {
		if !want[key] {
			t.Errorf("wrangler lets environments inherit %s", key)
		}
		delete(want, key)
	}
	for key := range want {
		t.Errorf("wrangler does not let environments inherit %s, and it is not repeated", key)
	}
}
