package command

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"nearside/disk"
	"nearside/fault"
	"nearside/index"
	"nearside/index/local"
)

// savedRecord is a record as `nearside ingest` reads it: a text if it was made from one, else a vector.
type savedRecord struct {
	ID        index.VectorID  `json:"id"`
	Values    []float32       `json:"values,omitempty"`
	Title     string          `json:"title,omitempty"`
	Text      string          `json:"text,omitempty"`
	Namespace string          `json:"namespace,omitempty"`
	Metadata  json.RawMessage `json:"metadata,omitempty"`
}

// salvageReport is what was saved of a damaged index, and where it is.
type salvageReport struct {
	Saved      int    `json:"saved"`
	Unreadable int    `json:"unreadable"`
	Texts      string `json:"texts"`
	Vectors    string `json:"vectors"`
}

func newSalvage() *cobra.Command {
	var data, account, output string
	cmd := &cobra.Command{
		Use:   "salvage INDEX --output DIR",
		Short: "Save what can be read of a damaged index",
		Long: `Save what can be read of a damaged index, of a data directory that no server has
open, into two files in DIR that "nearside ingest" reads: INDEX.texts.jsonl and
INDEX.vectors.jsonl. Only whole records are saved. The index is not changed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			report, err := salvage(cmd.Context(), data, account, args[0], output)
			if err != nil {
				return err
			}
			err = printResult(cmd, report, func(w io.Writer) {
				fmt.Fprintf(w, "%d records saved in %s and %s; %d could not be read\n", report.Saved, report.Texts, report.Vectors, report.Unreadable)
			})
			if err == nil && report.Unreadable > 0 {
				return partlyDone{report.Saved, report.Unreadable}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&data, "data", defaultData(), "data directory")
	cmd.Flags().StringVar(&account, "account", "local", "account of the index")
	cmd.Flags().StringVarP(&output, "output", "o", ".", "directory for the files")
	return cmd
}

func salvage(ctx context.Context, data, account, name, output string) (report salvageReport, err error) {
	dir, err := openExisting(data)
	if err != nil {
		return report, err
	}
	defer closeAfter(dir, &err)
	number, err := numberOf(dir, account, name)
	if err != nil {
		return report, err
	}
	report.Texts = filepath.Join(output, name+".texts.jsonl")
	report.Vectors = filepath.Join(output, name+".vectors.jsonl")
	var result local.Salvaged
	err = disk.WriteFileAtomic(report.Texts, func(texts io.Writer) error {
		return disk.WriteFileAtomic(report.Vectors, func(vectors io.Writer) (err error) {
			result, err = salvageInto(ctx, dir, number, texts, vectors)
			return err
		})
	})
	report.Saved, report.Unreadable = result.Saved, result.Unreadable
	return report, err
}

// salvageInto writes the readable records of an index, one a line.
func salvageInto(ctx context.Context, dir *disk.Dir, n index.Number, texts, vectors io.Writer) (local.Salvaged, error) {
	textLines, vectorLines := bufio.NewWriter(texts), bufio.NewWriter(vectors)
	result, err := local.Salvage(ctx, dir.Sub(indexesFolder), n, func(r index.Record) error {
		if r.Text != "" {
			return json.NewEncoder(textLines).Encode(savedRecord{ID: r.ID, Title: r.Title, Text: r.Text, Namespace: r.Namespace, Metadata: r.Metadata})
		}
		return json.NewEncoder(vectorLines).Encode(savedRecord{ID: r.ID, Values: r.Values, Namespace: r.Namespace, Metadata: r.Metadata})
	})
	if err == nil {
		err = textLines.Flush()
	}
	if err == nil {
		err = vectorLines.Flush()
	}
	return result, err
}

// numberOf finds the folder of an index.
func numberOf(dir *disk.Dir, account, name string) (index.Number, error) {
	indexes, err := listIndexes(dir)
	if err != nil {
		return 0, err
	}
	for _, x := range indexes {
		if x.Account == account && x.Name == name {
			return index.Number(x.Number), nil
		}
	}
	return 0, fault.New(fault.NotFound, "account %q has no index %q; `nearside check` lists what is damaged", account, name)
}
