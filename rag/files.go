package rag

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"nearside/catalog"
	"nearside/catalog/manifest"
	"nearside/doc/chunk"
	"nearside/fault"
	"nearside/index"
	"nearside/jobs"
	"nearside/llm/neuron"
	"nearside/vectorize"
)

// Limits of one upload.
const (
	MaxFile         = 1 << 30 // bytes of one file
	MaxFiles        = 1000    // files
	MaxFilePath     = 1024    // bytes of a file's path
	MaxFileMetadata = 2 << 10 // bytes of the metadata that all of its records get
)

// ReasonFile is a file that cannot be uploaded, listed or removed as it was asked for.
const ReasonFile fault.Reason = "file"

// Upload is files on their way into an index. It is for one goroutine.
type Upload struct {
	loading *Loading
	account string
	index   string
	parcel  *jobs.Parcel // nil: a job has it, or it was discarded
	files   []uploadedFile
	paths   map[string]bool
}

// Begin begins an upload into an index that takes texts.
func (l *Loading) Begin(ctx context.Context, account, name string) (*Upload, error) {
	if _, err := l.texts.open(ctx, account, name); err != nil {
		return nil, err
	}
	return &Upload{loading: l, account: account, index: name, parcel: l.spool.NewParcel(), paths: map[string]bool{}}, nil
}

// Add takes a file. When it returns nil the file is durable, for as long as the upload is not discarded.
func (u *Upload) Add(path, mediaType string, content io.Reader) error {
	if err := checkFilePath(path); err != nil {
		return err
	}
	switch {
	case u.paths[path]:
		return fault.For(ReasonFile, "the upload has the file %q twice; a path stands for one file", short(path))
	case len(u.files) == MaxFiles:
		return fault.For(ReasonFile, "the upload has more than %d files; send them in several", MaxFiles)
	}
	spooled, err := u.parcel.Put(content, MaxFile)
	if f := fault.As(err); f != nil && f.Kind == fault.TooLarge {
		return fault.New(fault.TooLarge, "the file %q has more than %d bytes, which is the most that is taken; split it, or load it with: nearside ingest", short(path), MaxFile)
	}
	if err != nil {
		return err
	}
	u.paths[path] = true
	u.files = append(u.files, uploadedFile{path, mediaType, spooled})
	return nil
}

// checkFilePath refuses what is no path of a file. No path becomes a name on the disk: this keeps them readable and equal for equal files.
func checkFilePath(path string) error {
	switch {
	case path == "" || len(path) > MaxFilePath:
		return fault.For(ReasonFile, "a file's path has %d bytes; it can have 1 to %d", len(path), MaxFilePath)
	case !utf8.ValidString(path):
		return fault.For(ReasonFile, "the path %q is not UTF-8", short(path))
	case strings.ContainsFunc(path, unicode.IsControl):
		return fault.For(ReasonFile, "the path %q has a control character", short(path))
	}
	for _, part := range strings.Split(path, "/") {
		if part == "" || part == "." || part == ".." {
			return fault.For(ReasonFile, `the path %q has an element that is empty, "." or ".."; write it like "guide/intro.md"`, short(path))
		}
	}
	return nil
}

// UploadOptions say how an upload is loaded. A zero value is good, but for the payer.
type UploadOptions struct {
	Payer     neuron.Payer
	Limits    catalog.Limits // of the key
	Namespace string
	Metadata  json.RawMessage // an object that all records get; nil = none
	Size      int             // tokens of a passage; 0 = as the model likes it
	Overlap   int             // tokens that a passage repeats of the one before it
}

// Load makes a job of the upload. When it returns nil the job is durable, and the files are its own.
func (u *Upload) Load(ctx context.Context, o UploadOptions) (jobs.Job, error) {
	if err := u.check(ctx, o); err != nil {
		return jobs.Job{}, err
	}
	spec, err := json.Marshal(uploaded{
		Parcel: u.parcel.Name, Files: u.files, Namespace: o.Namespace, Metadata: o.Metadata, Size: o.Size, Overlap: o.Overlap,
		Opens: o.Limits.Namespaces, Filter: o.Limits.Filter,
	})
	if err != nil {
		return jobs.Job{}, err
	}
	j, err := u.loading.jobs.Add(ctx, jobs.Order{Payer: o.Payer, Kind: FilesKind, Index: u.index, Spec: spec, Total: int64(len(u.files))})
	if err == nil {
		u.parcel = nil
	}
	return j, err
}

// check refuses what the job would fail with.
func (u *Upload) check(ctx context.Context, o UploadOptions) error {
	var object map[string]any
	switch {
	case len(u.files) == 0:
		return fault.For(ReasonFile, "the upload has no file; send at least one")
	case len(o.Namespace) > vectorize.MaxNamespace:
		return fault.For(ReasonFile, "the namespace has %d bytes; at most %d are allowed", len(o.Namespace), vectorize.MaxNamespace)
	case len(o.Metadata) > MaxFileMetadata:
		return fault.For(ReasonFile, "the metadata has %d bytes; at most %d are allowed", len(o.Metadata), MaxFileMetadata)
	case o.Metadata != nil && (json.Unmarshal(o.Metadata, &object) != nil || object == nil):
		return fault.For(ReasonFile, `the metadata is no JSON object; write for example {"lang":"en"}`)
	}
	d, err := (&target{u.loading.texts, o.Payer, u.index, index.Scope{}}).Describe(ctx)
	if err != nil {
		return nil // the job waits for the model, or says what is wrong
	}
	_, err = chunk.New(chunk.Options{Source: "files", Window: d.Window, Tokenizer: d.Tokenizer, Size: o.Size, Overlap: o.Overlap})
	return err
}

// Discard removes the files, unless they are a job's by now.
func (u *Upload) Discard() error {
	if u.parcel == nil {
		return nil
	}
	parcel := u.parcel
	u.parcel = nil
	return parcel.Drop()
}

// FileItem is an uploaded file that is known.
type FileItem struct {
	Path    string
	State   manifest.State
	Size    int64
	Records int // its passages
	Reason  string
	Changed time.Time
}

// FileLook says which files are wanted, in the order of their paths' bytes.
type FileLook struct {
	After string         // paths after this one
	State manifest.State // "" = any
	Limit int
}

// pageOfFiles is how many items are read at once for a list.
const pageOfFiles = 500

// Files returns files that were uploaded into a namespace of an index.
func (l *Loading) Files(ctx context.Context, account, name, namespace string, look FileLook) (list []FileItem, err error) {
	ix, number, err := l.sourceOf(ctx, account, name, namespace)
	if err != nil || number == 0 {
		return nil, err
	}
	page := manifest.Look{Limit: pageOfFiles}
	if look.After != "" {
		page.From = look.After + "\x01" // after its parts too
	}
	var last FileItem
	take := func() bool {
		if last.Path != "" && (look.State == "" || look.State == last.State) {
			list = append(list, last)
		}
		last = FileItem{}
		return len(list) < look.Limit
	}
	for {
		items, err := l.sources.Items(ctx, ix, number, page)
		if err != nil {
			return nil, err
		}
		for _, i := range items {
			path, _, part := strings.Cut(i.Path, "\x00")
			if part && path == last.Path {
				last.Records += i.Count
				continue
			}
			if !take() {
				return list, nil
			}
			last = FileItem{path, i.State, i.Size, i.Count, i.Reason, i.Changed}
		}
		if len(items) < page.Limit {
			take()
			return list, nil
		}
		page.After = items[len(items)-1].Path
	}
}

// sourceOf is the source of the files of a namespace; 0 = there were none yet.
func (l *Loading) sourceOf(ctx context.Context, account, name, namespace string) (ix manifest.Index, number int64, err error) {
	x, err := l.texts.indexes.Describe(account, name)
	if err != nil {
		return ix, 0, err
	}
	ix = manifest.Index{Account: account, Number: uint64(x.Origin)}
	number, err = l.sources.Find(ctx, ix, filesSource(namespace))
	return ix, number, err
}

// Remove removes a file with its records, which must be within the scope.
func (l *Loading) Remove(ctx context.Context, account, name, namespace, path string, within index.Scope) error {
	if err := l.onItsWay(ctx, account, name, namespace, path); err != nil {
		return err
	}
	ix, number, err := l.sourceOf(ctx, account, name, namespace)
	if err != nil {
		return err
	}
	if number == 0 {
		return noFile(path)
	}
	claim, err := l.sources.Claim(ctx, ix, filesSource(namespace), "the removal of a file")
	if err != nil {
		return err
	}
	err = l.remove(ctx, &claim, &target{l.texts, neuron.Payer{Account: account}, name, within}, path)
	released := l.sources.Release(context.WithoutCancel(ctx), claim, false)
	return errors.Join(err, released)
}

// remove removes what is known of a file: first that all of it is there, then the records, then the rest.
func (l *Loading) remove(ctx context.Context, claim *manifest.Claim, from *target, path string) error {
	for first := true; ; first = false {
		items, err := l.sources.Items(ctx, claim.Index, claim.Source, ofFile(path))
		switch {
		case err != nil:
			return err
		case len(items) == 0 && first:
			return noFile(path)
		case len(items) == 0:
			return nil
		}
		var paths, ids []string
		for i := range items {
			items[i].State = manifest.Loading
			paths, ids = append(paths, items[i].Path), append(ids, items[i].Records...)
		}
		if err := l.sources.Put(ctx, claim, items, nil); err != nil {
			return err
		}
		if err := from.Delete(ctx, ids); err != nil {
			return err
		}
		if err := l.sources.Put(ctx, claim, nil, paths); err != nil {
			return err
		}
	}
}

// onItsWay refuses to remove a file that a job is about to load.
func (l *Loading) onItsWay(ctx context.Context, account, name, namespace, path string) error {
	return l.jobs.Unfinished(ctx, FilesKind, func(j jobs.Job) error {
		var u uploaded
		if j.Account != account || j.Index != name {
			return nil
		}
		if err := json.Unmarshal(j.Spec, &u); err != nil {
			return err
		}
		if u.Namespace == namespace && slices.ContainsFunc(u.Files, func(f uploadedFile) bool { return f.Path == path }) {
			return fault.New(fault.Conflict, "job %d loads the file %q, and is %s; wait until it has ended, or cancel it", j.Number, short(path), j.State)
		}
		return nil
	})
}

func noFile(path string) error {
	return &fault.Error{Kind: fault.NotFound, Reason: ReasonFile, Message: fmt.Sprintf("no file %q was uploaded into this index and namespace; GET …/files lists those that were", short(path))}
}
