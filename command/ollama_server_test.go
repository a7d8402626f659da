//go:build unix

package command_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	ollama "github.com/ollama/ollama/api"

	"nearside/llm/ollama/tinymodel"
)

// ollamaBinary is the ollama that scripts/ollama found or built.
func ollamaBinary(t *testing.T) string {
	t.Helper()
	if !*long {
		t.Skip("runs with -long")
	}
	path := os.Getenv("NEARSIDE_TEST_OLLAMA")
	if path == "" {
		t.Fatal("NEARSIDE_TEST_OLLAMA is not set; set it to what scripts/ollama DIR prints")
	}
	return path
}

// ollamaServer is a real Ollama with a home and models of its own.
type ollamaServer struct {
	t    *testing.T
	home string
	host string // it keeps its address when it comes back
	cmd  *exec.Cmd
	log  bytes.Buffer // read only after the process ended
}

// startOllama runs a server without models on a free port.
func startOllama(t *testing.T) *ollamaServer {
	t.Helper()
	ollamaBinary(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &ollamaServer{t: t, home: t.TempDir(), host: free.Addr().String()}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.end(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("ollama's log ends with\n%s", s.log.Bytes()[max(0, s.log.Len()-4000):])
		}
	})
	s.up()
	return s
}

func (s *ollamaServer) url() string { return "http://" + s.host }

// client speaks to the server itself.
func (s *ollamaServer) client() *ollama.Client {
	return ollama.NewClient(&url.URL{Scheme: "http", Host: s.host}, http.DefaultClient)
}

// up starts the server and waits until it answers. It has a process group of its
// own: the processes that run models are left over when it is killed.
func (s *ollamaServer) up() {
	s.t.Helper()
	s.cmd = exec.Command(ollamaBinary(s.t), "serve")
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.home, "OLLAMA_MODELS=" + filepath.Join(s.home, "models"), "OLLAMA_HOST=" + s.host}
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "ollama listens", func() bool { return s.client().Heartbeat(s.t.Context()) == nil })
}

// end ends the server by the signal, and then all that is left of its group.
func (s *ollamaServer) end(by syscall.Signal) {
	if s.cmd == nil {
		return
	}
	group := -s.cmd.Process.Pid
	_ = s.cmd.Process.Signal(by) // it may have ended already
	if by == syscall.SIGKILL {
		_ = syscall.Kill(group, by) // at once, so that no process is left to send more
	}
	_ = s.cmd.Wait() // "signal: killed" is what was asked for
	_ = syscall.Kill(group, syscall.SIGKILL)
	s.cmd = nil
}

// create makes a model of a file.
func (s *ollamaServer) create(name, template string, file []byte) {
	s.t.Helper()
	ctx := s.t.Context()
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(file))
	if err := s.client().CreateBlob(ctx, digest, bytes.NewReader(file)); err != nil {
		s.t.Fatal(err)
	}
	q := &ollama.CreateRequest{Model: name, Files: map[string]string{"model.gguf": digest}, Template: template, Parameters: tinymodel.Parameters()}
	if err := s.client().Create(ctx, q, func(ollama.ProgressResponse) error { return nil }); err != nil {
		s.t.Fatalf("create %s: %v", name, err)
	}
}

// createTalker makes a model that says the script.
func (s *ollamaServer) createTalker(name string, script tinymodel.Script) {
	s.t.Helper()
	file, err := tinymodel.Talker(script)
	if err != nil {
		s.t.Fatal(err)
	}
	s.create(name, tinymodel.Template, file)
}

// eventually waits for what comes about by itself.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("within a minute it did not come about that %s", what)
		}
	}
}
