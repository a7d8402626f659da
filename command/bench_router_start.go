package command

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"

	"github.com/spf13/cobra"

	"nearside/disk"
	"nearside/measure/router"
)

// newBenchAnswer is the model server of bench router, as a process of its own.
func newBenchAnswer() *cobra.Command {
	var pace router.Pace
	cmd := &cobra.Command{
		Use: "answer", Short: "Serve a model that does no work", Args: noArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%shttp://%s\n", serving, listener.Addr())
			return router.Serve(cmd.Context(), listener, pace)
		},
	}
	addPace(cmd, &pace)
	return cmd
}

// newBenchProxy is a bare proxy of bench router, as a process of its own.
func newBenchProxy() *cobra.Command {
	var to, data string
	cmd := &cobra.Command{
		Use: "proxy", Short: "Pass calls on to a model server", Args: noArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			var dir *disk.Dir
			if data != "" {
				if dir, err = disk.OpenDir(data, disk.Options{}); err != nil {
					return err
				}
				defer func() { err = errors.Join(err, dir.Close()) }()
			}
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%shttp://%s\n", serving, listener.Addr())
			return router.Proxy(cmd.Context(), listener, to, dir)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "its address, with its /v1")
	cmd.Flags().StringVar(&data, "sync", "", "a data directory in which a page is synced before a reply ends")
	return cmd
}

// start starts what is compared, each a process of its own. stop ends what was
// started, after an error too.
func (f *routerFlags) start(cmd *cobra.Command, dir string) (t router.Targets, stop func() error, err error) {
	var children []*child
	stop = func() (err error) {
		for _, c := range children {
			err = errors.Join(err, c.stop())
		}
		return err
	}
	begin := func(args ...string) (url string, err error) {
		c, err := startChild(cmd, args...)
		if err != nil {
			return "", err
		}
		children = append(children, c)
		return c.url, nil
	}
	t.Direct = router.Target{URL: f.url, Model: f.model}
	if f.url == "" {
		if t.Direct.URL, err = begin("bench", "answer", "--first", f.pace.First.String(), "--between", f.pace.Between.String(), "--pieces", fmt.Sprint(f.pace.Pieces)); err != nil {
			return t, stop, err
		}
		t.Direct.URL += "/v1"
	}
	t.Proxy.Model, t.Synced.Model, t.Nearside.Model = f.model, f.model, benchModel
	if t.Proxy.URL, err = begin("bench", "proxy", "--to", t.Direct.URL); err != nil {
		return t, stop, err
	}
	if t.Synced.URL, err = begin("bench", "proxy", "--to", t.Direct.URL, "--sync", filepath.Join(dir, "synced")); err != nil {
		return t, stop, err
	}
	models := filepath.Join(dir, "models.yaml")
	if err := disk.WriteFileAtomic(models, func(w io.Writer) error { return benchCatalogue(w, t.Direct) }); err != nil {
		return t, stop, err
	}
	t.Nearside.URL, err = begin("serve", "--addr", "127.0.0.1:0", "--data", filepath.Join(dir, "data"), "--models-file", models, "--ollama", off, "--log-level", "error")
	t.Nearside.URL += "/v1"
	return t, stop, err
}

const (
	benchModel    = "@bench/model"
	benchFailover = "@bench/failover"
	// deadBackends is how many there are: each is tried a few times only.
	deadBackends = 8
	// triesBeforeOpen is how many failures in a row open a breaker (llm/backend's DefaultFailures).
	triesBeforeOpen = 5
)

// benchCatalogue writes a models.yaml with a model that the target answers for, and
// models that dead backends stand before.
func benchCatalogue(w io.Writer, target router.Target) error {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	nobody := fmt.Sprintf("http://%s/v1", closed.Addr())
	if err := closed.Close(); err != nil { // nobody listens there now
		return err
	}
	const model = "  - {id: %q, task: Text Generation, output: chat.completion, backends: [%s], prices: [{unit: M_input_tokens, usd: \"0.100\", neurons: \"9091\"}, {unit: M_output_tokens, usd: \"0.300\", neurons: \"27273\"}]}\n"
	answers := fmt.Sprintf("{kind: bench, model: %q}", target.Model)
	servers := fmt.Sprintf("  - {name: bench, kind: openai, url: %q, concurrency: 1000, queue: 1000}\n", target.URL)
	models := fmt.Sprintf(model, benchModel, answers)
	for i := range deadBackends {
		servers += fmt.Sprintf("  - {name: dead-%d, kind: openai, url: %q}\n", i, nobody)
		models += fmt.Sprintf(model, fmt.Sprintf("%s-%d", benchFailover, i), fmt.Sprintf("{kind: dead-%d, model: none}, %s", i, answers))
	}
	_, err = fmt.Fprintf(w, "backends:\n%smodels:\n%s", servers, models)
	return err
}
