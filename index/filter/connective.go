package filter

import (
	"cmp"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
)

// The connectives. Each item of one is a filter of its own: an all.
const (
	keyAnd = "$and"
	keyOr  = "$or"
	keyNot = "$not"
)

// all is the conjunction of its parts; of none, it is true. The parts are in
// canonical order, each once, so that the order of keys makes no difference.
type all []expr

// newAll takes the parts in any order.
func newAll(parts []expr) all {
	type spelt struct {
		key, text string
		expr
	}
	spellings := make([]spelt, len(parts))
	for i, e := range parts {
		spellings[i] = spelt{e.key(), string(e.append(nil)), e}
	}
	slices.SortFunc(spellings, func(a, b spelt) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.text, b.text))
	})
	spellings = slices.CompactFunc(spellings, func(a, b spelt) bool { return a.text == b.text })
	var a all
	for _, s := range spellings {
		a = append(a, s.expr)
	}
	return a
}

func (a all) match(value func(string) Value) bool {
	for _, e := range a {
		if !e.match(value) {
			return false
		}
	}
	return true
}

// slots takes the parts that touch few slots first: what they leave bounds the cost of the others.
func (a all) slots(column func(string) *Column, universe *roaring.Bitmap) *roaring.Bitmap {
	if len(a) == 1 {
		return a[0].slots(column, universe)
	}
	type priced struct {
		reach uint64
		expr
	}
	parts := make([]priced, len(a))
	count := universe.GetCardinality()
	for i, e := range a {
		parts[i] = priced{e.reach(column, count), e}
	}
	slices.SortStableFunc(parts, func(x, y priced) int { return cmp.Compare(x.reach, y.reach) })
	for _, p := range parts {
		if universe.IsEmpty() {
			break
		}
		universe = p.slots(column, universe)
	}
	return universe
}

func (a all) reach(column func(string) *Column, all uint64) uint64 {
	least := all
	for _, e := range a {
		least = min(least, e.reach(column, all))
	}
	return least
}

func (a all) walk(negated bool, visit func(string, bool)) {
	for _, e := range a {
		e.walk(negated, visit)
	}
}

// object writes a filter. A key can stand only once in it: what else stands under
// the same key goes into further objects, which $and holds.
func (a all) object(to []byte) []byte {
	layers := a.layers()
	to = append(to, '{')
	for i, layer := range layers {
		switch {
		case i == 1:
			to = append(to, `,"`+keyAnd+`":[{`...)
		case i > 1:
			to = append(to, `},{`...)
		}
		for j, e := range layer {
			if j > 0 {
				to = append(to, ',')
			}
			to = e.append(to)
		}
	}
	if len(layers) > 1 {
		to = append(to, `}]`...)
	}
	return append(to, '}')
}

// layers deals the parts out so that no layer has a key twice: the first of each key, the second, and so on.
func (a all) layers() [][]expr {
	var layers [][]expr
	nth := 0
	for i, e := range a {
		nth++
		if i == 0 || a[i-1].key() != e.key() {
			nth = 0
		}
		if nth == len(layers) {
			layers = append(layers, nil)
		}
		layers[nth] = append(layers[nth], e)
	}
	return layers
}

// either wants what one of its alternatives wants. There are two at least, in canonical order, each once.
type either []all

// newEither returns the disjunction of some filters, none of them empty.
func newEither(alternatives []all) all {
	spellings := map[string]all{}
	for _, a := range alternatives {
		if inner, ok := a[0].(either); ok && len(a) == 1 {
			for _, b := range inner {
				spellings[string(b.object(nil))] = b
			}
			continue
		}
		spellings[string(a.object(nil))] = a
	}
	var texts []string
	for text := range spellings {
		texts = append(texts, text)
	}
	slices.Sort(texts)
	if len(texts) == 1 {
		return spellings[texts[0]]
	}
	var o either
	for _, text := range texts {
		o = append(o, spellings[text])
	}
	return all{o}
}

func (o either) match(value func(string) Value) bool {
	return slices.ContainsFunc(o, func(a all) bool { return a.match(value) })
}

func (o either) slots(column func(string) *Column, universe *roaring.Bitmap) *roaring.Bitmap {
	parts := make([]*roaring.Bitmap, len(o))
	for i, a := range o {
		parts[i] = a.slots(column, universe)
	}
	return roaring.FastOr(parts...)
}

func (o either) reach(column func(string) *Column, all uint64) uint64 {
	sum := uint64(0)
	for _, a := range o {
		sum += a.reach(column, all)
	}
	return sum
}

func (o either) walk(negated bool, visit func(string, bool)) {
	for _, a := range o {
		a.walk(negated, visit)
	}
}

func (o either) key() string { return keyOr }

func (o either) append(to []byte) []byte {
	to = append(to, `"`+keyOr+`":[`...)
	for i, a := range o {
		if i > 0 {
			to = append(to, ',')
		}
		to = a.object(to)
	}
	return append(to, ']')
}

// not wants what a filter does not want.
type not struct{ of all }

// negatable is a condition that can be turned into its complement.
type negatable interface{ complement() expr }

// newNot returns the complement of a filter that is not empty.
func newNot(of all) all {
	if len(of) > 1 {
		return all{not{of}}
	}
	switch e := of[0].(type) {
	case not:
		return e.of
	case negatable:
		return all{e.complement()}
	default:
		return all{not{of}}
	}
}

func (n not) match(value func(string) Value) bool { return !n.of.match(value) }

func (n not) slots(column func(string) *Column, universe *roaring.Bitmap) *roaring.Bitmap {
	return roaring.AndNot(universe, n.of.slots(column, universe))
}

func (n not) reach(column func(string) *Column, all uint64) uint64 {
	return all + n.of.reach(column, all)
}

func (n not) walk(negated bool, visit func(string, bool)) { n.of.walk(!negated, visit) }

func (n not) key() string { return keyNot }

func (n not) append(to []byte) []byte { return n.of.object(append(to, `"`+keyNot+`":`...)) }
