// Package workers reads the configuration of a Workers project (wrangler.jsonc,
// wrangler.json, wrangler.toml), and adds to it an environment in which nearside
// answers the bindings ai and vectorize, by a Miniflare plugin.
//
// Its main type is File. Init adds the environment and leaves every other byte as it
// is, comments and order with them; Undo takes it out again and gives back the bytes
// that were there before, also when other parts were edited meanwhile. Init of what
// Init made changes nothing. An environment that somebody changed by hand is neither
// replaced nor removed: it is refused, and the message says so.
//
// The environment repeats every key of the top level that environments do not inherit
// (repeated), so that nothing else changes for the Worker. The package reads files and
// writes none.
package workers

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nearside/fault"
)

// names are the files that wrangler looks for, the one it prefers first.
var names = []string{"wrangler.json", "wrangler.jsonc", "wrangler.toml"}

// maxFile bounds a configuration, in bytes; real ones have some thousands.
const maxFile = 4 << 20

// File is a configuration as it stands on disk.
type File struct {
	Path string // absolute
	Text []byte
	lang language
}

// language is how a configuration is written.
type language interface {
	// read returns what the text says.
	read(text []byte) (*config, error)
	// add returns the text with the environment, and the part that says it.
	add(text []byte, name string, env []entry) (with []byte, part string, err error)
	// find returns the part of the text that says the environment; "" if no part does that nearside made.
	find(text []byte, name string) (part string, err error)
	// cut returns the text without the environment. If alone, the key env goes too if nothing is left in it.
	cut(text []byte, name string, alone bool) ([]byte, error)
	// line returns where the value behind a JSON pointer stands, counted from 1; 0 if that is not known.
	line(text []byte, pointer string) int
}

// config is what a configuration says, as far as it matters here.
type config struct {
	name         string
	pages        bool
	top          []entry           // in the order of the file, if that is JSON
	env          bool              // the key env is there
	environments map[string]string // each with the file of nearside's plugin that it names, "" if it names none
	Bindings
}

// entry is a key with its value: json.RawMessage from JSON, what the library decodes from TOML.
type entry struct {
	key   string
	value any
}

// Bindings are the bindings of the top level that nearside answers.
type Bindings struct {
	AI      string // the name in env; "" = none
	Indexes []Index
}

// Index is a binding to an index.
type Index struct {
	Binding string
	Name    string
}

// Find returns the configuration of the project that the directory belongs to, which
// may stand in a directory above, as wrangler does.
func Find(dir string) (*File, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		for at := dir; ; at = filepath.Dir(at) {
			path := filepath.Join(at, name)
			if _, err := os.Stat(path); err == nil {
				return Open(path)
			}
			if at == filepath.Dir(at) {
				break
			}
		}
	}
	return nil, fault.New(fault.NotFound, "there is no %s in %s or above it; run this in the folder of a Worker, or name its file with --config", strings.Join(names, ", "), dir)
}

// Open reads a configuration.
func Open(path string) (*File, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.NotFound, "%s does not exist", path)
	case err != nil:
		return nil, err
	case info.Size() > maxFile:
		return nil, fault.New(fault.TooLarge, "%s has %d bytes; a configuration can have %d", path, info.Size(), maxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return New(path, text)
}

// New is a configuration with the text. Its language is told by the name.
func New(path string, text []byte) (*File, error) {
	f := &File{Path: path, Text: text}
	switch filepath.Ext(path) {
	case ".json", ".jsonc":
		f.lang = jsonc{}
	case ".toml":
		f.lang = toml{}
	default:
		return nil, fault.New(fault.Invalid, "%s is no configuration of wrangler; its name ends in .jsonc, .json or .toml", path)
	}
	if _, err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) read() (*config, error) {
	c, err := f.lang.read(f.Text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s cannot be read", f.Path).Because(err)
	}
	return c, nil
}

// Bindings returns what nearside would answer. It is an error if there is nothing.
func (f *File) Bindings() (Bindings, error) {
	c, err := f.read()
	if err != nil {
		return Bindings{}, err
	}
	return c.Bindings, f.check(c)
}

func (f *File) check(c *config) error {
	switch {
	case c.pages:
		return fault.New(fault.Unsupported, "%s is that of a Pages project, which can have no environments but preview and production; there is none to add", f.Path)
	case c.AI == "" && len(c.Indexes) == 0:
		return fault.New(fault.Invalid, "%s has neither ai nor vectorize at its top level, so there is nothing that nearside could answer; add a binding, such as \"ai\": {\"binding\": \"AI\"}", f.Path)
	}
	return nil
}

// Name returns the name of the Worker; "" if the file has none.
func (f *File) Name() string {
	c, err := f.read()
	if err != nil {
		return "" // New has read it
	}
	return c.name
}

// Uses reports whether an environment of the file names the plugin in the file of the given path.
func (f *File) Uses(plugin string) bool {
	c, err := f.read()
	return err == nil && slices.Contains(slices.Collect(maps.Values(c.environments)), plugin)
}

// has reports whether the file has the environment.
func (c *config) has(environment string) bool {
	_, ok := c.environments[environment]
	return ok
}

// besides returns what the top level says, without a key.
func (c *config) besides(key string) []entry {
	return slices.DeleteFunc(slices.Clone(c.top), func(e entry) bool { return e.key == key })
}
