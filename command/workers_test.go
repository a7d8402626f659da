//go:build unix

package command_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"nearside/client"
	"nearside/llm/backend/backendtest"
)

// workersCatalogue has the models of the Worker in testdata/workers answered by a server of the tests.
const workersCatalogue = `backends:
  - {name: talker, kind: openai, url: "%s/v1"}
models:
  - {id: "@cf/meta/llama-3.3-70b-instruct-fp8-fast", backends: [{kind: talker, model: chat}]}
  - {id: "@cf/openai/whisper", backends: [{kind: talker, model: chat}]}
  - {id: "@cf/deepgram/aura-1", backends: [{kind: talker, model: chat}]}
`

// startForWorkers runs nearside with these models on an address.
func startForWorkers(t *testing.T, data, address string) (*process, *client.Client) {
	t.Helper()
	talker := backendtest.New(t)
	talker.Answer(backendtest.Answer{Pieces: []string{"The sky", " is blue."}})
	catalogue := filepath.Join(t.TempDir(), "models.yaml")
	if err := os.WriteFile(catalogue, fmt.Appendf(nil, workersCatalogue, talker.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, data, "--ollama", "off", "--models-file", catalogue, "--addr", address)
	return p, p.ready()
}

// project is a Workers project in a folder of its own.
type project struct {
	t           *testing.T
	dir, config string
}

// newProject copies a project of testdata/workers, and sees to it that it finds wrangler.
func newProject(t *testing.T, name, config string) project {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(root, os.DirFS(filepath.Join("testdata", "workers"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(clientsDir(t), "node_modules"), filepath.Join(root, "node_modules")); err != nil {
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
func (p project) undo(before []byte) {
	p.t.Helper()
	p.init("--undo")
	if !bytes.Equal(p.text(), before) {
		p.t.Errorf("after --undo the configuration is\n%s", p.text())
	}
	if fileExists(filepath.Join(p.dir, ".nearside")) {
		p.t.Error("after --undo the folder .nearside is still there")
	}
}

// command is a program that runs in the project, without a Cloudflare account.
func (p project) command(name string, args ...string) *exec.Cmd {
	bin := filepath.Join(clientsDir(p.t), "node_modules", ".bin")
	cmd := exec.Command(filepath.Join(bin, name), args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+p.t.TempDir(),
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

// bodyOf returns the body of an answer, whatever its status.
func bodyOf(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
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

// everythingElse returns what came of all that is not ours.
func everythingElse(t *testing.T, address string) map[string]any {
	t.Helper()
	bodyOf(t, address+"/cdn-cgi/handler/scheduled?cron=0+*+*+*+*")
	var came map[string]any
	if body := bodyOf(t, address+"/else"); json.Unmarshal([]byte(body), &came) != nil || len(came) != 12 {
		t.Fatalf("the Worker answers %s", body)
	}
	return came
}

// worked returns the calls that came out right, and fails the test for the others.
func worked(t *testing.T, body string) []string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(body), "\n")
	var outcome struct {
		Worked []string
		Failed map[string]string
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &outcome); err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	for _, call := range slices.Sorted(maps.Keys(outcome.Failed)) {
		t.Errorf("%s: %s", call, outcome.Failed[call])
	}
	return outcome.Worked
}

// TestAWorkersProjectHasEveryCallAfterDevInit has the newest wrangler run a Worker in the
// environment of `nearside dev init`, and holds the table in docs/workers.md against what was seen.
func TestAWorkersProjectHasEveryCallAfterDevInit(t *testing.T) {
	clientsDir(t)
	data := t.TempDir()
	server, api := startForWorkers(t, data, "127.0.0.1:0")
	var seen []workersRoute

	t.Run("wrangler dev", func(t *testing.T) {
		p := newProject(t, "shop", "wrangler.jsonc")
		if err := os.Rename(filepath.Join(p.dir, "dev.vars"), filepath.Join(p.dir, ".dev.vars")); err != nil {
			t.Fatal(err)
		}
		before := p.text()
		address, stop := p.wranglerDev("--local") // without ai and vectorize
		elseBefore := everythingElse(t, address)
		stop()

		made := []string{"--url", api.URL, "--index", "docs=3,cosine,genre:string"}
		if out := p.init(made...); !strings.Contains(out, "made the index docs") || !strings.Contains(out, "npx wrangler dev --env local") {
			t.Errorf("dev init printed\n%s", out)
		}
		after := p.text()
		if out := p.init(made...); !bytes.Equal(p.text(), after) || strings.Contains(out, "made") {
			t.Errorf("a second dev init changed something; it printed\n%s", out)
		}
		address, stop = p.wranglerDev("--env", "local")
		if now := everythingElse(t, address); !reflect.DeepEqual(now, elseBefore) {
			t.Errorf("with the environment, the rest of the Worker does\n%v\nbefore\n%v", now, elseBefore)
		}
		seen = append(seen, workersRoute{"`wrangler dev`", worked(t, bodyOf(t, address+"/calls"))})

		server.stop()
		want := "INDEX_GET_ERROR (code = 3040): nearside does not answer at " + api.URL + "; start it with: nearside serve"
		if got := bodyOf(t, address+"/query"); got != want {
			t.Errorf("without nearside, the Worker's error is %q, want %q", got, want)
		}
		startForWorkers(t, data, strings.TrimPrefix(api.URL, "http://"))
		if got := bodyOf(t, address+"/query"); !strings.Contains(got, `"vectorCount":0`) {
			t.Errorf("with nearside back, the Worker answers %q", got)
		}
		stop()
		p.undo(before)
	})

	_, api = startForWorkers(t, t.TempDir(), "127.0.0.1:0") // the one above ended with its test
	t.Run("getPlatformProxy", func(t *testing.T) {
		p := newProject(t, "platform", "wrangler.toml")
		before := p.text()
		p.init("--url", api.URL, "--index", "docs=3,cosine,genre:string")
		out, err := p.command("node", "platform.mjs").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		seen = append(seen, workersRoute{"`getPlatformProxy`", worked(t, string(out))})
		p.undo(before)
	})
	t.Run("workerd", func(t *testing.T) {
		p := newProject(t, "platform", "wrangler.toml")
		before := p.text()
		p.init("--url", api.URL, "--index", "docs=3,cosine,genre:string")
		if out, err := p.command("wrangler", "deploy", "--dry-run", "--outdir", "dist").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		nearside(t, t.Context(), "dev", "workerd", filepath.Join(p.dir, "dist", "index.js"), "--config", p.config)
		address, stop := p.dev("workerd", "serve", filepath.Join(p.dir, ".nearside", "workerd.capnp"), "--socket-addr=http=127.0.0.1:{port}")
		body := bodyOf(t, address+"/calls")
		if !strings.Contains(body, `"greeting":"hello"`) {
			t.Errorf("the Worker has no vars: %s", body)
		}
		seen = append(seen, workersRoute{"`workerd` alone", worked(t, body)})
		stop()
		p.undo(before)
	})
	if !t.Failed() && len(seen) == 3 { // not with -run of a part
		checkWorkersTable(t, seen)
	}
}
