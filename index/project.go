package index

import (
	"encoding/json"
	"slices"
	"strings"

	"nearside/index/filter"
)

// ProjectMetadata returns what a query at the level IndexedMetadata shows of a
// record's metadata: for each metadata index the value that it sees, strings cut
// to 64 bytes, in objects nested as in the record; nil if there is none. A record
// that is older than a metadata index shows its value too.
func ProjectMetadata(metadata json.RawMessage, indexes []MetadataIndex) json.RawMessage {
	root := &branch{}
	for _, m := range indexes {
		if v := filter.Extract(metadata, m.Property, m.Type); !v.IsAbsent() {
			root.grow(strings.Split(m.Property, "."), v)
		}
	}
	if len(root.under) == 0 {
		return nil
	}
	return root.append(nil)
}

// branch is a node of the projected metadata: an object, or at its end a value.
type branch struct {
	key   string
	value filter.Value
	under []*branch
}

func (b *branch) grow(path []string, v filter.Value) {
	for _, key := range path {
		at := slices.IndexFunc(b.under, func(u *branch) bool { return u.key == key })
		if at < 0 {
			at = len(b.under)
			b.under = append(b.under, &branch{key: key})
		}
		b = b.under[at]
	}
	b.value = v
}

func (b *branch) append(to []byte) []byte {
	if b.under == nil {
		return append(to, b.value.JSON()...)
	}
	to = append(to, '{')
	for i, u := range b.under {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(filter.AppendString(to, u.key), ':')
		to = u.append(to)
	}
	return append(to, '}')
}
