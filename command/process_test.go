package command_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nearside/client"
)

var long = flag.Bool("long", false, "run the slow sweeps: crashes, real clients")

// built is the directory of the program that the tests run, once one has asked for it.
var built string

// buildOnce builds the program for all tests that run it as a process.
var buildOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "nearside-test")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "nearside")
	out, err := exec.Command("go", "build", "-o", path, "nearside").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// TestMain has everything that runs with -long, which is where real clients are, run alone.
func TestMain(m *testing.M) {
	flag.Parse()
	if *long {
		code, ran, err := alone()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if ran {
			os.Exit(code)
		}
	}
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// process is a server running as a child process.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	log *processLog // standard error
	url chan string // receives the address once it listens; closed when standard output ends
}

// processLog is what a process has said so far.
type processLog struct {
	mu   sync.Mutex
	said bytes.Buffer
}

func (l *processLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.Write(p)
}

func (l *processLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.String()
}

// start runs `nearside serve` on a free port; it may not listen yet when start returns.
func start(t *testing.T, data string, args ...string) *process {
	t.Helper()
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, log: &processLog{}, url: make(chan string, 1)}
	p.cmd = exec.Command(path, append([]string{"serve", "--addr", "127.0.0.1:0", "--data", data}, args...)...)
	p.cmd.Stderr = p.log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(p.url)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if _, url, ok := strings.Cut(lines.Text(), "serving on "); ok {
				p.url <- strings.TrimSpace(url)
			}
		}
	})
	t.Cleanup(func() {
		p.kill()
		reading.Wait()
	})
	return p
}

// ready waits until the server listens and returns a client of it.
func (p *process) ready() *client.Client {
	p.t.Helper()
	select {
	case url, ok := <-p.url:
		if ok {
			return &client.Client{URL: url}
		}
		p.kill()
		p.t.Fatalf("the server ended before it listened:\n%s", p.log)
	case <-time.After(60 * time.Second):
		p.kill()
		p.t.Fatalf("the server did not listen within a minute:\n%s", p.log)
	}
	return nil
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended already
		_ = p.cmd.Wait()                          // "signal: killed" is what was asked for
	}
}

// stop ends the process politely and fails the test if it does not end well.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("the server did not stop cleanly: %v\n%s", err, p.log)
	}
}

// nearside runs one command line and returns its standard output; it fails the test if the command fails.
func nearside(t *testing.T, ctx context.Context, args ...string) string {
	t.Helper()
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("nearside %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// nearsideCode runs one command line and returns all it printed and its exit code.
func nearsideCode(t *testing.T, ctx context.Context, args ...string) (string, int) {
	t.Helper()
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
