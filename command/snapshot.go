package command

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"nearside/client"
	"nearside/disk"
	"nearside/fault"
)

// keptSnapshot is a snapshot in the server's data directory.
type keptSnapshot struct {
	ID       string `json:"id"`
	Index    string `json:"index"`
	Created  string `json:"created_on"`
	Bytes    int64  `json:"bytes"`
	Sequence uint64 `json:"sequence,omitempty"` // known when it has just been made
}

// snapshotContents is what a verified snapshot holds.
type snapshotContents struct {
	Index    string `json:"index"`
	Count    int    `json:"vectorCount"`
	Sequence uint64 `json:"sequence"`
	Created  string `json:"created_on"`
}

func newSnapshot() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Copy an index into one file, verify such a file, put it back",
		Long: `Copy an index into one file, verify such a file, put it back.

A snapshot is consistent to one moment and is taken while writes go on. The server
keeps it in its data directory under an id; --output writes it to a file here
instead. verify and restore take an id or the path of a file.`,
	}
	server := connectFlags(cmd)
	cmd.AddCommand(newSnapshotCreate(server), newSnapshotList(server), newSnapshotVerify(server), newSnapshotRestore(server))
	return cmd
}

func newSnapshotCreate(server *connection) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "create INDEX",
		Short: "Take a snapshot",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "" {
				return downloadSnapshot(cmd, server.client(), args[0], output)
			}
			var kept keptSnapshot
			if err := server.client().Do(cmd.Context(), http.MethodPost, indexPath(args[0])+"/snapshots", nil, &kept); err != nil {
				return err
			}
			return printResult(cmd, kept, func(w io.Writer) {
				fmt.Fprintf(w, "%s: %s, up to mutation %d\n", kept.ID, humanize.IBytes(uint64(kept.Bytes)), kept.Sequence)
			})
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write the snapshot to this file")
	return cmd
}

// downloadSnapshot streams a snapshot into a file, which exists only once it is whole.
func downloadSnapshot(cmd *cobra.Command, api *client.Client, index, path string) error {
	res, err := api.Open(cmd.Context(), http.MethodGet, indexPath(index)+"/snapshot", "", nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	bar := newProgress(cmd.ErrOrStderr(), "receiving", true)
	body := &counting{Reader: res.Body, tell: func(n int64) { bar.set(n, max(n, res.ContentLength)) }}
	err = disk.WriteFileAtomic(path, func(w io.Writer) error {
		_, err := io.Copy(w, body)
		return err
	})
	bar.finish()
	if err != nil {
		return err
	}
	return printResult(cmd, map[string]any{"path": path, "bytes": body.n}, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s\n", path, humanize.IBytes(uint64(body.n)))
	})
}

func newSnapshotList(server *connection) *cobra.Command {
	return &cobra.Command{
		Use:   "list INDEX",
		Short: "List the snapshots that the server keeps",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var list []keptSnapshot
			if err := server.client().Do(cmd.Context(), http.MethodGet, indexPath(args[0])+"/snapshots", nil, &list); err != nil {
				return err
			}
			return printResult(cmd, list, func(w io.Writer) {
				table(w, "ID\tTAKEN\tSIZE", func(row func(string, ...any)) {
					for _, s := range list {
						row("%s\t%s\t%s", s.ID, s.Created, humanize.IBytes(uint64(s.Bytes)))
					}
				})
			})
		},
	}
}

func newSnapshotVerify(server *connection) *cobra.Command {
	return &cobra.Command{
		Use:   "verify INDEX SNAPSHOT",
		Short: "Read a snapshot whole, as a restore would, and change nothing",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			contents, err := useSnapshot(cmd, server.client(), args[0], args[1], "verify", "?dry_run=true")
			if err != nil {
				return err
			}
			return printResult(cmd, contents, func(w io.Writer) {
				fmt.Fprintf(w, "sound: %d records of %s, up to mutation %d, taken %s\n", contents.Count, contents.Index, contents.Sequence, contents.Created)
			})
		},
	}
}

func newSnapshotRestore(server *connection) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "restore INDEX SNAPSHOT",
		Short: "Put the records of a snapshot in the place of the index's",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes && !confirm(cmd, fmt.Sprintf("Replace everything in %s? [y/N] ", args[0])) {
				return fault.New(fault.Invalid, "nothing was restored; answer y, or give --yes")
			}
			contents, err := useSnapshot(cmd, server.client(), args[0], args[1], "restore", "")
			if err != nil {
				return err
			}
			return printResult(cmd, contents, func(w io.Writer) {
				fmt.Fprintf(w, "%s now holds the %d records of %s\n", args[0], contents.Count, contents.Created)
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// useSnapshot verifies or restores: a file if there is one of that name, else the snapshot the server keeps.
func useSnapshot(cmd *cobra.Command, api *client.Client, index, snapshot, verb, query string) (c snapshotContents, err error) {
	info, err := os.Stat(snapshot)
	if err != nil {
		path := indexPath(index) + "/snapshots/" + url.PathEscape(snapshot) + "/" + verb
		return c, api.Do(cmd.Context(), http.MethodPost, path, nil, &c)
	}
	file, err := os.Open(snapshot)
	if err != nil {
		return c, fault.New(fault.Invalid, "cannot read the snapshot %s", snapshot).Because(err)
	}
	defer file.Close()
	bar := newProgress(cmd.ErrOrStderr(), "sending", true)
	defer bar.finish()
	body := &counting{Reader: file, tell: func(n int64) { bar.set(n, info.Size()) }}
	return c, upload(cmd.Context(), api, indexPath(index)+"/snapshot"+query, body, &c)
}

func upload(ctx context.Context, api *client.Client, path string, body io.Reader, result any) error {
	res, err := api.Open(ctx, http.MethodPut, path, "application/octet-stream", body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return client.Result(res, result)
}

// counting counts the bytes read through it and tells the count.
type counting struct {
	io.Reader
	n    int64
	tell func(n int64)
}

// Read implements io.Reader.
func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	c.tell(c.n)
	return n, err
}
