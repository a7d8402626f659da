package command

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// printResult writes result as JSON if --json was given, else as people says.
func printResult(cmd *cobra.Command, result any, people func(w io.Writer)) error {
	if asJSON, err := cmd.Flags().GetBool("json"); err != nil || !asJSON {
		people(cmd.OutOrStdout())
		return err
	}
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(result)
}

// table writes rows under a header, in aligned columns.
func table(w io.Writer, header string, rows func(row func(format string, args ...any))) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, header)
	rows(func(format string, args ...any) { fmt.Fprintf(tw, format+"\n", args...) })
	// NOTE: a failed write to standard output has nobody to be told to.
	_ = tw.Flush()
}
