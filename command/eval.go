package command

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/disk"
	"nearside/embed"
	"nearside/fault"
	"nearside/index"
	"nearside/measure"
)

// evaluation is what was measured, and how.
type evaluation struct {
	Collection string `json:"collection"`
	Mode       string `json:"mode"`
	Model      string `json:"model"`
	Documents  int    `json:"documents"`
	measure.Report
}

// evalFlags is what to measure.
type evalFlags struct {
	models modelFlags
	mode   string
	model  string
	run    string
	where  []string
}

func newEval() *cobra.Command {
	var f evalFlags
	cmd := &cobra.Command{
		Use:   "eval DIR",
		Short: "Measure how good search is on a judged collection",
		Long: `Measure how good search is on a judged collection, with no server running.

DIR holds corpus.jsonl.gz   {"id", "title", "text", "metadata"} a line
          queries.jsonl.gz  {"id", "text", "metadata"} a line
          qrels.tsv         query-id, corpus-id, score, with a header line

The figures are nDCG@10, MRR@10 and recall@100 by trec_eval's rules, equal scores
ordered by document id downwards.`,
		Args: cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.mode, "mode", "vector", "how to search: vector")
	flags.StringVar(&f.model, "model", defaultModel, "embedding model: "+defaultModel+" or "+embed.LexicalModel)
	flags.StringVar(&f.run, "run", "", "write the rankings to this file, as a TREC run")
	flags.StringArrayVar(&f.where, "where", nil, "only documents and queries with this metadata value, such as lang=en")
	f.models.add(flags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		result, err := evaluate(cmd, f, args[0])
		if err != nil {
			return err
		}
		return printResult(cmd, result, func(w io.Writer) {
			fmt.Fprintf(w, "%s: %d documents, %d judged queries, %s by %s\n", result.Collection, result.Documents, result.Queries, result.Mode, result.Model)
			fmt.Fprintf(w, "nDCG@10 %.4f   MRR@10 %.4f   recall@100 %.4f\n", result.NDCG, result.MRR, result.Recall)
		})
	}
	return cmd
}

func evaluate(cmd *cobra.Command, f evalFlags, dir string) (evaluation, error) {
	if f.mode != "vector" {
		return evaluation{}, fault.New(fault.Invalid, "--mode %q does not exist; use vector", f.mode)
	}
	embedder, err := f.embedder(slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
	if err != nil {
		return evaluation{}, err
	}
	var where []measure.Where
	for _, s := range f.where {
		w, err := measure.ParseWhere(s)
		if err != nil {
			return evaluation{}, err
		}
		where = append(where, w)
	}
	collection, err := measure.Open(dir, where...)
	if err != nil {
		return evaluation{}, err
	}
	report, err := searchByVector(cmd, collection, embedder)
	if err != nil {
		return evaluation{}, err
	}
	if f.run != "" {
		err = disk.WriteFileAtomic(f.run, func(w io.Writer) error {
			out := bufio.NewWriter(w)
			if err := measure.WriteRun(out, report.Rankings, "nearside-"+f.mode); err != nil {
				return err
			}
			return out.Flush()
		})
	}
	return evaluation{dir, f.mode, embedder.Model(), len(collection.Documents), report}, err
}

// embedder opens the one model that is measured.
func (f evalFlags) embedder(log *slog.Logger) (embed.Embedder, error) {
	models, err := f.models.open(log)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range models.embedders {
		if e.Model() == f.model {
			return e, nil
		}
		names = append(names, e.Model())
	}
	return nil, fault.New(fault.Unavailable, "the model %s is not here (here: %s); fetch it with: nearside models pull", f.model, strings.Join(names, ", "))
}

// searchByVector embeds the collection into an exact index in memory and asks its questions.
func searchByVector(cmd *cobra.Command, c *measure.Collection, e embed.Embedder) (measure.Report, error) {
	ctx := cmd.Context()
	engine := index.NewMemory(time.Now)
	ix, err := engine.Create(ctx, 1, index.Config{Dimensions: e.Dimensions(), Metric: index.Cosine})
	if err != nil {
		return measure.Report{}, err
	}
	if err := showing(cmd, "embedding", func(tell func(done, total int)) error {
		return measure.Load(ctx, ix, c.Documents, e, tell)
	}); err != nil {
		return measure.Report{}, err
	}
	var report measure.Report
	err = showing(cmd, "searching", func(tell func(done, total int)) (err error) {
		report, err = measure.Evaluate(ctx, c, measure.Vectors(ix, e), tell)
		return err
	})
	return report, err
}

// showing runs do while a bar shows how far it is.
func showing(cmd *cobra.Command, what string, do func(tell func(done, total int)) error) error {
	bar := newProgress(cmd.ErrOrStderr(), what, false)
	defer bar.finish()
	return do(func(done, total int) { bar.set(int64(done), int64(total)) })
}
