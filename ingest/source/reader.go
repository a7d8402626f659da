package source

import (
	"context"
	"io"

	"nearside/fault"
	"nearside/ingest"
)

// reader is what can be read once, such as standard input, as a source.
type reader struct {
	r    io.Reader
	path string
	Options
}

// readOnce is the version of what is read as it comes, and not remembered.
const readOnce = "read once"

// Reader returns what r reads as a source of one item, which is called path. If o.Name is given it can be compared with
// what came under that name before, for which it is kept, if need be in a temporary file. If not, it is read as it comes.
func Reader(path string, r io.Reader, o Options) ingest.Source {
	return &reader{r: r, path: Escape(path), Options: o.orDefault()}
}

// Name implements ingest.Source.
func (s *reader) Name() string {
	if s.Options.Name == "" {
		return s.path
	}
	return s.Options.Name
}

// Walk implements ingest.Source.
func (s *reader) Walk(ctx context.Context, yield func(*ingest.Item) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	item := &ingest.Item{Path: s.path, Size: -1, Open: func(ctx context.Context) (ingest.Content, error) {
		r := s.r
		if s.r = nil; r == nil {
			return nil, fault.New(fault.Invalid, "%s was read, and cannot be read again", s.path)
		}
		if s.Options.Name == "" {
			return &streamed{reader: s, r: r}, nil
		}
		kept, err := keep(io.LimitReader(whileReader{ctx, r}, s.MaxFileSize+1))
		if err != nil {
			return nil, unreadable(s.path, err)
		}
		if kept.size > s.MaxFileSize {
			return nil, also(tooLarge(s.path, kept.size, s.MaxFileSize), kept.Close())
		}
		return &keptContent{spool: kept, name: s.path, options: &s.Options}, nil
	}}
	if s.Options.Name == "" {
		item.Version = readOnce
	}
	return yield(item)
}

// streamed is the content of what is read as it comes.
type streamed struct {
	*reader
	r io.Reader
}

// Close implements ingest.Content. What is read belongs to whoever gave it.
func (c *streamed) Close() error { return nil }

// Digest implements ingest.Content.
func (c *streamed) Digest(context.Context) (string, error) { return "", errOnce(c.path) }

// Files implements ingest.Content.
func (c *streamed) Files(ctx context.Context, yield func(ingest.File) error) error {
	r := c.r
	if c.r = nil; r == nil {
		return errOnce(c.path)
	}
	return unpack(ctx, packed{name: c.path, body: r}, &c.Options, yield)
}

// Changed implements ingest.Content.
func (c *streamed) Changed() error { return nil }

func errOnce(name string) error {
	return fault.New(fault.Internal, "%s is read as it comes, once; name the source to have it kept", name)
}

// keptContent is the content of something that was kept.
type keptContent struct {
	*spool
	name    string
	media   string
	options *Options
}

// Digest implements ingest.Content.
func (c *keptContent) Digest(ctx context.Context) (string, error) {
	return digest(ctx, c.name, c.reader())
}

// Files implements ingest.Content.
func (c *keptContent) Files(ctx context.Context, yield func(ingest.File) error) error {
	return unpack(ctx, packed{name: c.name, media: c.media, body: c.reader(), at: c.at, size: c.size}, c.options, yield)
}

// Changed implements ingest.Content. What was kept stays as it is.
func (c *keptContent) Changed() error { return nil }
