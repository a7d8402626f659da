package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"nearside/client"
	"nearside/fault"
)

// reembedFlags say what is to be done with an index's weights.
type reembedFlags struct {
	model, metric   string
	dropVectorsOnly bool
	dryRun, yes     bool
	wait            bool
	cancel          bool
	status          bool
	undo, dropOld   bool
}

func newReembed() *cobra.Command {
	var f reembedFlags
	cmd := &cobra.Command{
		Use:   "reembed INDEX",
		Short: "Give an index vectors of another model, made from its texts, while it serves",
		Long: `Give an index vectors of another model, made from the texts that it has, while it serves.

The new vectors are built beside the old ones; the index answers and takes writes as
before, and is swapped in one step at the end. What it was is kept, with its disk, until
--drop-old deletes it or --undo brings it back, with all that was written since.

The work is a job of the server: interrupted, this command leaves it running unless
--cancel was given too; --status shows it and --cancel alone ends it.`,
		Example: `  nearside reembed manual --model @cf/baai/bge-m3 --dry-run
  nearside reembed manual --model @cf/baai/bge-m3
  nearside reembed manual --undo
  nearside reembed manual --drop-old`,
		Args: cobra.ExactArgs(1),
	}
	server := connectFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.model, "model", "", "embedding model whose vectors the index is to have")
	flags.StringVar(&f.metric, "metric", "", "cosine, euclidean or dot-product (default: as it is)")
	flags.BoolVar(&f.dropVectorsOnly, "drop-vectors-only", false, "leave out records that have a vector and no text")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only say what it would take")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	flags.BoolVar(&f.wait, "wait", true, "stay and show progress until it is done")
	flags.BoolVar(&f.cancel, "cancel", false, "end the re-embedding under way; with --model or --undo: if this command is interrupted")
	flags.BoolVar(&f.status, "status", false, "show how far it is, and what is kept")
	flags.BoolVar(&f.undo, "undo", false, "bring back what the index was before, with what was written since")
	flags.BoolVar(&f.dropOld, "drop-old", false, "delete what is kept from before")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r := &reembedder{cmd: cmd, api: server.client(), index: args[0], flags: f}
		return r.run()
	}
	return cmd
}

// reembedder carries out one command.
type reembedder struct {
	cmd   *cobra.Command
	api   *client.Client
	index string
	flags reembedFlags
}

// run does the one thing that the flags ask for.
func (r *reembedder) run() error {
	f := r.flags
	asked := 0
	for _, one := range []bool{f.model != "", f.undo, f.dropOld, f.status} {
		if one {
			asked++
		}
	}
	switch {
	case asked > 1 || asked == 0 && !f.cancel:
		return fault.New(fault.Invalid, "give one of --model, --undo, --drop-old, --status and --cancel; see: nearside reembed --help")
	case f.status:
		return r.showStatus()
	case f.dropOld:
		return r.dropOld()
	case f.undo:
		return r.undo()
	case f.model != "":
		return r.begin()
	}
	return r.cancel()
}

// path is that of the index's calls.
func (r *reembedder) path(rest string) string { return indexPath(r.index) + rest }

func (r *reembedder) do(method, path string, body, result any) error {
	return r.api.Do(r.cmd.Context(), method, path, body, result)
}

// reembedEstimate is what a re-embedding would take, as the server says.
type reembedEstimate struct {
	DryRun bool   `json:"dry_run"`
	Model  string `json:"model"`
	Config struct {
		Dimensions int    `json:"dimensions"`
		Metric     string `json:"metric"`
	} `json:"config"`
	Records     int         `json:"records"`
	VectorsOnly int         `json:"vectors_only"`
	Tokens      int64       `json:"tokens"`
	Neurons     json.Number `json:"neurons"`
	Bytes       int64       `json:"bytes"`
	Seconds     *float64    `json:"seconds"`
}

// print says it in words.
func (e reembedEstimate) print(w io.Writer, index string) {
	fmt.Fprintf(w, "%s, by %s (%d dimensions, %s):\n", index, e.Model, e.Config.Dimensions, e.Config.Metric)
	fmt.Fprintf(w, "  %s with text, about %s tokens\n", records(e.Records), humanize.Comma(e.Tokens))
	if e.VectorsOnly > 0 {
		fmt.Fprintf(w, "  %s without text, which are left out\n", records(e.VectorsOnly))
	}
	fmt.Fprintf(w, "  about %s neurons\n", e.Neurons)
	if e.Seconds != nil {
		fmt.Fprintf(w, "  about %s, as a sample of the texts took\n", time.Duration(*e.Seconds*float64(time.Second)).Round(time.Second))
	} else {
		fmt.Fprintln(w, "  how long it takes is known once it has begun")
	}
	fmt.Fprintf(w, "  about %s of disk, beside what the index has, until --drop-old\n", humanize.IBytes(uint64(max(e.Bytes, 0))))
}

// reembedOrder is the body of a call.
type reembedOrder struct {
	Model           string `json:"model"`
	Metric          string `json:"metric,omitempty"`
	DropVectorsOnly bool   `json:"drop_vectors_only,omitempty"`
	DryRun          bool   `json:"dry_run,omitempty"`
}

// begin says what it takes, asks, and has it done.
func (r *reembedder) begin() error {
	order := reembedOrder{r.flags.model, r.flags.metric, r.flags.dropVectorsOnly, true}
	var e reembedEstimate
	if err := r.do(http.MethodPost, r.path("/reembed"), order, &e); err != nil {
		return err
	}
	if r.flags.dryRun {
		return printResult(r.cmd, e, func(w io.Writer) { e.print(w, r.index) })
	}
	if !r.flags.yes {
		e.print(r.cmd.ErrOrStderr(), r.index)
		if !confirm(r.cmd, "Re-embed it? [y/N] ") {
			return fault.New(fault.Invalid, "nothing was begun; answer y, or give --yes")
		}
	}
	order.DryRun = false
	var j reembedJob
	if err := r.do(http.MethodPost, r.path("/reembed"), order, &j); err != nil {
		return err
	}
	return r.follow(j)
}

// undo has the index brought back as it was.
func (r *reembedder) undo() error {
	if !r.flags.yes && !confirm(r.cmd, fmt.Sprintf("Bring %s back as it was before its last re-embedding, with what was written since? [y/N] ", r.index)) {
		return fault.New(fault.Invalid, "nothing was begun; answer y, or give --yes")
	}
	var j reembedJob
	if err := r.do(http.MethodPost, r.path("/previous/restore"), nil, &j); err != nil {
		return err
	}
	return r.follow(j)
}

// dropOld deletes what is kept.
func (r *reembedder) dropOld() error {
	s, err := r.readStatus()
	if err != nil {
		return err
	}
	if s.Previous == nil {
		return fault.New(fault.NotFound, "nothing is kept of index %q from before a re-embedding", r.index)
	}
	if !r.flags.yes && !confirm(r.cmd, fmt.Sprintf("Delete %s? It cannot be brought back. [y/N] ", s.Previous)) {
		return fault.New(fault.Invalid, "nothing was deleted; answer y, or give --yes")
	}
	if err := r.do(http.MethodDelete, r.path("/previous"), nil, nil); err != nil {
		return err
	}
	return printResult(r.cmd, s.Previous, func(w io.Writer) { fmt.Fprintf(w, "deleted: %s\n", s.Previous) })
}

// cancel ends what is under way.
func (r *reembedder) cancel() error {
	if err := r.do(http.MethodDelete, r.path("/reembed"), nil, nil); err != nil {
		return err
	}
	return printResult(r.cmd, map[string]string{"index": r.index}, func(w io.Writer) {
		fmt.Fprintf(w, "the re-embedding of %s is cancelled; the index serves as before\n", r.index)
	})
}

// interrupted is the end of a command that was told to end: the job goes on, unless --cancel was given.
func (r *reembedder) interrupted(j reembedJob, cause error) error {
	if !r.flags.cancel {
		fmt.Fprintf(r.cmd.ErrOrStderr(), "job %d goes on without this command; see: nearside reembed %s --status; end it with: nearside reembed %s --cancel\n", j.ID, r.index, r.index)
		return cause
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(r.cmd.Context()), 10*time.Second)
	defer stop()
	if err := r.api.Do(ctx, http.MethodDelete, r.path("/reembed"), nil, nil); err != nil {
		return fmt.Errorf("cancel job %d: %w", j.ID, err)
	}
	fmt.Fprintf(r.cmd.ErrOrStderr(), "job %d is cancelled; %s serves as before\n", j.ID, r.index)
	return cause
}
