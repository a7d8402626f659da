package rows

import (
	"bytes"
	"context"
	"net/http"
	"net/url"

	"nearside/bulk"
	"nearside/client"
	"nearside/fault"
	"nearside/ingest/vecfile"
)

// kind is what a record is.
type kind uint8

const (
	unknown kind = iota
	texts        // to be embedded
	vectors
	whole // a vector with its text
)

// with returns the kind of a batch of one kind that a record of another joins. A vector is
// a whole record whose text nobody knows.
func (k kind) with(other kind) (kind, bool) {
	switch {
	case k == unknown || k == other:
		return other, true
	case k != texts && other != texts && other != unknown:
		return whole, true
	}
	return k, other == unknown // a record that is refused, of any kind
}

func (k kind) path(index string) string {
	switch k {
	case vectors:
		return "/vectorize/v2/indexes/" + url.PathEscape(index) + "/upsert"
	case whole:
		return "/nearside/indexes/" + url.PathEscape(index) + "/records"
	}
	return "/nearside/indexes/" + url.PathEscape(index) + "/texts"
}

// batchLines is the default size of a batch: an embedding model is slower than a disk, and
// Cloudflare counts calls.
func (k kind) batchLines(cloudflare bool) int {
	switch {
	case cloudflare:
		return maxCloudflareBatch
	case k == texts:
		return 100
	}
	return 1000
}

// send loads a batch and accounts for what it was read from.
func (l *load) send(ctx context.Context, b batch) error {
	good, refused := b.records[:0], int64(0)
	for _, r := range b.records {
		if r.refused == nil && l.Cloudflare != nil {
			r.refused = l.fit(&r)
		}
		if r.refused != nil {
			l.refuse(r, r.refused)
			refused++
			continue
		}
		good = append(good, r)
	}
	more, err := l.sendRecords(ctx, b.kind, good)
	if err != nil {
		return err
	}
	l.Progress(l.read.Add(b.read), l.total)
	return b.marker.end(b.turn, refused+more)
}

func (l *load) refuse(r record, err error) {
	l.refused.Add(1)
	l.Refused(r.at, err)
}

// sendRecords loads records, and returns how many were refused; if the server refuses their
// content it halves them until the guilty ones stand alone.
func (l *load) sendRecords(ctx context.Context, kind kind, records []record) (refused int64, err error) {
	if len(records) == 0 {
		return 0, nil
	}
	err = l.post(ctx, kind, records)
	switch {
	case err == nil:
		l.loaded.Add(int64(len(records)))
		return 0, nil
	case !aboutContent(err):
		return 0, err
	case len(records) == 1:
		l.refuse(records[0], err)
		return 1, nil
	}
	half := len(records) / 2
	first, err := l.sendRecords(ctx, kind, records[:half])
	if err != nil {
		return 0, err
	}
	second, err := l.sendRecords(ctx, kind, records[half:])
	return first + second, err
}

// aboutContent reports whether the records themselves are to blame for a refusal.
func aboutContent(err error) bool {
	return fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge)
}

func (l *load) post(ctx context.Context, kind kind, records []record) error {
	if l.Cloudflare != nil {
		return l.postCloudflare(ctx, records)
	}
	if kind == vectors && !l.linesOnly.Load() {
		if batch, ok := asBatch(records); ok {
			err := l.patiently(ctx, func() error {
				return l.Client.Send(ctx, http.MethodPost, kind.path(l.Index), bulk.ContentType, batch, nil)
			})
			if f := fault.As(err); f == nil || f.Reason != client.ReasonContentType {
				return err
			}
			l.linesOnly.Store(true) // a server that does not know the form
		}
	}
	var result struct {
		Truncated []struct {
			ID      string `json:"id"`
			Dropped int    `json:"dropped"`
		} `json:"truncated"`
	}
	body := linesOf(records)
	err := l.patiently(ctx, func() error {
		return l.Client.Send(ctx, http.MethodPost, kind.path(l.Index), typeLines, body, &result)
	})
	for _, t := range result.Truncated {
		l.shortened.Add(1)
		l.Shortened(t.ID, t.Dropped)
	}
	return err
}

// typeLines is the media type of records as lines.
const typeLines = "application/x-ndjson"

// linesOf writes records as lines.
func linesOf(records []record) []byte {
	var body bytes.Buffer
	var room []byte
	for i := range records {
		line := records[i].raw
		if line == nil {
			room = vecfile.AppendLine(room[:0], &records[i].parts)
			line = room
		}
		body.Write(line)
		body.WriteByte('\n')
	}
	return body.Bytes()
}
