package command

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"nearside/ingest/rows"
)

func newIngest() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ingest FILE... --index NAME",
		Short: "Load files of JSON lines into an index",
		Long: `Load files of JSON lines (.jsonl, .ndjson; .gz too) into an index.

Each line is a text    {"id": "a", "text": "…", "title": "…", "metadata": {…}, "namespace": "…"}
or a vector            {"id": "a", "values": [0.1, …], "metadata": {…}, "namespace": "…"}
where title, metadata and namespace may be left out. Texts need an index with an
embedding model. Records are upserted by id, so loading a file twice changes nothing.

A record that the server refuses is reported with its file, line and reason, the
others are loaded, and the exit code is 3.`,
		Args: cobra.MinimumNArgs(1),
	}
	server := connectFlags(cmd)
	var o rows.Options
	cmd.Flags().StringVar(&o.Index, "index", "", "name of the index (required)")
	cmd.Flags().IntVar(&o.BatchLines, "batch", 0, "records sent at a time (default 100 texts or 1000 vectors)")
	cmd.Flags().IntVar(&o.Concurrency, "concurrency", 2, "batches under way at once")
	if err := cmd.MarkFlagRequired("index"); err != nil {
		panic(err) // the flag is declared three lines above
	}
	cmd.RunE = func(cmd *cobra.Command, paths []string) error {
		stderr := cmd.ErrOrStderr()
		bar := newProgress(stderr, "loading", true)
		o.Client = server.client()
		o.Progress = bar.set
		o.Refused = func(at rows.Position, err error) { fmt.Fprintf(stderr, "%s: %v\n", at, err) }
		o.Shortened = func(id string, dropped int) {
			fmt.Fprintf(stderr, "warning: %q is longer than the model reads; its last %d tokens were not embedded\n", id, dropped)
		}
		report, err := rows.Load(cmd.Context(), o, paths)
		bar.finish()
		if err != nil {
			return fmt.Errorf("%d records were loaded, then: %w", report.Loaded, err)
		}
		if err := printResult(cmd, report, func(w io.Writer) { fmt.Fprintf(w, "%d records loaded into %s\n", report.Loaded, o.Index) }); err != nil {
			return err
		}
		if report.Refused > 0 {
			return partlyDone{int(report.Loaded), int(report.Refused)}
		}
		return nil
	}
	return cmd
}
