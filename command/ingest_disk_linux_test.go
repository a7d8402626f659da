package command_test

import (
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestAFullDiskLosesNothing has a disk run full under a server while a folder is loaded. The loader says so and
// waits; when there is room, and the server was started again, it goes on, and the index is what one clean load makes.
func TestAFullDiskLosesNothing(t *testing.T) {
	if !*long {
		t.Skip("runs with -long")
	}
	data := t.TempDir()
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=12m"); err != nil {
		t.Skipf("a small file system is needed, which root may mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := &shop{t: t, p: start(t, data), dir: t.TempDir()}
	s.api = s.p.ready()
	createFor(t, s.api, shopIndex, lexicalHash)
	for i := range 200 {
		var text strings.Builder
		for j := range 100 {
			fmt.Fprintf(&text, "File %d says %d different things about lamps and towers, one after the other, %d.\n\n", i, j, i*j)
		}
		s.put(fmt.Sprintf("%03d.txt", i), text.String())
	}
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	errs := &growing{}
	loader := exec.Command(path, s.args("--size", "24")...)
	loader.Stderr = errs
	if err := loader.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = loader.Process.Kill() }) // it has ended, unless the test failed
	eventually(t, "the loader tells that the disk is full", func() bool { return strings.Contains(errs.String(), "disk") })
	before := len(recordsOf(t, s.api, shopIndex))
	if err := syscall.Mount("", data, "tmpfs", syscall.MS_REMOUNT, "size=400m"); err != nil {
		t.Fatal(err)
	}
	s.p.kill()
	s.p = start(t, data, "--addr", strings.TrimPrefix(s.api.URL, "http://"))
	s.api = s.p.ready()
	if err := loader.Wait(); err != nil {
		t.Errorf("with room again, the loader: %v: %s", err, errs)
	}
	if before == 0 {
		t.Error("nothing was in the index when the disk was full")
	}
	s.isClean("--size", "24")
}

// growing keeps what a process writes, to be read meanwhile.
type growing struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (g *growing) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.Write(p)
}

func (g *growing) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.String()
}
