package move

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"nearside/fault"
	"nearside/ingest/vecfile"
)

// Pages of listings, and how many records come at a time (Cloudflare's get_by_ids refuses more).
const (
	pageIDs        = 1000
	getCloudflare  = 20
	callsAtOnce    = 4 // of get_by_ids
	getNearside    = 250
	nearsideAtOnce = 2
)

// Listing hands out the records of an index. It is a rows.Source.
type Listing struct {
	place    Place
	ids      []string // of the page being read, those that were not handed out
	records  []vecfile.Record
	cursor   string
	last     bool   // no page follows
	after    string // the id before ids
	size     int64
	vanished int64
}

// List begins a listing.
func List(ctx context.Context, p Place) (*Listing, error) {
	l := &Listing{place: p}
	err := l.begin(ctx)
	return l, err
}

// begin reads the first page.
func (l *Listing) begin(ctx context.Context) error {
	l.cursor, l.last, l.after, l.records = "", false, "", nil
	return l.page(ctx)
}

// page is a page of a listing.
type page struct {
	Total   int64   `json:"totalCount"`
	Next    *string `json:"nextCursor"`
	Vectors []struct {
		ID string `json:"id"`
	} `json:"vectors"`
}

// page reads the next page.
func (l *Listing) page(ctx context.Context) error {
	p, err := l.ask(ctx)
	if err != nil && l.cursor != "" && (fault.Is(err, fault.Invalid) || fault.Is(err, fault.Gone)) {
		return l.again(ctx, err)
	}
	if err != nil {
		return err
	}
	if l.cursor == "" {
		l.size = p.Total
	}
	l.ids = l.ids[:0]
	for _, v := range p.Vectors {
		l.ids = append(l.ids, v.ID)
	}
	l.last = p.Next == nil || *p.Next == ""
	if !l.last {
		l.cursor = *p.Next
	}
	return nil
}

func (l *Listing) ask(ctx context.Context) (p page, err error) {
	if l.place.Cloudflare == nil {
		request := map[string]any{"count": pageIDs}
		if l.cursor != "" {
			request["cursor"] = l.cursor
		}
		return p, l.place.call(ctx, http.MethodPost, l.place.nearside()+"/list", request, &p)
	}
	query := url.Values{"count": {strconv.Itoa(pageIDs)}}
	if l.cursor != "" {
		query.Set("cursor", l.cursor)
	}
	return p, l.place.call(ctx, http.MethodGet, l.place.vectorize()+"/list?"+query.Encode(), nil, &p)
}

// again begins anew where the listing was, when its cursor has expired.
func (l *Listing) again(ctx context.Context, why error) error {
	after := l.after
	if err := l.begin(ctx); err != nil {
		return err
	}
	found, err := l.pass(ctx, after)
	if err == nil && !found {
		err = fault.New(fault.Unavailable, "the listing of %s expired, and the record where it was is gone; run the command again", l.place).Because(why)
	}
	return err
}

// Skip implements rows.Source.
func (l *Listing) Skip(ctx context.Context, _ int64, after string) (bool, error) {
	found, err := l.pass(ctx, after)
	if err == nil && !found {
		err = l.begin(ctx)
	}
	return found, err
}

// pass moves behind an id. Ids of nearside ascend, and so the place of one that is gone is known;
// the order of Cloudflare's is its own.
func (l *Listing) pass(ctx context.Context, after string) (found bool, err error) {
	for {
		i := slices.Index(l.ids, after)
		if i < 0 && l.place.Cloudflare == nil {
			at, _ := slices.BinarySearch(l.ids, after)
			if at < len(l.ids) {
				l.ids, l.after = l.ids[at:], after
				return true, nil
			}
		}
		if i >= 0 {
			l.ids, l.after = l.ids[i+1:], after
			return true, nil
		}
		if l.last {
			l.ids, l.after = nil, after
			return l.place.Cloudflare == nil, nil
		}
		if err := l.page(ctx); err != nil {
			return false, err
		}
	}
}

// Next implements rows.Source.
func (l *Listing) Next(ctx context.Context) (vecfile.Record, error) {
	for len(l.records) == 0 {
		if len(l.ids) == 0 {
			if l.last {
				return vecfile.Record{}, io.EOF
			}
			if err := l.page(ctx); err != nil {
				return vecfile.Record{}, err
			}
			continue
		}
		if err := l.fetch(ctx); err != nil {
			return vecfile.Record{}, err
		}
	}
	r := l.records[0]
	l.records = l.records[1:]
	return r, nil
}

// fetch gets the records of the next ids, several calls at once, in the order of the ids.
func (l *Listing) fetch(ctx context.Context) error {
	size, calls := getNearside, nearsideAtOnce
	if l.place.Cloudflare != nil {
		size, calls = getCloudflare, callsAtOnce
	}
	ids := l.ids[:min(len(l.ids), size*calls)]
	parts := slices.Collect(slices.Chunk(ids, size))
	found := make([][]vecfile.Record, len(parts))
	group, groupCtx := errgroup.WithContext(ctx)
	for i, part := range parts {
		group.Go(func() (err error) {
			found[i], err = l.place.get(groupCtx, part)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	l.records = slices.Concat(found...)
	l.vanished += int64(len(ids) - len(l.records))
	l.after = ids[len(ids)-1]
	l.ids = l.ids[len(ids):]
	return nil
}

// get returns records by id; what is gone is left out.
func (p Place) get(ctx context.Context, ids []string) ([]vecfile.Record, error) {
	path := p.nearside() + "/get"
	if p.Cloudflare != nil {
		path = p.vectorize() + "/get_by_ids"
	}
	var raw []json.RawMessage
	if err := p.call(ctx, http.MethodPost, path, map[string]any{"ids": ids}, &raw); err != nil {
		return nil, err
	}
	records := make([]vecfile.Record, len(raw))
	for i := range raw {
		var err error
		if records[i], err = vecfile.ParseLine(raw[i]); err != nil {
			return nil, fmt.Errorf("read the reply about %s: %w", p, err)
		}
	}
	return records, nil
}

// Name implements rows.Source.
func (l *Listing) Name() string { return fmt.Sprintf("index %q", l.place.Index) }

// Size implements rows.Source: the records that there were when the listing began.
func (l *Listing) Size() int64 { return l.size }

// Vanished returns how many records were deleted before their turn came.
func (l *Listing) Vanished() int64 { return l.vanished }
