package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/client"
	"nearside/fault"
)

// checkedModel is how a model answered a small call.
type checkedModel struct {
	Model   string `json:"model"`
	OK      bool   `json:"ok"`
	Served  string `json:"served_by,omitempty"`
	Backend string `json:"backend,omitempty"`
	Route   string `json:"route,omitempty"`
	Millis  int64  `json:"milliseconds"`
	Neurons string `json:"neurons,omitempty"`
	Error   string `json:"error,omitempty"`
}

// verdict is the check's outcome for people, in one line.
func (c checkedModel) verdict() string {
	if c.OK {
		return "ok"
	}
	return "FAILED: " + strings.Join(strings.Fields(c.Error), " ")
}

func newModelsCheck() *cobra.Command {
	var filter modelFilter
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "check [ID…]",
		Short: "Try models with a small real call each",
		Long: `Try models with a small real call each: those named, or all that something
answers for. Nothing is asked of models that nobody answers for.

The calls go through the server as any other and are counted as such. A backend
may have to load each model first, which takes its time. A model that is told in
words to do a task it was not made for may fail for lack of wit: a larger one may not.

The exit code is 1 if any of the models failed.`,
	}
	server := connectFlags(cmd)
	cmd.Flags().StringVar(&filter.task, "task", "", `only models for a task, such as "Text Embeddings"`)
	cmd.Flags().DurationVar(&limit, "timeout", 5*time.Minute, "how long one model may take")
	cmd.RunE = func(cmd *cobra.Command, ids []string) error {
		c := server.client()
		models, err := filter.list(cmd.Context(), c)
		if err != nil {
			return err
		}
		if models, err = chosen(models, ids); err != nil {
			return err
		}
		results := make([]checkedModel, 0, len(models))
		for i, m := range models {
			fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d: %s\n", i+1, len(models), m.Name)
			results = append(results, checkModel(cmd.Context(), c, m, limit))
			if cmd.Context().Err() != nil {
				return cmd.Context().Err()
			}
		}
		if err := printResult(cmd, results, func(w io.Writer) { printChecked(w, results) }); err != nil {
			return err
		}
		return outcome(results)
	}
	return cmd
}

// chosen returns the models with the ids, in that order, or all that something answers for.
func chosen(models []servedModel, ids []string) ([]servedModel, error) {
	if len(ids) == 0 {
		models = slices.DeleteFunc(models, func(m servedModel) bool { return m.Missing != "" })
		if len(models) == 0 {
			return nil, fault.New(fault.Unavailable, "nothing answers for any model here; `nearside models list` says what each lacks")
		}
		return models, nil
	}
	list := make([]servedModel, len(ids))
	for i, id := range ids {
		at := slices.IndexFunc(models, func(m servedModel) bool { return m.Name == id })
		if at < 0 {
			return nil, fault.New(fault.NotFound, "there is no model %q to check; `nearside models list` shows those there are", id)
		}
		list[i] = models[at]
	}
	return list, nil
}

// checkModel makes one small call, if somebody would answer it.
func checkModel(ctx context.Context, c *client.Client, m servedModel, limit time.Duration) checkedModel {
	checked := checkedModel{Model: m.Name, Served: m.Served, Backend: m.Backend, Route: m.Route} // as it is planned, unless the reply says otherwise
	if m.Missing != "" {
		checked.Error = "nothing answers: " + m.why()
		return checked
	}
	small, ok := smallCall(m.Input)
	if !ok {
		checked.Error = "there is no small call for a model of this kind"
		return checked
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	err := checked.ask(ctx, c, small)
	checked.Millis = time.Since(began).Milliseconds()
	if ctx.Err() == context.DeadlineExceeded {
		err = fault.New(fault.Unavailable, "no answer within %s; --timeout allows more", limit)
	}
	if err != nil {
		checked.Error = err.Error()
	}
	checked.OK = err == nil
	return checked
}

// ask makes the call and notes who answered it.
func (c *checkedModel) ask(ctx context.Context, server *client.Client, small call) error {
	res, err := server.Open(ctx, http.MethodPost, "/ai/run/"+c.Model, small.contentType, bytes.NewReader(small.body))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	c.Served, c.Backend, c.Route = res.Header.Get("nearside-model"), res.Header.Get("nearside-backend"), res.Header.Get("nearside-route")
	c.Neurons = res.Header.Get("cf-ai-neurons")
	answer, err := io.Copy(io.Discard, res.Body)
	if err == nil && answer == 0 {
		err = fault.New(fault.Internal, "the answer is empty")
	}
	return err
}

func printChecked(w io.Writer, results []checkedModel) {
	table(w, "MODEL\tANSWERED BY\tROUTE\tTIME\tNEURONS\tOUTCOME", func(row func(string, ...any)) {
		for _, r := range results {
			by := "-"
			if r.Backend != "" {
				by = fmt.Sprintf("%s (%s)", r.Backend, r.Served)
			}
			row("%s\t%s\t%s\t%s\t%s\t%s", r.Model, by, r.Route, time.Duration(r.Millis)*time.Millisecond, r.Neurons, r.verdict())
		}
	})
}

// outcome is the command's error: that some of the models failed, or all.
func outcome(results []checkedModel) error {
	failed := 0
	for _, r := range results {
		if !r.OK {
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	return fault.New(fault.Unavailable, "%d of %d models failed", failed, len(results))
}
