package command

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/server"
)

// titleOf names a row: the model, the day, or the key with the name it has for people.
func titleOf(r server.UsageRow) string {
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
	where := connectFlags(cmd)
	cmd.Flags().StringVar(&from, "from", "", "first day, such as 2026-11-01 (default today)")
	cmd.Flags().StringVar(&to, "to", "", "last day (default today)")
	cmd.Flags().StringVar(&by, "by", "model", "what the rows are: model, key or day")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "write the rows as comma-separated values")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query := url.Values{"from": {from}, "to": {to}, "group_by": {by}}
		var report server.UsageReport
		if err := where.client().Do(cmd.Context(), http.MethodGet, "/nearside/usage?"+query.Encode(), nil, &report); err != nil {
			return err
		}
		if asCSV {
			return writeUsageCSV(cmd.OutOrStdout(), report)
		}
		return printResult(cmd, report, func(w io.Writer) { printUsage(w, report) })
	}
	return cmd
}

// printUsage writes a report for people.
func printUsage(w io.Writer, r server.UsageReport) {
	table(w, strings.ToUpper(string(r.By))+"\tCALLS\tFAILED\tCACHED\tINPUT\tOUTPUT\tOTHER\tNEURONS\tUSD", func(row func(string, ...any)) {
		for _, one := range r.Rows {
			row("%s\t%s", titleOf(one), cells(one.UsageSum))
		}
		row("%s\t%s", "total", cells(r.Total))
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
		fmt.Fprintf(w, "%s neurons are left until %s\n", r.Today.Left, r.Today.Reset.Format(time.RFC3339))
	}
}

// tokens are the units that have columns of their own.
var tokens = []string{"input_tokens", "cached_input_tokens", "output_tokens"}

// cells are the columns behind a row's name. Tokens read from a backend's cache count as input.
func cells(s server.UsageSum) string {
	var others []string
	for _, unit := range slices.Sorted(maps.Keys(s.Units)) {
		if !slices.Contains(tokens, unit) {
			others = append(others, fmt.Sprintf("%d %s", s.Units[unit], unit))
		}
	}
	return fmt.Sprintf("%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s", s.Calls, s.Failed, s.Cached,
		s.Units["input_tokens"]+s.Units["cached_input_tokens"], s.Units["output_tokens"], strings.Join(others, ", "), s.Neurons, s.USD)
}

// writeUsageCSV writes the rows with a column for each unit that occurs.
func writeUsageCSV(w io.Writer, r server.UsageReport) error {
	units := slices.Sorted(maps.Keys(r.Total.Units))
	header := append([]string{string(r.By), "calls", "failed", "cached", "unpriced"}, units...)
	records := [][]string{append(header, "neurons", "usd")}
	for _, row := range r.Rows {
		record := []string{titleOf(row)}
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
