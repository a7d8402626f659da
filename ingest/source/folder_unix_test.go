//go:build unix

package source_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nearside/ingest/source"
)

func TestSpecialFilesAreProblemsAndNeverOpened(t *testing.T) {
	dir := tree(t, map[string]string{"a": "", "z": ""})
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, item := range items(t, folder(t, dir, source.Options{}))[1:3] {
		if item.Problem == nil || !strings.Contains(item.Problem.Error(), "only regular files") {
			t.Errorf("%s: %v", item.Path, item.Problem)
		}
	}
	null, err := source.Path("/dev/null", source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a device that is named", paths(t, null), "!null")
}

// A file that becomes a fifo after it was found must not make the loader wait for a writer.
func TestAFifoInTheWayIsNotWaitedFor(t *testing.T) {
	dir := tree(t, map[string]string{"f": ""})
	item := items(t, folder(t, dir, source.Options{}))[0]
	path := filepath.Join(dir, "f")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, "what is opened", contents(t, item), "! f is a pipe; only regular files are read")
}

// unprivileged is set in the test process that may not read everything.
const unprivileged = "NEARSIDE_TEST_UNPRIVILEGED"

func TestWhatMayNotBeReadIsAProblem(t *testing.T) {
	if dir := os.Getenv(unprivileged); dir != "" {
		mayNotBeRead(t, dir)
		return
	}
	dir := tree(t, map[string]string{"a": "", "closed/x": "", "d/unreadable": "", "d/y": "", "rules/.gitignore": "", "rules/x": ""})
	for name, mode := range map[string]os.FileMode{"closed": 0, "d/unreadable": 0, "rules/.gitignore": 0} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() != 0 {
		mayNotBeRead(t, dir)
		return
	}
	for at := dir; at != filepath.Dir(os.TempDir()); at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
		if at == os.TempDir() || at == "/" {
			break
		}
	}
	// Rights do not bind root, so the test runs again as nobody. The test's own program may lie where nobody cannot go.
	program := filepath.Join(filepath.Dir(dir), "test")
	data, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, data, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run", "^TestWhatMayNotBeReadIsAProblem$")
	cmd.Env, cmd.Dir = append(os.Environ(), unprivileged+"="+dir), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

func mayNotBeRead(t *testing.T, dir string) {
	src := folder(t, dir, source.Options{})
	same(t, "paths", paths(t, src), "a", "!closed/", "d/unreadable", "d/y", "!rules/")
	wants(t, "an unreadable file", contents(t, items(t, src)[2]), "! d/unreadable cannot be read: permission denied")
}
