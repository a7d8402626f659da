package source

import (
	"cmp"
	"context"
	"os"
	"slices"

	"nearside/ingest"
)

// GivenFile is a file that lies on the disk under another name than its own.
type GivenFile struct {
	Path      string // its own, within the source
	MediaType string // as whoever sent it said; "" = nothing was said
	Version   string // stands for its content, such as a digest; "" = nothing does
	At        string // where it lies
}

// Given returns files that lie on the disk under other names than their own, each path once: uploads.
func Given(name string, files []GivenFile, maxFileSize int64) ingest.Source {
	files = slices.SortedFunc(slices.Values(files), func(a, b GivenFile) int { return cmp.Compare(a.Path, b.Path) })
	return &given{Options{Name: name, MaxFileSize: maxFileSize}.orDefault(), files}
}

type given struct {
	Options
	files []GivenFile
}

// Name implements ingest.Source.
func (g *given) Name() string { return g.Options.Name }

// Walk implements ingest.Source.
func (g *given) Walk(ctx context.Context, yield func(*ingest.Item) error) error {
	for _, f := range g.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := yield(g.item(f)); err != nil {
			return err
		}
	}
	return nil
}

// item returns the item of a file.
func (g *given) item(f GivenFile) *ingest.Item {
	item := &ingest.Item{Path: f.Path, Size: -1, Version: f.Version}
	info, err := os.Stat(f.At)
	if err != nil {
		item.Problem = unreadable(f.Path, err)
		return item
	}
	g.fill(item, info, opener{
		name: f.Path,
		open: func() (*os.File, error) { return os.OpenFile(f.At, readFlags, 0) },
		stat: func() (os.FileInfo, error) { return os.Stat(f.At) },
	})
	if open := item.Open; open != nil {
		item.Open = func(ctx context.Context) (ingest.Content, error) {
			content, err := open(ctx)
			if err != nil {
				return nil, err
			}
			return &said{content, f.MediaType}, nil
		}
	}
	return item
}

// said is a content of which somebody said what it is.
type said struct {
	ingest.Content
	mediaType string
}

// Files implements ingest.Content.
func (s *said) Files(ctx context.Context, yield func(ingest.File) error) error {
	return s.Content.Files(ctx, func(f ingest.File) error {
		if f.Member == "" && f.MediaType == "" {
			f.MediaType = s.mediaType
		}
		return yield(f)
	})
}
