package command

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"nearside/client"
	"nearside/fault"
	"nearside/ingest/bookmark"
	"nearside/ingest/move"
	"nearside/ingest/rows"
)

// cloudflareAPI is where Cloudflare answers.
const cloudflareAPI = "https://api.cloudflare.com"

// atCloudflare is what --to and --from are given for it.
const atCloudflare = "cloudflare"

// elsewhere is the other end of a move: an index at Cloudflare, or of another nearside.
//
// It has flags of its own, and not --url, --account and --key, which may come from the
// environment: a key for here must not go there, nor a token of Cloudflare's here.
type elsewhere struct {
	word                     string // "to" or "from"
	where, url, account, key string
	textKey                  string
	state                    string
}

// register adds the flags.
func (e *elsewhere) register(flags *pflag.FlagSet, word string) {
	e.word = word
	flags.StringVar(&e.where, word, "", "the other place: cloudflare, or the address of a nearside server")
	flags.StringVar(&e.url, word+"-url", "", "address of Cloudflare's API (default "+cloudflareAPI+")")
	flags.StringVar(&e.account, word+"-account", "", "account there (default of Cloudflare: CLOUDFLARE_ACCOUNT_ID; of a server: local)")
	flags.StringVar(&e.key, word+"-key", "", "API token or key there (default of Cloudflare: CLOUDFLARE_API_TOKEN)")
	flags.StringVar(&e.state, "state", defaultState(), "folder in which is kept how far an interrupted load came")
	if word == "to" {
		flags.StringVar(&e.textKey, "text-key", "", "metadata that texts become at Cloudflare, which has no other place for them")
	}
}

// place returns an index there.
func (e *elsewhere) place(index string, stderr io.Writer) (move.Place, error) {
	switch {
	case e.where == atCloudflare:
		return e.cloudflare(index, stderr)
	case strings.HasPrefix(e.where, "http://"), strings.HasPrefix(e.where, "https://"):
		if e.url != "" || e.textKey != "" {
			return move.Place{}, fault.New(fault.Invalid, "--%s-url and --text-key are for --%s cloudflare", e.word, e.word)
		}
		return move.Place{Client: &client.Client{URL: e.where, Account: e.account, Key: e.key}, Index: index}, nil
	}
	return move.Place{}, fault.New(fault.Invalid, "--%s %q is no place that is known here; give cloudflare, or the address of a nearside server, such as https://example.com:8810", e.word, e.where)
}

func (e *elsewhere) cloudflare(index string, stderr io.Writer) (move.Place, error) {
	api := &client.Client{
		URL:     cmp.Or(e.url, cloudflareAPI),
		Account: cmp.Or(e.account, os.Getenv("CLOUDFLARE_ACCOUNT_ID")),
		Key:     cmp.Or(e.key, os.Getenv("CLOUDFLARE_API_TOKEN")),
	}
	if api.Account == "" || api.Key == "" {
		return move.Place{}, fault.New(fault.Invalid, "Cloudflare wants an account and a token: set CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN, or give --%s-account and --%s-key", e.word, e.word)
	}
	return move.Place{Client: api, Index: index, Cloudflare: &rows.Cloudflare{
		TextKey: e.textKey,
		Waiting: func(why error) { fmt.Fprintf(stderr, "waiting: %v\n", why) },
	}}, nil
}

// bookmark returns where the mark of a load is kept.
func (e *elsewhere) bookmark(from string, to move.Place) *bookmark.Bookmark {
	return bookmark.New(filepath.Join(e.state, "loads"), from, to.String(), to.Client.URL, to.Client.Account)
}

// defaultState is where programs of the user's keep what they may forget.
func defaultState() string {
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "nearside")
	}
	return filepath.Join(home(), ".local", "state", "nearside")
}
