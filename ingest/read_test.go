package ingest_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"nearside/doc"
	"nearside/doc/chunk"
	"nearside/doc/parse"
	"nearside/fault"
	"nearside/ingest"
)

func TestAFormatThatThereIsNotEndsALoadBeforeAnythingIsRead(t *testing.T) {
	w := newWorld(t)
	o := options(w, some())
	o.Parse.Format = "word"
	r, err := ingest.Load(t.Context(), o)
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), `"word"`) || r.Items != 0 || len(w.items) != 0 {
		t.Errorf("%v, %+v", err, r)
	}
	o.Parse.Format = doc.FormatMarkdown
	load(t, o)
}

// endless is a source with a file that says nothing and does not end, and one after it.
type endless struct{ files }

func (e *endless) Walk(ctx context.Context, yield func(*ingest.Item) error) error {
	item := &ingest.Item{Path: "a.txt", Size: -1, Open: func(context.Context) (ingest.Content, error) { return nothing{}, nil }}
	if err := yield(item); err != nil {
		return err
	}
	return e.files.Walk(ctx, yield)
}

// nothing is white space without an end.
type nothing struct{}

func (nothing) Files(_ context.Context, yield func(ingest.File) error) error {
	return yield(ingest.File{File: parse.File{Name: "a.txt", Body: spaces{}, Size: -1}})
}

func (nothing) Digest(context.Context) (string, error) { return "endless", nil }
func (nothing) Changed() error                         { return nil }
func (nothing) Close() error                           { return nil }

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	return io.ReadFull(strings.NewReader(strings.Repeat(" ", len(p))), p)
}

func TestAFileThatIsReadWithoutEndIsGivenUp(t *testing.T) {
	w := newWorld(t)
	o := options(w, &endless{files{at: map[string]entry{"b.md": {text: "Words."}}}})
	o.FileTime = 100 * time.Millisecond
	r := load(t, o)
	if r.Failed != 1 || r.Loaded != 1 || !strings.Contains(r.Failures[0].Reason, "reading took more than 100ms") {
		t.Errorf("%+v, %+v", r.Totals, r.Failures)
	}
}

func TestAPassageThatIsShownToNobodyEndsTheLoad(t *testing.T) {
	w := newWorld(t)
	o := options(w, some())
	o.Show = func(string, *doc.Document, []chunk.Chunk) error { return errors.New("the pipe is closed") }
	if _, err := ingest.Load(t.Context(), o); err == nil || !strings.Contains(err.Error(), "the pipe is closed") {
		t.Errorf("%v", err)
	}
}
