package server

import (
	"encoding/json"
	"time"

	"nearside/catalog"
	"nearside/fault"
	"nearside/index"
	"nearside/llm/neuron"
)

// UsageReport is what an account used, on the wire: the result of GET …/nearside/usage.
type UsageReport struct {
	From      string          `json:"from"`
	To        string          `json:"to"`
	By        neuron.Grouping `json:"group_by"`
	Rows      []UsageRow      `json:"rows"`
	Total     UsageSum        `json:"total"`
	Vectorize *UsageVectorize `json:"vectorize,omitempty"`
	Cost      UsageCost       `json:"cost_on_cloudflare"`
	Today     *UsageToday     `json:"today,omitempty"`
}

// UsageRow is a model, a key or a day.
type UsageRow struct {
	Model *string `json:"model,omitempty"`
	Key   *string `json:"key,omitempty"` // its id; "" = calls without a key
	Name  string  `json:"key_name,omitempty"`
	Day   *string `json:"day,omitempty"`
	UsageSum
	Billed json.Number `json:"usd_billed,omitempty"` // of a day: beyond its free neurons
}

// UsageSum is neuron.Sum on the wire.
type UsageSum struct {
	Calls    int64            `json:"calls"`
	Failed   int64            `json:"failed"`
	Cached   int64            `json:"cached"`
	Unpriced int64            `json:"unpriced"`
	Units    map[string]int64 `json:"units"`
	Neurons  json.Number      `json:"neurons"`
	USD      json.Number      `json:"usd"` // the price of the neurons, none being free
}

// UsageVectorize is what Vectorize counts: dimensions read by queries, and stored now.
type UsageVectorize struct {
	Queried int64 `json:"queried_dimensions"`
	Stored  int64 `json:"stored_dimensions"`
}

// UsageCost is what Cloudflare would have charged on its paid plan, in dollars,
// beyond what is free and without the monthly fee.
type UsageCost struct {
	WorkersAI json.Number `json:"workers_ai_usd"`
	Vectorize json.Number `json:"vectorize_usd"`
	Total     json.Number `json:"total_usd"`
}

// UsageToday is what the caller may still use.
type UsageToday struct {
	Left  json.Number `json:"neurons_left"`
	Reset time.Time   `json:"reset"`
}

// showUsage answers GET …/nearside/usage?from&to&group_by=model|key|day. Which
// keys there are is for those to know who may list them.
func showUsage(s *Server, c *call) error {
	by := neuron.Grouping(c.queryParam("group_by"))
	if by == neuron.ByKey && !c.key.anybody() && !c.key.Permission.Allows(admin) {
		return forbidden(reasonScope, "this key has the scope "+string(c.key.Permission)+"; usage by key needs admin, by model or day it does not")
	}
	report, err := s.parts.Ledger.Usage(c, neuron.Query{Account: c.account, From: c.queryParam("from"), To: c.queryParam("to"), By: by})
	if err != nil {
		return err
	}
	shown := UsageReport{From: report.From, To: report.To, By: report.By, Rows: s.usageRows(c, report), Total: newUsageSum(report.Total.Sum)}
	vectors := neuron.Dollars(0)
	if c.key.Limits.None() { // a key that sees some records only is not told how many there are
		shown.Vectorize = &UsageVectorize{}
		if vectors, err = shown.Vectorize.count(s, c, report); err != nil {
			return err
		}
	}
	shown.Cost = UsageCost{dollars(report.Total.Bill), dollars(vectors), dollars(report.Total.Bill + vectors)}
	if a := s.parts.Ledger.Left(c.payer()); a.Limited {
		shown.Today = &UsageToday{json.Number(a.Left.String()), a.Reset}
	}
	return c.reply(shown)
}

func dollars(d neuron.Dollars) json.Number { return json.Number(d.String()) }

func newUsageSum(s neuron.Sum) UsageSum {
	units := map[string]int64{}
	for unit, count := range s.Units {
		units[unit.Counted()] += count
	}
	return UsageSum{s.Calls, s.Failed, s.Cached, s.Unpriced, units, json.Number(s.Neurons.String()), dollars(s.Neurons.Price())}
}

// UsageRows shows the rows of a report. Keys that were revoked have no name any more.
func (s *Server) usageRows(c *call, report neuron.Report) []UsageRow {
	names := map[string]string{}
	if report.By == neuron.ByKey {
		for _, k := range s.parts.Keys.Keys(c.account) {
			names[k.ID] = k.Name
		}
	}
	rows := []UsageRow{}
	for _, r := range report.Rows {
		row := UsageRow{UsageSum: newUsageSum(r.Sum)}
		switch report.By {
		case neuron.ByKey:
			row.Key, row.Name = &r.Name, names[r.Name]
		case neuron.ByDay:
			row.Day, row.Billed = &r.Name, dollars(r.Bill)
		default:
			row.Model = &r.Name
		}
		rows = append(rows, row)
	}
	return rows
}

// count adds up the dimensions of a report, and says what they cost. What is
// stored is known for now only, and is billed in the month of today.
func (v *UsageVectorize) count(s *Server, c *call, report neuron.Report) (cost neuron.Dollars, err error) {
	if v.Stored, err = s.storedDimensions(c); err != nil {
		return 0, err
	}
	const month = "2006-01"
	now := time.Now().UTC().Format(month)
	if report.From[:len(month)] <= now && now <= report.To[:len(month)] {
		cost = neuron.VectorizeBill(report.Queried[now], v.Stored)
	}
	for m, queried := range report.Queried {
		v.Queried += queried
		if m != now {
			cost += neuron.VectorizeBill(queried, 0)
		}
	}
	return cost, nil
}

// storedDimensions adds up the vectors of an account's indexes. A damaged index is left out, and named.
func (s *Server) storedDimensions(c *call) (total int64, err error) {
	for _, x := range s.parts.Vectorize.List(c.account) {
		opened, err := s.parts.Vectorize.Open(c, c.account, x.Name)
		if err == nil {
			info, failed := opened.Info(c, index.Read{})
			total += int64(info.Count) * int64(x.Dimensions)
			err = failed
		}
		switch {
		case err == nil:
		case fault.Is(err, fault.Corrupt):
			c.message("the index " + quoteShort(x.Name) + " is damaged; its dimensions are not counted")
		case fault.Is(err, fault.NotFound), fault.Is(err, fault.Gone): // deleted in the meantime
		default:
			return 0, err
		}
	}
	return total, nil
}

// queried counts a query of an index, as Vectorize bills it.
func (c *call) queried(x catalog.Index) {
	if l := c.server.parts.Ledger; l != nil {
		l.Queried(x.Account, x.Dimensions)
	}
}
