package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"nearside/disk"
	"nearside/web"
	"nearside/workers"
)

// devFolder is the folder .nearside beside a project's configuration. It ignores itself
// in git, because server.json has the project's secret.
type devFolder string

// The files of a devFolder.
const (
	devPlugin = "plugin.cjs"  // what Miniflare loads
	devServer = "server.json" // a devProject, which the plugin reads
	devAdded  = "added.json"  // what was added to the configuration, for undoing it
)

// devProject is a Workers project as its plugin and nearside.js need it, and which project that is at the server.
type devProject struct {
	URL      string                `json:"url"`
	Secret   string                `json:"secret"`
	ID       string                `json:"id"`
	Account  string                `json:"account"`
	Bindings map[string]devBinding `json:"bindings,omitempty"` // by their names in env
}

// devBinding is a binding that nearside answers.
type devBinding struct {
	Type  string `json:"type"`                 // as the server names it
	Index string `json:"index_name,omitempty"` // of vectorize
}

// devBindings returns what a project binds.
func devBindings(b workers.Bindings) map[string]devBinding {
	all := map[string]devBinding{}
	if b.AI != "" {
		all[b.AI] = devBinding{Type: "ai"}
	}
	for _, x := range b.Indexes {
		all[x.Binding] = devBinding{"vectorize", x.Name}
	}
	return all
}

func devFolderOf(f *workers.File) devFolder {
	return devFolder(filepath.Join(filepath.Dir(f.Path), ".nearside"))
}

// packagedPlugin names the plugin in the npm package nearside.
const packagedPlugin = "nearside/plugin"

// plugin returns how the configuration names the plugin. Where Miniflare finds the package
// nearside with this very plugin, that is its name, which is the same on every machine and moves
// with the project; else it is the file in the folder, by its whole path.
func (d devFolder) plugin() string {
	at := filepath.Dir(string(d))
	for _, name := range []string{"wrangler", "miniflare", "nearside"} {
		if next := installed(at, name); next != "" {
			at = next
		} else if name != "wrangler" { // Miniflare may be there without it
			return d.file(devPlugin)
		}
	}
	if content, err := os.ReadFile(filepath.Join(at, devPlugin)); err != nil || !bytes.Equal(content, web.WorkersPlugin) {
		return d.file(devPlugin)
	}
	return packagedPlugin
}

// installed returns the folder of an npm package as Node finds it from a folder; "" if it does not.
func installed(from, name string) string {
	for at := from; ; at = filepath.Dir(at) {
		if real, err := filepath.EvalSymlinks(filepath.Join(at, "node_modules", name)); err == nil {
			return real
		}
		if at == filepath.Dir(at) {
			return ""
		}
	}
}

// usedBy reports whether a configuration still names the plugin, in either way.
func (d devFolder) usedBy(f *workers.File) bool {
	return f.Uses(d.file(devPlugin)) || f.Uses(packagedPlugin)
}

func (d devFolder) file(name string) string { return filepath.Join(string(d), name) }

// relative returns a path as it is seen from the folder, which is how workerd's configuration names files.
func (d devFolder) relative(path string) (string, error) {
	whole, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if whole, err = filepath.Rel(string(d), whole); err != nil {
		return "", err
	}
	return filepath.ToSlash(whole), nil
}

// read decodes a file of the folder; it reports false if there is none.
func (d devFolder) read(name string, into any) (bool, error) {
	raw, err := os.ReadFile(d.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	return err == nil, err
}

// added returns what an earlier init of the environment added; nil if none is known.
func (d devFolder) added(environment string) (*workers.Added, error) {
	var a workers.Added
	found, err := d.read(devAdded, &a)
	if !found || err != nil || a.Environment != environment {
		return nil, err
	}
	return &a, nil
}

// write makes the folder what it is to be.
func (d devFolder) write(p devProject, a workers.Added) error {
	for _, f := range []struct {
		name    string
		content any
	}{
		{".gitignore", []byte("*\n")}, // first, so that the secret is never without it
		{devPlugin, web.WorkersPlugin},
		{devServer, p},
		{devAdded, a},
	} {
		raw, ok := f.content.([]byte)
		if !ok {
			var err error
			if raw, err = json.MarshalIndent(f.content, "", "  "); err != nil {
				return err
			}
			raw = append(raw, '\n')
		}
		if err := writeFile(d.file(f.name), raw); err != nil {
			return err
		}
	}
	return nil
}

// remove removes what write made, and the folder if nothing else is in it.
func (d devFolder) remove() error {
	for _, name := range []string{devAdded, devServer, devPlugin, devConfig, ".gitignore"} {
		if err := os.Remove(d.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// NOTE: a folder that is not empty stays; what is in it is not ours.
	_ = os.Remove(string(d))
	return nil
}

// writeFile makes a file, which only its owner can read, or replaces one, which keeps its mode.
func writeFile(path string, content []byte) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a link stays one
	}
	before, missing := os.Stat(path)
	err := disk.WriteFileAtomic(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
	if err == nil && missing == nil {
		err = os.Chmod(path, before.Mode().Perm())
	}
	return err
}
