package workers

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"nearside/workers/traffic"
)

// Level is how much a Finding weighs.
type Level string

// The levels, the heaviest first.
const (
	Breaks  Level = "breaks"  // on Cloudflare it would fail, or find nothing
	Differs Level = "differs" // it would work, and otherwise than here
	Costs   Level = "costs"   // it would cost more than what is free, or nobody knows what
)

var levels = []Level{Breaks, Differs, Costs}

// Finding is one thing that would not be on Cloudflare as it is here.
type Finding struct {
	Level Level    `json:"level"`
	Rule  string   `json:"rule"` // what kind of thing, such as topk-full
	What  string   `json:"what"`
	Where []string `json:"where"` // file:line, or the calls that were seen
	There string   `json:"on_cloudflare"`
	Do    string   `json:"do"`
}

// Project is a Workers project, and what is known of it.
type Project struct {
	File    *File
	Sources []Source
	Traffic *traffic.Report // nil: nobody could be asked
	Models  func(id string) (Model, bool)
	Plan    Plan
	Times   int64 // production is to have so many times the traffic seen; 0 = 1
	Now     time.Time
}

// Model is what there is to know of a model of the catalogue.
type Model struct {
	ID         string // aliases resolved
	Task       string
	Cloudflare bool   // Cloudflare has it, or had it
	Priced     bool   // Cloudflare has published a price
	Paid       bool   // only with a paid plan
	Deprecated string // since when Cloudflare has given it up; "" = it has not
	Successor  string
}

// Report is what Check found.
type Report struct {
	Config   string    `json:"config"`
	Plan     Plan      `json:"plan"`
	Seen     *Seen     `json:"traffic"` // null: the traffic is missing
	Findings []Finding `json:"findings"`
	Cost     *Cost     `json:"cost,omitempty"` // nil without traffic
	Prepare  []string  `json:"prepare"`        // commands that make the indexes on Cloudflare, in this order
	Notes    []string  `json:"notes"`          // what could not be looked at, and how to get it
}

// Seen says what the findings about calls are made from.
type Seen struct {
	Days  int    `json:"days"` // with calls
	From  string `json:"from"`
	To    string `json:"to"`
	Calls int64  `json:"calls"`
}

// Breaks reports whether anything would fail.
func (r *Report) Breaks() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level == Breaks })
}

// checker makes a Report.
type checker struct {
	Project
	config *config
	report *Report
}

// Check says what would differ on Cloudflare, as far as the configuration, the source
// and the traffic tell. What they do not tell, such as a name that is put together while
// the Worker runs, it does not find.
func Check(p Project) (*Report, error) {
	c, err := p.File.read()
	if err != nil {
		return nil, err
	}
	if p.Times < 1 {
		p.Times = 1
	}
	k := &checker{p, c, &Report{Config: p.File.Path, Plan: p.Plan, Findings: []Finding{}, Prepare: []string{}, Notes: []string{}}}
	k.checkConfig()
	k.checkSource()
	k.checkModels()
	if p.Traffic != nil {
		k.checkIndexes()
		k.checkGateways()
		k.count()
	}
	slices.SortStableFunc(k.report.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(levels, a.Level), slices.Index(levels, b.Level)), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.What, b.What))
	})
	return k.report, nil
}

// find adds a finding.
func (k *checker) find(level Level, rule string, where []string, what, there, do string) {
	if where == nil {
		where = []string{}
	}
	k.report.Findings = append(k.report.Findings, Finding{level, rule, what, where, there, do})
}

// at is a place in the configuration, by a JSON pointer.
func (k *checker) at(pointer string) []string {
	return []string{place(k.File.base(), k.File.lang.line(k.File.Text, pointer))}
}

// place writes a place in a file; a line that is not known is left out.
func place(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// calls says how many calls there were.
func calls(n int64) string {
	if n == 1 {
		return "1 call"
	}
	return fmt.Sprintf("%s calls", grouped(n))
}

// grouped writes a number with commas.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
