// Package wire speaks HTTP with the programs that run models, on behalf of the
// backends: one Client a program, JSON both ways, streams line by line.
//
// Every size that the other side controls has a limit here: headers, a line, a
// whole reply, a whole stream. What goes wrong comes back as a *backend.Error of
// the right Kind, or as the context's error if that ended. A backend's own words
// are never passed on, because they may quote the prompt or the answer: errors are
// told from a list of phrases, and say what we make of them.
//
// There are no time-outs here but that of connecting: a backend.Guard has the others.
package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"nearside/llm/backend"
)

// Limits of what the other side may send.
const (
	MaxReply  = 64 << 20 // bytes of a reply in one piece: 100 vectors of 4,096 numbers are 5 MB, a picture less
	MaxStream = 64 << 20 // bytes of a stream: far more than any model's context
	MaxLine   = 4 << 20  // bytes of a line of a stream: a call of a tool comes in one
	maxError  = 64 << 10 // bytes of an error that are read to tell what it is
	maxHeader = 64 << 10
)

// connectTime is how long a connection may take to open. It is short, because most
// backends are on this machine or beside it, and another one may be waiting its turn.
const connectTime = 5 * time.Second

// idleConns is how many unused connections are kept: one for each call of a busy backend.
const idleConns = 64

// Client asks one program. It may be used from any goroutine.
type Client struct {
	name string
	base *url.URL
	key  string
	http *http.Client
}

// New returns a client for the program at base, an http or https URL. The key,
// if there is one, goes along as a bearer token.
func New(name, base, key string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("the URL of backend %q must be like http://127.0.0.1:11434, and is not", name)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("the URL of backend %q must end with its path; a key is given by key_env", name)
	}
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: connectTime}).DialContext,
		TLSHandshakeTimeout:    connectTime,
		MaxIdleConnsPerHost:    idleConns,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true, // nothing can blow up in our hands
	}
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{name: name, base: u, key: key, http: &http.Client{Transport: transport, CheckRedirect: refuse}}, nil
}

// Name is the backend's.
func (c *Client) Name() string { return c.name }

// Host is where the program is: host and port.
func (c *Client) Host() string { return c.base.Host }

// Base is the URL that paths are joined to.
func (c *Client) Base() string { return c.base.String() }

// Close drops the connections that nobody uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Body is what is sent.
type Body struct {
	Type  string
	Bytes []byte
}

// JSON returns v as a body.
func JSON(v any) (Body, error) {
	b, err := json.Marshal(v)
	return Body{"application/json", b}, err
}

// Get reads JSON from a path into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	reply, err := c.send(ctx, "", http.MethodGet, path, Body{})
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	return c.decode(ctx, "", reply, out)
}

// Post sends JSON for a model and reads JSON into out.
func (c *Client) Post(ctx context.Context, model, path string, in, out any) error {
	body, err := JSON(in)
	if err != nil {
		return c.Error(model, backend.Unable, err, "the request cannot be written as JSON")
	}
	return c.PostBody(ctx, model, path, body, out)
}

// PostBody sends a body for a model and reads JSON into out.
func (c *Client) PostBody(ctx context.Context, model, path string, body Body, out any) error {
	reply, err := c.send(ctx, model, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	return c.decode(ctx, model, reply, out)
}

// PostRaw sends JSON for a model and returns what comes, with its type.
func (c *Client) PostRaw(ctx context.Context, model, path string, in any) (contentType string, reply []byte, err error) {
	body, err := JSON(in)
	if err != nil {
		return "", nil, c.Error(model, backend.Unable, err, "the request cannot be written as JSON")
	}
	r, err := c.send(ctx, model, http.MethodPost, path, body)
	if err != nil {
		return "", nil, err
	}
	defer r.Body.Close()
	reply, err = c.readAll(ctx, model, r)
	return r.Header.Get("Content-Type"), reply, err
}

// Stream sends JSON for a model and returns the reply to be read line by line.
// The caller closes it.
func (c *Client) Stream(ctx context.Context, model, path string, in any) (*Lines, error) {
	body, err := JSON(in)
	if err != nil {
		return nil, c.Error(model, backend.Unable, err, "the request cannot be written as JSON")
	}
	reply, err := c.send(ctx, model, http.MethodPost, path, body)
	if err != nil {
		return nil, err
	}
	return newLines(ctx, c, model, reply), nil
}

// send returns a reply whose status is good.
func (c *Client) send(ctx context.Context, model, method, path string, body Body) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, method, c.base.JoinPath(path).String(), bytes.NewReader(body.Bytes))
	if err != nil {
		return nil, c.Error(model, backend.Unreachable, err, "its address makes no request")
	}
	if body.Type != "" {
		q.Header.Set("Content-Type", body.Type)
	}
	if c.key != "" {
		q.Header.Set("Authorization", "Bearer "+c.key)
	}
	reply, err := c.http.Do(q)
	if err != nil {
		return nil, c.unreachable(ctx, model, err)
	}
	if reply.StatusCode/100 != 2 {
		defer reply.Body.Close()
		return nil, c.refused(ctx, model, reply)
	}
	return reply, nil
}

// decode reads a reply in one piece.
func (c *Client) decode(ctx context.Context, model string, reply *http.Response, out any) error {
	b, err := c.readAll(ctx, model, reply)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, out); err != nil {
		return c.Error(model, backend.Broken, nil, "its reply of %d bytes is not the JSON that was expected", len(b))
	}
	return nil
}

func (c *Client) readAll(ctx context.Context, model string, reply *http.Response) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(reply.Body, MaxReply+1))
	if err != nil {
		return nil, c.cut(ctx, model, err)
	}
	if len(b) > MaxReply {
		return nil, c.Error(model, backend.Broken, nil, "its reply is longer than %d MB", MaxReply>>20)
	}
	return b, nil
}

// Error returns an error of the backend. The cause must hold no text of a model.
func (c *Client) Error(model string, kind backend.Kind, cause error, format string, args ...any) *backend.Error {
	return &backend.Error{Backend: c.name, Model: model, Kind: kind, Cause: cause, Message: fmt.Sprintf(format, args...)}
}

// unreachable is the error of a request that no reply came to.
func (c *Client) unreachable(ctx context.Context, model string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return c.Error(model, backend.Unreachable, err, "no connection to %s; is the server running?", c.Host())
	}
	if strings.Contains(err.Error(), "server response headers exceeded") {
		return c.Error(model, backend.Broken, nil, "its headers are longer than %d KB", maxHeader>>10)
	}
	return c.Error(model, backend.Unreachable, err, "%s ended the connection without a reply", c.Host())
}

// cut is the error of a reply that ended before it was whole, when nothing of it
// had been given out.
func (c *Client) cut(ctx context.Context, model string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.Error(model, backend.Unreachable, err, "%s ended the connection in the middle of its reply", c.Host())
}
