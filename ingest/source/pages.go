package source

import (
	"bufio"
	"context"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"

	"nearside/fault"
	"nearside/ingest"
	"nearside/ingest/source/ignore"
	"nearside/ingest/source/web"
)

// maxAddresses is how many pages a source may have.
const maxAddresses = 250_000

// pages are pages by their addresses, as a source.
type pages struct {
	client    *web.Client
	addresses []string // sorted, each once
	Options
	include, exclude ignore.Patterns
}

// Pages returns pages by their addresses. An item's path is its address. A page that its server says is not there is gone; one that cannot be
// had is a Problem. Globs of o apply to the paths of addresses.
func Pages(client *web.Client, addresses []string, o Options) (ingest.Source, error) {
	p := newPages(client, o)
	for _, address := range addresses {
		normal, err := web.Normalize(address)
		if err != nil {
			return nil, err
		}
		if p.selects(normal) {
			p.addresses = append(p.addresses, normal)
		}
	}
	slices.Sort(p.addresses)
	p.addresses = slices.Compact(p.addresses)
	if p.Options.Name == "" && len(p.addresses) > 0 {
		p.Options.Name = p.addresses[0]
	}
	return p, nil
}

func newPages(client *web.Client, o Options) *pages {
	return &pages{client: client, Options: o.orDefault(), include: ignore.Globs(o.Include), exclude: ignore.Globs(o.Exclude)}
}

// Addresses reads a list of addresses, one a line. Empty lines, and those that begin with "#", are none.
func Addresses(r io.Reader) ([]string, error) {
	var all []string
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\uFEFF"))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		address, err := web.Normalize(line)
		if err != nil {
			return nil, fault.New(fault.Invalid, "line %d of the list of addresses", n).Because(err)
		}
		if all = append(all, address); len(all) > maxAddresses {
			return nil, fault.New(fault.TooLarge, "the list has more than %d addresses, the limit; split it", maxAddresses)
		}
	}
	return all, lines.Err()
}

// Name implements ingest.Source.
func (p *pages) Name() string { return p.Options.Name }

// Walk implements ingest.Source. It asks for the headers of each page.
func (p *pages) Walk(ctx context.Context, yield func(*ingest.Item) error) error {
	return p.walk(ctx, p.addresses, yield)
}

func (p *pages) walk(ctx context.Context, addresses []string, yield func(*ingest.Item) error) error {
	for _, address := range addresses {
		item, err := p.item(ctx, address)
		if err != nil {
			return err
		}
		if item == nil {
			continue
		}
		if err := yield(item); err != nil {
			return err
		}
	}
	return nil
}

// item returns a page's item, nil of one that is gone.
func (p *pages) item(ctx context.Context, address string) (*ingest.Item, error) {
	item := &ingest.Item{Path: address, Size: -1}
	head, err := p.client.Head(ctx, address)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case fault.Is(err, fault.Gone):
		return nil, nil
	case err != nil:
		item.Problem = err
		return item, nil
	}
	item.Size, item.Modified, item.Version = head.Size, head.Modified, head.Version
	if head.Size > p.MaxFileSize {
		item.Problem = tooLarge(address, head.Size, p.MaxFileSize)
		return item, nil
	}
	item.Open = func(ctx context.Context) (ingest.Content, error) { return p.open(ctx, address) }
	return item, nil
}

// open fetches a page whole, so that its host can be asked for the next one while this one is read.
func (p *pages) open(ctx context.Context, address string) (ingest.Content, error) {
	var content *keptContent
	err := p.client.Get(ctx, address, func(page web.Page, r io.Reader) error {
		kept, err := keep(io.LimitReader(r, p.MaxFileSize+1))
		if err != nil {
			return err
		}
		if kept.size > p.MaxFileSize {
			return also(tooLarge(address, kept.size, p.MaxFileSize), kept.Close())
		}
		content = &keptContent{spool: kept, name: pageName(page.Address), media: page.MediaType, options: &p.Options}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return content, nil
}

// pageName returns the file's name of a page, by which its format is known if the server does not say it.
func pageName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	if name := path.Base(u.Path); name != "/" && name != "." {
		return Escape(name)
	}
	return u.Hostname()
}

// selects reports whether globs let an address pass. Its path counts, each part before the last as a folder.
func (p *pages) selects(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	at, included := strings.Trim(u.Path, "/"), p.include.Empty()
	for end := 0; end < len(at); end++ {
		if next := strings.IndexByte(at[end:], '/'); next >= 0 {
			end += next
		} else {
			end = len(at)
		}
		isFolder := end < len(at)
		if p.exclude.Match(at[:end], isFolder) == ignore.Ignore {
			return false
		}
		if v := p.include.Match(at[:end], isFolder); v != ignore.Silent {
			included = v == ignore.Ignore
		}
	}
	return included
}

// Local reports whether a source is on this machine's disks, so that walking it a second time costs little.
func Local(s ingest.Source) bool {
	switch s.(type) {
	case *folder, *file, *given:
		return true
	}
	return false
}
