package ingest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// forgetful is the Manifest of a load that remembers nothing.
type forgetful struct{}

func (forgetful) Items(context.Context, string, int) ([]Known, error) { return nil, nil }
func (forgetful) Put(context.Context, []Known, []string) error        { return nil }
func (forgetful) Lost() <-chan struct{}                               { return nil }
func (forgetful) Release(context.Context, bool) error                 { return nil }

// partMark stands between a file's path and the number of a part. No file's name has it, and parts sort right after their file.
const partMark = "\x00"

// partPath returns the path that a part of an item is remembered by. Part 0 is the item itself.
func partPath(path string, part int) string {
	if part == 0 {
		return path
	}
	return fmt.Sprintf("%s%s%06d", path, partMark, part)
}

// base returns the path of the item that a remembered path is of.
func base(path string) string {
	path, _, _ = strings.Cut(path, partMark)
	return path
}

// Pages of known items are between these limits, and as many items as have about pageIDs ids.
const (
	leastPage = 16
	mostPage  = 1000
	pageIDs   = 50_000 // 4 MB
)

// pages goes through the known items in order.
type pages struct {
	manifest Manifest
	after    string
	limit    int
	page     []Known
	end      bool
}

func (l *load) pages(after string) *pages {
	return &pages{manifest: l.Manifest, after: after, limit: 4 * leastPage}
}

// peek returns the next known item, nil after the last.
func (p *pages) peek(ctx context.Context) (*Known, error) {
	if len(p.page) == 0 && !p.end {
		page, err := p.manifest.Items(ctx, p.after, p.limit)
		if err != nil {
			return nil, err
		}
		p.page, p.end = page, len(page) == 0
		ids := 0
		for _, k := range page {
			ids += len(k.Records)
		}
		switch {
		case ids > pageIDs:
			p.limit = max(leastPage, p.limit/2)
		case ids < pageIDs/2:
			p.limit = min(mostPage, p.limit*2)
		}
	}
	if len(p.page) == 0 {
		return nil, nil
	}
	return &p.page[0], nil
}

// skip goes on to the next.
func (p *pages) skip() {
	p.after, p.page = p.page[0].Path, p.page[1:]
}

// partOf returns the number of the part that a remembered path is of.
func partOf(path string) int {
	_, number, _ := strings.Cut(path, partMark)
	n, err := strconv.Atoi(number)
	if err != nil {
		return 0 // the item itself
	}
	return n
}
