package command

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"nearside/client"
	"nearside/fault"
)

// indexObject is an index as the server shows it.
type indexObject struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Config      struct {
		Dimensions int    `json:"dimensions"`
		Metric     string `json:"metric"`
	} `json:"config"`
	Created     string `json:"created_on"`
	Modified    string `json:"modified_on"`
	Model       string `json:"model,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Count       *int   `json:"vectorCount,omitempty"`
	Namespaces  *int   `json:"namespaceCount,omitempty"`
	Bytes       *int64 `json:"bytes,omitempty"`
}

// indexPath is where nearside's calls about an index live.
func indexPath(name string) string { return "/nearside/indexes/" + url.PathEscape(name) }

func newIndex() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "index",
		Short: "Create, list, describe and delete indexes",
	}
	server := connectFlags(cmd)
	cmd.AddCommand(newIndexCreate(server), newIndexList(server), newIndexInfo(server), newIndexDelete(server))
	return cmd
}

// defaultModel embeds for an index that was created without saying how.
const defaultModel = "@nearside/all-minilm-l6-v2"

func newIndexCreate(server *connection) *cobra.Command {
	var dimensions int
	var metric, model, description string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create an index: for texts, or with --dimensions for vectors of your own",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted := map[string]any{"name": args[0], "description": description}
			if dimensions != 0 {
				if cmd.Flags().Changed("model") {
					return fault.New(fault.Invalid, "--model %s decides the dimensions; leave --dimensions out, or --model", model)
				}
				wanted["config"] = map[string]any{"dimensions": dimensions, "metric": metric}
			} else {
				wanted["model"], wanted["metric"] = model, metric
			}
			var x indexObject
			if err := server.client().Do(cmd.Context(), http.MethodPost, "/nearside/indexes", wanted, &x); err != nil {
				return err
			}
			return printResult(cmd, x, func(w io.Writer) {
				fmt.Fprintf(w, "%s: %d dimensions, %s", x.Name, x.Config.Dimensions, x.Config.Metric)
				if x.Model != "" {
					fmt.Fprintf(w, ", takes texts through %s", x.Model)
				}
				fmt.Fprintln(w)
			})
		},
	}
	cmd.Flags().IntVar(&dimensions, "dimensions", 0, "length of the vectors, 1 to 1536, for vectors of your own")
	cmd.Flags().StringVar(&metric, "metric", "cosine", "cosine, euclidean or dot-product")
	cmd.Flags().StringVar(&model, "model", defaultModel, "embedding model, for texts")
	cmd.Flags().StringVar(&description, "description", "", "what the index is for")
	return cmd
}

func newIndexList(server *connection) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the indexes",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var indexes []indexObject
			if err := server.client().Do(cmd.Context(), http.MethodGet, "/nearside/indexes", nil, &indexes); err != nil {
				return err
			}
			return printResult(cmd, indexes, func(w io.Writer) {
				table(w, "NAME\tDIMENSIONS\tMETRIC\tMODEL\tCREATED", func(row func(string, ...any)) {
					for _, x := range indexes {
						row("%s\t%d\t%s\t%s\t%s", x.Name, x.Config.Dimensions, x.Config.Metric, x.Model, x.Created)
					}
				})
			})
		},
	}
}

func newIndexInfo(server *connection) *cobra.Command {
	return &cobra.Command{
		Use:   "info NAME",
		Short: "Describe an index and what is in it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			x, err := describeIndex(cmd, server.client(), args[0])
			if err != nil {
				return err
			}
			return printResult(cmd, x, func(w io.Writer) {
				table(w, "PROPERTY\tVALUE", func(row func(string, ...any)) {
					row("name\t%s", x.Name)
					row("dimensions\t%d", x.Config.Dimensions)
					row("metric\t%s", x.Config.Metric)
					row("model\t%s", x.Model)
					row("records\t%d", *x.Count)
					row("namespaces\t%d", *x.Namespaces)
					row("bytes on disk\t%d", *x.Bytes)
					row("created\t%s", x.Created)
				})
			})
		},
	}
}

func describeIndex(cmd *cobra.Command, api *client.Client, name string) (indexObject, error) {
	var x indexObject
	if err := api.Do(cmd.Context(), http.MethodGet, indexPath(name), nil, &x); err != nil {
		return x, err
	}
	if x.Count == nil || x.Namespaces == nil || x.Bytes == nil {
		return x, fault.New(fault.Internal, "the reply about index %q lacks its counts; is the server at %s nearside?", name, api.URL)
	}
	return x, nil
}

func newIndexDelete(server *connection) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete an index and everything in it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			x, err := describeIndex(cmd, server.client(), args[0])
			if err != nil {
				return err
			}
			if !yes && !confirm(cmd, fmt.Sprintf("Delete %s with its %d records? [y/N] ", x.Name, *x.Count)) {
				return fault.New(fault.Invalid, "nothing was deleted; answer y, or give --yes")
			}
			if err := server.client().Do(cmd.Context(), http.MethodDelete, "/vectorize/v2/indexes/"+url.PathEscape(args[0]), nil, nil); err != nil {
				return err
			}
			return printResult(cmd, map[string]any{"name": x.Name, "deleted": *x.Count}, func(w io.Writer) {
				fmt.Fprintf(w, "%s is deleted, with %d records\n", x.Name, *x.Count)
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// confirm asks a question and reports whether the answer is yes.
func confirm(cmd *cobra.Command, question string) bool {
	fmt.Fprint(cmd.ErrOrStderr(), question)
	var answer string
	if _, err := fmt.Fscanln(cmd.InOrStdin(), &answer); err != nil {
		return false
	}
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes")
}
