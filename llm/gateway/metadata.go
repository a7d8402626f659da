package gateway

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"nearside/fault"
)

// The most that is kept of what a caller writes on a call. Cloudflare keeps five
// entries (developers.cloudflare.com/ai-gateway/observability/custom-metadata).
const (
	maxEntries  = 16
	maxKeyBytes = 64
	maxText     = 1024 // bytes of a value that is a string
)

// metadata returns what can be kept of the metadata of a call as a JSON object; nil if
// that is nothing. Only strings, numbers, truth values and null are kept, and of more
// than maxEntries entries the first by key.
func metadata(text string) json.RawMessage {
	given := decodeObject(text)
	kept := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if len(kept) < maxEntries && entryFault(key, given[key]) == nil {
			kept[key] = given[key]
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return encode(kept)
}

// checkedMetadata is metadata that is refused if not all of it can be kept.
func checkedMetadata(raw json.RawMessage) (json.RawMessage, error) {
	given := decodeObject(string(raw))
	switch {
	case given == nil:
		return nil, fault.For(ReasonPatch, "metadata is no object; send one of strings, numbers and truth values, or null")
	case len(given) > maxEntries:
		return nil, fault.For(ReasonPatch, "metadata has %d entries; at most %d are kept", len(given), maxEntries)
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if err := entryFault(key, given[key]); err != nil {
			return nil, err
		}
	}
	return encode(given), nil
}

// entryFault says why an entry cannot be kept.
func entryFault(key string, value any) error {
	const shown = 32
	s, _ := value.(string)
	number, _ := value.(json.Number)
	switch value.(type) {
	case map[string]any, []any:
		return fault.For(ReasonPatch, "metadata %.*q is an object or a list; strings, numbers, truth values and null are kept", shown, key)
	}
	switch {
	case key == "" || len(key) > maxKeyBytes:
		return fault.For(ReasonPatch, "metadata has a key of %d bytes; one has 1 to %d", len(key), maxKeyBytes)
	case len(s)+len(number) > maxText:
		return fault.For(ReasonPatch, "metadata %.*q has %d bytes; at most %d are kept", shown, key, len(s)+len(number), maxText)
	}
	return nil
}

// decodeObject returns the entries of a JSON object, its numbers digit by digit; nil if it is none.
func decodeObject(text string) map[string]any {
	value, err := decode([]byte(text))
	if err != nil {
		return nil
	}
	object, _ := value.(map[string]any)
	return object
}

// decode returns one JSON value, its numbers digit by digit.
func decode(data []byte) (value any, err error) {
	if !json.Valid(data) {
		return nil, fault.New(fault.Invalid, "not JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return value, decoder.Decode(&value)
}

// encode writes what decode returned, with its keys in order.
func encode(value any) json.RawMessage {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(err) // what was decoded can be encoded
	}
	return encoded
}
