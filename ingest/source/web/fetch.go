package web

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"nearside/fault"
)

// Page is what a server says of a page.
type Page struct {
	Address   string // after redirects
	MediaType string // with its parameters; "" = it says none
	Version   string // stands for the content: its ETag, or when it was modified and how long it is; "" = nothing does
	Modified  time.Time
	Size      int64 // bytes as they are sent; -1 = not said
}

// Head asks about a page without its content.
func (c *Client) Head(ctx context.Context, address string) (page Page, err error) {
	err = c.follow(ctx, http.MethodHead, address, func(p Page, _ io.Reader) error { page = p; return nil })
	if err == nil || ctx.Err() != nil || fault.Is(err, fault.Forbidden) || fault.Is(err, fault.Unavailable) {
		return page, err
	}
	// Some servers answer HEAD with any refusal. Only what GET says counts as gone.
	err = c.follow(ctx, http.MethodGet, address, func(p Page, _ io.Reader) error { page = p; return nil })
	return page, err
}

// Get fetches a page. The body is unpacked and within MaxBytes; it ends when use returns. A page that is not there is a fault of kind
// Gone; a server that cannot be reached, or says that something is wrong with it, one of kind Unavailable.
func (c *Client) Get(ctx context.Context, address string, use func(Page, io.Reader) error) error {
	return c.follow(ctx, http.MethodGet, address, use)
}

// follow asks for a page, and where it was moved to, checking each address.
func (c *Client) follow(ctx context.Context, method, address string, use func(Page, io.Reader) error) error {
	asked := address
	for range c.o.Redirects + 1 {
		next, err := c.retry(ctx, method, address, use)
		if err != nil || next == "" {
			return err
		}
		if address, err = redirect(address, next); err != nil {
			return err
		}
	}
	return fault.New(fault.Invalid, "%s is redirected more than %d times", asked, c.o.Redirects)
}

// redirect returns where a redirect leads. From https it may not lead to http.
func redirect(from, to string) (string, error) {
	base, err := url.Parse(from)
	if err != nil {
		return "", err
	}
	target, err := base.Parse(to)
	if err != nil {
		return "", fault.New(fault.Invalid, "%s is redirected to %q, which is no address", from, to)
	}
	if base.Scheme == "https" && target.Scheme == "http" {
		return "", refused("%s is redirected to %s, which is not encrypted; ask for that, if it is right", from, target.Redacted())
	}
	return Normalize(target.String())
}

// busy is the error of a server that may do better later.
type busy struct {
	err   error
	after time.Duration // that it asks for; 0 = it does not say
}

func (b busy) Error() string { return b.err.Error() }

// retry asks for a page until the server is ready, a few times.
func (c *Client) retry(ctx context.Context, method, address string, use func(Page, io.Reader) error) (next string, err error) {
	wait := firstWait
	for try := 1; ; try++ {
		var again busy
		next, err = c.once(ctx, method, address, use)
		if !errors.As(err, &again) {
			return next, err
		}
		if again.after > c.o.MaxWait {
			return "", fault.New(fault.Unavailable, "%s: the server asks to come back in %s; load it again then", address, again.after.Round(time.Second)).Because(again.err)
		}
		if try == tries {
			return "", again.err
		}
		if err := c.o.Pause(ctx, max(again.after, wait)); err != nil {
			return "", err
		}
		wait *= 2
	}
}

// once makes one request. It returns where the page was moved to, if it was.
func (c *Client) once(ctx context.Context, method, address string, use func(Page, io.Reader) error) (next string, err error) {
	if err := c.Allows(address); err != nil {
		return "", err
	}
	request, err := http.NewRequest(method, address, nil)
	if err != nil {
		return "", fault.New(fault.Invalid, "%q is no address of a page: %v", address, err)
	}
	leave, err := c.enter(ctx, request.URL.Host)
	if err != nil {
		return "", err
	}
	defer leave()
	limited, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	request.Header.Set("User-Agent", c.o.UserAgent)
	request.Header.Set("Accept-Encoding", "gzip")
	request.Header.Set("Accept", "text/html,application/xhtml+xml,text/markdown,text/plain,application/pdf;q=0.9,*/*;q=0.8")
	reply, err := c.http.Do(request.WithContext(limited))
	if err != nil {
		return "", failed(ctx, address, err)
	}
	defer reply.Body.Close() // it was only read
	if next, err := status(address, reply); next != "" || err != nil {
		return next, err
	}
	page := pageOf(address, reply)
	if method == http.MethodHead {
		return "", use(page, http.NoBody)
	}
	if page.Size > c.o.MaxBytes {
		return "", c.tooLarge(address, page.Size)
	}
	b, err := c.body(ctx, address, reply)
	if err != nil {
		return "", err
	}
	return "", use(page, b)
}

// failed makes a fault of an error of asking or reading. What was refused stays refused; a connection that breaks may do better later.
func failed(ctx context.Context, address string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if f := fault.As(err); f != nil {
		return fault.New(f.Kind, "%s: %s", address, f.Message)
	}
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	why := fault.New(fault.Unavailable, "%s cannot be had", address).Because(err)
	var name *net.DNSError
	if errors.As(err, &name) && name.IsNotFound {
		return why
	}
	return busy{err: why}
}

// status reads what a reply is: a redirect, an error, or a page.
func status(address string, reply *http.Response) (next string, err error) {
	code := reply.StatusCode
	says := fmt.Sprintf("%s: the server says %d %s", address, code, http.StatusText(code))
	switch {
	case code == http.StatusOK:
		return "", nil
	case code == http.StatusMovedPermanently, code == http.StatusFound, code == http.StatusSeeOther, code == http.StatusTemporaryRedirect, code == http.StatusPermanentRedirect:
		if next = reply.Header.Get("Location"); next == "" {
			return "", fault.New(fault.Invalid, "%s, and not where to", says)
		}
		return next, nil
	case code == http.StatusNotFound, code == http.StatusGone:
		return "", fault.New(fault.Gone, "%s", says)
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return "", fault.New(fault.Invalid, "%s; pages are fetched without a login", says)
	case code == http.StatusTooManyRequests, code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		return "", busy{fault.New(fault.Unavailable, "%s", says), retryAfter(reply.Header.Get("Retry-After"))}
	case code >= 500:
		return "", fault.New(fault.Unavailable, "%s", says)
	}
	return "", fault.New(fault.Invalid, "%s", says)
}

// retryAfter reads the header, which is in seconds or a date.
func retryAfter(header string) time.Duration {
	if seconds, err := strconv.ParseUint(strings.TrimSpace(header), 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// pageOf reads what a server says of a page.
func pageOf(address string, reply *http.Response) Page {
	p := Page{Address: address, MediaType: reply.Header.Get("Content-Type"), Size: reply.ContentLength}
	if _, _, err := mime.ParseMediaType(p.MediaType); err != nil {
		p.MediaType, _, _ = strings.Cut(p.MediaType, ";")
	}
	if at, err := http.ParseTime(reply.Header.Get("Last-Modified")); err == nil {
		p.Modified = at
	}
	switch tag := reply.Header.Get("ETag"); {
	case tag != "":
		p.Version = "tag " + tag
	case !p.Modified.IsZero() && p.Size >= 0:
		p.Version = fmt.Sprintf("modified %s, %d bytes", p.Modified.UTC().Format(time.RFC3339), p.Size)
	}
	return p
}

// body returns what reads a page, unpacked, within the limit.
func (c *Client) body(ctx context.Context, address string, reply *http.Response) (io.Reader, error) {
	b := &body{client: c, ctx: ctx, address: address, r: reply.Body}
	switch encoding := strings.ToLower(strings.TrimSpace(reply.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		unzip, err := gzip.NewReader(reply.Body)
		if err != nil {
			return nil, failed(ctx, address, err)
		}
		b.r = unzip
	default:
		return nil, fault.New(fault.Unsupported, "%s: the server packed it as %q, which was not asked for", address, encoding)
	}
	return b, nil
}

// body reads a page within the limit.
type body struct {
	client  *Client
	ctx     context.Context
	address string
	r       io.Reader
	n       int64
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.n += int64(n); b.n > b.client.o.MaxBytes {
		return 0, b.client.tooLarge(b.address, b.n)
	}
	if err != nil && err != io.EOF {
		err = failed(b.ctx, b.address, err)
		var again busy
		if errors.As(err, &again) {
			err = again.err // what was read was used, and is not read again
		}
	}
	return n, err
}

func (c *Client) tooLarge(address string, size int64) error {
	return fault.New(fault.TooLarge, "%s has %s, more than the limit of %s; raise --max-file-size, or leave it out",
		address, humanize.IBytes(uint64(size)), humanize.IBytes(uint64(c.o.MaxBytes)))
}
