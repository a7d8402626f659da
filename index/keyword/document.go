package keyword

import (
	"encoding/binary"
	"fmt"

	api "github.com/blevesearch/bleve_index_api"
)

// Document is the text of one slot.
type Document struct {
	Slot     uint32
	Title    string
	Text     string
	Metadata []string // the strings of its metadata, each on its own
}

// Field is a part of a document that can be searched.
type Field uint8

// The fields.
const (
	Title Field = iota
	Text
	Metadata
	fieldCount
)

var fieldNames = [fieldCount]string{"title", "text", "metadata"}

// String returns the name of the field as users write it.
func (f Field) String() string {
	if f < fieldCount {
		return fieldNames[f]
	}
	return fmt.Sprintf("field(%d)", uint8(f))
}

// valueGap is how many positions lie between two strings of metadata, so that no
// phrase reaches from one into the next.
const valueGap = 100

// idField is the one that the segment format wants every document to have. Its value
// is stored with the document: the slot, 4 bytes little-endian, and the length of each
// field as a varint.
const idField = "_id"

// prepared is an analysed document, as the segment format takes it.
type prepared struct {
	fields []api.Field
}

// prepare analyses a document.
func (z *Analyzer) prepare(d *Document) *prepared {
	p := &prepared{fields: make([]api.Field, 1, fieldCount+1)}
	id := binary.LittleEndian.AppendUint32(nil, d.Slot)
	for f, values := range [fieldCount][]string{{d.Title}, {d.Text}, d.Metadata} {
		terms := &terms{name: fieldNames[f], found: api.TokenFrequencies{}}
		length, offset := 0, 0
		for i, value := range values {
			tokens := z.Analyze(value)
			length += terms.add(tokens, offset, uint64(i))
			if len(tokens) > 0 {
				offset += tokens[len(tokens)-1].Position + valueGap
			}
		}
		id = binary.AppendUvarint(id, uint64(length))
		if len(terms.found) > 0 {
			p.fields = append(p.fields, terms)
		}
	}
	p.fields[0] = &stored{value: id}
	return p
}

// terms is an indexed field. The length that the format would keep beside every
// term is not used: see idField.
type terms struct {
	name  string
	found api.TokenFrequencies
}

// add enters the tokens of one value and returns how many of them count as the field's length.
//
// NOTE: the format has a start and an end for every occurrence. What is kept as the
// end is the number of bytes, which is a shorter number.
func (t *terms) add(tokens []Token, offset int, value uint64) (length int) {
	// One piece of memory for all tokens of a kind: no slice below ever moves.
	locations := make([]api.TokenLocation, len(tokens))
	first := make([]*api.TokenLocation, len(tokens)) // most terms occur once
	frequencies := make([]api.TokenFreq, 0, len(tokens))
	var of []uint64
	if value > 0 {
		of = []uint64{value}
	}
	for i := range tokens {
		token, l := &tokens[i], &locations[i]
		*l = api.TokenLocation{Start: token.Start, End: token.End - token.Start, Position: token.Position + offset, ArrayPositions: of}
		f := t.found[token.Term]
		if f == nil {
			frequencies = append(frequencies, api.TokenFreq{Term: []byte(token.Term), Locations: first[i : i : i+1]})
			f = &frequencies[len(frequencies)-1]
			t.found[token.Term] = f
		}
		f.Locations = append(f.Locations, l)
		f.SetFrequency(f.Frequency() + 1)
		if !token.Stop {
			length++
		}
	}
	return length
}

func (t *terms) Name() string                                   { return t.name }
func (t *terms) Value() []byte                                  { return nil }
func (t *terms) ArrayPositions() []uint64                       { return nil }
func (t *terms) EncodedFieldType() byte                         { return 't' }
func (t *terms) Analyze()                                       {}
func (t *terms) AnalyzedLength() int                            { return 0 }
func (t *terms) AnalyzedTokenFrequencies() api.TokenFrequencies { return t.found }
func (t *terms) NumPlainTextBytes() uint64                      { return 0 }

func (t *terms) Options() api.FieldIndexingOptions { return api.IndexField | api.IncludeTermVectors }

// stored is the field idField.
type stored struct{ value []byte }

func (s *stored) Name() string                                   { return idField }
func (s *stored) Value() []byte                                  { return s.value }
func (s *stored) ArrayPositions() []uint64                       { return nil }
func (s *stored) EncodedFieldType() byte                         { return 't' }
func (s *stored) Analyze()                                       {}
func (s *stored) Options() api.FieldIndexingOptions              { return api.StoreField }
func (s *stored) AnalyzedLength() int                            { return 0 }
func (s *stored) AnalyzedTokenFrequencies() api.TokenFrequencies { return nil }
func (s *stored) NumPlainTextBytes() uint64                      { return 0 }

func (p *prepared) ID() string                               { return "" }
func (p *prepared) Size() int                                { return 0 }
func (p *prepared) VisitComposite(api.CompositeFieldVisitor) {}
func (p *prepared) HasComposite() bool                       { return false }
func (p *prepared) NumPlainTextBytes() uint64                { return 0 }
func (p *prepared) AddIDField()                              {}
func (p *prepared) StoredFieldsBytes() uint64                { return 0 }
func (p *prepared) Indexed() bool                            { return true }

func (p *prepared) VisitFields(visit api.FieldVisitor) {
	for _, f := range p.fields {
		visit(f)
	}
}
