package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"nearside/client"
	"nearside/fault"
)

// passages is the answer to a search by text.
type passages struct {
	Count    int             `json:"count"`
	Passages []passage       `json:"passages"`
	Explain  json.RawMessage `json:"explain,omitempty"`
}

type passage struct {
	ID        string          `json:"id"`
	Score     float64         `json:"score"`
	Title     string          `json:"title,omitempty"`
	Text      string          `json:"text"`
	Namespace string          `json:"namespace,omitempty"`
	Metadata  json.RawMessage `json:"metadata,omitempty"`
}

// searchRequest is a question to an index.
type searchRequest struct {
	Query     string          `json:"query"`
	TopK      int             `json:"topK"`
	Namespace string          `json:"namespace,omitempty"`
	Filter    json.RawMessage `json:"filter,omitempty"`
	Explain   bool            `json:"explain,omitempty"`
}

func searchIndex(ctx context.Context, api *client.Client, index string, r searchRequest) (p passages, err error) {
	return p, api.Do(ctx, http.MethodPost, indexPath(index)+"/search", r, &p)
}

func newSearch() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "search INDEX TEXT...",
		Short: "Ask an index in your own words",
		Args:  cobra.MinimumNArgs(2),
	}
	server := connectFlags(cmd)
	var r searchRequest
	var filter string
	flags := cmd.Flags()
	flags.IntVarP(&r.TopK, "top-k", "k", 5, "how many passages")
	flags.StringVar(&r.Namespace, "namespace", "", "only this namespace")
	flags.StringVar(&filter, "filter", "", `only passages whose metadata pass, such as {"lang":"en"}`)
	flags.BoolVar(&r.Explain, "explain", false, "say how the answer was made (with --json)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.Query = strings.Join(args[1:], " ")
		if filter != "" {
			if !json.Valid([]byte(filter)) {
				return fault.New(fault.Invalid, `--filter %s is not JSON; write for example --filter '{"lang":"en"}'`, filter)
			}
			r.Filter = json.RawMessage(filter)
		}
		found, err := searchIndex(cmd.Context(), server.client(), args[0], r)
		if err != nil {
			return err
		}
		return printResult(cmd, found, func(w io.Writer) {
			for _, p := range found.Passages {
				printPassage(w, p)
			}
			if found.Count == 0 {
				fmt.Fprintln(w, "nothing found")
			}
		})
	}
	return cmd
}

// printPassage writes a passage for people: score, where it stands, id, title, text.
func printPassage(w io.Writer, p passage) {
	fmt.Fprintf(w, "%.4f", p.Score)
	for _, word := range []string{p.place(), p.ID, p.Title} {
		if word != "" {
			fmt.Fprintf(w, "  %s", word)
		}
	}
	fmt.Fprintf(w, "\n        %s\n", strings.ReplaceAll(p.Text, "\n", "\n        "))
}

// place says where a passage of a document stands, from the metadata that ingest gives it: guide.md:31, manual.pdf page
// 4; "" = it is of no document.
func (p passage) place() string {
	var from struct {
		Path   string `json:"path"`
		Member string `json:"member"`
		Key    string `json:"key"`
		Line   int    `json:"line"`
		Page   int    `json:"page"`
	}
	if json.Unmarshal(p.Metadata, &from) != nil || from.Path == "" {
		return "" // somebody else's metadata may have these names
	}
	place := from.Path
	if from.Member != "" {
		place += "!" + from.Member
	}
	switch {
	case from.Page > 0:
		place += fmt.Sprintf(" page %d", from.Page)
	case from.Key != "":
		place += " " + from.Key
	case from.Line > 0:
		place += fmt.Sprintf(":%d", from.Line)
	}
	return place
}
