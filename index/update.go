package index

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"nearside/fault"
	"nearside/index/filter"
)

// MetadataUpdate says how the metadata of a record changes: Remove is done first,
// then Set. Vector, namespace, title and text stay.
type MetadataUpdate struct {
	Replace bool            // begin without metadata, whatever the record has
	Remove  []string        // paths of properties that go; "." separates levels; those that are not there are passed over
	Set     json.RawMessage // a compact object: its keys get its values, whole; other keys stay; nil = none

	// Admit is asked whether a record may have its new metadata. An error refuses
	// the whole update. nil: every record may.
	Admit func(id VectorID, metadata json.RawMessage) error
}

// Check reports what is wrong with an update, whatever the records.
func (u MetadataUpdate) Check() error {
	if !u.Replace && u.Set == nil && len(u.Remove) == 0 {
		return fault.For(ReasonUpdate, "the update changes nothing; give set, remove or replace")
	}
	if u.Replace && len(u.Remove) > 0 {
		return fault.For(ReasonUpdate, "the update replaces all metadata and removes %s; it can do one of them", filter.Quote(u.Remove[0]))
	}
	for _, path := range u.Remove {
		if err := filter.CheckProperty(path); err != nil {
			return err
		}
	}
	if u.Set == nil {
		return nil
	}
	_, err := readMembers(u.Set)
	return err
}

// Apply returns what an update makes of a record's metadata. Keys that stay keep
// their order, new ones follow in the order of Set.
func (u MetadataUpdate) Apply(metadata json.RawMessage) (json.RawMessage, error) {
	if u.Replace {
		return slices.Clone(u.Set), nil
	}
	if metadata == nil && u.Set == nil {
		return nil, nil
	}
	m, err := readMembers(metadata)
	if err != nil {
		return nil, err
	}
	for _, path := range u.Remove {
		if err := m.remove(strings.Split(path, ".")); err != nil {
			return nil, err
		}
	}
	added, err := readMembers(u.Set)
	if err != nil {
		return nil, err
	}
	for _, a := range added.list {
		m.set(a)
	}
	return m.append(nil), nil
}

// Revise returns the new metadata of a record, if it may have it, and whether that
// is another than before.
func (u MetadataUpdate) Revise(id VectorID, metadata json.RawMessage) (revised json.RawMessage, changed bool, err error) {
	if revised, err = u.Apply(metadata); err != nil {
		return nil, false, err
	}
	if bytes.Equal(revised, metadata) && (revised == nil) == (metadata == nil) {
		return metadata, false, nil
	}
	if u.Admit != nil {
		err = u.Admit(id, revised)
	}
	return revised, true, err
}

// members are the keys of a JSON object in their order, each once, with their values as they stand there.
type members struct {
	list []member
	at   map[string]int // where a key is in the list
}

type member struct {
	key   string
	value json.RawMessage // nil: it was removed
}

// readMembers reads an object; nil is an empty one. Of equal keys the last counts.
func readMembers(object json.RawMessage) (members, error) {
	m := members{at: map[string]int{}}
	if object == nil {
		return m, nil
	}
	dec := json.NewDecoder(bytes.NewReader(object))
	err := expect(dec, json.Delim('{'))
	for err == nil && dec.More() {
		var key json.Token
		var value json.RawMessage
		if key, err = dec.Token(); err == nil {
			err = dec.Decode(&value)
		}
		if err == nil {
			m.set(member{key.(string), value})
		}
	}
	if err == nil {
		err = expect(dec, json.Delim('}'))
	}
	if _, more := dec.Token(); err != nil || more != io.EOF {
		return m, fault.For(ReasonUpdate, "the metadata %.80s is not a JSON object", object)
	}
	return m, nil
}

// expect moves past a token, which must be the one given.
func expect(dec *json.Decoder, want json.Token) error {
	got, err := dec.Token()
	if err == nil && got != want {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// set puts a member in the place of that with its key, or behind all others.
func (m *members) set(e member) {
	if at, found := m.at[e.key]; found {
		m.list[at] = e
		return
	}
	m.at[e.key] = len(m.list)
	m.list = append(m.list, e)
}

// remove takes away what a path leads to, if it leads to something.
func (m *members) remove(path []string) error {
	at, found := m.at[path[0]]
	if !found {
		return nil
	}
	if len(path) == 1 {
		m.list[at].value = nil
		delete(m.at, path[0])
		return nil
	}
	value := &m.list[at].value
	if (*value)[0] != '{' {
		return nil
	}
	inner, err := readMembers(*value)
	if err != nil {
		return err
	}
	if err := inner.remove(path[1:]); err != nil {
		return err
	}
	*value = inner.append(nil)
	return nil
}

func (m *members) append(to []byte) []byte {
	to = append(to, '{')
	first := len(to)
	for _, e := range m.list {
		if e.value == nil {
			continue
		}
		if len(to) > first {
			to = append(to, ',')
		}
		to = append(filter.AppendString(to, e.key), ':')
		to = append(to, e.value...)
	}
	return append(to, '}')
}
