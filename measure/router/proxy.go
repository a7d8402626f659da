package router

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"nearside/disk"
)

// Proxy passes calls on to a model server, whose address ends in /v1, until ctx
// ends. It is Go's own reverse proxy and does nothing besides, but that it writes
// one page over another and syncs it before each reply ends, if there is a data
// directory to do so in. What it adds to a call is the least that anything adds that
// stands before a model server, or charges durably.
func Proxy(ctx context.Context, listener net.Listener, to string, data *disk.Dir) (err error) {
	target, err := url.Parse(to)
	if err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true},
	}
	if data != nil {
		pages, err := newPages(data)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, pages.file.Close()) }()
		proxy.ModifyResponse = func(r *http.Response) error {
			r.Body = &charged{r.Body, pages}
			return nil
		}
	}
	return serve(ctx, listener, whole(proxy))
}

// whole has a handler see a request once all of it is here. NOTE: a server closes a
// request's body when the reply begins. A proxy that still looks for the body's end
// then takes that for a failure, and ends a reply that came very fast.
func whole(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "the body did not come whole", http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// pages is a file whose pages are written over, again and again.
type pages struct {
	file *disk.File
	next atomic.Int64
}

const (
	pageSize  = 4096
	pageCount = 64
)

func newPages(data *disk.Dir) (*pages, error) {
	file, err := data.OpenFile("pages", os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	_, err = file.WriteAt(make([]byte, pageSize*pageCount), 0)
	if err = errors.Join(err, file.Sync()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &pages{file: file}, nil
}

// write writes a page and syncs it.
func (p *pages) write() error {
	if _, err := p.file.WriteAt(make([]byte, pageSize), p.next.Add(1)%pageCount*pageSize); err != nil {
		return err
	}
	return p.file.Sync()
}

// charged is a reply that ends once a page is on disk.
type charged struct {
	io.ReadCloser
	pages *pages
}

func (c *charged) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if err == io.EOF {
		if failed := c.pages.write(); failed != nil {
			return n, failed
		}
	}
	return n, err
}

// serve has a handler answer on the listener until ctx ends.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	var closing sync.WaitGroup
	stop := make(chan struct{})
	closing.Go(func() {
		select {
		case <-ctx.Done():
		case <-stop:
		}
		_ = server.Close() // whoever still listens is told by the end of the connection
	})
	err := server.Serve(listener)
	close(stop)
	closing.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
