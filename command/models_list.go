package command

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"nearside/client"
)

// servedModel is a model of the catalogue and what would answer for it now, as the server tells it.
type servedModel struct {
	Name       string   `json:"name"`
	Task       string   `json:"task"`
	Input      string   `json:"input"`
	Dimensions int      `json:"dimensions,omitempty"`
	Deprecated string   `json:"deprecated,omitempty"`
	Successor  string   `json:"successor,omitempty"`
	Backends   []string `json:"backends,omitempty"`
	Served     string   `json:"served_by,omitempty"`
	Backend    string   `json:"backend,omitempty"`
	Route      string   `json:"route,omitempty"`
	Skipped    []string `json:"skipped,omitempty"`
	Missing    string   `json:"missing,omitempty"`
}

// answeredBy names what answers; "-" if nothing does.
func (m servedModel) answeredBy() string {
	if m.Missing != "" {
		return "-"
	}
	return fmt.Sprintf("%s (%s)", m.Backend, m.Served)
}

// why says why nothing answers, or why something that the catalogue prefers does not.
func (m servedModel) why() string {
	switch {
	case len(m.Skipped) > 0:
		return strings.Join(m.Skipped, "; ")
	case m.Missing == "":
		return ""
	case len(m.Backends) > 0:
		return "none of these is set up: " + strings.Join(m.Backends, ", ")
	default:
		return m.Missing
	}
}

// modelFilter says which models are asked for.
type modelFilter struct {
	task   string
	served bool
}

func (f modelFilter) list(ctx context.Context, c *client.Client) ([]servedModel, error) {
	query := url.Values{}
	if f.task != "" {
		query.Set("task", f.task)
	}
	if f.served {
		query.Set("served", "true")
	}
	var models []servedModel
	err := c.Do(ctx, http.MethodGet, "/nearside/models?"+query.Encode(), nil, &models)
	return models, err
}

func newModelsList() *cobra.Command {
	var filter modelFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the models, who would answer for each now, and why",
		Long: `List the models, who would answer for each now, and why.

The route is "first" where the first backend of the catalogue that is set up here
answers, "failover" where one before it could not, and "substitute" where other
weights step in. The last column says what the backends before it lack.`,
		Args: noArgs,
	}
	server := connectFlags(cmd)
	cmd.Flags().StringVar(&filter.task, "task", "", `only models for a task, such as "Text Generation"`)
	cmd.Flags().BoolVar(&filter.served, "served", false, "only models that something answers for")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		models, err := filter.list(cmd.Context(), server.client())
		if err != nil {
			return err
		}
		return printResult(cmd, models, func(w io.Writer) {
			table(w, "MODEL\tTASK\tANSWERED BY\tROUTE\tWHY", func(row func(string, ...any)) {
				for _, m := range models {
					row("%s\t%s\t%s\t%s\t%s", m.Name, m.Task, m.answeredBy(), m.Route, m.why())
				}
			})
		})
	}
	return cmd
}

func newModelsSwitch() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "switch ID",
		Short: "Have an embedding model answered by the best weights that are here now",
		Long: `Have an embedding model answered by the best weights that are here now.

The weights that first made vectors of a model for an account go on doing so,
because vectors of different weights do not compare. After a switch, embed
everything again that is to be compared with new vectors; indexes that keep
their texts keep their weights too, until they are made anew.`,
		Args: cobra.ExactArgs(1),
	}
	server := connectFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var switched struct {
			Model string `json:"model"`
			Was   string `json:"was"`
			Now   string `json:"now"`
		}
		request := map[string]string{"model": args[0]}
		if err := server.client().Do(cmd.Context(), http.MethodPost, "/nearside/models/switch", request, &switched); err != nil {
			return err
		}
		return printResult(cmd, switched, func(w io.Writer) {
			switch switched.Was {
			case switched.Now:
				fmt.Fprintf(w, "%s is answered by %s, as before\n", switched.Model, switched.Now)
			case "":
				fmt.Fprintf(w, "%s is answered by %s from now on\n", switched.Model, switched.Now)
			default:
				fmt.Fprintf(w, "%s is answered by %s from now on, and was by %s; vectors of the two do not compare\n", switched.Model, switched.Now, switched.Was)
			}
		})
	}
	return cmd
}
