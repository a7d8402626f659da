// Package web fetches pages for those who load many: only from hosts that are allowed, never from private addresses that nobody
// named, one request a host at a time, and within limits.
//
// A Client checks each hop of a redirect as it does the first address. It looks a host's name up once for a connection, checks all
// its addresses, and dials one of those, so that a name that changes between the check and the connection changes nothing. No proxy is
// used, because it would look names up again.
//
// It asks again, a few times, where a server says that it is busy, and waits as long as the server asks it to within a limit. It does not
// run scripts, keep cookies or log in.
package web

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"nearside/fault"
)

// Options say what a client may do. Zero values stand for the defaults.
type Options struct {
	Hosts     []string      // that may be asked: "example.com" at ports 80 and 443, "example.com:8080" at that one
	Private   []string      // hosts of those that may have private addresses: "wiki.internal", "10.0.0.7"
	UserAgent string        // DefaultUserAgent
	MaxBytes  int64         // of a page, unpacked; 64 MiB
	Timeout   time.Duration // of one request with its body; 5 minutes
	Redirects int           // that are followed; 5
	Delay     time.Duration // between two requests to a host; 250 ms, and none if it is negative
	MaxWait   time.Duration // that a server may ask for before it is asked again; 2 minutes

	// Resolve looks a host's name up; nil = as the system does.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Pause waits; nil = by the clock.
	Pause func(ctx context.Context, d time.Duration) error
	// Certificates is how servers are believed; nil = as the system does.
	Certificates *tls.Config
}

// DefaultUserAgent is what servers are told of who asks; a robots.txt addresses it by its first word.
const DefaultUserAgent = "nearside (documents for a local search index)"

const (
	defaultBytes     = 64 << 20
	defaultTimeout   = 5 * time.Minute
	defaultRedirects = 5
	defaultDelay     = 250 * time.Millisecond
	defaultWait      = 2 * time.Minute

	tries        = 4                // of a request that may do better later
	firstWait    = time.Second      // before the second, if the server does not say; then twice as long, and so on
	dialTimeout  = 10 * time.Second // of a connection, and of its handshake
	replyTimeout = 30 * time.Second // until a reply begins
	headerBytes  = 64 << 10         // of a reply's headers
)

// Client fetches pages. Its methods may be called from several goroutines.
type Client struct {
	o       Options
	hosts   hosts
	private map[string]bool
	http    *http.Client

	mu     sync.Mutex // guards lanes and robots; nothing waits under it
	lanes  map[string]*lane
	robots map[string]*Robots
}

// New returns a client.
func New(o Options) (*Client, error) {
	o = o.orDefault()
	c := &Client{o: o, hosts: hosts{}, private: map[string]bool{}, lanes: map[string]*lane{}, robots: map[string]*Robots{}}
	for _, host := range o.Hosts {
		if err := c.hosts.add(host); err != nil {
			return nil, err
		}
	}
	for _, host := range o.Private {
		name, _, err := splitHost(host)
		if err != nil {
			return nil, err
		}
		c.private[name] = true
	}
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext:            c.dial,
			TLSClientConfig:        o.Certificates,
			ForceAttemptHTTP2:      true,
			MaxConnsPerHost:        1,
			IdleConnTimeout:        replyTimeout,
			TLSHandshakeTimeout:    dialTimeout,
			ResponseHeaderTimeout:  replyTimeout,
			MaxResponseHeaderBytes: headerBytes,
			DisableCompression:     true, // what is unpacked is unpacked here, within limits
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (o Options) orDefault() Options {
	if o.UserAgent == "" {
		o.UserAgent = DefaultUserAgent
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultBytes
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Redirects <= 0 {
		o.Redirects = defaultRedirects
	}
	if o.Delay == 0 {
		o.Delay = defaultDelay
	}
	if o.MaxWait <= 0 {
		o.MaxWait = defaultWait
	}
	if o.Resolve == nil {
		o.Resolve = resolve
	}
	if o.Pause == nil {
		o.Pause = pause
	}
	return o
}

// pause waits by the clock.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// lane is a host's: one request at a time goes through it.
type lane struct {
	free  chan struct{} // holds one value while nobody is in it
	next  time.Time     // when the next request may start; of whoever is in it
	delay time.Duration
}

// enter waits for a host's lane. The request is over when leave is called.
func (c *Client) enter(ctx context.Context, host string) (leave func(), err error) {
	c.mu.Lock()
	l := c.lanes[host]
	if l == nil {
		l = &lane{free: make(chan struct{}, 1), delay: c.o.Delay}
		l.free <- struct{}{}
		c.lanes[host] = l
	}
	c.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.free:
	}
	leave = sync.OnceFunc(func() {
		l.next = time.Now().Add(l.delay)
		l.free <- struct{}{}
	})
	if wait := time.Until(l.next); wait > 0 {
		if err := c.o.Pause(ctx, wait); err != nil {
			leave()
			return nil, err
		}
	}
	return leave, nil
}

// slower makes a host's requests go at least so far apart, as its robots.txt asks.
func (c *Client) slower(host string, delay time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.lanes[host]; l != nil && delay > l.delay {
		l.delay = delay
	}
}

// refused is the error of an address that must not be asked.
func refused(format string, args ...any) error { return fault.New(fault.Forbidden, format, args...) }
