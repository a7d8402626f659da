package command_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAWatchedFolderIsInTheIndexAsItIsNow writes, changes and removes files while a loader watches, and then
// interrupts it.
func TestAWatchedFolderIsInTheIndexAsItIsNow(t *testing.T) {
	s := newShop(t)
	s.put("a.txt", "the first file")
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, s.args("--watch", "--prune", "--yes")...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	defer func() {
		if !ended {
			_ = cmd.Process.Kill() // the test has failed
			_ = cmd.Wait()
		}
	}()
	has := func(want ...string) func() bool {
		return func() bool {
			texts := strings.Split(strings.TrimSpace(s.texts()), "\n")
			slices.Sort(texts)
			return slices.Equal(texts, want)
		}
	}
	eventually(t, "the folder is loaded", has("the first file"))
	s.put("deep/b.txt", "the second file")
	eventually(t, "a new file in a new folder is loaded", has("the first file", "the second file"))
	s.put("a.txt", "the first file, changed")
	if err := os.Remove(filepath.Join(s.dir, "deep", "b.txt")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a change and a removal are seen", has("the first file, changed"))
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	killer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	_ = cmd.Wait() // the code is looked at below
	ended = true
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d: %s", code, out.String())
	}
	s.load(0) // at once: the claim was given back
}

func TestAnIndexThatIsNotThereIsNamedOrMade(t *testing.T) {
	s := newShop(t)
	s.put("a.txt", "the first file")
	for _, c := range []struct {
		more  []string
		code  int
		words string
	}{
		{nil, 1, "make it with --create"},
		{[]string{"--create", "--dry-run"}, 1, "a dry run makes none"},
		{[]string{"--create", "--model", lexicalHash}, 0, ""},
		{[]string{"--create", "--model", lexicalHash}, 0, ""},
	} {
		_, errs, code := runHere(t, append([]string{"ingest", s.dir, "--index", "another", "--url", s.api.URL}, c.more...)...)
		if code != c.code || !strings.Contains(errs, c.words) {
			t.Errorf("%v: exit code %d: %s", c.more, code, errs)
		}
	}
	if n := len(recordsOf(t, s.api, "another")); n != 1 {
		t.Errorf("%d records", n)
	}
}
