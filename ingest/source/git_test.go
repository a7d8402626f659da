package source_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearside/ingest/source"
)

var (
	seed = flag.Uint64("seed", 1, "seed of random tests")
	long = flag.Bool("long", false, "run the slow tests too")
)

// gitFiles returns the files that git does not ignore.
func gitFiles(t *testing.T, dir string) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "--others", "--exclude-standard", "-z")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	all := strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 })
	slices.Sort(all)
	return all
}

// A tree and ignore files at random levels, made of the parts that rules are made of: what is left must be what git leaves.
func TestRandomIgnoreFilesLeaveWhatGitLeaves(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git, which is not here")
	}
	dir := tree(t, map[string]string{".git/info/": ""})
	if out, err := exec.Command("git", "-C", dir, "init", "-q").CombinedOutput(); err != nil {
		t.Fatalf("git init: %v: %s", err, out)
	}
	r := rand.New(rand.NewPCG(*seed, 0))
	names := []string{"a", "b", "ab", "a.b", "A", "!a", "#a", "a b", "a ", "[a]", "a-", "é", `a\b`, "ba", "a]"}
	folders := []string{""}
	for range 14 {
		folders = append(folders, filepath.Join(pick(r, folders), pick(r, names))+"/")
	}
	for _, f := range folders {
		for range 5 {
			name := filepath.Join(f, pick(r, names)) + pick(r, []string{"", "", "x", ".b"})
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.IsDir() {
				if os.MkdirAll(filepath.Join(dir, f), 0o755) == nil { // a file may be in its way
					_ = os.WriteFile(filepath.Join(dir, name), nil, 0o600)
				}
			}
		}
	}
	rounds := 60
	if *long {
		rounds = 1000
	}
	for round := range rounds {
		var wrote []string
		for range 1 + r.IntN(3) {
			name := filepath.Join(dir, pick(r, folders), ".gitignore")
			if round%7 == 0 {
				name = filepath.Join(dir, ".git/info/exclude")
			}
			rules := randomRules(r)
			if os.WriteFile(name, []byte(rules), 0o600) == nil { // a file may have the folder's name
				wrote = append(wrote, name, fmt.Sprintf("%q", rules))
			}
		}
		want := gitFiles(t, dir)
		got := paths(t, folder(t, dir, source.Options{Hidden: true}))
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d, round %d: %s\n ours %q\n git  %q", *seed, round, wrote, got, want)
		}
		for i := 0; i < len(wrote); i += 2 {
			_ = os.Remove(wrote[i]) // one may have been written twice
		}
	}
}

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

func randomRules(r *rand.Rand) string {
	parts := []string{
		"a", "b", "A", "*", "*", "**", "**/", "/**", "/**/", "/", "/", "?", ".", "[a]", "[!a]", "[^a-b]", "[a-", "[]a]", "[[:alpha:]]", "[[:upper:]b-]", "[[:x:]]", "[[:a]",
		`\a`, `\*`, `\ `, " ", "é", `\`, "#", "!", "-", "x", "[a/b]", "***", `[\]]`, `[a-\b]`, "[--a]", "[b-a]",
	}
	var b strings.Builder
	for range 1 + r.IntN(5) {
		b.WriteString(pick(r, []string{"", "", "", "!", "/", "#", " "}))
		for range 1 + r.IntN(5) {
			b.WriteString(pick(r, parts))
		}
		b.WriteString(pick(r, []string{"\n", "\n", "\n", "\r\n", "/\n", "  \n", "\t\n", "\n\n"}))
	}
	return b.String()
}
