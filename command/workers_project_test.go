//go:build unix

package command_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// project is a Workers project in a folder of its own.
type project struct {
	t           *testing.T
	dir, config string
}

// wrangler is one that scripts/clients installed, in a folder of theirs.
type wrangler struct{ version, folder string }

var (
	newest     = wrangler{"4.164", "."}
	miniflare4 = wrangler{"4.113", "old"}
)

// newProject copies a project of testdata/workers, and sees to it that it finds the wrangler.
func newProject(t *testing.T, w wrangler, name, config string) project {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(root, os.DirFS(filepath.Join("testdata", "workers"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(clientsDir(t), w.folder, "node_modules"), filepath.Join(root, "node_modules")); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, name)
	return project{t, dir, filepath.Join(dir, config)}
}

func (p project) text() []byte {
	p.t.Helper()
	text, err := os.ReadFile(p.config)
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

// init runs `nearside dev init` on the project.
func (p project) init(args ...string) string {
	p.t.Helper()
	return nearside(p.t, p.t.Context(), append([]string{"dev", "init", "--config", p.config}, args...)...)
}

// undo takes everything out again, and fails the test if the project is not as it was.
func (p project) undo(before []byte, args ...string) {
	p.t.Helper()
	p.init(append([]string{"--undo"}, args...)...)
	if !bytes.Equal(p.text(), before) {
		p.t.Errorf("after --undo the configuration is\n%s", p.text())
	}
	if fileExists(filepath.Join(p.dir, ".nearside")) {
		p.t.Error("after --undo the folder .nearside is still there")
	}
}

// bin returns where the project finds programs: in the node_modules beside it or above it.
func (p project) bin() string {
	for dir := p.dir; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if bin := filepath.Join(dir, "node_modules", ".bin"); fileExists(bin) {
			return bin
		}
	}
	p.t.Fatalf("there is no node_modules above %s", p.dir)
	return ""
}

// command is a program that runs in the project, without a Cloudflare account.
func (p project) command(name string, args ...string) *exec.Cmd {
	all := filepath.Join(clientsDir(p.t), "node_modules", ".bin")
	program := filepath.Join(p.bin(), name)
	if !fileExists(program) {
		program = filepath.Join(all, name) // as node, of which there is one
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "PATH="+p.bin()+":"+all+":"+os.Getenv("PATH"), "HOME="+p.t.TempDir(),
		"WRANGLER_SEND_METRICS=false", "WRANGLER_SEND_ERROR_REPORTS=false", "WRANGLER_HIDE_BANNER=true", "CI=true", "NO_COLOR=1")
	return cmd
}

// dev runs a server of the project, such as `wrangler dev`, until the test ends or stop is called. {port} in args is its port.
func (p project) dev(name string, args ...string) (address string, stop func()) {
	p.t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	if err := free.Close(); err != nil {
		p.t.Fatal(err)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "{port}", port)
	}
	var log bytes.Buffer
	cmd := p.command(name, args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // node, and below it workerd
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended already
		_ = cmd.Wait()                                      // "signal: killed" is what was asked for
		if p.t.Failed() {
			p.t.Logf("%s printed\n%s", name, log.Bytes())
		}
	}
	p.t.Cleanup(stop)
	address = "http://127.0.0.1:" + port
	eventually(p.t, name+" answers", func() bool {
		res, err := http.Get(address + "/ready")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusNotFound
	})
	return address, stop
}

// wranglerDev runs `wrangler dev` with data of its own.
func (p project) wranglerDev(args ...string) (address string, stop func()) {
	p.t.Helper()
	return p.dev("wrangler", append([]string{"dev", "--port", "{port}", "--ip", "127.0.0.1", "--inspector-port", "0", "--persist-to", p.t.TempDir()}, args...)...)
}

// patient is for calls of Workers: one that hangs shall not take the whole run with it.
var patient = http.Client{Timeout: 2 * time.Minute}

// bodyOf returns the body of an answer, whatever its status.
func bodyOf(t *testing.T, url string) string {
	t.Helper()
	res, err := patient.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
