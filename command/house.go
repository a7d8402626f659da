package command

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"nearside/catalog"
	"nearside/catalog/manifest"
	"nearside/disk"
	"nearside/embed"
	"nearside/index/local"
	"nearside/jobs"
	"nearside/llm"
	"nearside/llm/backend"
	"nearside/llm/batch"
	"nearside/llm/finetune"
	"nearside/llm/gateway"
	"nearside/llm/neuron"
	"nearside/rag"
	"nearside/server"
	"nearside/vectorize"
	"nearside/workers/traffic"
)

// Folders and files of a data directory, besides what disk keeps for itself.
const (
	indexesFolder   = "indexes"
	snapshotsFolder = "snapshots"
	spoolFolder     = "spool"
)

// spoolBytes is how much uploaded files may take that wait to be loaded.
const spoolBytes = 16 << 30

// house is a data directory, opened, with everything that lives in it.
type house struct {
	dir       *disk.Dir
	catalog   *catalog.Catalog
	traffic   *traffic.Recorder
	engine    *local.Engine
	vectorize *vectorize.Service
	ledger    *neuron.Ledger
	batches   *batch.Store
	gateway   *gateway.Logs
	finetunes *finetune.Store
	sources   *manifest.Store
	jobs      *jobs.Store
	files     *rag.Loading
	reembeds  *rag.Reembeddings
	backends  backends
	models    *llm.Router
	texts     *rag.Service
	options   houseOptions
}

// houseOptions say how a data directory is opened.
type houseOptions struct {
	data        string
	relaxed     bool
	memoryBytes int64
	maxAge      time.Duration
	graph       local.GraphOptions
	embedders   []embed.Embedder
	catalogue   catalogueFiles // models.yaml, and what the user has of it
	servers     backendFlags
	perDay      neuron.Micro // what each account may use in a UTC day; 0: as much as it likes
	log         *slog.Logger
}

// openHouse opens a data directory and everything in it, and makes it if it is absent.
func openHouse(ctx context.Context, o houseOptions) (h *house, err error) {
	h = &house{options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	if h.dir, err = disk.OpenDir(o.data, disk.Options{}); err != nil {
		return h, err
	}
	if h.catalog, err = catalog.Open(h.dir, time.Now); err != nil {
		return h, err
	}
	h.traffic = traffic.New(h.catalog, traffic.Options{Log: o.log})
	h.engine = local.Open(h.dir.Sub(indexesFolder), local.Options{MemoryBytes: o.memoryBytes, MaxAge: o.maxAge, Graph: o.graph, Log: o.log})
	limits := vectorize.Cloudflare()
	if o.relaxed {
		limits = vectorize.Relaxed()
	}
	files := catalog.Files{Dir: h.dir.Sub(snapshotsFolder)}
	if h.vectorize, err = vectorize.Open(ctx, h.catalog, h.engine, vectorize.Options{Limits: limits, Files: files, Log: o.log}); err != nil {
		return h, err
	}
	if h.ledger, err = neuron.Open(h.dir, neuron.Options{PerDay: o.perDay}); err != nil {
		return h, err
	}
	if h.batches, err = batch.Open(h.dir, batch.Options{Ledger: h.ledger, Log: o.log}); err != nil {
		return h, err
	}
	if h.gateway, err = gateway.OpenLogs(h.dir, gateway.LogOptions{}); err != nil {
		return h, err
	}
	if h.finetunes, err = finetune.Open(h.dir, time.Now); err != nil {
		return h, err
	}
	if h.sources, err = manifest.Open(h.dir, time.Now); err != nil {
		return h, err
	}
	if err := h.forgetSources(ctx); err != nil {
		return h, err
	}
	if h.jobs, err = jobs.Open(h.dir, jobs.Options{Ledger: h.ledger, Log: o.log}); err != nil {
		return h, err
	}
	err = h.readModels(func(c *llm.Catalogue, list []backend.Backend) (err error) {
		h.models, err = llm.NewRouter(llm.Options{
			Catalogue: c, Embedders: o.embedders, Backends: list, Pins: rag.Pins{Catalog: h.catalog}, Ledger: h.ledger, Finetunes: h.finetunes,
		})
		return err
	})
	if err != nil {
		return h, err
	}
	h.texts = rag.New(h.vectorize, h.models, h.catalog)
	spool, err := jobs.OpenSpool(h.dir.Sub(spoolFolder), spoolBytes)
	if err != nil {
		return h, err
	}
	if h.reembeds, err = rag.NewReembeddings(ctx, h.texts, h.jobs, o.log); err != nil {
		return h, err
	}
	h.files, err = rag.NewLoading(rag.LoadingParts{Texts: h.texts, Jobs: h.jobs, Spool: spool, Sources: h.sources, Ledger: h.ledger, Log: o.log})
	if err != nil {
		return h, err
	}
	return h, nil
}

// forgetSources forgets the sources of indexes that are no more: of deletions that a crash cut short.
func (h *house) forgetSources(ctx context.Context) error {
	there := map[manifest.Index]bool{}
	for _, x := range h.catalog.All() {
		there[manifest.Index{Account: x.Account, Number: uint64(x.Origin)}] = true
	}
	loaded, err := h.sources.Indexes(ctx)
	for _, ix := range loaded {
		if !there[ix] {
			err = errors.Join(err, h.sources.ForgetIndex(ctx, ix))
		}
	}
	return err
}

// readModels reads the catalogue, opens the model servers that it names, and
// gives both to accept. When anything is wrong, all stays as it was.
func (h *house) readModels(accept func(*llm.Catalogue, []backend.Backend) error) error {
	c, err := h.options.catalogue.load()
	if err != nil {
		return err
	}
	servers, err := h.options.servers.apply(c.Servers())
	if err != nil {
		return err
	}
	return h.backends.use(servers, func(list []backend.Backend) error { return accept(c, list) })
}

// reload reads the catalogue again, for the calls that come from now on.
func (h *house) reload() error { return h.readModels(h.models.Swap) }

// parts is what a server needs of the house.
func (h *house) parts() server.Parts {
	return server.Parts{Keys: h.catalog, Projects: h.catalog, Traffic: h.traffic, Vectorize: h.vectorize, Models: h.models, Ledger: h.ledger, Batches: h.batches, Jobs: h.jobs, Files: h.files, Reembeddings: h.reembeds, Gateway: h.gateway, Finetunes: h.finetunes, Sources: h.sources, Texts: h.texts}
}

// Close closes everything, the innermost first.
func (h *house) Close() error {
	errs := []error{h.backends.Close()}
	if h.engine != nil {
		errs = append(errs, h.engine.Close())
	}
	if h.jobs != nil {
		errs = append(errs, h.jobs.Close())
	}
	if h.sources != nil {
		errs = append(errs, h.sources.Close())
	}
	if h.finetunes != nil {
		errs = append(errs, h.finetunes.Close())
	}
	if h.gateway != nil {
		errs = append(errs, h.gateway.Close())
	}
	if h.batches != nil {
		errs = append(errs, h.batches.Close())
	}
	if h.ledger != nil {
		errs = append(errs, h.ledger.Close())
	}
	if h.traffic != nil {
		errs = append(errs, h.traffic.Close())
	}
	if h.catalog != nil {
		errs = append(errs, h.catalog.Close())
	}
	if h.dir != nil {
		errs = append(errs, h.dir.Close())
	}
	return errors.Join(errs...)
}

// defaultData is where data lives unless --data says otherwise.
func defaultData() string {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "nearside")
	}
	return filepath.Join(home(), ".local", "share", "nearside")
}

// defaultModels is where weights live unless --models (NEARSIDE_MODELS) says otherwise.
func defaultModels() string {
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "nearside", "models")
	}
	return filepath.Join(home(), ".cache", "nearside", "models")
}

func home() string {
	dir, err := os.UserHomeDir()
	if err != nil {
		return "." // no home, as in some containers: stay where we are
	}
	return dir
}
