package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/catalog"
	"nearside/client"
	"nearside/disk"
	"nearside/vectorize"
)

// apiKey is an API key as the server shows it.
type apiKey struct {
	ID         string          `json:"id,omitempty"`
	Name       string          `json:"name"`
	Account    string          `json:"account,omitempty"`
	Scope      string          `json:"scope"`
	Indexes    []string        `json:"indexes,omitempty"`
	Namespaces []string        `json:"namespaces,omitempty"`
	Filter     json.RawMessage `json:"filter,omitempty"`
	Neurons    int64           `json:"neurons_per_day,omitempty"`
	Prefix     string          `json:"prefix,omitempty"`
	Created    string          `json:"created_on,omitempty"`
	Secret     string          `json:"secret,omitempty"`
}

// keyring is where keys are kept: a server, or a data directory that no server has open.
type keyring interface {
	create(ctx context.Context, k apiKey) (apiKey, error)
	list(ctx context.Context) ([]apiKey, error)
	revoke(ctx context.Context, id string) error
}

func newKeys() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke API keys",
		Long: `Make, list and revoke API keys.

Without a key, everybody on this machine may call the server. As soon as one
exists, every request needs one. The first key must be an admin key without limits,
because only such a key can make the next one.

The keys are those of a running server; with --data, of a data directory that no
server has open, which is how to make the first key before the server is reachable
by others.`,
	}
	server := connectFlags(cmd)
	var data string
	cmd.PersistentFlags().StringVar(&data, "data", "", "data directory to open instead of calling a server")
	with := func(cmd *cobra.Command, do func(k keyring) error) error {
		if !cmd.Flags().Changed("data") {
			return do(remoteKeys{server.client()})
		}
		return withCatalog(data, func(c *catalog.Catalog) error { return do(localKeys{c, server.account}) })
	}
	cmd.AddCommand(newKeysCreate(with), newKeysList(with), newKeysRevoke(with))
	return cmd
}

// withKeyring runs do with the keyring that the flags name.
type withKeyring func(cmd *cobra.Command, do func(k keyring) error) error

func newKeysCreate(with withKeyring) *cobra.Command {
	var key apiKey
	var filter string
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a key and show it, this once",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key.Filter = json.RawMessage(filter)
			return with(cmd, func(k keyring) error {
				made, err := k.create(cmd.Context(), key)
				if err != nil {
					return err
				}
				return printResult(cmd, made, func(w io.Writer) {
					fmt.Fprintf(w, "%s\n", made.Secret)
					fmt.Fprintf(cmd.ErrOrStderr(), "This is the only time the key is shown. Its id is %s, its scope %s.\n", made.ID, made.Scope)
				})
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&key.Scope, "scope", "read", "what the key allows: read, write (and read), admin (and everything)")
	flags.StringVar(&key.Name, "name", "", "a name for people")
	flags.StringSliceVar(&key.Indexes, "index", nil, "only these indexes")
	flags.StringSliceVar(&key.Namespaces, "namespace", nil, "only these namespaces")
	flags.StringVar(&filter, "filter", "", `only records that pass this metadata filter, such as {"tenant":"a"}`)
	flags.Int64Var(&key.Neurons, "neurons-per-day", 0, "the most neurons that models may cost in a UTC day; 0 = no limit of its own")
	return cmd
}

func newKeysList(with withKeyring) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the keys, without their secrets",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return with(cmd, func(k keyring) error {
				keys, err := k.list(cmd.Context())
				if err != nil {
					return err
				}
				return printResult(cmd, keys, func(w io.Writer) {
					table(w, "ID\tSCOPE\tBEGINS WITH\tNAME\tLIMITED TO\tCREATED", func(row func(string, ...any)) {
						for _, k := range keys {
							row("%s\t%s\t%s…\t%s\t%s\t%s", k.ID, k.Scope, k.Prefix, k.Name, k.limits(), k.Created)
						}
					})
				})
			})
		},
	}
}

func newKeysRevoke(with withKeyring) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID",
		Short: "End a key at once",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return with(cmd, func(k keyring) error {
				if err := k.revoke(cmd.Context(), args[0]); err != nil {
					return err
				}
				return printResult(cmd, map[string]string{"id": args[0]}, func(w io.Writer) { fmt.Fprintf(w, "key %s is revoked\n", args[0]) })
			})
		},
	}
}

// limits says in words what a key is limited to.
func (k apiKey) limits() string {
	var parts []string
	if k.Indexes != nil {
		parts = append(parts, "indexes "+strings.Join(k.Indexes, ", "))
	}
	if k.Namespaces != nil {
		parts = append(parts, "namespaces "+strings.Join(k.Namespaces, ", "))
	}
	if k.Filter != nil {
		parts = append(parts, "filter "+string(k.Filter))
	}
	if k.Neurons > 0 {
		parts = append(parts, fmt.Sprintf("%d neurons a day", k.Neurons))
	}
	return strings.Join(parts, "; ")
}

// remoteKeys are the keys of a running server.
type remoteKeys struct{ *client.Client }

func (r remoteKeys) create(ctx context.Context, k apiKey) (made apiKey, err error) {
	if len(k.Filter) == 0 {
		k.Filter = nil
	}
	return made, r.Do(ctx, http.MethodPost, "/nearside/keys", k, &made)
}

func (r remoteKeys) list(ctx context.Context) (keys []apiKey, err error) {
	return keys, r.Do(ctx, http.MethodGet, "/nearside/keys", nil, &keys)
}

func (r remoteKeys) revoke(ctx context.Context, id string) error {
	return r.Do(ctx, http.MethodDelete, "/nearside/keys/"+url.PathEscape(id), nil, nil)
}

// localKeys are the keys in a data directory.
type localKeys struct {
	catalog *catalog.Catalog
	account string
}

func (l localKeys) create(ctx context.Context, k apiKey) (apiKey, error) {
	limits := catalog.Limits{Indexes: k.Indexes, Namespaces: k.Namespaces}
	if len(k.Filter) > 0 {
		limits.Filter = k.Filter
	}
	if _, err := vectorize.Within(limits); err != nil {
		return apiKey{}, err
	}
	made, secret, err := l.catalog.CreateKey(ctx, catalog.Key{Account: l.account, Name: k.Name, Permission: catalog.Permission(k.Scope), Limits: limits, NeuronsPerDay: k.Neurons})
	if err != nil {
		return apiKey{}, err
	}
	shown := describeKey(made)
	shown.Secret = secret
	return shown, nil
}

func (l localKeys) list(context.Context) ([]apiKey, error) {
	keys := []apiKey{}
	for _, k := range l.catalog.Keys(l.account) {
		keys = append(keys, describeKey(k))
	}
	return keys, nil
}

func (l localKeys) revoke(ctx context.Context, id string) error {
	return l.catalog.RevokeKey(ctx, l.account, id)
}

func describeKey(k catalog.Key) apiKey {
	return apiKey{ID: k.ID, Name: k.Name, Account: k.Account, Scope: string(k.Permission), Indexes: k.Indexes, Namespaces: k.Namespaces,
		Filter: k.Filter, Neurons: k.NeuronsPerDay, Prefix: k.Prefix, Created: k.Created.Format(time.RFC3339Nano)}
}

// withCatalog opens the catalogue of a data directory that no server has open.
func withCatalog(data string, do func(c *catalog.Catalog) error) (err error) {
	dir, err := disk.OpenDir(data, disk.Options{})
	if err != nil {
		return err
	}
	defer closeAfter(dir, &err)
	c, err := catalog.Open(dir, time.Now)
	if err != nil {
		return err
	}
	defer closeAfter(c, &err)
	return do(c)
}

// closeAfter closes c and keeps its error if there was none before.
func closeAfter(c io.Closer, err *error) {
	if closing := c.Close(); *err == nil {
		*err = closing
	}
}
