package command

import (
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"nearside/client"
	"nearside/fault"
)

// loadedFile is an uploaded file as the server lists it.
type loadedFile struct {
	Path    string `json:"path"`
	State   string `json:"state"`
	Reason  string `json:"reason,omitempty"`
	Size    int64  `json:"size"`
	Records int    `json:"records"`
	Changed string `json:"changed_on"`
}

// fileFlags say whose files are meant.
type fileFlags struct{ index, namespace string }

func (f *fileFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.index, "index", "", "the index (required)")
	cmd.Flags().StringVar(&f.namespace, "namespace", "", "the namespace of the files' records")
}

// path is where the server has the files, with a query.
func (f *fileFlags) path(query url.Values) (string, error) {
	if f.index == "" {
		return "", fault.New(fault.Invalid, "say which index is meant: --index NAME")
	}
	if f.namespace != "" {
		query.Set("namespace", f.namespace)
	}
	return indexPath(f.index) + "/files?" + query.Encode(), nil
}

func newFiles() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "files",
		Short: "Upload files into an index, list them, remove them",
		Long: `Upload files into an index, list them, remove them.

The server reads the files, cuts them into passages and loads these, in a job that
goes on when this command has ended. A folder that is to be kept in step with an
index is loaded with "nearside ingest".`,
	}
	server := connectFlags(cmd)
	cmd.AddCommand(newFilesList(server), newFilesAdd(server), newFilesRemove(server))
	return cmd
}

func newFilesList(server *connection) *cobra.Command {
	var f fileFlags
	var state string
	cmd := &cobra.Command{
		Use:   "list --index NAME",
		Short: "List the files that were uploaded, with what came of each",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := allFiles(cmd.Context(), server.client(), f, state)
			if err != nil {
				return err
			}
			return printResult(cmd, list, func(w io.Writer) {
				table(w, "PATH\tSTATE\tSIZE\tPASSAGES\tREASON", func(row func(string, ...any)) {
					for _, file := range list {
						row("%s\t%s\t%s\t%d\t%s", file.Path, file.State, humanize.IBytes(uint64(file.Size)), file.Records, file.Reason)
					}
				})
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&state, "state", "", "only files in this state: loaded, loading, failed")
	return cmd
}

// allFiles fetches every page of the list.
func allFiles(ctx context.Context, api *client.Client, f fileFlags, state string) ([]loadedFile, error) {
	const most = 1000
	list := []loadedFile{}
	for after := ""; ; {
		path, err := f.path(url.Values{"limit": {strconv.Itoa(most)}, "after": {after}, "state": {state}})
		if err != nil {
			return nil, err
		}
		var page []loadedFile
		if err := api.Do(ctx, http.MethodGet, path, nil, &page); err != nil {
			return nil, err
		}
		list = append(list, page...)
		if len(page) < most {
			return list, nil
		}
		after = page[most-1].Path
	}
}

func newFilesAdd(server *connection) *cobra.Command {
	var f fileFlags
	var under, metadata string
	var size, overlap int
	var wait bool
	cmd := &cobra.Command{
		Use:   "add --index NAME FILE...",
		Short: "Upload files; one of a path that is there takes its place",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{}
			for name, value := range map[string]string{"metadata": metadata, "size": orNone(size), "overlap": orNone(overlap)} {
				if value != "" {
					query.Set(name, value)
				}
			}
			path, err := f.path(query)
			if err != nil {
				return err
			}
			j, err := addFiles(cmd, server.client(), path, under, args)
			switch {
			case err != nil:
				return err
			case wait:
				return awaitJob(cmd, server.client(), strconv.FormatInt(j.ID, 10))
			}
			return printResult(cmd, j, func(w io.Writer) {
				fmt.Fprintf(w, "job %d loads %d files; wait for it with: nearside jobs wait %d\n", j.ID, j.Progress.Total, j.ID)
			})
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&under, "under", "", "folder that the files are called to lie in, such as guide")
	flags.StringVar(&metadata, "metadata", "", `metadata of all their records, such as {"lang":"en"}`)
	flags.IntVar(&size, "size", 0, "tokens that a passage has at most (default: as it suits the model)")
	flags.IntVar(&overlap, "overlap", 0, "tokens that a passage repeats of the one before it")
	flags.BoolVar(&wait, "wait", false, "wait until they are loaded")
	return cmd
}

func orNone(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// addFiles streams files to the server as a form.
func addFiles(cmd *cobra.Command, api *client.Client, to, under string, files []string) (j job, err error) {
	var total int64
	for _, name := range files { // before anything is sent
		info, err := os.Stat(name)
		if err != nil {
			return j, fault.New(fault.Invalid, "cannot read the file %s", name).Because(err)
		}
		if !info.Mode().IsRegular() {
			return j, fault.New(fault.Invalid, "%s is no file; load folders with: nearside ingest", name)
		}
		total += info.Size()
	}
	bar := newProgress(cmd.ErrOrStderr(), "sending", true)
	defer bar.finish()
	body, out := io.Pipe()
	form := multipart.NewWriter(out)
	var writing sync.WaitGroup
	defer writing.Wait()
	defer body.Close()
	writing.Go(func() { out.CloseWithError(writeForm(form, under, files)) })
	counted := &counting{Reader: body, tell: func(n int64) { bar.set(n, max(n, total)) }}
	res, err := api.Open(cmd.Context(), http.MethodPost, to, form.FormDataContentType(), counted)
	if err != nil {
		return j, err
	}
	defer res.Body.Close()
	return j, client.Result(res, &j)
}

// writeForm writes the files into a form.
func writeForm(form *multipart.Writer, under string, files []string) error {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", " ", "\n", " ")
	for _, name := range files {
		head := textproto.MIMEHeader{}
		sent := path.Join(under, filepath.Base(name))
		head.Set("Content-Disposition", fmt.Sprintf(`form-data; name="file"; filename="%s"`, escape.Replace(sent)))
		head.Set("Content-Type", "application/octet-stream")
		part, err := form.CreatePart(head)
		if err != nil {
			return err
		}
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(part, file)
		file.Close()
		if err != nil {
			return err
		}
	}
	return form.Close()
}

func newFilesRemove(server *connection) *cobra.Command {
	var f fileFlags
	cmd := &cobra.Command{
		Use:   "remove --index NAME PATH...",
		Short: "Remove files, with their passages in the index",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range args {
				path, err := f.path(url.Values{"path": {name}})
				if err != nil {
					return err
				}
				if err := server.client().Do(cmd.Context(), http.MethodDelete, path, nil, nil); err != nil {
					return err
				}
			}
			return printResult(cmd, map[string]any{"removed": args}, func(w io.Writer) {
				for _, name := range args {
					fmt.Fprintf(w, "%s removed\n", name)
				}
			})
		},
	}
	f.add(cmd)
	return cmd
}
