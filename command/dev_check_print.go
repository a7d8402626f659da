package command

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"nearside/workers"
)

// printDevCheck returns what writes a report for people.
func printDevCheck(r *workers.Report) func(w io.Writer) {
	return func(w io.Writer) {
		fmt.Fprintln(w, devCheckTitle(r))
		for _, f := range r.Findings {
			fmt.Fprintf(w, "\n%-8s %s  [%s]\n", f.Level, f.What, f.Rule)
			fmt.Fprintf(w, "         where:      %s\n", someOf(f.Where))
			fmt.Fprintf(w, "         Cloudflare: %s\n", f.There)
			fmt.Fprintf(w, "         do:         %s\n", f.Do)
		}
		if r.Cost != nil {
			printDevCost(w, r)
		}
		if len(r.Prepare) > 0 {
			fmt.Fprintf(w, "\nMake the indexes there, before anything is written to them:\n\n  %s\n", strings.Join(r.Prepare, "\n  "))
		}
		for _, note := range r.Notes {
			fmt.Fprintf(w, "\nnote: %s\n", note)
		}
		fmt.Fprintf(w, "\nbreaks: %d, differs: %d, costs: %d\n", countLevel(r, workers.Breaks), countLevel(r, workers.Differs), countLevel(r, workers.Costs))
	}
}

// devCheckTitle says what was looked at.
func devCheckTitle(r *workers.Report) string {
	name := filepath.Base(r.Config)
	if r.Seen == nil {
		return name + " and its source"
	}
	days := "on " + r.Seen.From
	if r.Seen.Days > 1 {
		days = fmt.Sprintf("on %d days from %s to %s", r.Seen.Days, r.Seen.From, r.Seen.To)
	}
	return fmt.Sprintf("%s, its source, and %d calls of its bindings %s (UTC)", name, r.Seen.Calls, days)
}

// someOf writes the first of many places.
func someOf(places []string) string {
	const most = 3
	if len(places) <= most+1 {
		return strings.Join(places, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(places[:most], ", "), len(places)-most)
}

func printDevCost(w io.Writer, r *workers.Report) {
	fmt.Fprintf(w, "\nA month at this traffic is %s.\n\n", r.Cost.How)
	table(w, "\tA MONTH\tFREE PLAN\tPAID PLAN\tBEYOND\tUSD", func(row func(string, ...any)) {
		for _, one := range r.Cost.Rows {
			row("%s\t%d\t%s\t%s\t%s\t%s", one.Of, one.Month, one.Free, one.Paid, one.Price, one.USD)
		}
	})
	fmt.Fprintf(w, "\n$%s a month on the paid plan, and $%s for the plan (%s, %s)\n", r.Cost.USD, r.Cost.Fee, r.Cost.Rows[0].Source, r.Cost.Rows[1].Source)
}
