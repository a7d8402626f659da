package command

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// usageReport is what an account used, as the server tells it.
type usageReport struct {
	From  string     `json:"from"`
	To    string     `json:"to"`
	By    string     `json:"group_by"`
	Rows  []usageRow `json:"rows"`
	Total usageSum   `json:"total"`

	Vectorize *struct {
		Queried int64 `json:"queried_dimensions"`
		Stored  int64 `json:"stored_dimensions"`
	} `json:"vectorize,omitempty"`
	Cost struct {
		WorkersAI json.Number `json:"workers_ai_usd"`
		Vectorize json.Number `json:"vectorize_usd"`
		Total     json.Number `json:"total_usd"`
	} `json:"cost_on_cloudflare"`
	Today *struct {
		Left  json.Number `json:"neurons_left"`
		Reset string      `json:"reset"`
	} `json:"today,omitempty"`
}

// usageRow is a model, a key or a day.
type usageRow struct {
	Model *string `json:"model,omitempty"`
	Key   *string `json:"key,omitempty"`
	Name  string  `json:"key_name,omitempty"`
	Day   *string `json:"day,omitempty"`
	usageSum
	Billed json.Number `json:"usd_billed,omitempty"`
}

// usageSum is what calls used together.
type usageSum struct {
	Calls    int64            `json:"calls"`
	Failed   int64            `json:"failed"`
	Cached   int64            `json:"cached"`
	Unpriced int64            `json:"unpriced"`
	Units    map[string]int64 `json:"units"`
	Neurons  json.Number      `json:"neurons"`
	USD      json.Number      `json:"usd"`
}

// title names the row: the model, the day, or the key with the name it has for people.
func (r usageRow) title() string {
	switch {
	case r.Model != nil:
		return *r.Model
	case r.Day != nil:
		return *r.Day
	case r.Key == nil || *r.Key == "":
		return "(without a key)"
	case r.Name == "":
		return *r.Key
	}
	return *r.Key + " (" + r.Name + ")"
}

func newUsage() *cobra.Command {
	var from, to, by string
	var asCSV bool
	cmd := &cobra.Command{
		Use:   "usage",
		Short: "Show what models were used for, and what it would have cost on Cloudflare",
		Long: `Show what an account used: calls, tokens and other units, and neurons, by model, key
or day; and what Cloudflare would have charged for it on the paid plan, beyond the
10,000 neurons that are free each day. Days are those of UTC; without --from and
--to it is today.`,
		Example: `  nearside usage
  nearside usage --from 2026-11-01 --to 2026-11-30 --by day`,
		Args: noArgs,
	}
	server := connectFlags(cmd)
	cmd.Flags().StringVar(&from, "from", "", "first day, such as 2026-11-01 (default today)")
	cmd.Flags().StringVar(&to, "to", "", "last day (default today)")
	cmd.Flags().StringVar(&by, "by", "model", "what the rows are: model, key or day")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "write the rows as comma-separated values")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query := url.Values{"from": {from}, "to": {to}, "group_by": {by}}
		var report usageReport
		if err := server.client().Do(cmd.Context(), http.MethodGet, "/nearside/usage?"+query.Encode(), nil, &report); err != nil {
			return err
		}
		if asCSV {
			return report.writeCSV(cmd.OutOrStdout())
		}
		return printResult(cmd, report, report.print)
	}
	return cmd
}

// print writes the report for people.
func (r usageReport) print(w io.Writer) {
	table(w, strings.ToUpper(r.By)+"\tCALLS\tFAILED\tCACHED\tINPUT\tOUTPUT\tOTHER\tNEURONS\tUSD", func(row func(string, ...any)) {
		for _, one := range r.Rows {
			row("%s\t%s", one.title(), one.usageSum.cells())
		}
		row("%s\t%s", "total", r.Total.cells())
	})
	days := r.From
	if r.To != r.From {
		days += " to " + r.To
	}
	fmt.Fprintf(w, "\n%s: on Cloudflare $%s for Workers AI beyond 10,000 free neurons a day", days, r.Cost.WorkersAI)
	if v := r.Vectorize; v != nil {
		fmt.Fprintf(w, ", and $%s for Vectorize (%d dimensions queried, %d stored now)", r.Cost.Vectorize, v.Queried, v.Stored)
	}
	fmt.Fprintln(w)
	if r.Total.Unpriced > 0 {
		fmt.Fprintf(w, "%d calls were to models without a price; they count 0 neurons\n", r.Total.Unpriced)
	}
	if r.Today != nil {
		fmt.Fprintf(w, "%s neurons are left until %s\n", r.Today.Left, r.Today.Reset)
	}
}

// tokens are the units that have columns of their own.
var tokens = []string{"input_tokens", "cached_input_tokens", "output_tokens"}

// cells are the columns behind a row's name. Tokens read from a backend's cache count as input.
func (s usageSum) cells() string {
	var others []string
	for _, unit := range slices.Sorted(maps.Keys(s.Units)) {
		if !slices.Contains(tokens, unit) {
			others = append(others, fmt.Sprintf("%d %s", s.Units[unit], unit))
		}
	}
	return fmt.Sprintf("%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s", s.Calls, s.Failed, s.Cached,
		s.Units["input_tokens"]+s.Units["cached_input_tokens"], s.Units["output_tokens"], strings.Join(others, ", "), s.Neurons, s.USD)
}

// writeCSV writes the rows with a column for each unit that occurs.
func (r usageReport) writeCSV(w io.Writer) error {
	units := slices.Sorted(maps.Keys(r.Total.Units))
	header := append([]string{r.By, "calls", "failed", "cached", "unpriced"}, units...)
	records := [][]string{append(header, "neurons", "usd")}
	for _, row := range r.Rows {
		record := []string{row.title()}
		for _, n := range []int64{row.Calls, row.Failed, row.Cached, row.Unpriced} {
			record = append(record, strconv.FormatInt(n, 10))
		}
		for _, unit := range units {
			record = append(record, strconv.FormatInt(row.Units[unit], 10))
		}
		records = append(records, append(record, row.Neurons.String(), row.USD.String()))
	}
	return csv.NewWriter(w).WriteAll(records)
}
