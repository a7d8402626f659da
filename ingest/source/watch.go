package source

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"nearside/ingest"
)

// WatchOptions say how folders are watched. Zero values stand for the defaults.
type WatchOptions struct {
	Options                // of the folders: what is not handed out is not watched
	Quiet    time.Duration // that must pass after a change; 2 s
	Longest  time.Duration // from the first change, however many follow; 30 s
	Every    time.Duration // between two looks, where the system does not tell of changes; 10 s
	Polling  bool          // look, and do not ask the system to tell: for network file systems, which do not
	Remarked func(string)  // told what is to be known, such as that folders are looked through; may be nil

	limit int // of folders that the system watches, for tests; 0 = its own
}

func (o WatchOptions) orDefault() WatchOptions {
	o.Options = o.Options.orDefault()
	if o.Quiet <= 0 {
		o.Quiet = 2 * time.Second
	}
	if o.Longest <= 0 {
		o.Longest = 30 * time.Second
	}
	if o.Every <= 0 {
		o.Every = 10 * time.Second
	}
	if o.Remarked == nil {
		o.Remarked = func(string) {}
	}
	return o
}

// Watcher tells when something in folders or files changed.
type Watcher struct {
	// Changed receives a value when something changed and all was quiet since, or has not been for long. Changes that
	// nobody has received yet are one.
	Changed <-chan struct{}

	o       WatchOptions
	folders []*folder
	files   []string // absolute paths
	changed chan struct{}
	notify  *fsnotify.Watcher // nil while the folders are looked through
	before  uint64            // what the last look saw
	stop    context.CancelFunc
	running sync.WaitGroup
}

// Watch watches folders and files until ctx ends or Close is called. What is in new folders is watched too. If the system cannot watch
// as many folders, they are looked through from time to time.
func Watch(ctx context.Context, paths []string, o WatchOptions) (*Watcher, error) {
	w := &Watcher{o: o.orDefault(), changed: make(chan struct{}, 1)}
	w.Changed = w.changed
	for _, path := range paths {
		s, err := Path(path, w.o.Options)
		if err != nil {
			return nil, err
		}
		switch s := s.(type) {
		case *folder:
			w.folders = append(w.folders, s)
		case *file:
			w.files = append(w.files, s.path)
		}
	}
	if !w.o.Polling {
		var err error
		if w.notify, err = fsnotify.NewBufferedWatcher(1024); err != nil {
			w.poll(ctx, err)
		}
	}
	w.scan(ctx)
	ctx, w.stop = context.WithCancel(ctx)
	w.running.Go(func() { w.run(ctx) })
	return w, nil
}

// Close ends the watch, and returns when it has ended.
func (w *Watcher) Close() {
	w.stop()
	w.running.Wait()
}

// scan has every folder watched, or looked through. It reports whether something changed that it can see.
func (w *Watcher) scan(ctx context.Context) (changed bool) {
	if w.notify != nil {
		err := w.add(ctx)
		if err == nil || ctx.Err() != nil {
			return false
		}
		w.poll(ctx, err)
	}
	now := w.look(ctx)
	changed = now != w.before && ctx.Err() == nil
	w.before = now
	return changed
}

// add has the system watch every folder, and those that files are in.
func (w *Watcher) add(ctx context.Context) error {
	for _, f := range w.folders {
		if err := f.folders(ctx, w.addFolder); err != nil {
			return err
		}
	}
	for _, path := range w.files {
		if err := w.notify.Add(filepath.Dir(path)); err != nil {
			return err
		}
	}
	return nil
}

// addFolder has the system watch a folder, which may have vanished meanwhile.
func (w *Watcher) addFolder(path string) error {
	if w.o.limit > 0 && len(w.notify.WatchList()) >= w.o.limit {
		return syscall.ENOSPC
	}
	if err := w.notify.Add(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// poll goes over to looking.
func (w *Watcher) poll(ctx context.Context, why error) {
	if ctx.Err() != nil {
		return
	}
	w.o.Remarked(fmt.Sprintf("the system cannot tell of changes in all folders (%v): they are looked through every %s. On Linux, fs.inotify.max_user_watches is how many folders it can watch", why, w.o.Every))
	if w.notify != nil {
		if err := w.notify.Close(); err != nil {
			w.o.Remarked(err.Error())
		}
		w.notify = nil
	}
}

// look returns what stands for all that is there now.
func (w *Watcher) look(ctx context.Context) uint64 {
	sum := fnv.New64a()
	for _, f := range w.folders {
		err := f.Walk(ctx, func(item *ingest.Item) error {
			fmt.Fprintf(sum, "%q %d %d %v\n", item.Path, item.Size, item.Modified.UnixNano(), item.Problem != nil)
			return nil
		})
		fmt.Fprintf(sum, "%v\n", err != nil)
	}
	for _, path := range w.files {
		if info, err := os.Stat(path); err == nil {
			fmt.Fprintf(sum, "%d %d\n", info.Size(), info.ModTime().UnixNano())
		}
	}
	return sum.Sum64()
}

// run waits for changes.
func (w *Watcher) run(ctx context.Context) {
	defer func() {
		if w.notify != nil {
			w.notify.Close() // nothing more is asked of it
		}
	}()
	look := time.NewTicker(w.o.Every)
	defer look.Stop()
	var quiet <-chan time.Time // set while there is a change to tell of
	var first time.Time
	saw := func() {
		if quiet == nil {
			first = time.Now()
		}
		quiet = time.After(min(w.o.Quiet, w.o.Longest-time.Since(first)))
	}
	for {
		events, failures := w.channels()
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			if w.concerns(e) {
				saw()
			}
		case <-failures: // some were lost
			saw()
		case <-look.C:
			if w.notify == nil && w.scan(ctx) {
				saw()
			}
		case <-quiet:
			quiet = nil
			w.scan(ctx) // so that new folders are watched before whoever is told looks at them
			select {
			case w.changed <- struct{}{}:
			default:
			}
		}
	}
}

// channels are those of the system's messages; they never receive while the folders are looked through.
func (w *Watcher) channels() (<-chan fsnotify.Event, <-chan error) {
	if w.notify == nil {
		return nil, nil
	}
	return w.notify.Events, w.notify.Errors
}

// concerns reports whether an event is of something that is handed out, or of what decides that.
func (w *Watcher) concerns(e fsnotify.Event) bool {
	if slices.Contains(w.files, e.Name) {
		return true
	}
	for _, f := range w.folders {
		real, err := filepath.EvalSymlinks(f.dir)
		if err != nil {
			return true // the folder itself is gone
		}
		if inside, err := filepath.Rel(real, e.Name); err != nil || !filepath.IsLocal(inside) {
			continue
		}
		name := filepath.Base(e.Name)
		switched := strings.HasPrefix(name, "..") // as Kubernetes calls what the links of a mounted ConfigMap lead through
		return f.shown(name) || slices.Contains(ignoreFiles, name) || e.Name == real || switched
	}
	return false
}
