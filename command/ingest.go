package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nearside/fault"
	"nearside/ingest"
)

// ingestFlags say what is loaded, into what, and how.
type ingestFlags struct {
	index    string
	create   bool
	model    string
	as       string
	metadata []string
	yes      bool
	watch    bool
	show     bool
	sources  sourceFlags
	reading  readingFlags
	rows     rowFlags
	options  ingest.Options
}

func newIngest() *cobra.Command {
	f := &ingestFlags{}
	cmd := &cobra.Command{
		Use:   "ingest PATH|URL|-... --index NAME",
		Short: "Load documents into an index: folders, files, archives, pages; or records that are made already",
		Long: `Load documents into an index. PATH is a folder, a file, an archive, or - for standard input;
URL is a page. PDF, Word, OpenDocument and Excel files, HTML, Markdown, tables, JSON, source code and text are read,
cut into passages, embedded by the index's model and stored.

What was loaded is remembered in the server, by folder or file. Run the same line again, and what
did not change costs nothing, what changed is replaced, and with --prune what is gone is removed.
A load that was interrupted, by Ctrl-C or by a crash, goes on where it was. Only one load of a
folder runs at a time.

A file that cannot be read is reported with its reason, and the others are loaded. With --watch
the command stays, and loads what changes.

A file named directly that has records, a JSON object a line
  {"id": "a", "text": "…", "title": "…", "metadata": {…}, "namespace": "…"}
  {"id": "a", "values": [0.1, …], "metadata": {…}, "namespace": "…"}
is loaded as what it says, by id (--as documents: as a document all the same).

Exit codes: 0 all is well; 1 it ended early; 3 some items failed, or so much was gone that pruning
was refused; 130 interrupted.`,
		Example: `  nearside ingest ./docs --index manual --create
  nearside ingest ./docs --index manual --prune --yes        # nightly
  nearside ingest ./docs --index manual --dry-run            # what would it cost?
  nearside ingest book.pdf --index manual --dry-run --show-chunks
  nearside ingest --sitemap https://example.com/sitemap.xml --index site
  nearside ingest ./docs --index manual --watch`,
		Args: cobra.ArbitraryArgs, // --urls and --sitemap need none
	}
	server := connectFlags(cmd)
	f.register(cmd.Flags())
	if err := cmd.MarkFlagRequired("index"); err != nil {
		panic(err) // register declares it
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return f.run(cmd, server, args) }
	return cmd
}

func (f *ingestFlags) register(flags *pflag.FlagSet) {
	o := &f.options
	flags.StringVar(&f.index, "index", "", "name of the index (required)")
	flags.BoolVar(&f.create, "create", false, "make the index if it is missing, with --model")
	flags.StringVar(&f.model, "model", defaultModel, "embedding model of an index that --create makes")
	flags.StringVar(&f.as, "as", "", "what the files are: documents or records; \"\" = found out")
	flags.StringVar(&o.Namespace, "namespace", "", "namespace of all passages")
	flags.StringArrayVar(&f.metadata, "metadata", nil, "metadata of all passages, as key=value; may be given several times")

	flags.BoolVar(&o.DryRun, "dry-run", false, "write nothing: count what would be loaded, and what it would cost")
	flags.BoolVar(&f.show, "show-chunks", false, "show the passages")
	flags.BoolVar(&o.Prune, "prune", false, "remove the passages of files that are gone")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask before pruning more than a fifth of what is known")
	flags.BoolVar(&o.RetryFailed, "retry-failed", false, "try again what failed, though it did not change")
	flags.IntVar(&o.BatchRecords, "batch", 0, fmt.Sprintf("passages or records sent at a time at most (default %d passages, 100 texts or 1000 vectors)", ingest.DefaultBatchRecords))
	flags.IntVar(&o.Concurrency, "concurrency", 2, "batches under way at once")
	flags.BoolVar(&f.watch, "watch", false, "stay, and load what changes, until interrupted")
	f.sources.register(flags)
	f.reading.register(flags, 0)
	f.rows.register(flags)
}

// run decides what the arguments are.
func (f *ingestFlags) run(cmd *cobra.Command, server *connection, args []string) error {
	records, documents, err := f.sort(args)
	switch {
	case err != nil:
		return err
	case len(records) > 0 && len(documents) > 0:
		return fault.New(fault.Invalid, "%s has records and %s is a document; load them by two calls, or say with --as what both are", records[0], documents[0])
	case len(records) > 0:
		return f.loadRecords(cmd, server, records)
	}
	return f.loadDocuments(cmd, server, documents)
}

// sort tells records from documents.
func (f *ingestFlags) sort(args []string) (records, documents []string, err error) {
	switch f.as {
	case "documents":
		return nil, args, nil
	case "records":
		return args, nil, nil
	case "":
		for _, path := range args {
			if path != "-" && !isAddress(path) && areRecords(path) {
				records = append(records, path)
			} else {
				documents = append(documents, path)
			}
		}
		return records, documents, nil
	}
	return nil, nil, fault.New(fault.Invalid, "--as %s: files are loaded as documents or as records", f.as)
}

// allMetadata reads --metadata.
func (f *ingestFlags) allMetadata() (map[string]any, error) {
	all := map[string]any{}
	for _, given := range f.metadata {
		key, value, ok := strings.Cut(given, "=")
		if !ok {
			return nil, fault.New(fault.Invalid, "--metadata %s: give it as key=value", given)
		}
		all[key] = value
	}
	return all, nil
}
