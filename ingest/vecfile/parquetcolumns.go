package vecfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// role is what a column of a Parquet file is for.
type role uint8

const (
	unused role = iota
	idColumn
	valuesColumn
	namespaceColumn
	metadataColumn
	titleColumn
	textColumn
	propertyColumn // one property of the metadata, where no column has them all
)

// parquetNames are the names that columns have, ours and those of other programs; of
// several that are there the first counts. Case does not matter.
var parquetNames = map[role][]string{
	idColumn:        {"id", "_id", "ids", "vector_id", "doc_id", "key"},
	valuesColumn:    {"values", "embedding", "embeddings", "vector", "vectors", "emb"},
	namespaceColumn: {"namespace"},
	metadataColumn:  {"metadata", "meta", "payload"},
	titleColumn:     {"title"},
	textColumn:      {"text", "content", "document", "passage", "chunk"},
}

// parquetColumn is a leaf of the schema.
type parquetColumn struct {
	name string
	role role
	hole int // the definition level of a null among values; -1 where there can be none
}

// columnsOf says what each leaf is for.
func columnsOf(file *parquet.File) ([]parquetColumn, error) {
	var leaves []*parquet.Column
	leavesOf(file.Root(), &leaves)
	halves := halvesOf(file.Metadata().Schema)
	columns := make([]parquetColumn, len(leaves))
	var names []string
	for i, leaf := range leaves {
		if leaf.Index() != i {
			return nil, errors.New("its columns are out of order")
		}
		columns[i] = parquetColumn{name: leaf.Path()[0], hole: -1}
		if leaf.MaxRepetitionLevel() > 0 && leaf.Optional() {
			columns[i].hole = leaf.MaxDefinitionLevel() - 1
		}
		names = append(names, leaf.Path()[0])
	}
	for role, wanted := range parquetNames {
		if i := find(leaves, halves, wanted, role); i >= 0 {
			columns[i].role = role
		}
	}
	has := func(r role) bool {
		return slices.ContainsFunc(columns, func(c parquetColumn) bool { return c.role == r })
	}
	if !has(valuesColumn) && !has(textColumn) {
		return nil, fmt.Errorf("it has neither a column of vectors (lists of float32 or float64, called %s) nor one of texts (%s); its columns are %s",
			strings.Join(parquetNames[valuesColumn], ", "), strings.Join(parquetNames[textColumn], ", "), strings.Join(slices.Compact(names), ", "))
	}
	for i, leaf := range leaves {
		if columns[i].role == unused && !has(metadataColumn) && isProperty(leaf) {
			columns[i].role = propertyColumn
		}
	}
	return columns, nil
}

func leavesOf(c *parquet.Column, to *[]*parquet.Column) {
	if c.Leaf() {
		*to = append(*to, c)
	}
	for _, child := range c.Columns() {
		leavesOf(child, to)
	}
}

// find returns the leaf with the first of the names that fits a role, or -1.
func find(leaves []*parquet.Column, halves map[int]bool, names []string, r role) int {
	for _, name := range names {
		i := slices.IndexFunc(leaves, func(c *parquet.Column) bool {
			return strings.EqualFold(c.Path()[0], name) && fits(c, r, halves[c.Index()])
		})
		if i >= 0 {
			return i
		}
	}
	return -1
}

// fits reports whether a leaf, perhaps of float16, is of a type that a role needs.
func fits(c *parquet.Column, r role, half bool) bool {
	kind := c.Type().Kind()
	list, flat := c.MaxRepetitionLevel() == 1, c.MaxRepetitionLevel() == 0 && len(c.Path()) == 1
	switch r {
	case valuesColumn:
		return list && (kind == parquet.Float || kind == parquet.Double || half)
	case idColumn:
		return flat && (kind == parquet.ByteArray || kind == parquet.Int32 || kind == parquet.Int64)
	}
	return flat && kind == parquet.ByteArray
}

// halvesOf returns the leaves of a schema that are float16, which the library's columns do not tell.
func halvesOf(schema []format.SchemaElement) map[int]bool {
	halves, leaf := map[int]bool{}, 0
	for _, e := range schema {
		if e.NumChildren.Valid && e.NumChildren.V > 0 {
			continue
		}
		_, halves[leaf] = e.LogicalType.Value.(*format.Float16Type)
		leaf++
	}
	return halves
}

// isProperty reports whether a leaf has plain values that JSON can say: strings, numbers and booleans.
func isProperty(c *parquet.Column) bool {
	if c.MaxRepetitionLevel() > 0 || len(c.Path()) != 1 {
		return false
	}
	switch c.Type().Kind() {
	case parquet.Boolean, parquet.Float, parquet.Double:
		return true
	case parquet.ByteArray:
		return isText(c)
	case parquet.Int32, parquet.Int64:
		logical := c.Type().LogicalType()
		if logical == nil {
			return true
		}
		whole, ok := logical.Value.(*format.IntType) // not a date, a time or a decimal
		return ok && whole.IsSigned
	}
	return false
}

func isText(c *parquet.Column) bool {
	logical := c.Type().LogicalType()
	if logical == nil {
		return false
	}
	switch logical.Value.(type) {
	case *format.StringType, *format.EnumType:
		return true
	}
	return false
}
