package command

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"nearside/ingest/rows"
)

// areRecords reports whether a file has a record in its first line.
func areRecords(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	line, err := bufio.NewReaderSize(f, 1<<20).ReadSlice('\n')
	if err != nil && err != io.EOF {
		return false
	}
	var record struct {
		ID     *string         `json:"id"`
		Text   *string         `json:"text"`
		Values json.RawMessage `json:"values"`
	}
	return json.Unmarshal(line, &record) == nil && record.ID != nil && (record.Text != nil || record.Values != nil)
}

// loadRecords loads files of records.
func (f *ingestFlags) loadRecords(cmd *cobra.Command, server *connection, paths []string) error {
	stderr := cmd.ErrOrStderr()
	bar := newProgress(stderr, "loading", true)
	report, err := rows.Load(cmd.Context(), rows.Options{
		Client: server.client(), Index: f.index, BatchLines: f.options.BatchRecords, Concurrency: f.options.Concurrency,
		Progress: bar.set,
		Refused:  func(at rows.Position, err error) { fmt.Fprintf(stderr, "%s: %v\n", at, err) },
		Shortened: func(id string, dropped int) {
			fmt.Fprintf(stderr, "warning: %q is longer than the model reads; its last %d tokens were not embedded\n", id, dropped)
		},
	}, paths)
	bar.finish()
	if err != nil {
		return fmt.Errorf("%d records were loaded, then: %w", report.Loaded, err)
	}
	if err := printResult(cmd, report, func(w io.Writer) { fmt.Fprintf(w, "%d records loaded into %s\n", report.Loaded, f.index) }); err != nil {
		return err
	}
	if report.Refused > 0 {
		return partlyDone{int(report.Loaded), int(report.Refused)}
	}
	return nil
}
