package command

import (
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"

	"nearside/client"
)

// connection holds the flags by which a verb finds its server.
type connection struct {
	url, account, key string
	stderr            func() io.Writer
	say               func(warning string) // in place of a line on stderr; nil = that
	warned            sync.Map             // the warnings that were shown
}

// connectFlags adds the flags to a verb that talks to a server.
func connectFlags(cmd *cobra.Command) *connection {
	c := &connection{stderr: cmd.ErrOrStderr}
	flags := cmd.PersistentFlags()
	flags.StringVar(&c.url, "url", client.DefaultURL, "address of the server")
	flags.StringVar(&c.account, "account", "local", "account on the server")
	flags.StringVar(&c.key, "key", "", "API key, once the server has keys")
	return c
}

func (c *connection) client() *client.Client {
	return &client.Client{URL: c.url, Account: c.account, Key: c.key, Warn: c.warn}
}

// warn shows what a reply warns of, once however many replies say it.
func (c *connection) warn(warning string) {
	if _, shown := c.warned.LoadOrStore(warning, true); shown {
		return
	}
	if c.say != nil {
		c.say("warning: " + warning)
		return
	}
	fmt.Fprintf(c.stderr(), "warning: %s\n", warning)
}
