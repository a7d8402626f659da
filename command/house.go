package command

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"nearside/catalog"
	"nearside/disk"
	"nearside/embed"
	"nearside/index/local"
	"nearside/llm"
	"nearside/llm/neuron"
	"nearside/rag"
	"nearside/server"
	"nearside/vectorize"
)

// Folders and files of a data directory, besides what disk keeps for itself.
const (
	indexesFolder   = "indexes"
	snapshotsFolder = "snapshots"
)

// house is a data directory, opened, with everything that lives in it.
type house struct {
	dir       *disk.Dir
	catalog   *catalog.Catalog
	engine    *local.Engine
	vectorize *vectorize.Service
	models    *llm.Router
	texts     *rag.Service
}

// houseOptions say how a data directory is opened.
type houseOptions struct {
	data        string
	relaxed     bool
	memoryBytes int64
	maxAge      time.Duration
	graph       local.GraphOptions
	embedders   []embed.Embedder
	models      []byte // models.yaml
	log         *slog.Logger
}

// openHouse opens a data directory and everything in it, and makes it if it is absent.
func openHouse(ctx context.Context, o houseOptions) (h *house, err error) {
	h = &house{}
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
	h.engine = local.Open(h.dir.Sub(indexesFolder), local.Options{MemoryBytes: o.memoryBytes, MaxAge: o.maxAge, Graph: o.graph, Log: o.log})
	limits := vectorize.Cloudflare()
	if o.relaxed {
		limits = vectorize.Relaxed()
	}
	files := catalog.Files{Dir: h.dir.Sub(snapshotsFolder)}
	if h.vectorize, err = vectorize.Open(ctx, h.catalog, h.engine, vectorize.Options{Limits: limits, Files: files, Log: o.log}); err != nil {
		return h, err
	}
	models, err := llm.Load(o.models)
	if err != nil {
		return h, err
	}
	if h.models, err = llm.NewRouter(models, o.embedders, rag.Pins{Catalog: h.catalog}, neuron.NewMeter(time.Now)); err != nil {
		return h, err
	}
	h.texts = rag.New(h.vectorize, h.models, h.catalog)
	return h, nil
}

// parts is what a server needs of the house.
func (h *house) parts() server.Parts {
	return server.Parts{Keys: h.catalog, Vectorize: h.vectorize, Models: h.models, Texts: h.texts}
}

// Close closes everything, the innermost first.
func (h *house) Close() error {
	var errs []error
	if h.engine != nil {
		errs = append(errs, h.engine.Close())
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
