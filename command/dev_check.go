package command

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/client"
	"nearside/fault"
	"nearside/llm"
	"nearside/workers"
	"nearside/workers/traffic"
)

// devCheck is what `nearside dev check` was asked for.
type devCheck struct {
	assets Assets
	config string // the file; "" = found from the working directory
	plan   string
	days   int
	times  int64
	anew   bool
}

func newDevCheck(assets Assets) *cobra.Command {
	d := &devCheck{assets: assets}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what would differ on Cloudflare",
		Long: `Read the Workers project of this folder, and what its bindings did with nearside, and say
what would be otherwise on Cloudflare: limits that a call went beyond, writes that were
read at once, filters without a metadata index, models that are deprecated, unpriced
or only on a paid plan; and what a month at this traffic costs.

breaks   it would fail there, or find nothing
differs  it would work, and otherwise than here
costs    it would cost something, or nobody knows what

nearside counts the calls of projects that "nearside dev init" made known to it: their
number, sizes and names, and nothing of what is in them. Without a server that knows
the project, the source and the configuration are looked at alone.

The exit code is 3 if anything breaks, 0 if nothing does, and 1 if nothing could be looked at.`,
		Example: `  nearside dev check
  nearside dev check --plan free --times 1000
  nearside dev check --anew`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&d.config, "config", "", "the project's configuration (default: the one of this folder or above)")
	flags.StringVar(&d.plan, "plan", string(workers.Paid), "your plan on Cloudflare: free or paid")
	flags.IntVar(&d.days, "days", traffic.MaxDays, "look at the calls of so many days, today among them")
	flags.Int64Var(&d.times, "times", 1, "reckon with so many times the calls seen")
	flags.BoolVar(&d.anew, "anew", false, "look at nothing: forget the calls seen, to begin anew")
	for _, name := range []string{"config", "plan", "days", "times", "anew"} {
		notFromEnvironment(flags, name)
	}
	return cmd
}

// foundBreaks is the error of a check that found something that breaks.
type foundBreaks struct{ n int }

func (b foundBreaks) Error() string {
	if b.n == 1 {
		return "1 thing would break on Cloudflare"
	}
	return fmt.Sprintf("%d things would break on Cloudflare", b.n)
}

func (d *devCheck) validate() error {
	switch {
	case d.plan != string(workers.Free) && d.plan != string(workers.Paid):
		return fault.New(fault.Invalid, "--plan %q does not exist; use free or paid", d.plan)
	case d.days < 1 || d.days > traffic.MaxDays:
		return fault.New(fault.Invalid, "--days is %d; it must be 1 to %d, which is how long calls are remembered", d.days, traffic.MaxDays)
	case d.times < 1 || d.times > maxTimes:
		return fault.New(fault.Invalid, "--times is %d; it must be 1 to %d", d.times, maxTimes)
	}
	return nil
}

// maxTimes keeps what is reckoned with it a number that means something.
const maxTimes = 1_000_000

func (d *devCheck) run(cmd *cobra.Command) error {
	if err := d.validate(); err != nil {
		return err
	}
	f, err := (&devInit{config: d.config}).open()
	if err != nil {
		return err
	}
	if d.anew {
		return d.forget(cmd, f)
	}
	report, err := d.check(cmd.Context(), f)
	if err != nil {
		return err
	}
	if err := printResult(cmd, report, printDevCheck(report)); err != nil {
		return err
	}
	if breaks := countLevel(report, workers.Breaks); breaks > 0 {
		return foundBreaks{breaks}
	}
	return nil
}

// check makes the report. That the traffic cannot be had is no failure, but noted.
func (d *devCheck) check(ctx context.Context, f *workers.File) (*workers.Report, error) {
	models, err := d.models()
	if err != nil {
		return nil, err
	}
	sources, whole, err := f.Sources()
	if err != nil {
		return nil, err
	}
	seen, missing := d.traffic(ctx, f)
	report, err := workers.Check(workers.Project{
		File: f, Sources: sources, Traffic: seen, Models: models, Plan: workers.Plan(d.plan), Times: d.times, Now: time.Now(),
	})
	if err != nil {
		return nil, err
	}
	if missing != nil {
		report.Notes = append(report.Notes, "the calls that its bindings made were not looked at: "+missing.Error())
	}
	if !whole {
		report.Notes = append(report.Notes, "there is more source below "+f.Path+" than is read; what was read last is the last by name")
	}
	return report, nil
}

// models returns what the built-in catalogue knows: Cloudflare's models, whatever this machine has.
func (d *devCheck) models() (func(id string) (workers.Model, bool), error) {
	catalogue, err := builtInCatalogue(d.assets)
	if err != nil {
		return nil, err
	}
	return func(id string) (workers.Model, bool) {
		m, err := catalogue.Model(id)
		if err != nil {
			return workers.Model{}, false
		}
		return workers.Model{
			ID: m.ID, Task: string(m.Task), Cloudflare: !strings.HasPrefix(m.ID, "@nearside/"), Priced: len(m.Prices) > 0,
			Paid: m.Paid, Deprecated: m.Deprecated, Successor: m.Successor,
		}, true
	}, nil
}

// builtInCatalogue is the catalogue of the program, whatever a user has of it.
func builtInCatalogue(assets Assets) (*llm.Catalogue, error) {
	return llm.LoadFiles(llm.Source{Name: catalogueName + " (built in)", Bytes: assets.Models})
}

// server returns the server that knows the project, and where it is there.
func (d *devCheck) server(f *workers.File) (*client.Client, string, error) {
	var p devProject
	found, err := devFolderOf(f).read(devServer, &p)
	switch {
	case err != nil:
		return nil, "", err
	case !found:
		return nil, "", fault.New(fault.NotFound, "no server knows the project yet. Run nearside dev init, then the Worker by wrangler dev, use it, and check again")
	}
	api := &client.Client{URL: p.URL, Account: p.Account, HTTP: &http.Client{Transport: withSecret(p.Secret), Timeout: time.Minute}}
	return api, "/nearside/projects/" + url.PathEscape(p.ID) + "/traffic", nil
}

// withSecret shows a project's secret with every request, which does in place of a key.
type withSecret string

// RoundTrip implements http.RoundTripper.
func (s withSecret) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("X-Binding-Secret", string(s))
	return http.DefaultTransport.RoundTrip(req)
}

// traffic asks the server what the project's bindings did.
func (d *devCheck) traffic(ctx context.Context, f *workers.File) (*traffic.Report, error) {
	api, path, err := d.server(f)
	if err != nil {
		return nil, err
	}
	query := url.Values{"days": {strconv.Itoa(d.days)}}
	if bindings, err := f.Bindings(); err == nil {
		for _, x := range bindings.Indexes {
			query.Add("index", x.Name)
		}
	}
	var seen traffic.Report
	if err := api.Do(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &seen); err != nil {
		return nil, err
	}
	return &seen, nil
}

// forget has the server forget what the project's bindings did.
func (d *devCheck) forget(cmd *cobra.Command, f *workers.File) error {
	api, path, err := d.server(f)
	if err != nil {
		return err
	}
	if err := api.Do(cmd.Context(), http.MethodDelete, path, nil, nil); err != nil {
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "forgotten; the next call begins anew")
	return nil
}

// countLevel is how many findings of a level there are.
func countLevel(r *workers.Report, level workers.Level) (n int) {
	for _, f := range r.Findings {
		if f.Level == level {
			n++
		}
	}
	return n
}
