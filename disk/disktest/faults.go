// Package disktest helps to test what happens when the disk fails.
//
// Faults makes chosen file operations fail, PowerCut loses everything that was
// not synced, and Open opens a database that is checked when the test ends.
package disktest

import (
	"errors"
	"sync"

	"nearside/disk"
)

// ErrInjected is what operations fail with unless a test asks for something else.
var ErrInjected = errors.New("injected fault")

// Faults is the source of a disk.Hook that counts operations and makes some of them fail.
type Faults struct {
	Match func(op disk.Op, path string) bool // which operations count; nil: all

	mu      sync.Mutex // guards the fields below
	count   int
	from    int // the operation that fails, from 1; 0: none
	to      int // the last one that fails
	err     error
	tripped bool
}

const never = int(^uint(0) >> 1)

// Count returns Faults that only count.
func Count() *Faults { return &Faults{} }

// FailAt returns Faults that make the k-th operation fail, and no other.
// io.ErrShortWrite writes half of a write before it fails.
func FailAt(k int, err error) *Faults { return &Faults{from: k, to: k, err: err} }

// CrashAt returns Faults that make the k-th and every later operation fail, as if
// the process had been killed then. Open the directory anew without them.
func CrashAt(k int) *Faults { return &Faults{from: k, to: never, err: ErrInjected} }

// Hook is the disk.Hook.
func (f *Faults) Hook(op disk.Op, path string) error {
	if f.Match != nil && !f.Match(op, path) {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	if f.from == 0 || f.count < f.from || f.count > f.to {
		return nil
	}
	f.tripped = true
	return f.err
}

// Fail makes every operation from now on fail with err; nil ends that.
func (f *Faults) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.from, f.to, f.err = f.count+1, never, err
	if err == nil {
		f.from = 0
	}
}

// Operations returns how many operations there were so far.
func (f *Faults) Operations() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// Tripped reports whether an operation has failed.
func (f *Faults) Tripped() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tripped
}
