package tinymodel_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"nearside/llm/ollama/tinymodel"
)

var words = []string{"The", "sky", "is", "blue", "sky"}

func talker(t *testing.T, s tinymodel.Script) []byte {
	t.Helper()
	model, err := tinymodel.Talker(s)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func TestTheSameArgumentsMakeTheSameBytes(t *testing.T) {
	script := tinymodel.Script{Say: []string{"The", " sky", "."}, Call: []string{`{"name":`, `"f"}`}, JSON: []string{`{"a":1}`}}
	if !bytes.Equal(talker(t, script), talker(t, script)) {
		t.Error("a script makes two models")
	}
	if !bytes.Equal(tinymodel.Encoder(words, 1), tinymodel.Encoder(words, 1)) {
		t.Error("a seed makes two encoders")
	}
	if bytes.Equal(tinymodel.Encoder(words, 1), tinymodel.Encoder(words, 2)) {
		t.Error("two seeds make the same vectors")
	}
	again := script
	again.Repeat = true
	if bytes.Equal(talker(t, script), talker(t, again)) {
		t.Error("a model that repeats itself is the one that does not")
	}
}

func TestModelsAreTiny(t *testing.T) {
	for name, model := range map[string][]byte{
		"talker":  talker(t, tinymodel.Script{Say: []string{"The", " sky"}}),
		"encoder": tinymodel.Encoder(words, 1),
	} {
		if len(model) > 1<<20 {
			t.Errorf("%s: %d bytes", name, len(model))
		}
	}
}

func TestScriptsThatCannotBeSaidAreRefused(t *testing.T) {
	long := make([]string, 200)
	for i := range long {
		long[i] = strings.Repeat("a", i+1)
	}
	for name, test := range map[string]struct {
		script tinymodel.Script
		want   string
	}{
		"silent":   {tinymodel.Script{}, "says nothing"},
		"twice":    {tinymodel.Script{Say: []string{"a", "b", "a"}}, `"a" twice`},
		"in parts": {tinymodel.Script{Say: []string{"a"}, JSON: []string{"a"}}, `"a" twice`},
		"empty":    {tinymodel.Script{Say: []string{"a", ""}}, "empty"},
		"control":  {tinymodel.Script{Say: []string{"<s>"}}, "twice"},
		"too long": {tinymodel.Script{Say: long}, "200 tokens and room for 126"},
	} {
		if _, err := tinymodel.Talker(test.script); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFilesAreWhole reads each file to its last byte, as its own header says.
func TestFilesAreWhole(t *testing.T) {
	for name, model := range map[string][]byte{
		"talker":  talker(t, tinymodel.Script{Say: []string{"a", " b"}}),
		"encoder": tinymodel.Encoder(words, 1),
	} {
		r := reader{t, model, 0}
		if magic := string(r.take(4)); magic != "GGUF" || r.u32() != 3 {
			t.Fatalf("%s begins with %q", name, magic)
		}
		tensors, keys := r.u64(), r.u64()
		for range keys {
			r.text()
			r.value(r.u32())
		}
		end := uint64(0) // of the tensors so far, filled up
		for range tensors {
			at, values := r.text(), uint64(1)
			for range r.u32() {
				values *= r.u64()
			}
			if kind, offset := r.u32(), r.u64(); kind != 0 || offset != end {
				t.Errorf("%s: %s is of type %d at %d, want float32 at %d", name, at, kind, offset, end)
			}
			end += (4*values + 31) / 32 * 32
		}
		if begin := uint64(r.at+31) / 32 * 32; begin+end != uint64(len(model)) {
			t.Errorf("%s: values from %d on of %d bytes, in a file of %d", name, begin, end, len(model))
		}
	}
}

// reader reads a file from front to back.
type reader struct {
	t     *testing.T
	bytes []byte
	at    int
}

func (r *reader) take(n uint64) []byte {
	if uint64(len(r.bytes)-r.at) < n {
		r.t.Fatalf("%d more bytes are wanted at %d of %d", n, r.at, len(r.bytes))
	}
	r.at += int(n)
	return r.bytes[r.at-int(n) : r.at]
}

func (r *reader) u32() uint32  { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64  { return binary.LittleEndian.Uint64(r.take(8)) }
func (r *reader) text() string { return string(r.take(r.u64())) }

func (r *reader) value(kind uint32) {
	switch kind {
	case 4, 5, 6:
		r.take(4)
	case 7:
		r.take(1)
	case 8:
		r.text()
	case 9:
		item := r.u32()
		for range r.u64() {
			r.value(item)
		}
	default:
		r.t.Fatalf("a value of type %d at %d", kind, r.at)
	}
}
