package command

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"nearside/web"
)

func newDevPackage() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "package",
		Short: "Write the npm package nearside, with env.AI and env.VECTORIZE for Node, Deno and Bun",
		Long: `Write the npm package nearside into this folder, and print its path. It has the same two
objects that a Worker has as env.AI and env.VECTORIZE, for Node, Deno and Bun, with
their types, and the plugin for Miniflare. It is not in npm's registry: it comes from here,
in the version of this program.`,
		Example: `  npm install "$(nearside dev package)"`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			version := web.PackageVersion(Version)
			content, err := web.Package(version)
			if err != nil {
				return err
			}
			path, err := filepath.Abs(filepath.Join(out, "nearside-"+version+".tgz"))
			if err != nil {
				return err
			}
			if err := writeFile(path, content); err != nil {
				return err
			}
			return printResult(cmd, map[string]string{"package": path, "version": version}, func(w io.Writer) { fmt.Fprintln(w, path) })
		},
	}
	cmd.Flags().StringVar(&out, "out", ".", "the folder to write it into")
	notFromEnvironment(cmd.Flags(), "out")
	return cmd
}
