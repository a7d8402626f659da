package rows

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"nearside/fault"
	"nearside/ingest/vecfile"
)

// Cloudflare's limits (developers.cloudflare.com/vectorize/platform/limits): what goes there is held to them before it is sent.
const (
	maxCloudflareBatch    = 5000 // records of one call
	maxCloudflareName     = 64   // bytes of an id, and of a namespace
	maxCloudflareMetadata = 10 << 10
)

// Cloudflare says how records go into an index of Cloudflare's.
type Cloudflare struct {
	Dimensions int    // of the index
	TextKey    string // the metadata that texts become; "" = texts stay behind

	Pause   time.Duration   // before a call that failed is first made again; 0 = a second
	Waiting func(why error) // called, from any goroutine, before such a pause; may be nil
}

// fit makes of a record what Cloudflare takes, or says why that cannot be.
func (l *load) fit(r *record) (err error) {
	if r.raw != nil {
		if r.parts, err = vecfile.ParseLine(r.raw); err != nil {
			return err
		}
		r.raw = nil
	}
	p := &r.parts
	if p.Values == nil {
		return fault.New(fault.Invalid, "it is a text without a vector, and Cloudflare's Vectorize takes vectors only; load it into nearside, and push the index")
	}
	if p.Text != "" {
		if l.Cloudflare.TextKey == "" {
			l.textsLeft.Add(1)
		} else if p.Metadata, err = withText(p.Metadata, l.Cloudflare.TextKey, p.Text); err != nil {
			return err
		}
	}
	p.Title, p.Text = "", ""
	return l.Cloudflare.check(p)
}

func (c *Cloudflare) check(p *vecfile.Record) error {
	if len(p.Metadata) > maxCloudflareMetadata { // it may have white space
		var compact bytes.Buffer
		if err := json.Compact(&compact, p.Metadata); err != nil {
			return fault.New(fault.Invalid, "its metadata is not JSON: %s", err)
		}
		p.Metadata = compact.Bytes()
	}
	switch {
	case p.ID == "" || len(p.ID) > maxCloudflareName:
		return fault.New(fault.Invalid, "its id has %d bytes; Cloudflare takes 1 to %d", len(p.ID), maxCloudflareName)
	case len(p.Namespace) > maxCloudflareName:
		return fault.New(fault.Invalid, "its namespace has %d bytes; Cloudflare takes at most %d", len(p.Namespace), maxCloudflareName)
	case len(p.Metadata) > maxCloudflareMetadata:
		return fault.New(fault.Invalid, "its metadata has %d bytes; Cloudflare takes at most %d", len(p.Metadata), maxCloudflareMetadata)
	case len(p.Values) != c.Dimensions:
		return fault.New(fault.Invalid, "its vector has %d dimensions, and the index %d", len(p.Values), c.Dimensions)
	}
	return vecfile.CheckValues(p.Values)
}

// withText adds a text to metadata.
func withText(metadata []byte, key, text string) ([]byte, error) {
	fields := map[string]json.RawMessage{}
	if len(metadata) > 0 {
		if err := json.Unmarshal(metadata, &fields); err != nil {
			return nil, err
		}
	}
	if _, there := fields[key]; there {
		return nil, fault.New(fault.Invalid, "its metadata has %q already; name another key for texts, or none", key)
	}
	var quoted bytes.Buffer
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(map[string]string{key: text}); err != nil {
		return nil, err
	}
	added := bytes.TrimSpace(quoted.Bytes())
	if len(fields) == 0 {
		return added, nil
	}
	head := bytes.TrimSuffix(bytes.TrimSpace(metadata), []byte("}"))
	return fmt.Appendf(nil, "%s,%s", head, added[1:]), nil
}

func (l *load) postCloudflare(ctx context.Context, records []record) error {
	body := linesOf(records)
	return l.Cloudflare.Patiently(ctx, func() error {
		return l.Client.Send(ctx, http.MethodPost, vectors.path(l.Index), typeLines, body, nil)
	})
}

// Patiently makes a call that may be repeated until it succeeds, or fails for a reason that time does not change.
func (c *Cloudflare) Patiently(ctx context.Context, call func() error) error {
	p := patience{first: c.Pause, attempts: attemptsElsewhere, note: c.Waiting, hopes: func(f *fault.Error) bool {
		return f.Kind == fault.Busy || f.Kind == fault.Unavailable || f.Kind == fault.Internal
	}}
	return p.call(ctx, call)
}
