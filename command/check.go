package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/catalog"
	"nearside/catalog/manifest"
	"nearside/disk"
	"nearside/fault"
	"nearside/index/local"
	"nearside/jobs"
	"nearside/llm/batch"
	"nearside/llm/finetune"
	"nearside/llm/gateway"
	"nearside/llm/neuron"
	"nearside/vectorize"
)

// checkReport is what an examination of a data directory found.
type checkReport struct {
	Data     string         `json:"data"`
	Indexes  int            `json:"indexes"`
	Findings []checkFinding `json:"findings"`
}

// checkFinding is one thing that is wrong, and the index it concerns if it is one's.
type checkFinding struct {
	Account string `json:"account,omitempty"`
	Index   string `json:"index,omitempty"`
	disk.Finding
}

func newCheck() *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Examine a data directory: what is damaged, and what can be saved",
		Long: `Examine a data directory that no server has open. Every page of every database is
read and verified, every index is compared with what is derived from it, and every
snapshot that is kept is verified. No record is changed. The exit code is 1 if
anything is wrong; "nearside salvage" saves what can be read of a damaged index.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := check(cmd.Context(), data)
			if err != nil {
				return err
			}
			err = printResult(cmd, report, func(w io.Writer) {
				for _, f := range report.Findings {
					if f.Index != "" {
						fmt.Fprintf(w, "index %s of account %s\n", f.Index, f.Account)
					}
					fmt.Fprintf(w, "%s: %s\n  what can be done: %s\n", f.Path, f.Problem, f.Rescue)
				}
			})
			if err != nil {
				return err
			}
			if len(report.Findings) > 0 {
				return fault.New(fault.Corrupt, "%s: %d things are wrong", data, len(report.Findings))
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d indexes, everything is sound\n", data, report.Indexes)
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", defaultData(), "data directory")
	return cmd
}

// check examines the catalogue, the ledger, the batches, the logs of AI gateways, the fine-tunes, the sources and the jobs, then every index.
func check(ctx context.Context, data string) (report checkReport, err error) {
	report = checkReport{Data: data, Findings: []checkFinding{}}
	dir, err := openExisting(data)
	if err != nil {
		return report, err
	}
	defer closeAfter(dir, &err)
	found, err := catalog.Check(ctx, dir)
	if err != nil {
		return report, err
	}
	for _, f := range found {
		report.Findings = append(report.Findings, checkFinding{Finding: f})
	}
	for _, examine := range []func(context.Context, *disk.Dir) ([]disk.Finding, error){neuron.Check, batch.Check, gateway.CheckLogs, finetune.Check, manifest.Check, jobs.Check} {
		spoilt, err := examine(ctx, dir)
		if err != nil {
			return report, err
		}
		for _, f := range spoilt {
			report.Findings = append(report.Findings, checkFinding{Finding: f})
		}
	}
	var indexes []catalog.Index
	if len(found) == 0 {
		if indexes, err = listIndexes(dir); err != nil {
			return report, err
		}
	}
	report.Indexes = len(indexes)
	if len(found) == 0 {
		twins, err := listTwins(dir)
		if err != nil {
			return report, err
		}
		indexes = append(indexes, twins...)
	}
	folder := dir.Sub(indexesFolder)
	found, err = local.Check(ctx, folder)
	for _, f := range found {
		report.add(f, folder, indexes)
	}
	for _, x := range indexes {
		if there, err := folder.Exists(folderOf(x)); err != nil {
			return report, err
		} else if !there {
			report.add(disk.Finding{Path: folder.Path(folderOf(x)), Problem: "the index's folder is gone", Rescue: rescueOf(x)}, folder, indexes)
		}
	}
	if err != nil {
		return report, err
	}
	return report, report.addSnapshots(ctx, catalog.Files{Dir: dir.Sub(snapshotsFolder)})
}

// addSnapshots verifies the snapshots that are kept: who needs one has no second try.
func (r *checkReport) addSnapshots(ctx context.Context, kept catalog.Files) error {
	names, err := kept.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !strings.HasSuffix(name, ".snapshot") {
			continue // what a crash left of one; the server removes it
		}
		if err := checkSnapshot(kept, name); err != nil {
			r.Findings = append(r.Findings, checkFinding{Finding: disk.Finding{Path: kept.Path(name), Problem: err.Error(), Rescue: "take another while the index is sound, and remove this one"}})
		}
	}
	return nil
}

func checkSnapshot(kept catalog.Files, name string) error {
	file, err := kept.Open(name)
	if err != nil {
		return err
	}
	err = vectorize.CheckSnapshot(file, func(records io.Reader) error {
		_, err := local.VerifySnapshot(records)
		return err
	})
	return errors.Join(err, file.Close())
}

// openExisting opens a data directory, but makes none.
func openExisting(data string) (*disk.Dir, error) {
	if _, err := os.Stat(data); err != nil {
		return nil, fault.New(fault.NotFound, "there is no data directory at %s; name it with --data", data).Because(err)
	}
	return disk.OpenDir(data, disk.Options{})
}

// add files a finding under the index whose folder it is in.
func (r *checkReport) add(f disk.Finding, folder *disk.Dir, indexes []catalog.Index) {
	finding := checkFinding{Finding: f}
	for _, x := range indexes {
		if own := folder.Path(folderOf(x)); f.Path == own || strings.HasPrefix(f.Path, own+string(filepath.Separator)) {
			finding.Account, finding.Index = x.Account, x.Name
		}
	}
	r.Findings = append(r.Findings, finding)
}

// folderOf is the name of an index's folder: its number.
func folderOf(x catalog.Index) string { return strconv.FormatUint(uint64(x.Number), 10) }

// rescueOf is what can be done about an index, or about the second storage of one, that is gone.
func rescueOf(x catalog.Index) string {
	if x.Origin == 0 {
		return "delete what the catalogue knows of it: nearside reembed INDEX --cancel, or --drop-old"
	}
	return "restore it from a snapshot"
}

// listTwins reads which second storages of indexes a sound catalogue names, as indexes without origin,
// under names that say what they are.
func listTwins(dir *disk.Dir) (list []catalog.Index, err error) {
	c, err := catalog.Open(dir, time.Now)
	if err != nil {
		return nil, err
	}
	defer closeAfter(c, &err)
	for _, t := range c.Twins() {
		what := "as it is being re-embedded"
		if t.State != catalog.Building {
			what = "as it was before it was re-embedded"
		}
		list = append(list, catalog.Index{Account: t.Account, Name: fmt.Sprintf("%s (%s)", t.Name, what), Number: t.Number})
	}
	return list, nil
}

// listIndexes reads which indexes a sound catalogue names.
func listIndexes(dir *disk.Dir) (indexes []catalog.Index, err error) {
	c, err := catalog.Open(dir, time.Now)
	if err != nil {
		return nil, err
	}
	defer closeAfter(c, &err)
	return c.All(), nil
}
