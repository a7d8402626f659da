package vecfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"

	"nearside/fault"
	"nearside/numjson"
)

// AppendLine appends a record as a JSON object, which Vectorize's insert and upsert
// take as a line, and nearside too; the line end is the caller's. Title and text stand
// beside id and values, where nearside finds them again. The numbers are written as
// short as their float32 is read back from.
func AppendLine(to []byte, r *Record) []byte {
	to = append(to, `{"id":`...)
	to = appendText(to, r.ID)
	if r.Values != nil {
		to = append(to, `,"values":`...)
		to = appendNumbers(to, r.Values)
	}
	if r.Namespace != "" {
		to = append(to, `,"namespace":`...)
		to = appendText(to, r.Namespace)
	}
	if len(r.Metadata) > 0 {
		to = append(to, `,"metadata":`...)
		to = append(to, r.Metadata...)
	}
	if r.Title != "" {
		to = append(to, `,"title":`...)
		to = appendText(to, r.Title)
	}
	if r.Text != "" {
		to = append(to, `,"text":`...)
		to = appendText(to, r.Text)
	}
	return append(to, '}')
}

func appendNumbers(to []byte, values []float32) []byte {
	to = append(to, '[')
	for i, v := range values {
		if i > 0 {
			to = append(to, ',')
		}
		to = appendNumber(to, v)
	}
	return append(to, ']')
}

// appendNumber writes the shortest decimal that stands for a float32. Most readers make
// a float64 of it first; where that would round to another float32, it is written in full.
func appendNumber(to []byte, v float32) []byte {
	start := len(to)
	to = strconv.AppendFloat(to, float64(v), 'g', -1, 32)
	if wide, err := strconv.ParseFloat(string(to[start:]), 64); err != nil || float32(wide) != v {
		to = strconv.AppendFloat(to[:start], float64(v), 'g', -1, 64)
	}
	return to
}

// appendText appends a JSON string.
func appendText(to []byte, text string) []byte {
	plain := utf8.ValidString(text)
	for i := 0; plain && i < len(text); i++ {
		plain = text[i] >= ' ' && text[i] != '"' && text[i] != '\\'
	}
	if plain {
		to = append(to, '"')
		to = append(to, text...)
		return append(to, '"')
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string is always JSON
	}
	return append(to, quoted...)
}

// ParseLine reads a record as AppendLine writes it, or any that Vectorize takes. What is not there is zero.
func ParseLine(raw []byte) (Record, error) {
	var line struct {
		ID        string          `json:"id"`
		Values    numbers         `json:"values"`
		Namespace string          `json:"namespace"`
		Metadata  json.RawMessage `json:"metadata"`
		Title     string          `json:"title"`
		Text      string          `json:"text"`
	}
	if err := json.Unmarshal(raw, &line); err != nil {
		return Record{}, fault.New(fault.Invalid, "it is no record in JSON: %s", err)
	}
	r := Record{ID: line.ID, Values: line.Values, Namespace: line.Namespace, Title: line.Title, Text: line.Text}
	if len(line.Metadata) == 0 || string(line.Metadata) == "null" {
		return r, nil
	}
	if line.Metadata[0] != '{' {
		return Record{}, fault.New(fault.Invalid, "its metadata is no JSON object")
	}
	var compact bytes.Buffer
	err := json.Compact(&compact, line.Metadata)
	r.Metadata = compact.Bytes()
	return r, err
}

// numbers is a vector, read faster than by package json.
type numbers []float32

// UnmarshalJSON implements json.Unmarshaler.
func (n *numbers) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	values, count, _, ok := numjson.Float32s([]float32{}, raw, maxDimensions)
	if !ok || count > maxDimensions {
		return errors.New("the values are not a list of numbers that fit a float32")
	}
	*n = values
	return nil
}
