package command

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"nearside/client"
	"nearside/fault"
	"nearside/ingest/move"
	"nearside/ingest/rows"
)

// moveFlags are those of push and pull.
type moveFlags struct {
	index              string
	batch, concurrency int
	elsewhere          elsewhere
}

func (f *moveFlags) register(cmd *cobra.Command, word, where string) {
	flags := cmd.Flags()
	flags.StringVar(&f.index, "index", "", "name of the index "+where+" (default: the same)")
	flags.IntVar(&f.batch, "batch", 0, "records sent at a time (default 1000; to Cloudflare 5000)")
	flags.IntVar(&f.concurrency, "concurrency", 2, "batches under way at once")
	f.elsewhere.register(flags, word)
	if err := cmd.MarkFlagRequired(word); err != nil {
		panic(err) // it was registered in the line above
	}
}

const moveHelp = `
An index that is missing is made, with the same dimensions, metric and metadata indexes, and between
two nearside servers with the same model. Nothing is deleted there. What cannot go is named with its
reason, the rest goes, and the exit code is 3. At the end the records are counted.

A copy that was interrupted goes on where it was when the same line is run again. Cloudflare's limits
are obeyed; when it is busy, it is asked again as late as it says.`

func newPush() *cobra.Command {
	var f moveFlags
	cmd := &cobra.Command{
		Use:   "push INDEX --to cloudflare|URL",
		Short: "Copy an index to Cloudflare, or to another nearside",
		Long: `Copy an index of this server to Cloudflare's Vectorize, or to another nearside.
` + moveHelp + `
Cloudflare keeps vectors, namespaces and metadata; texts stay behind, unless --text-key names the
metadata that they become.`,
		Example: `  CLOUDFLARE_ACCOUNT_ID=… CLOUDFLARE_API_TOKEN=… nearside push films --to cloudflare
  nearside push films --to https://nearside.example.com --to-key ns_…`,
		Args: cobra.ExactArgs(1),
	}
	server := connectFlags(cmd)
	f.register(cmd, "to", "there")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		to, err := f.elsewhere.place(cmp.Or(f.index, args[0]), cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		return f.run(cmd, move.Place{Client: server.client(), Index: args[0]}, to)
	}
	return cmd
}

func newPull() *cobra.Command {
	var f moveFlags
	cmd := &cobra.Command{
		Use:   "pull INDEX --from cloudflare|URL",
		Short: "Copy an index from Cloudflare, or from another nearside",
		Long: `Copy an index of Cloudflare's Vectorize, or of another nearside, to this server.
` + moveHelp + `
Cloudflare hands out 20 vectors a call and takes 1200 calls in five minutes: some 80 vectors a second.`,
		Example: `  CLOUDFLARE_ACCOUNT_ID=… CLOUDFLARE_API_TOKEN=… nearside pull films --from cloudflare`,
		Args:    cobra.ExactArgs(1),
	}
	server := connectFlags(cmd)
	f.register(cmd, "from", "here")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		from, err := f.elsewhere.place(args[0], cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		return f.run(cmd, from, move.Place{Client: server.client(), Index: cmp.Or(f.index, args[0])})
	}
	return cmd
}

// run copies an index and says what became of it.
func (f *moveFlags) run(cmd *cobra.Command, from, to move.Place) error {
	if sameAddress(from.Client, to.Client) && from.Index == to.Index {
		return fault.New(fault.Invalid, "%s would be copied onto itself; name another with --index", from)
	}
	stderr := cmd.ErrOrStderr()
	bar := newProgress(stderr, "copying", false)
	report, err := move.Copy(cmd.Context(), from, to, move.Options{
		Batch: f.batch, Concurrency: f.concurrency, Keep: f.elsewhere.bookmark(fmt.Sprintf("%s of account %s", from, from.Client.Account), to),
		Note:     func(note string) { fmt.Fprintln(stderr, note) },
		Progress: bar.set,
		Refused:  func(at rows.Position, err error) { fmt.Fprintf(stderr, "%s: %v\n", at, err) },
	})
	bar.finish()
	if err != nil {
		return interrupted(cmd.Context(), report, err)
	}
	err = printResult(cmd, report, func(w io.Writer) { printMove(w, report, to) })
	if err == nil && report.Refused > 0 {
		return partlyDone{int(report.Stored()), int(report.Refused)}
	}
	return err
}

// sameAddress reports whether two clients call one account of one server, as far as their addresses tell.
func sameAddress(a, b *client.Client) bool {
	return strings.TrimRight(a.URL, "/") == strings.TrimRight(b.URL, "/") && cmp.Or(a.Account, "local") == cmp.Or(b.Account, "local")
}

// interrupted says how far a copy came that was not finished.
func interrupted(ctx context.Context, r move.Report, err error) error {
	if ctx.Err() != nil || r.Stored() > 0 {
		return fmt.Errorf("%d records were copied (run the same line again to go on), then: %w", r.Stored(), err)
	}
	return err
}

func printMove(w io.Writer, r move.Report, to move.Place) {
	fmt.Fprintf(w, "%d of %d records copied to %s", r.Stored(), r.Source, to)
	if r.Before > 0 {
		fmt.Fprintf(w, ", %d of them before", r.Before)
	}
	fmt.Fprintf(w, "; it has %d\n", r.Target)
	if r.Vanished > 0 {
		fmt.Fprintf(w, "%d were deleted meanwhile\n", r.Vanished)
	}
	if r.TextsLeft > 0 {
		fmt.Fprintf(w, "%d texts were left out: Cloudflare's index has no place for them but the metadata (--text-key)\n", r.TextsLeft)
	}
}
