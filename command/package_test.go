//go:build unix

package command_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nearside/client"
)

// besides are the programs that run what is no Worker, each with what it wants before the file.
var besides = []struct {
	name    string
	command []string
}{
	{"Node", []string{"node"}},
	{"Deno", []string{"deno", "run", "--allow-net", "--allow-env", "--allow-read"}},
	{"Bun", []string{"bun", "run"}},
}

// newPackageProject makes a project of testdata/package that has installed the package nearside, and nothing else.
func newPackageProject(t *testing.T) project {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "package"))); err != nil {
		t.Fatal(err)
	}
	calls, err := filepath.Glob(filepath.Join("testdata", "workers", "*.js"))
	if err != nil || len(calls) == 0 {
		t.Fatalf("there are no calls to make: %v", err)
	}
	for _, path := range calls {
		content, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(path)), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	p := project{t, dir, filepath.Join(dir, "wrangler.jsonc")}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private": true, "type": "module"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "node_modules"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.link(".bin")
	pack := strings.TrimSpace(nearside(t, t.Context(), "dev", "package", "--out", dir))
	p.run("npm", "install", "--offline", "--no-audit", "--no-fund", pack)
	return p
}

// link gives the project a folder of node_modules of the clients.
func (p project) link(name string) {
	p.t.Helper()
	if err := os.Symlink(filepath.Join(clientsDir(p.t), "node_modules", name), filepath.Join(p.dir, "node_modules", name)); err != nil {
		p.t.Fatal(err)
	}
}

// run runs a program in the project to its end, and returns what it printed.
func (p project) run(name string, args ...string) string {
	p.t.Helper()
	cmd := p.command(name, args...)
	if !fileExists(cmd.Path) { // no client, but a tool of the machine
		tool, err := exec.LookPath(name)
		if err != nil {
			p.t.Fatal(err)
		}
		cmd.Path = tool
	}
	return p.output(cmd)
}

func (p project) output(cmd *exec.Cmd) string {
	p.t.Helper()
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("%s: %v\n%s%s", cmd, err, out, complaints.String())
	}
	return string(out)
}

// beside runs calls.mjs by one of the programs. at: which server, if that is not the project's.
func (p project) beside(command []string, at *client.Client, words ...string) string {
	p.t.Helper()
	cmd := p.command(command[0], append(append(slices.Clone(command[1:]), "calls.mjs"), words...)...)
	if at != nil {
		cmd.Env = append(cmd.Env, "NEARSIDE_URL="+at.URL, "NEARSIDE_KEY="+at.Key)
	}
	return p.output(cmd)
}

// TestThePackageHasEveryCall installs the package, has Node, Deno and Bun make every call of a
// Worker's bindings, as the project of the folder and by a key, and a Worker that Miniflare runs
// as a library, by the plugin. It holds the table in docs/workers.md against what was seen.
func TestThePackageHasEveryCall(t *testing.T) {
	clients := clientsDir(t)
	_, api := startForWorkers(t, t.TempDir(), "127.0.0.1:0")
	p := newPackageProject(t)
	p.initWithoutGone(api)
	// From here on the server wants a key of everybody but projects.
	api.Key = strings.TrimSpace(nearside(t, t.Context(), "keys", "create", "--scope", "admin", "--url", api.URL))
	var seen workersSeen
	for _, x := range besides {
		t.Run(x.name, func(t *testing.T) {
			p.t = t
			byProject := worked(t, p.beside(x.command, nil, "project"))
			byKey := worked(t, p.beside(x.command, api))
			if !slices.Equal(byProject, byKey) {
				t.Errorf("as the project it makes %v, by a key %v", byProject, byKey)
			}
			seen.add(x.name, byKey)
		})
	}
	for _, m := range []struct{ name, folder string }{{"Miniflare 5", "."}, {"Miniflare 4", "old"}} {
		t.Run(m.name, func(t *testing.T) {
			p.t = t
			seen.add(m.name, worked(t, p.run("node", "miniflare.mjs", filepath.Join(clients, m.folder, "node_modules", "miniflare"))))
		})
	}
	if !t.Failed() && len(seen.clients) == len(besides)+2 { // not with -run of a part
		holdTableOfCalls(t, "<!-- seen in TestThePackageHasEveryCall -->\n", "yes", seen)
	}
}

// TestThePackageFailsAsTheRuntimeDoes compares all that can be seen of errors in a Worker under
// `wrangler dev` and in programs that use the package.
func TestThePackageFailsAsTheRuntimeDoes(t *testing.T) {
	clientsDir(t)
	server, api := startForWorkers(t, t.TempDir(), "127.0.0.1:0")
	p := newPackageProject(t)
	p.initWithoutGone(api)
	address, _ := p.wranglerDev("--env", "local")
	compare := func(state string) {
		want := failuresIn(t, bodyOf(t, address+"/failures"))
		for _, x := range besides {
			got := failuresIn(t, p.beside(x.command, nil, "project", "failures"))
			for _, call := range slices.Sorted(maps.Keys(want)) {
				if got[call] != want[call] {
					t.Errorf("%s, %s, %s:\n%s\nin a Worker:\n%s", state, x.name, call, got[call], want[call])
				}
			}
		}
	}
	compare("with nearside")
	server.stop()
	compare("without nearside")
}

// ids are those of requests, which no two errors share.
var ids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// failuresIn reads what failures.js told: an error for each call.
func failuresIn(t *testing.T, text string) map[string]string {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	told := map[string]string{}
	for call, error := range all {
		if told[call] = ids.ReplaceAllString(string(error), "ID"); told[call] == `""` {
			t.Errorf("%s did not fail", call)
		}
	}
	return told
}

// installWrangler gives the project a wrangler and a Miniflare of its own, beside the package;
// what these need stays where the clients are.
func (p project) installWrangler() {
	p.t.Helper()
	from, to := filepath.Join(clientsDir(p.t), "node_modules"), filepath.Join(p.dir, "node_modules")
	packages, err := os.ReadDir(from)
	if err != nil {
		p.t.Fatal(err)
	}
	errs := []error{os.Remove(filepath.Join(to, ".bin")), os.Mkdir(filepath.Join(to, ".bin"), 0o700)}
	errs = append(errs, os.Symlink(filepath.Join("..", "wrangler", "bin", "wrangler.js"), filepath.Join(to, ".bin", "wrangler")))
	for _, each := range packages {
		switch name := each.Name(); {
		case name == "wrangler" || name == "miniflare":
			errs = append(errs, os.CopyFS(filepath.Join(to, name), os.DirFS(filepath.Join(from, name))))
		case !strings.HasPrefix(name, "."):
			errs = append(errs, os.Symlink(filepath.Join(from, name), filepath.Join(to, name)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		p.t.Fatal(err)
	}
}

// TestAProjectWithThePackageMoves has dev init name the plugin by the package, where Miniflare
// finds it: then the configuration is right in another folder, too.
func TestAProjectWithThePackageMoves(t *testing.T) {
	clientsDir(t)
	_, api := startForWorkers(t, t.TempDir(), "127.0.0.1:0")
	p := newPackageProject(t)
	before := p.text()
	p.initWithoutGone(api)
	if text := string(p.text()); !strings.Contains(text, p.dir) {
		t.Errorf("where Miniflare does not find the package, the configuration names no file:\n%s", text)
	}
	p.undo(before)

	p.installWrangler()
	p.initWithoutGone(api)
	after := p.text()
	if text := string(after); strings.Contains(text, p.dir) || !strings.Contains(text, `"nearside/plugin"`) {
		t.Errorf("the configuration is of this folder only:\n%s", text)
	}
	moved := project{t, p.dir + "-moved", filepath.Join(p.dir+"-moved", "wrangler.jsonc")}
	if err := os.Rename(p.dir, moved.dir); err != nil {
		t.Fatal(err)
	}
	moved.initWithoutGone(api)
	if !bytes.Equal(moved.text(), after) {
		t.Errorf("in the new folder dev init made of the configuration\n%s", moved.text())
	}
	address, stop := moved.wranglerDev("--env", "local")
	worked(t, bodyOf(t, address+"/calls"))
	stop()
	moved.undo(before)
}

// TestThePackageIsTypedAsTheBindings compiles a program that gives the package's objects to what
// was written for those of @cloudflare/workers-types.
func TestThePackageIsTypedAsTheBindings(t *testing.T) {
	clientsDir(t)
	p := newPackageProject(t)
	p.link("@cloudflare")
	p.run("tsc", "-p", ".")
}

// TestThePackageIsWhatNpmPacks compares `nearside dev package` with `npm pack`.
func TestThePackageIsWhatNpmPacks(t *testing.T) {
	clientsDir(t)
	p := newPackageProject(t)
	folder, err := filepath.Abs(filepath.Join("..", "web", "workers"))
	if err != nil {
		t.Fatal(err)
	}
	packed := filepath.Join(p.dir, strings.TrimSpace(p.run("npm", "pack", "--silent", folder)))
	p.run("npm", "install", "--offline", "--no-audit", "--no-fund", "--prefix", "packed", packed)
	p.run("diff", "-r", "--exclude", "package.json", "packed/node_modules/nearside", "node_modules/nearside")
}
