package command

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nearside/fault"
	"nearside/ingest/bookmark"
	"nearside/ingest/move"
	"nearside/ingest/rows"
	"nearside/ingest/vecfile"
)

// rowFlags say what is special of records that are made already.
type rowFlags struct {
	ids, prefix, metadata string
	to                    elsewhere
}

func (f *rowFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.ids, "ids", "", "of a file of vectors: a file with the id of each row, one a line")
	flags.StringVar(&f.prefix, "id-prefix", "", "of a file of vectors without ids: what goes before the row's number")
	flags.StringVar(&f.metadata, "metadata-file", "", `of a file of vectors: a file with more of each row, {"id","metadata","namespace","title","text"} a line`)
	f.to.register(flags, "to")
}

// areRecords reports whether a file is one of vectors, by its name, or has a record in its first line.
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
	if vecfile.Known(path) {
		return true
	}
	var plain io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if plain, err = gzip.NewReader(f); err != nil {
			return false
		}
	}
	line, err := bufio.NewReaderSize(plain, 1<<20).ReadSlice('\n')
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
	o := rows.Options{
		Client: server.client(), Index: f.index, BatchLines: f.options.BatchRecords, Concurrency: f.options.Concurrency,
		IDs: f.rows.ids, IDPrefix: f.rows.prefix, MetadataFile: f.rows.metadata, Stdin: cmd.InOrStdin(),
		Progress: bar.set,
		Waiting:  func(why error) { fmt.Fprintf(stderr, "waiting: %v\n", why) },
		Refused:  func(at rows.Position, err error) { fmt.Fprintf(stderr, "%s: %v\n", at, err) },
		Shortened: func(id string, dropped int) {
			fmt.Fprintf(stderr, "warning: %q is longer than the model reads; its last %d tokens were not embedded\n", id, dropped)
		},
		Resumed: func(path string, n int64) {
			fmt.Fprintf(stderr, "%s: the first %d records were sent before; going on behind them\n", path, n)
		},
	}
	if f.rows.to.where != "" {
		if err := f.rows.there(cmd, f.index, &o); err != nil {
			return err
		}
	}
	report, err := rows.Load(cmd.Context(), o, paths)
	bar.finish()
	if err != nil {
		return fmt.Errorf("%d records were loaded, then: %w", report.Loaded, err)
	}
	if err := printResult(cmd, report, func(w io.Writer) { printRows(w, report, f.index) }); err != nil {
		return err
	}
	if report.Refused > 0 {
		return partlyDone{int(report.Loaded + report.Before), int(report.Refused)}
	}
	return nil
}

func printRows(w io.Writer, r rows.Report, index string) {
	fmt.Fprintf(w, "%d records loaded into %s\n", r.Loaded, index)
	if r.Before > 0 {
		fmt.Fprintf(w, "%d had been loaded before\n", r.Before)
	}
	if r.TextsLeft > 0 {
		fmt.Fprintf(w, "%d texts were left out: Cloudflare's index has no place for them but the metadata (--text-key)\n", r.TextsLeft)
	}
}

// there makes a load go to another place.
func (f *rowFlags) there(cmd *cobra.Command, index string, o *rows.Options) error {
	to, err := f.to.place(index, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if to.Cloudflare == nil {
		return fault.New(fault.Invalid, "--to is for cloudflare; load into a nearside server with --url %s", f.to.where)
	}
	shape, err := to.Shape(cmd.Context())
	if err != nil {
		return err
	}
	to.Cloudflare.Dimensions = shape.Dimensions
	o.Client, o.Cloudflare, o.Version = to.Client, to.Cloudflare, shape.Created
	o.Bookmark = func(path string) *bookmark.Bookmark { return f.bookmark(path, to) }
	return nil
}

// bookmark is that of a file, with what is beside it.
func (f *rowFlags) bookmark(path string, to move.Place) *bookmark.Bookmark {
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	return f.to.bookmark(fmt.Sprintf("%s ids %s metadata %s prefix %q", path, f.ids, f.metadata, f.prefix), to)
}
