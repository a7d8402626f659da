package bert

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The tiny model has every part of the real one and random weights.
const (
	tinyWidth, tinyInner, tinyLayers, tinyHeads = 64, 96, 2, 2
	tinyPositions, tinyWindow                   = 64, 40
)

// tinyVocabulary has every ASCII character, to begin and to continue a word, and some words.
func tinyVocabulary() string {
	lines := append([]string{}, specials[:]...)
	for c := '!'; c <= '~'; c++ {
		if c < 'A' || c > 'Z' {
			lines = append(lines, string(c), "##"+string(c))
		}
	}
	lines = append(lines, "the", "word", "##ing", "##s", "中", "é")
	return strings.Join(lines, "\n") + "\n"
}

func tinyConfig() config {
	return config{
		Type: "bert", Vocabulary: strings.Count(tinyVocabulary(), "\n"), Width: tinyWidth, Inner: tinyInner, Layers: tinyLayers, Heads: tinyHeads,
		Positions: tinyPositions, SegmentTypes: 2, Epsilon: 1e-12, Activation: "gelu", PositionKind: "absolute",
	}
}

// tensorsOf lists the tensors of a shape as a safetensors file of it would.
func tensorsOf(c config) (names []string, shapes map[string][]int) {
	shapes = map[string][]int{}
	add := func(name string, shape ...int) {
		names = append(names, name)
		shapes[name] = shape
	}
	pair := func(name string, shape ...int) {
		add(name+".weight", shape...)
		add(name+".bias", shape[0])
	}
	add("embeddings.word_embeddings.weight", c.Vocabulary, c.Width)
	add("embeddings.position_embeddings.weight", c.Positions, c.Width)
	add("embeddings.token_type_embeddings.weight", c.SegmentTypes, c.Width)
	pair("embeddings.LayerNorm", c.Width)
	for i := range c.Layers {
		p := fmt.Sprintf("encoder.layer.%d.", i)
		for _, name := range []string{"query", "key", "value"} {
			pair(p+"attention.self."+name, c.Width, c.Width)
		}
		pair(p+"attention.output.dense", c.Width, c.Width)
		pair(p+"attention.output.LayerNorm", c.Width)
		pair(p+"intermediate.dense", c.Inner, c.Width)
		pair(p+"output.dense", c.Width, c.Inner)
		pair(p+"output.LayerNorm", c.Width)
	}
	return names, shapes
}

// safetensors writes a file of random weights.
func safetensors(c config, rng *rand.Rand) []byte {
	header := map[string]any{"__metadata__": map[string]string{"format": "pt"}}
	var data []byte
	names, shapes := tensorsOf(c)
	for _, name := range names {
		n, begin := 1, len(data)
		for _, d := range shapes[name] {
			n *= d
		}
		for range n {
			v := float32(rng.NormFloat64() * 0.3)
			if strings.HasSuffix(name, "LayerNorm.weight") {
				v += 1
			}
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		header[name] = map[string]any{"dtype": "F32", "shape": shapes[name], "data_offsets": []int{begin, len(data)}}
	}
	return assemble(header, data)
}

func assemble(header any, data []byte) []byte {
	text, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	return append(append(file, text...), data...)
}

// tinyDir writes the tiny model.
func tinyDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	configuration, err := json.Marshal(tinyConfig())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"config.json": configuration, "vocab.txt": []byte(tinyVocabulary()),
		"model.safetensors": safetensors(tinyConfig(), rand.New(rand.NewPCG(7, 7))),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func openTiny(t testing.TB, workers int) *Encoder {
	t.Helper()
	e, err := Open(tinyDir(t), Options{Window: tinyWindow, Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func tinyTokenizer(t testing.TB) *tokenizer {
	t.Helper()
	tok, err := newTokenizer(strings.NewReader(tinyVocabulary()), tinyConfig().Vocabulary)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func readTiny(file []byte) (*model, error) {
	return readModel(bytes.NewReader(file), int64(len(file)), tinyConfig(), Float32)
}
