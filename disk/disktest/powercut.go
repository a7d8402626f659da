//go:build unix

package disktest

import (
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"nearside/disk"
)

// PowerCut is the source of a disk.Hook that remembers what has been synced in a
// directory, cuts the power before the k-th operation, and can then lay out what
// a disk may hold after it. The workload must run on one goroutine.
type PowerCut struct {
	t    testing.TB
	root string
	at   int

	mu    sync.Mutex // guards the fields below
	count int
	last  func()              // what became durable with the operation before this one
	open  map[inode]*os.File  // keeps inode numbers from being used again
	files map[inode][]byte    // the synced bytes of each file
	names map[inode]directory // the synced names of each directory
	now   map[inode]directory // the names at the moment of the cut
	cut   bool
}

type inode uint64

type directory map[string]inode

// NewPowerCut returns a PowerCut over the directory root, which exists and is durable.
func NewPowerCut(t testing.TB, root string, k int) *PowerCut {
	p := &PowerCut{t: t, root: root, at: k, open: map[inode]*os.File{}, files: map[inode][]byte{}, names: map[inode]directory{}}
	p.scan()
	t.Cleanup(func() {
		for _, f := range p.open {
			f.Close()
		}
	})
	return p
}

// Hook is the disk.Hook.
func (p *PowerCut) Hook(op disk.Op, path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return ErrInjected
	}
	p.scan()
	if p.last != nil {
		p.last()
		p.last = nil
	}
	p.count++
	if p.count == p.at {
		p.cut = true
		return ErrInjected
	}
	switch op {
	case disk.OpSync:
		p.last = func() { p.syncFile(path) }
	case disk.OpSyncDir:
		p.last = func() { p.syncDir(path) }
	}
	return nil
}

// Happened reports whether the power was cut.
func (p *PowerCut) Happened() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut
}

// scan opens what is new below the root, and notes the names.
func (p *PowerCut) scan() {
	p.now = map[inode]directory{}
	p.scanDir(p.root)
}

func (p *PowerCut) scanDir(path string) inode {
	here := p.see(path)
	entries, err := os.ReadDir(path)
	if err != nil {
		p.t.Error(err)
	}
	p.now[here] = directory{}
	for _, e := range entries {
		child := filepath.Join(path, e.Name())
		if e.IsDir() {
			p.now[here][e.Name()] = p.scanDir(child)
		} else if n := p.see(child); n != 0 {
			p.now[here][e.Name()] = n
		}
	}
	return here
}

// see returns the inode at path and keeps it open; 0 if there is none any more.
func (p *PowerCut) see(path string) inode {
	info, err := os.Lstat(path)
	if err != nil {
		return 0
	}
	n := inode(info.Sys().(*syscall.Stat_t).Ino)
	if p.open[n] == nil {
		f, err := os.Open(path)
		if err != nil {
			p.t.Error(err)
			return 0
		}
		p.open[n] = f
	}
	return n
}

func (p *PowerCut) syncFile(path string) {
	if n := p.see(path); n != 0 {
		p.files[n] = p.read(n)
	}
}

func (p *PowerCut) syncDir(path string) {
	if n := p.see(path); n != 0 {
		p.names[n] = p.now[n]
	}
}

func (p *PowerCut) read(n inode) []byte {
	b, err := io.ReadAll(io.NewSectionReader(p.open[n], 0, 1<<40))
	if err != nil {
		p.t.Error(err)
	}
	return b
}

// Survivors lays out in the directory to, which exists, what may be left: of all
// that was not synced nothing if chance is 0, everything if it is 1, and else
// each block of 4 KB and each directory's names with that probability.
func (p *PowerCut) Survivors(to string, chance float64, random *rand.Rand) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := survivors{p, chance, random}
	s.directory(to, p.see(p.root))
}

type survivors struct {
	*PowerCut
	chance float64
	random *rand.Rand
}

func (s survivors) lucky() bool { return s.random.Float64() < s.chance }

func (s survivors) directory(to string, n inode) {
	names := s.names[n]
	if now, ok := s.now[n]; ok && s.lucky() {
		names = now
	}
	for name, child := range names {
		path := filepath.Join(to, name)
		info, err := s.open[child].Stat()
		switch {
		case err != nil:
		case info.IsDir():
			if err = os.Mkdir(path, 0o700); err == nil {
				s.directory(path, child)
			}
		default:
			err = os.WriteFile(path, s.content(child), 0o600)
		}
		if err != nil {
			s.t.Error(err)
		}
	}
}

// content mixes the synced and the written bytes of a file.
func (s survivors) content(n inode) []byte {
	synced, written := s.files[n], s.read(n)
	size := len(synced)
	if s.lucky() {
		size = len(written)
	}
	content := make([]byte, size)
	copy(content, synced)
	const block = 4096
	for at := 0; at < size; at += block {
		if end := min(at+block, size, len(written)); at < end && s.lucky() {
			copy(content[at:end], written[at:end])
		}
	}
	return content
}
