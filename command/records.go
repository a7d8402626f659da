package command

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nearside/fault"
)

func newRecords() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "records",
		Short: "Count, list, change and delete records by filter, id prefix, namespace or ids",
	}
	server := connectFlags(cmd)
	cmd.AddCommand(newRecordsCount(server), newRecordsList(server), newRecordsFacets(server), newRecordsUpdate(server), newRecordsDelete(server))
	return cmd
}

// selection says which records of an index are meant.
type selection struct {
	IDs       []string        `json:"ids,omitempty"`
	Prefix    string          `json:"prefix,omitempty"`
	Namespace string          `json:"namespace,omitempty"`
	Filter    json.RawMessage `json:"filter,omitempty"`
}

// flags registers the flags of a selection.
func (s *selection) flags(flags *pflag.FlagSet) {
	flags.StringSliceVar(&s.IDs, "id", nil, "only these ids")
	flags.StringVar(&s.Prefix, "prefix", "", "only ids that begin with it")
	flags.StringVar(&s.Namespace, "namespace", "", "only this namespace")
	flags.Var((*jsonFlag)(&s.Filter), "filter", `only records whose metadata pass, such as {"lang":"en"}`)
}

// mutation is a selection whose records are to be changed.
type mutation struct {
	selection
	All    bool `json:"all,omitempty"`
	DryRun bool `json:"dry_run,omitempty"`

	Set     json.RawMessage `json:"set,omitempty"`
	Replace json.RawMessage `json:"replace,omitempty"`
	Remove  []string        `json:"remove,omitempty"`
}

func (m *mutation) flags(flags *pflag.FlagSet) {
	m.selection.flags(flags)
	flags.BoolVar(&m.All, "all", false, "every record of the index")
	flags.BoolVar(&m.DryRun, "dry-run", false, "only say how many records it would be")
}

// receipt is the reply to a mutation.
type receipt struct {
	Mutation  string   `json:"mutationId,omitempty"`
	Mutations int      `json:"mutations,omitempty"`
	DryRun    bool     `json:"dry_run,omitempty"`
	Count     int      `json:"count"`
	Sample    []string `json:"sample,omitempty"`
}

// print says what was done, or with --dry-run would be.
func (r receipt) print(w io.Writer, done string) {
	if r.DryRun {
		fmt.Fprintf(w, "%s would be %s", records(r.Count), done)
		if len(r.Sample) > 0 {
			fmt.Fprintf(w, ", beginning with %s", strings.Join(r.Sample, ", "))
		}
		fmt.Fprintln(w)
		return
	}
	fmt.Fprintf(w, "%s %s\n", records(r.Count), done)
}

// records counts records in words.
func records(n int) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}

// jsonFlag is a flag whose value is JSON.
type jsonFlag json.RawMessage

// String implements pflag.Value.
func (j *jsonFlag) String() string { return string(*j) }

// Type implements pflag.Value.
func (j *jsonFlag) Type() string { return "json" }

// Set implements pflag.Value.
func (j *jsonFlag) Set(text string) error {
	if !json.Valid([]byte(text)) {
		return fault.New(fault.Invalid, `%s is not JSON; write for example '{"lang":"en"}'`, text)
	}
	*j = jsonFlag(text)
	return nil
}

func newRecordsCount(server *connection) *cobra.Command {
	var wanted selection
	cmd := &cobra.Command{
		Use:   "count INDEX",
		Short: "Count records",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var found struct {
				Count int `json:"count"`
			}
			if err := server.client().Do(cmd.Context(), http.MethodPost, indexPath(args[0])+"/count", wanted, &found); err != nil {
				return err
			}
			return printResult(cmd, found, func(w io.Writer) { fmt.Fprintln(w, found.Count) })
		},
	}
	wanted.flags(cmd.Flags())
	return cmd
}

func newRecordsList(server *connection) *cobra.Command {
	var wanted selection
	var most int
	cmd := &cobra.Command{
		Use:   "list INDEX",
		Short: "List the ids of records",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := listIDs(cmd, server, args[0], wanted, most)
			if err != nil {
				return err
			}
			return printResult(cmd, ids, func(w io.Writer) {
				for _, id := range ids {
					fmt.Fprintln(w, id)
				}
			})
		},
	}
	wanted.flags(cmd.Flags())
	cmd.Flags().IntVar(&most, "limit", 1000, "how many ids at most; 0 = all")
	return cmd
}

// listIDs returns the first ids of a selection, page by page; all if most is 0.
func listIDs(cmd *cobra.Command, server *connection, index string, wanted selection, most int) ([]string, error) {
	const pageSize = 1000 // the most that Cloudflare's limits allow
	ids := []string{}
	for cursor := ""; ; {
		count := pageSize
		if most > 0 {
			count = min(count, most-len(ids))
		}
		request := struct {
			selection
			Count  int    `json:"count"`
			Cursor string `json:"cursor,omitempty"`
		}{wanted, count, cursor}
		var page struct {
			Next    string `json:"nextCursor"`
			Vectors []struct {
				ID string `json:"id"`
			} `json:"vectors"`
		}
		if err := server.client().Do(cmd.Context(), http.MethodPost, indexPath(index)+"/list", request, &page); err != nil {
			return nil, err
		}
		for _, v := range page.Vectors {
			ids = append(ids, v.ID)
		}
		if cursor = page.Next; cursor == "" || len(ids) == most {
			return ids, nil
		}
	}
}

func newRecordsFacets(server *connection) *cobra.Command {
	var wanted struct {
		selection
		Property string `json:"property"`
		Limit    int    `json:"limit"`
	}
	cmd := &cobra.Command{
		Use:   "facets INDEX PROPERTY",
		Short: "Count the values that records have for a property with a metadata index",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted.Property = args[1]
			var found struct {
				Property string `json:"property"`
				Type     string `json:"type"`
				Count    int    `json:"count"`
				Distinct int    `json:"distinct"`
				Facets   []struct {
					Value json.RawMessage `json:"value"`
					Count int             `json:"count"`
				} `json:"facets"`
			}
			if err := server.client().Do(cmd.Context(), http.MethodPost, indexPath(args[0])+"/facets", wanted, &found); err != nil {
				return err
			}
			return printResult(cmd, found, func(w io.Writer) {
				table(w, "VALUE\tRECORDS", func(row func(string, ...any)) {
					for _, f := range found.Facets {
						row("%s\t%d", f.Value, f.Count)
					}
				})
			})
		},
	}
	wanted.selection.flags(cmd.Flags())
	cmd.Flags().IntVar(&wanted.Limit, "limit", 10, "how many values, the most frequent first")
	return cmd
}

func newRecordsUpdate(server *connection) *cobra.Command {
	var wanted mutation
	cmd := &cobra.Command{
		Use:   "update INDEX",
		Short: "Change metadata; vectors and texts stay",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var done receipt
			if err := server.client().Do(cmd.Context(), http.MethodPost, indexPath(args[0])+"/metadata", wanted, &done); err != nil {
				return err
			}
			return printResult(cmd, done, func(w io.Writer) { done.print(w, "changed") })
		},
	}
	wanted.flags(cmd.Flags())
	cmd.Flags().Var((*jsonFlag)(&wanted.Set), "set", `keys and values to set, such as {"lang":"en"}; other keys stay`)
	cmd.Flags().Var((*jsonFlag)(&wanted.Replace), "replace", "the whole metadata, in place of what there is")
	cmd.Flags().StringSliceVar(&wanted.Remove, "remove", nil, `keys to remove; "." separates levels`)
	return cmd
}

func newRecordsDelete(server *connection) *cobra.Command {
	var wanted mutation
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete INDEX",
		Short: "Delete records",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			remove := func(dryRun bool) (done receipt, err error) {
				wanted.DryRun = dryRun
				return done, server.client().Do(cmd.Context(), http.MethodPost, indexPath(args[0])+"/delete", wanted, &done)
			}
			asked := wanted.DryRun
			done, err := remove(true)
			if err != nil {
				return err
			}
			if !asked {
				if !yes && !confirm(cmd, fmt.Sprintf("Delete %s of %s? [y/N] ", records(done.Count), args[0])) {
					return fault.New(fault.Invalid, "nothing was deleted; answer y, or give --yes")
				}
				if done, err = remove(false); err != nil {
					return err
				}
			}
			return printResult(cmd, done, func(w io.Writer) { done.print(w, "deleted") })
		},
	}
	wanted.flags(cmd.Flags())
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
