package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"nearside/client"
	"nearside/edge"
	"nearside/fault"
	"nearside/llm/neuron"
	"nearside/server"
)

// serveFlags is how a server is asked for.
type serveFlags struct {
	server  server.Config
	house   houseOptions
	models  modelFlags
	memory  string
	neurons int64
	graph   graphFlags
	guide   bool
	logAs   string
	logFrom string
}

func newServe(assets Assets) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API on this machine",
		Long: `Serve the API on this machine.

On 127.0.0.1 no key is needed until the first one is made. Any other address needs
a key ("nearside keys create --data DIR --scope admin") and TLS.

The server stops on SIGTERM or Ctrl-C: it finishes what is under way first. On
SIGHUP it reads the catalogue of models again; a wrong one is refused and named in the log.

With --workers-edge, Workers projects that were not changed have their env.AI and
env.VECTORIZE answered here, under wrangler dev and everything built like it;
"nearside dev env" prints the variables that it takes. Clients look for the edge
on port 443 of this machine only; any other address is for a redirect from there.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), f, assets, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.server.Addr, "addr", "127.0.0.1:8810", "address to listen on")
	flags.StringVar(&f.house.data, "data", defaultData(), "data directory")
	flags.BoolVar(&f.house.relaxed, "relaxed", false, "lift the limits that are Cloudflare's and not ours")
	flags.StringVar(&f.server.Consistency, "consistency", server.Strong, "strong: writes are visible at once; delayed: as on Cloudflare, after a while")
	flags.DurationVar(&f.server.Delay, "delay", 2*time.Second, "how long that while is")
	flags.StringVar(&f.memory, "memory", "0", "memory for open indexes, such as 2GiB; 0 = no limit")
	f.graph.add(flags)
	flags.StringVar(&f.server.TLSCert, "tls-cert", "", "certificate file (PEM)")
	flags.StringVar(&f.server.TLSKey, "tls-key", "", "private key file (PEM)")
	flags.BoolVar(&f.server.InsecureHTTP, "insecure-http", false, "allow plain HTTP on an address that other machines reach")
	flags.StringSliceVar(&f.server.Hosts, "allow-host", nil, "further host names to answer to")
	flags.StringSliceVar(&f.server.Origins, "allow-origin", nil, "origins whose web pages may call, such as https://app.example.com")
	flags.IntVar(&f.server.Work, "concurrency", 0, "requests worked on at once (default 8 a core, at least 32)")
	flags.StringSliceVar(&f.server.Edge, "workers-edge", nil, "answer Workers projects, on 127.0.0.1:443 and [::1]:443, or on the addresses given as --workers-edge=ADDR,…")
	flags.Lookup("workers-edge").NoOptDefVal = edge.Address + ",[::1]:443"
	flags.BoolVar(&f.guide, "guide", false, "on an empty data directory, load the documentation as the index \"guide\" and ask it a question")
	flags.StringVar(&f.logAs, "log", "text", "form of the log: text or json")
	flags.StringVar(&f.logFrom, "log-level", "warn", "debug, info (every request), warn or error")
	f.models.add(flags)
	f.house.catalogue.add(flags)
	f.house.servers.add(flags)
	flags.Int64Var(&f.neurons, "neurons-per-day", 0, "neurons that each account may use in a UTC day; 0 = no limit")
	flags.IntVar(&f.server.QuotaCode, "quota-code", 3036, "error code when they are used up: 3036 as documented, or 4006 as the real service sends")
	return cmd
}

// serve opens the data directory and serves it until ctx ends.
func serve(ctx context.Context, f serveFlags, assets Assets, stdout, stderr io.Writer) (err error) {
	started := time.Now()
	log, err := newLog(stderr, f.logAs, f.logFrom)
	if err != nil {
		return err
	}
	memory, err := humanize.ParseBytes(f.memory)
	if err != nil {
		return fault.New(fault.Invalid, "--memory %q is not a size; write for example 2GiB", f.memory)
	}
	if f.house.graph, err = f.graph.options(); err != nil {
		return err
	}
	models, err := f.models.open(log)
	if err != nil {
		return err
	}
	const most = 1_000_000_000_000 // as of a key
	if f.neurons < 0 || f.neurons > most {
		return fault.New(fault.Invalid, "--neurons-per-day is %d; it can be 1 to %d, or 0 for no limit", f.neurons, int64(most))
	}
	f.house.memoryBytes, f.house.maxAge, f.house.perDay = int64(memory), f.server.Delay, neuron.Micro(f.neurons)*1_000_000
	f.house.embedders, f.house.log = models.embedders, log
	f.house.catalogue.base, f.house.catalogue.data = assets.Models, f.house.data
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // before anybody is told that there is a server: a signal too early would end it
	defer signal.Stop(hangup)
	h, err := openHouse(ctx, f.house)
	if err != nil {
		return err
	}
	defer closeAfter(h, &err)
	f.server.Version = Version
	parts := h.parts()
	parts.Condition = func() server.Condition { return h.condition(models.condition) }
	parts.Collectors = h.collectors(models.cache)
	if len(f.server.Edge) > 0 {
		if parts.Edge, err = edge.Open(h.dir.Sub(edge.Folder), time.Now); err != nil {
			return err
		}
	}
	s, err := server.Listen(f.server, parts, log)
	if err != nil {
		return err
	}
	scheme := "http"
	if f.server.TLSCert != "" {
		scheme = "https"
	}
	address := scheme + "://" + s.Addr().String()
	fmt.Fprintf(stdout, "nearside %s serving on %s\n", Version, address)

	if len(f.server.Edge) > 0 {
		fmt.Fprintf(stdout, "answering Workers projects on %s; in the shell that runs wrangler: eval \"$(nearside dev env)\"\n", strings.Join(f.server.Edge, " and "))
	}

	var beside sync.WaitGroup
	defer beside.Wait()
	running, stop := context.WithCancel(ctx)
	defer stop()
	beside.Go(func() { reloadOnHangup(running, hangup, h, log) })
	if f.guide {
		beside.Go(func() { greet(ctx, address, assets.Docs, started, stdout, log) })
	}
	return s.Run(ctx)
}

// reloadOnHangup reads the catalogue of models again on every SIGHUP, until ctx ends and
// none is left that came before.
func reloadOnHangup(ctx context.Context, hangup <-chan os.Signal, h *house, log *slog.Logger) {
	for {
		select {
		case <-hangup:
		case <-ctx.Done():
			select {
			case <-hangup:
			default:
				return
			}
		}
		if err := h.reload(); err != nil {
			log.Error("the catalogue of models was not read again; the one from before goes on", "error", err)
			continue
		}
		log.Warn("the catalogue of models was read again", "models", len(h.models.Catalogue().Models()))
	}
}

// greet shows the guide; a server that cannot be greeted is still a server.
func greet(ctx context.Context, address string, docs fs.FS, started time.Time, stdout io.Writer, log *slog.Logger) {
	err := welcome(ctx, &client.Client{URL: address}, docs, started, stdout)
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Warn("the guide could not be shown", "error", err)
	}
}

// newLog returns the log that --log and --log-level ask for.
func newLog(w io.Writer, form, from string) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(from)); err != nil {
		return nil, fault.New(fault.Invalid, "--log-level %q does not exist; use debug, info, warn or error", from)
	}
	options := &slog.HandlerOptions{Level: level}
	switch form {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fault.New(fault.Invalid, "--log %q does not exist; use text or json", form)
}
