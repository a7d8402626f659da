package rows

import (
	"bytes"
	"encoding/json"
	"math"
	"unicode/utf8"

	"nearside/bulk"
	"nearside/numjson"
)

// asBatch writes records in the binary form, which the server need not parse. It
// takes only what it reads beyond doubt: vectors in parts and lines of the plain shape, of
// one length. Anything else goes as it is, for the server to judge.
func asBatch(records []record) ([]byte, bool) {
	rows := make([]bulk.Row, len(records))
	size := 0
	for i := range records {
		row, ok := records[i].row()
		if !ok || len(row.Values) != len(rows[0].Values) && i > 0 {
			return nil, false
		}
		rows[i] = row
		size += 4*len(row.Values) + len(row.ID) + len(row.Namespace) + len(row.Metadata) + rowBytes
	}
	batch, err := bulk.Append(make([]byte, 0, size+rowBytes), len(rows[0].Values), rows)
	return batch, err == nil
}

// row returns a record in the binary form, if it is read beyond doubt.
func (r *record) row() (bulk.Row, bool) {
	if r.raw != nil {
		return asRow(r.raw)
	}
	p := &r.parts
	return bulk.Row{ID: p.ID, Namespace: p.Namespace, Values: p.Values, Metadata: p.Metadata}, utf8.ValidString(p.ID) && utf8.ValidString(p.Namespace)
}

// rowBytes is more than a row, or the header, has beside its parts.
const rowBytes = 32

// asRow reads a line of the plain shape: an object with some of the keys id,
// values, namespace and metadata, each once and in any order, without escapes in
// its strings, and with an object for metadata.
func asRow(raw []byte) (row bulk.Row, ok bool) {
	p := plain{data: raw}
	seen := map[string]bool{}
	for ok = p.take('{'); ok; ok = p.take(',') {
		key, isText := p.text()
		if !isText || !p.take(':') || seen[key] || !p.field(&row, key) {
			return row, false
		}
		seen[key] = true
		if p.take('}') {
			return row, p.take(0) && seen["id"] && seen["values"]
		}
	}
	return row, false
}

// plain walks over a line of the plain shape.
type plain struct {
	data []byte
	at   int
}

func (p *plain) field(row *bulk.Row, key string) (ok bool) {
	switch key {
	case "id":
		row.ID, ok = p.text()
	case "namespace":
		row.Namespace, ok = p.text()
	case "values":
		row.Values, ok = p.floats()
	case "metadata":
		row.Metadata, ok = p.object()
	}
	return ok
}

// take moves past white space and the byte b, if that is what comes; 0 is the end.
func (p *plain) take(b byte) bool {
	for p.at < len(p.data) && (p.data[p.at] == ' ' || p.data[p.at] == '\t') {
		p.at++
	}
	if p.at == len(p.data) {
		return b == 0
	}
	if p.data[p.at] != b || b == 0 {
		return false
	}
	p.at++
	return true
}

// text reads a string that stands for itself.
func (p *plain) text() (string, bool) {
	if !p.take('"') {
		return "", false
	}
	end := bytes.IndexByte(p.data[p.at:], '"')
	if end < 0 {
		return "", false
	}
	text := p.data[p.at : p.at+end]
	p.at += end + 1
	special := bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == '\\' })
	return string(text), !special && utf8.Valid(text)
}

func (p *plain) floats() ([]float32, bool) {
	if !p.take('[') {
		return nil, false
	}
	start := p.at - 1 // numjson wants the bracket
	values, n, size, ok := numjson.Float32s(nil, p.data[start:], math.MaxInt)
	p.at = start + size
	return values, ok && n > 0
}

// object reads an object, as it stands.
func (p *plain) object() ([]byte, bool) {
	if !p.take('{') {
		return nil, false
	}
	start, depth, inString := p.at-1, 1, false
	for ; p.at < len(p.data) && depth > 0; p.at++ {
		switch b := p.data[p.at]; {
		case inString && b == '\\':
			p.at++
		case b == '"':
			inString = !inString
		case !inString && b == '{':
			depth++
		case !inString && b == '}':
			depth--
		}
	}
	raw := p.data[start:min(p.at, len(p.data))]
	return raw, json.Valid(raw)
}
