// Package client speaks to a nearside server over its public API, for the
// command line and the bulk loader.
//
// It uses nothing that any other program could not use: Cloudflare's paths and
// the ones below /nearside/. A refused call comes back as a *fault.Error with
// the server's message, so that the command line can print it as it is. Calls
// refused as busy are tried again after the time the server names; nothing
// else is retried, because a mutation may have been applied.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"nearside/fault"
)

// DefaultURL is where `nearside serve` listens unless told otherwise.
const DefaultURL = "http://127.0.0.1:8810"

// Client is a server, an account on it, and a key. It may be used from any goroutine.
type Client struct {
	URL     string // "" = DefaultURL
	Account string // "" = "local"
	Key     string // "" = none
	HTTP    *http.Client
	Warn    func(warning string) // called, from any goroutine, with what a reply warns of; may be nil
}

// ReasonContentType is the reason of a refusal because of the body's content type.
const ReasonContentType fault.Reason = "content_type"

// codeContentType is how Cloudflare refuses the content type of an upload.
const codeContentType = 1005

// maxAttempts bounds the retries of a call that the server keeps refusing as busy.
const maxAttempts = 8

// Do sends body as JSON (nil = no body) to a path below the account and decodes the reply's result into result.
func (c *Client) Do(ctx context.Context, method, path string, body, result any) error {
	if body == nil {
		return c.Send(ctx, method, path, "", nil, result)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the request to %s: %w", path, err)
	}
	return c.Send(ctx, method, path, "application/json", raw, result)
}

// Send sends raw bytes to a path below the account and decodes the reply's result into result.
func (c *Client) Send(ctx context.Context, method, path, contentType string, body []byte, result any) error {
	for attempt := 1; ; attempt++ {
		err := c.once(ctx, method, path, contentType, body, result)
		f := fault.As(err)
		if f == nil || f.Kind != fault.Busy || attempt == maxAttempts {
			return err
		}
		timer := time.NewTimer(max(f.RetryAfter, 100*time.Millisecond))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

func (c *Client) once(ctx context.Context, method, path, contentType string, body []byte, result any) error {
	res, err := c.Open(ctx, method, path, contentType, bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if result == nil {
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
	return Result(res, result)
}

// Result decodes the result of a successful response.
func Result(res *http.Response, result any) error {
	var envelope struct {
		Result json.RawMessage `json:"result"`
	}
	if err := json.NewDecoder(res.Body).Decode(&envelope); err != nil {
		return fmt.Errorf("read the reply to %s: %w", res.Request.URL.Path, err)
	}
	return json.Unmarshal(envelope.Result, result)
}

// Open sends a request and returns the successful response, whose body the caller
// closes. It is for replies that are not an envelope, such as a snapshot's bytes.
func (c *Client) Open(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base()+path, body)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the server's address %q is not a URL; give it as http://host:port with --url", c.URL).Because(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.Key)
	}
	res, err := c.http().Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if warning := res.Header.Get("nearside-warning"); warning != "" && c.Warn != nil {
		c.Warn(warning)
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, refusal(res)
}

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return http.DefaultClient
}

func (c *Client) base() string {
	address, account := c.URL, c.Account
	if address == "" {
		address = DefaultURL
	}
	if account == "" {
		account = "local"
	}
	return strings.TrimRight(address, "/") + "/client/v4/accounts/" + url.PathEscape(account)
}

func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	address := c.URL
	if address == "" {
		address = DefaultURL
	}
	return fault.New(fault.Unavailable, "no server answers at %s; start one with: nearside serve, or name another with --url", address).Because(err)
}

// refusal turns a reply that is not 2xx into a fault of the matching kind.
func refusal(res *http.Response) error {
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read the refusal (HTTP %d): %w", res.StatusCode, err)
	}
	var envelope struct {
		Errors []struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
	}
	message := strings.TrimSpace(string(raw))
	if json.Unmarshal(raw, &envelope) == nil && len(envelope.Errors) > 0 {
		first := envelope.Errors[0]
		message = fmt.Sprintf("%s (code %d)", first.Message, first.Code)
	}
	f := fault.New(kindOf(res.StatusCode), "%s", message)
	if len(envelope.Errors) > 0 && envelope.Errors[0].Code == codeContentType {
		f.Reason = ReasonContentType
	}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		f.RetryAfter = time.Duration(seconds) * time.Second
	}
	return f
}

func kindOf(status int) fault.Kind {
	switch status {
	case http.StatusUnauthorized:
		return fault.Unauthorized
	case http.StatusForbidden:
		return fault.Forbidden
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusGone:
		return fault.Gone
	case http.StatusConflict:
		return fault.Conflict
	case http.StatusRequestEntityTooLarge:
		return fault.TooLarge
	case http.StatusTooManyRequests:
		return fault.Busy
	case http.StatusNotImplemented:
		return fault.Unsupported
	case http.StatusServiceUnavailable:
		return fault.Unavailable
	}
	if status < 500 {
		return fault.Invalid
	}
	return fault.Internal
}
