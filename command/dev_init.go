package command

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nearside/client"
	"nearside/fault"
	"nearside/workers"
)

// devInit is what `nearside dev init` was asked for.
type devInit struct {
	assets      Assets
	server      *connection
	config      string // the file; "" = found from the working directory
	environment string
	indexes     map[string]string // how to make the missing ones
	print, undo bool
}

func newDevInit(assets Assets) *cobra.Command {
	d := &devInit{assets: assets}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Add an environment to a Workers project, in which nearside answers",
		Long: `Add the environment "local" to the Workers project of this folder. In it nearside
answers env.AI and env.VECTORIZE, and everything else is as it was:

  npx wrangler dev --env local

The rest of wrangler.jsonc, wrangler.json or wrangler.toml stays byte by byte; --print
shows the environment and writes nothing. What the plugin needs goes to the folder
.nearside, which git ignores: it has the project's secret.

Indexes that the project names and the server lacks are made. How long their vectors
are stands in no configuration, so --index says it, or the embedding model that the
source names, or you are asked. An index that is there gets the metadata indexes that
it lacks; it is refused if its vectors are others.

Run it again when the project's bindings changed; without a change it changes nothing.
--undo takes everything out again, but for the indexes.`,
		Example: `  nearside dev init --index docs=768,cosine
  nearside dev init --index docs=@cf/baai/bge-base-en-v1.5,genre:string
  nearside dev init --print
  nearside dev init --undo`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd) },
	}
	d.server = connectFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&d.config, "config", "", "the project's configuration (default: the one of this folder or above)")
	flags.StringVar(&d.environment, "env", "local", "name of the environment")
	flags.StringToStringVar(&d.indexes, "index", nil, "NAME=HOW makes the index NAME: "+howDevIndex)
	flags.BoolVar(&d.print, "print", false, "print the environment, and write nothing")
	flags.BoolVar(&d.undo, "undo", false, "take out what init added")
	cmd.MarkFlagsMutuallyExclusive("print", "undo")
	for _, name := range []string{"config", "env", "index", "print", "undo"} {
		notFromEnvironment(flags, name)
	}
	return cmd
}

// open finds the project.
func (d *devInit) open() (*workers.File, error) {
	if d.config != "" {
		return workers.Open(d.config)
	}
	return workers.Find(".")
}

func (d *devInit) run(cmd *cobra.Command) error {
	f, err := d.open()
	if err != nil {
		return err
	}
	folder := devFolderOf(f)
	before, err := folder.added(d.environment)
	if err != nil {
		return err
	}
	if d.undo {
		return d.takeOut(cmd, f, folder, before)
	}
	text, added, err := f.Init(d.environment, folder.plugin(), before)
	if err != nil {
		return err
	}
	if d.print {
		fmt.Fprintln(cmd.OutOrStdout(), added.Part)
		return nil
	}
	return d.add(cmd, f, folder, text, added)
}

// devInitDone is what init did.
type devInitDone struct {
	Config      string   `json:"config"`
	Environment string   `json:"environment"`
	Changed     bool     `json:"changed"`
	Made        []string `json:"indexes_made"`
	Run         string   `json:"run"`

	plan map[string]devIndex
}

// add asks and makes at the server what is missing there, and then writes. The
// configuration comes last: before it is written, nothing names the rest.
func (d *devInit) add(cmd *cobra.Command, f *workers.File, folder devFolder, text []byte, added workers.Added) error {
	bindings, err := f.Bindings()
	if err != nil {
		return err
	}
	if err := d.knows(bindings); err != nil {
		return err
	}
	api := d.server.client()
	plan, err := planned(cmd, api, bindings, d.indexes, func() (usedShape, error) { return usedBy(f, d.assets) })
	if err != nil {
		return err
	}
	project, err := d.project(cmd, api, folder)
	if err != nil {
		return err
	}
	done := devInitDone{Config: f.Path, Environment: d.environment, Changed: !bytes.Equal(text, f.Text), Made: []string{}, Run: "npx wrangler dev --env " + d.environment, plan: plan}
	for _, name := range slices.Sorted(maps.Keys(plan)) {
		if err := plan[name].make(cmd, api, name); err != nil {
			return err
		}
		if !plan[name].exists {
			done.Made = append(done.Made, name)
		}
	}
	project.Bindings = devBindings(bindings)
	if err := folder.write(project, added); err != nil {
		return err
	}
	if done.Changed {
		if err := writeFile(f.Path, text); err != nil {
			return err
		}
	}
	return printResult(cmd, done, func(w io.Writer) { done.tell(w, bindings, api) })
}

// tell says what was done, and what to run.
func (d devInitDone) tell(w io.Writer, b workers.Bindings, api *client.Client) {
	for _, name := range slices.Sorted(maps.Keys(d.plan)) {
		d.plan[name].tell(w, name)
	}
	var names []string
	if b.AI != "" {
		names = append(names, "env."+b.AI)
	}
	for _, x := range b.Indexes {
		names = append(names, "env."+x.Binding)
	}
	verb := "has already"
	if d.Changed {
		verb = "has now"
	}
	fmt.Fprintf(w, "%s %s the environment %s: nearside at %s answers %s\n\n  %s\n", filepath.Base(d.Config), verb, d.Environment, api.URL, strings.Join(names, ", "), d.Run)
}

// knows refuses --index for what is no index of the project: a misspelt name makes none.
func (d *devInit) knows(b workers.Bindings) error {
	for name := range d.indexes {
		if !slices.ContainsFunc(b.Indexes, func(x workers.Index) bool { return x.Name == name }) {
			return fault.New(fault.Invalid, "--index %s: the project has no binding to an index of this name", name)
		}
	}
	return nil
}

// project returns the project as the server knows it: the one of an earlier init if its
// secret still opens the server, else a new one.
func (d *devInit) project(cmd *cobra.Command, api *client.Client, folder devFolder) (devProject, error) {
	var p devProject
	if _, err := folder.read(devServer, &p); err != nil {
		return p, err
	}
	var known []struct{ ID string }
	if err := api.Do(cmd.Context(), http.MethodGet, "/nearside/projects", nil, &known); err != nil {
		return p, err
	}
	if p.URL == api.URL && p.Account == api.Account && slices.ContainsFunc(known, func(k struct{ ID string }) bool { return k.ID == p.ID }) {
		return p, nil
	}
	p = devProject{URL: api.URL, Account: api.Account}
	err := api.Do(cmd.Context(), http.MethodPost, "/nearside/projects", map[string]string{"name": filepath.Dir(string(folder))}, &p)
	return p, err
}

// takeOut undoes init. That there is no server any more does not keep it from that.
func (d *devInit) takeOut(cmd *cobra.Command, f *workers.File, folder devFolder, before *workers.Added) error {
	text, err := f.Undo(d.environment, before)
	if err != nil {
		return err
	}
	if err := writeFile(f.Path, text); err != nil {
		return err
	}
	if left, err := workers.Open(f.Path); err != nil || !folder.usedBy(left) {
		if err := d.forget(cmd, folder); err != nil {
			return err
		}
	}
	return printResult(cmd, map[string]any{"config": f.Path, "environment": d.environment}, func(w io.Writer) {
		fmt.Fprintf(w, "%s is what it was before the environment %s; the indexes are still there\n", filepath.Base(f.Path), d.environment)
	})
}

// forget removes the folder, and the project at the server.
func (d *devInit) forget(cmd *cobra.Command, folder devFolder) error {
	var p devProject
	if _, err := folder.read(devServer, &p); err != nil {
		return err
	}
	if err := folder.remove(); err != nil || p.ID == "" {
		return err
	}
	api := &client.Client{URL: p.URL, Account: p.Account, Key: d.server.key}
	if err := api.Do(cmd.Context(), http.MethodDelete, "/nearside/projects/"+url.PathEscape(p.ID), nil, nil); err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: the server still knows the project: %v\n", err)
	}
	return nil
}
