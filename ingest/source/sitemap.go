package source

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"nearside/fault"
	"nearside/ingest"
	"nearside/ingest/source/web"
)

// The limits of sitemaps. What one may have is from sitemaps.org/protocol.html: 50 MiB and 50,000 addresses; we are
// more patient with the bytes. The others are ours.
const (
	maxSitemapBytes = 64 << 20
	maxSitemaps     = 2000 // that an index leads to
	maxSitemapDepth = 3    // of an index that leads to indexes
	maxAddressBytes = 8 << 10
	maxElementDepth = 20
)

// sitemap is the pages that a sitemap lists, as a source.
type sitemap struct {
	pages
	address string
	note    func(string)
}

// Sitemap returns the pages that a sitemap lists, or that those list which an index leads to. Pages of hosts that are not allowed,
// and those that their site's robots.txt does not want asked for, are left out, and note says how many.
func Sitemap(client *web.Client, address string, o Options, note func(string)) (ingest.Source, error) {
	address, err := web.Normalize(address)
	if err != nil {
		return nil, err
	}
	s := &sitemap{pages: *newPages(client, o), address: address, note: note}
	if s.Options.Name == "" {
		s.Options.Name = address
	}
	return s, nil
}

// Walk implements ingest.Source. If a sitemap that an index leads to cannot be read, nothing counts as gone.
func (s *sitemap) Walk(ctx context.Context, yield func(*ingest.Item) error) error {
	r := &sitemapReader{sitemap: s, ctx: ctx, seen: map[string]bool{}, strange: map[string]int{}}
	if err := r.read(s.address, 1); err != nil {
		return err
	}
	r.tell()
	if r.problem != nil {
		if err := yield(&ingest.Item{Path: "/", Size: -1, Folder: true, Problem: r.problem}); err != nil {
			return err
		}
	}
	slices.Sort(r.addresses)
	return s.walk(ctx, slices.Compact(r.addresses), yield)
}

// sitemapReader collects what sitemaps list.
type sitemapReader struct {
	*sitemap
	ctx       context.Context
	seen      map[string]bool // sitemaps
	addresses []string
	strange   map[string]int // pages of each host that is not allowed
	unwanted  int            // pages that robots.txt does not want asked for
	problem   error          // of the first sitemap that could not be read
}

// read collects the addresses of a sitemap, and those of the sitemaps that it leads to.
func (r *sitemapReader) read(address string, depth int) error {
	if r.seen[address] {
		return nil
	}
	r.seen[address] = true
	if len(r.seen) > maxSitemaps || depth > maxSitemapDepth {
		return fault.New(fault.TooLarge, "%s leads to more than %d sitemaps, or through more than %d indexes", r.address, maxSitemaps, maxSitemapDepth)
	}
	var found sitemapList
	err := r.client.Get(r.ctx, address, func(_ web.Page, body io.Reader) (err error) {
		found, err = readSitemap(body)
		if err != nil && fault.As(err) == nil {
			err = fault.New(fault.Invalid, "%s is no sitemap that can be read", address).Because(err)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, page := range found.pages {
		if err := r.page(page); err != nil {
			return err
		}
	}
	for _, next := range found.sitemaps {
		if next, err = web.Normalize(next); err == nil {
			err = r.read(next, depth+1)
		}
		if r.ctx.Err() != nil {
			return r.ctx.Err()
		}
		if err != nil && r.problem == nil {
			r.problem = fault.New(fault.KindOf(err), "not all sitemaps could be read, so no page counts as gone").Because(err)
		}
	}
	return nil
}

// page takes one address that a sitemap lists.
func (r *sitemapReader) page(address string) error {
	address, err := web.Normalize(address)
	if err != nil || !r.selects(address) {
		return nil // what is no address of a page is no page
	}
	if len(r.addresses) >= maxAddresses {
		return fault.New(fault.TooLarge, "%s lists more than %d pages, the limit; load the sitemaps that it leads to one by one", r.address, maxAddresses)
	}
	if r.client.Allows(address) != nil {
		if host, err := web.HostOf(address); err == nil && (len(r.strange) < 100 || r.strange[host] > 0) {
			r.strange[host]++
		}
		return nil
	}
	robots, err := r.client.Robots(r.ctx, address)
	if err != nil {
		return fault.New(fault.KindOf(err), "the robots.txt of %s must be known before its pages are asked for", address).Because(err)
	}
	if !robots.Allows(web.PathOf(address)) {
		r.unwanted++
		return nil
	}
	r.addresses = append(r.addresses, address)
	return nil
}

// tell says what was left out.
func (r *sitemapReader) tell() {
	if r.note == nil {
		return
	}
	if r.unwanted > 0 {
		r.note(fmt.Sprintf("%s: %d pages were left out that robots.txt does not want asked for", r.address, r.unwanted))
	}
	hosts := make([]string, 0, len(r.strange))
	for host := range r.strange {
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	for _, host := range hosts {
		r.note(fmt.Sprintf("%s: %d pages of %s were left out; if they are wanted: --allow-host %s", r.address, r.strange[host], host, host))
	}
}

// sitemapList is what one sitemap has.
type sitemapList struct {
	pages    []string
	sitemaps []string
}

// readSitemap reads a sitemap: XML, or text with an address a line; either may be packed by gzip.
func readSitemap(r io.Reader) (list sitemapList, err error) {
	buffered := bufio.NewReader(r)
	if head, _ := buffered.Peek(2); string(head) == "\x1f\x8b" { // an error comes again when it is read
		unzip, err := gzip.NewReader(buffered)
		if err != nil {
			return list, err
		}
		buffered = bufio.NewReader(unzip)
	}
	limited := &io.LimitedReader{R: buffered, N: maxSitemapBytes}
	buffered = bufio.NewReader(limited)
	head, _ := buffered.Peek(512)
	if bytes.HasPrefix(bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF"))), []byte("<")) {
		err = list.xml(buffered)
	} else {
		list.pages, err = Addresses(buffered)
	}
	if limited.N <= 0 {
		return list, fault.New(fault.TooLarge, "a sitemap has more than %d bytes, the limit", maxSitemapBytes)
	}
	return list, err
}

// xml reads the addresses of pages, urlset/url/loc, and of sitemaps, sitemapindex/sitemap/loc.
func (l *sitemapList) xml(r io.Reader) error {
	d := xml.NewDecoder(r)
	var path []string
	var text strings.Builder
	for {
		token, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if path = append(path, t.Name.Local); len(path) > maxElementDepth {
				return fmt.Errorf("its elements are nested more than %d deep", maxElementDepth)
			}
			if len(path) == 1 && path[0] != "urlset" && path[0] != "sitemapindex" {
				return fmt.Errorf("it begins with <%s>, and not with <urlset> or <sitemapindex>", path[0])
			}
			text.Reset()
		case xml.CharData:
			text.Write(t[:min(len(t), max(0, maxAddressBytes+1-text.Len()))])
		case xml.EndElement:
			if err := l.take(strings.Join(path, "/"), text.String()); err != nil {
				return err
			}
			path = path[:len(path)-1]
			text.Reset()
		}
	}
}

// take takes the text of an element. What is too long is no address.
func (l *sitemapList) take(path, text string) error {
	if len(text) > maxAddressBytes {
		return nil
	}
	switch text = strings.TrimSpace(text); path {
	case "urlset/url/loc":
		l.pages = append(l.pages, text)
	case "sitemapindex/sitemap/loc":
		l.sitemaps = append(l.sitemaps, text)
	}
	if len(l.pages) > maxAddresses || len(l.sitemaps) > maxSitemaps {
		return errors.New("it lists too many addresses")
	}
	return nil
}
