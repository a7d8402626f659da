package command

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"nearside/fault"
	"nearside/workers"
)

// devConfig is the runtime's configuration in a devFolder.
const devConfig = "workerd.capnp"

func newDevWorkerd() *cobra.Command {
	var config, address string
	cmd := &cobra.Command{
		Use:   "workerd MODULE",
		Short: "Write a configuration that runs the Worker by workerd alone",
		Long: `Write .nearside/workerd.capnp, with which workerd, Cloudflare's runtime, runs the Worker
of this folder without wrangler: MODULE with the project's vars, and nearside for
env.AI and env.VECTORIZE. Other bindings are left out, and named.

MODULE is the Worker bundled into one file, as wrangler does it without deploying.
The project has to be known to the server: run "nearside dev init" before.`,
		Example: `  npx wrangler deploy --dry-run --outdir dist
  nearside dev workerd dist/index.js
  npx workerd serve .nearside/workerd.capnp`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&config, "config", "", "the project's configuration (default: the one of this folder or above)")
	cmd.Flags().StringVar(&address, "listen", "127.0.0.1:8787", "where the Worker is to listen")
	notFromEnvironment(cmd.Flags(), "config")
	notFromEnvironment(cmd.Flags(), "listen")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := (&devInit{config: config}).open()
		if err != nil {
			return err
		}
		folder := devFolderOf(f)
		module, err := folder.relative(args[0])
		if err != nil {
			return err
		}
		var p devProject
		if found, err := folder.read(devServer, &p); err != nil {
			return err
		} else if !found {
			return fault.New(fault.NotFound, "the project of %s is known to no server yet; run: nearside dev init", f.Path)
		}
		text, left, err := f.Workerd(workers.Workerd{Server: p.URL, Secret: p.Secret, Module: module, Address: address})
		if err != nil {
			return err
		}
		if err := writeFile(folder.file(devConfig), []byte(text)); err != nil {
			return err
		}
		if len(left) > 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: these have no counterpart here, and the Worker lacks what they bind: %s\n", strings.Join(left, ", "))
		}
		return printResult(cmd, map[string]any{"config": folder.file(devConfig), "left_out": left}, func(w io.Writer) {
			fmt.Fprintf(w, "the Worker listens on http://%s after\n\n  npx workerd serve %s\n", address, folder.file(devConfig))
		})
	}
	return cmd
}
