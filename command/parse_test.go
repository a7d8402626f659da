package command_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const lampPage = "---\nauthor: A. Maker\n---\n# The lamp\n\nIt listens. It was made here.\n\n## Colours\n\n- Red is hot.\n"

func lampFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "lamp.md")
	if err := os.WriteFile(name, []byte(lampPage), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestParseShowsBlocksAndWhereTheyAre(t *testing.T) {
	out, errs, code := runHere(t, "parse", lampFile(t))
	for _, want := range []string{`markdown`, `"The lamp"`, `"author":"A. Maker"`, "heading 1  line 4, bytes 27-35\n  | The lamp", "  | It listens. It was made here.", "item 1  line 10"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if code != 0 || errs != "" {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

func TestParseAsJSONPointsAtTheBytes(t *testing.T) {
	out, _, code := runHere(t, "parse", "--json", lampFile(t))
	var d struct {
		Format string
		Blocks []struct {
			Kind, Text string
			Place      struct{ From, To, Line int }
		}
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != 0 {
		t.Fatalf("%v, exit code %d: %s", err, code, out)
	}
	if d.Format != "markdown" || len(d.Blocks) != 4 {
		t.Fatalf("got %+v", d)
	}
	for _, b := range d.Blocks {
		if got := lampPage[b.Place.From:b.Place.To]; got != b.Text {
			t.Errorf("%s %q is said to be %q", b.Kind, b.Text, got)
		}
	}
}

func TestParseShowsPassages(t *testing.T) {
	file := lampFile(t)
	empty := t.TempDir()
	for _, args := range [][]string{{"--estimate"}, {"--models", empty}} {
		out, errs, code := runHere(t, append([]string{"parse", "--chunks", "--size", "16", "--window", "64", file}, args...)...)
		for _, want := range []string{"chunk 1  ", "chunk 2  ", "The lamp > Colours", "  | Red is hot."} {
			if !strings.Contains(out, want) {
				t.Errorf("%v: %q is not in\n%s", args, want, out)
			}
		}
		if warned := strings.Contains(errs, "nearside models pull"); code != 0 || warned != (args[0] == "--models") {
			t.Errorf("%v: exit code %d, %s", args, code, errs)
		}
	}
	out, _, code := runHere(t, "parse", "--chunks", "--json", "--estimate", file)
	var c struct {
		ID, Text string
		Tokens   int
	}
	if err := json.Unmarshal([]byte(out), &c); err != nil || code != 0 || len(c.ID) != 32 || c.Tokens == 0 || !strings.HasPrefix(c.Text, "The lamp\n\nIt listens.") {
		t.Errorf("%v, exit code %d: %s", err, code, out)
	}
}

func TestParseSaysWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "x.bin")
	if err := os.WriteFile(binary, []byte("\x00\x01\x02\x03"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"no regular file": {dir},
		"nothing.md":      {filepath.Join(dir, "nothing.md")},
		"x.bin":           {binary},
		"8 to 205":        {binary, "--chunks", "--size", "3", "--estimate"},
	} {
		if out, errs, code := runHere(t, append([]string{"parse"}, args...)...); code != 1 || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%v: exit code %d, %q, %s", args, code, out, errs)
		}
	}
}
