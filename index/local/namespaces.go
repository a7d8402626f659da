package local

import (
	"strings"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
)

// namespaces knows the namespaces of an index and which slots have each.
type namespaces struct {
	mu    sync.Mutex // guards the fields below; held for memory work only
	codes map[string]uint32
	all   []*namespace // by code
	alive int          // namespaces with a living record, "" not counted
}

// namespace is one of them. Slots stay in it when they die; a view leaves them out.
type namespace struct {
	name  string
	slots *roaring.Bitmap
	alive int // living records
}

func newNamespaces() *namespaces { return &namespaces{codes: map[string]uint32{}} }

// add enters a new slot and returns the code of its namespace.
func (n *namespaces) add(s slot, name string, alive bool) uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	code := n.codeLocked(name)
	n.all[code].slots.Add(s)
	if alive {
		n.countLocked(code, 1)
	}
	return code
}

// kill takes a slot that died out of the count of the living.
func (n *namespaces) kill(code uint32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.countLocked(code, -1)
}

// remove forgets slots that no view can show any more.
func (n *namespaces) remove(code uint32, s slot) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all[code].slots.Remove(s)
}

func (n *namespaces) codeLocked(name string) uint32 {
	code, ok := n.codes[name]
	if !ok {
		code = uint32(len(n.all))
		name = strings.Clone(name) // it may be part of a large request
		n.codes[name] = code
		n.all = append(n.all, &namespace{name: name, slots: roaring.New()})
	}
	return code
}

func (n *namespaces) countLocked(code uint32, by int) {
	ns := n.all[code]
	before := ns.alive
	ns.alive += by
	switch {
	case ns.name == "":
	case before == 0 && ns.alive == 1:
		n.alive++
	case before == 1 && ns.alive == 0:
		n.alive--
	}
}

// living returns how many namespaces have a living record.
func (n *namespaces) living() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.alive
}

// slotsOf returns the slots of a namespace, dead ones among them, frozen.
func (n *namespaces) slotsOf(name string) *roaring.Bitmap {
	n.mu.Lock()
	defer n.mu.Unlock()
	code, ok := n.codes[name]
	if !ok {
		return roaring.New()
	}
	return freeze(n.all[code].slots)
}

// name returns the namespace with a code.
func (n *namespaces) name(code uint32) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all[code].name
}
