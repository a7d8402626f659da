package tinymodel

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// A GGUF file, all numbers little-endian:
//
//	"GGUF"  version u32 = 3  tensors u64  keys u64
//	each key:    name  type u32  value     (a list: type of its items u32, length u64, the items)
//	each tensor: name  dimensions u32  sizes u64…  type u32 = 0 (float32)  offset u64
//	the tensors' values, row after row, each tensor from a multiple of 32 bytes on
//
// Names and texts are a length u64 and the bytes. Offsets count from the end of
// the tensors' list, itself filled up to a multiple of 32. The first size is that of a row.
const (
	magic     = "GGUF"
	version   = 3
	alignment = 32
)

// types of values.
const (
	typeU32    uint32 = 4
	typeI32    uint32 = 5
	typeF32    uint32 = 6
	typeBool   uint32 = 7
	typeString uint32 = 8
	typeList   uint32 = 9
)

// file is a GGUF file that grows.
type file struct {
	keys    bytes.Buffer
	keyed   uint64
	tensors []tensor
}

// tensor is a vector or a matrix.
type tensor struct {
	name   string
	sizes  []uint64
	values []float32
}

// put appends values as they stand in the file.
func put(b *bytes.Buffer, values ...any) {
	for _, v := range values {
		if text, ok := v.(string); ok {
			put(b, uint64(len(text)))
			b.WriteString(text)
			continue
		}
		if err := binary.Write(b, binary.LittleEndian, v); err != nil {
			panic(fmt.Sprintf("tinymodel: %T has no size: %v", v, err)) // a slip in this package
		}
	}
}

// set writes a key and its value.
func (f *file) set(key string, value any) {
	put(&f.keys, key)
	f.keyed++
	switch v := value.(type) {
	case int:
		put(&f.keys, typeU32, uint32(v))
	case float32:
		put(&f.keys, typeF32, v)
	case bool:
		put(&f.keys, typeBool, v)
	case string:
		put(&f.keys, typeString, v)
	case []int32:
		put(&f.keys, typeList, typeI32, uint64(len(v)), v)
	case []float32:
		put(&f.keys, typeList, typeF32, uint64(len(v)), v)
	case []string:
		put(&f.keys, typeList, typeString, uint64(len(v)))
		for _, text := range v {
			put(&f.keys, text)
		}
	default:
		panic(fmt.Sprintf("tinymodel: key %s has a value of type %T", key, v)) // a slip in this package
	}
}

// add adds a tensor: a vector of columns values, or rows of them.
func (f *file) add(name string, values []float32, columns int) {
	sizes := []uint64{uint64(columns)}
	if rows := len(values) / columns; rows > 1 {
		sizes = append(sizes, uint64(rows))
	}
	f.tensors = append(f.tensors, tensor{name, sizes, values})
}

// bytes returns the whole file.
func (f *file) bytes() []byte {
	var b bytes.Buffer
	b.WriteString(magic)
	put(&b, uint32(version), uint64(len(f.tensors)), f.keyed)
	b.Write(f.keys.Bytes())
	offset := 0
	for _, t := range f.tensors {
		put(&b, t.name, uint32(len(t.sizes)), t.sizes, uint32(0), uint64(offset))
		offset += aligned(4 * len(t.values))
	}
	fillUp(&b)
	for _, t := range f.tensors {
		put(&b, t.values)
		fillUp(&b)
	}
	return b.Bytes()
}

func aligned(n int) int { return (n + alignment - 1) / alignment * alignment }

func fillUp(b *bytes.Buffer) { b.Write(make([]byte, aligned(b.Len())-b.Len())) }

// all returns n values that are the same.
func all(n int, value float32) []float32 {
	values := make([]float32, n)
	for i := range values {
		values[i] = value
	}
	return values
}
