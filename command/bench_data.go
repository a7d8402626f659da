package command

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"nearside/measure/ann"
)

func newBenchData() *cobra.Command {
	var f benchFlags
	var out string
	cmd := &cobra.Command{
		Use:   "data",
		Short: "Write a set of vectors with its exact answers, for other programs",
		Long: `Write a set of vectors with its exact answers, for other programs. All numbers are little-endian:

  SET.base.fbin    uint32 rows, uint32 dimensions, float32 values
  SET.query.fbin   the same
  SET.label.u32    uint32 rows, uint32 class or cluster of each; SET.qlabel.u32 of the queries
  SET.gt           uint32 queries, uint32 k, uint32 rows of the nearest, float32 distances
                   (squared under euclidean, 1 - cosine, or the negated dot product)`,
		Args: noArgs,
	}
	f.add(cmd, 0, 2000)
	cmd.Flags().StringVar(&out, "out", ".", "directory for the files")
	cmd.RunE = measuring(&f, func(cmd *cobra.Command, s *ann.Set) (string, error) {
		truth, err := f.truth(cmd, s)
		if err != nil {
			return "", err
		}
		return filepath.Join(out, s.Name), ann.WriteSet(out, s, truth)
	}, func(w io.Writer, prefix string) {
		fmt.Fprintf(w, "%s.{base.fbin,query.fbin,label.u32,qlabel.u32,gt}\n", prefix)
	})
	return cmd
}
