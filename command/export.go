package command

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"nearside/disk"
	"nearside/fault"
	"nearside/ingest/move"
)

// exportReport is what an export wrote.
type exportReport struct {
	Records  int64    `json:"records"`
	Vanished int64    `json:"vanished,omitempty"` // deleted before their turn came
	Files    []string `json:"files"`
}

func newExport() *cobra.Command {
	var format, output string
	cmd := &cobra.Command{
		Use:   "export INDEX [-o FILE]",
		Short: "Write the records of an index into files that ingest, and others, read",
		Long: `Write the records of an index into a file: ids, vectors, namespaces, metadata, titles and texts,
bit by bit as they are stored. "nearside ingest" makes the same index of it again.

  ndjson   a JSON object a line, which Vectorize's insert and upsert take; gzipped if FILE ends in .gz
  npy      FILE.npy, an array of float32; FILE.ids, the id of each row; FILE.jsonl, the rest of it
  parquet  columns id, values, namespace, metadata, title and text

The records are those that there are when the export begins. One that is replaced meanwhile is
written as it was or as it is then; one that is deleted meanwhile may be missing.`,
		Example: `  nearside export films -o films.ndjson.gz
  nearside export films --format npy -o films.npy
  nearside ingest films.npy --metadata-file films.jsonl --index copy`,
		Args: cobra.ExactArgs(1),
	}
	server := connectFlags(cmd)
	cmd.Flags().StringVar(&format, "format", "", "ndjson, npy or parquet (default: by the name of the file, else ndjson)")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write; without it, or with -, standard output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		x := &exporting{place: move.Place{Client: server.client(), Index: args[0]}, output: output, stdout: cmd.OutOrStdout()}
		bar := newProgress(cmd.ErrOrStderr(), "exporting", false)
		x.progress = bar.set
		report, err := x.run(cmd.Context(), format)
		bar.finish()
		if err != nil {
			return err
		}
		words := func(w io.Writer) {
			fmt.Fprintf(w, "%s written to %s\n", records(int(report.Records)), strings.Join(report.Files, ", "))
			if report.Vanished > 0 {
				fmt.Fprintf(w, "%s deleted meanwhile\n", records(int(report.Vanished)))
			}
		}
		if len(report.Files) == 0 { // standard output has the records
			report.Files = []string{"standard output"}
			words(cmd.ErrOrStderr())
			return nil
		}
		return printResult(cmd, report, words)
	}
	return cmd
}

// exporting is one export.
type exporting struct {
	place    move.Place
	output   string
	stdout   io.Writer
	progress func(done, total int64)
	listing  *move.Listing
}

func (x *exporting) run(ctx context.Context, format string) (report exportReport, err error) {
	write := map[string]func(context.Context) (exportReport, error){"ndjson": x.lines, "npy": x.npy, "parquet": x.parquet}[cmp.Or(format, formatOf(x.output))]
	if write == nil {
		return report, fault.New(fault.Invalid, "--format %s is not known; give ndjson, npy or parquet", format)
	}
	if x.listing, err = move.List(ctx, x.place); err != nil {
		return report, err
	}
	report, err = write(ctx)
	report.Vanished = x.listing.Vanished()
	return report, err
}

// formatOf is the format that a name says.
func formatOf(name string) string {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".npy":
		return "npy"
	case ".parquet":
		return "parquet"
	}
	return "ndjson"
}

// toFile makes one file, or writes to standard output.
func (x *exporting) toFile(write func(io.Writer) (int64, error)) (report exportReport, err error) {
	if x.output == "" || x.output == "-" {
		report.Records, err = write(x.stdout)
		return report, err
	}
	report.Files = []string{x.output}
	err = disk.WriteFileAtomic(x.output, func(w io.Writer) (err error) {
		report.Records, err = write(w)
		return err
	})
	return report, err
}

func (x *exporting) lines(ctx context.Context) (exportReport, error) {
	return x.toFile(func(w io.Writer) (int64, error) {
		if !strings.HasSuffix(x.output, ".gz") {
			return move.Lines(ctx, x.listing, w, x.progress)
		}
		packed := gzip.NewWriter(w)
		n, err := move.Lines(ctx, x.listing, packed, x.progress)
		return n, errors.Join(err, packed.Close())
	})
}

func (x *exporting) parquet(ctx context.Context) (exportReport, error) {
	return x.toFile(func(w io.Writer) (int64, error) { return move.Parquet(ctx, x.listing, w, x.progress) })
}

func (x *exporting) npy(ctx context.Context) (report exportReport, err error) {
	if x.output == "" || x.output == "-" {
		return report, fault.New(fault.Invalid, "an export as npy is three files; name the first with -o FILE.npy")
	}
	shape, err := x.place.Shape(ctx)
	if err != nil {
		return report, err
	}
	stem := strings.TrimSuffix(x.output, filepath.Ext(x.output))
	report.Files = []string{x.output, stem + ".ids", stem + ".jsonl"}
	err = writeThree(report.Files, func(array, ids, more io.Writer) (err error) {
		report.Records, err = move.Npy(ctx, x.listing, shape.Dimensions, filepath.Dir(x.output), array, ids, more, x.progress)
		return err
	})
	return report, err
}

// writeThree makes three files of one write, each whole or not at all.
func writeThree(names []string, write func(first, second, third io.Writer) error) error {
	return disk.WriteFileAtomic(names[0], func(first io.Writer) error {
		return disk.WriteFileAtomic(names[1], func(second io.Writer) error {
			return disk.WriteFileAtomic(names[2], func(third io.Writer) error { return write(first, second, third) })
		})
	})
}
