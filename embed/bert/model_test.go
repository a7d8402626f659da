package bert

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/fault"
)

func tinyFile() []byte { return safetensors(tinyConfig(), rand.New(rand.NewPCG(7, 7))) }

// edit changes the header of a file.
func edit(t *testing.T, file []byte, change func(header map[string]map[string]any)) []byte {
	t.Helper()
	n := binary.LittleEndian.Uint64(file)
	var header map[string]map[string]any
	if err := json.Unmarshal(file[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	change(header)
	return assemble(header, file[8+n:])
}

func TestEveryWeightLandsWhereTheKernelsReadIt(t *testing.T) {
	file := tinyFile()
	m, err := readTiny(file)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(file)
	var header map[string]tensorInfo
	if err := json.Unmarshal(file[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	number := func(name string, i int) float32 {
		return math.Float32frombits(binary.LittleEndian.Uint32(file[8+int(n)+int(header[name].Offsets[0])+4*i:]))
	}
	for output := range tinyWidth {
		for input := range tinyWidth {
			i := output*tinyWidth + input
			for part, name := range []string{"query", "key", "value"} {
				p := m.layers[1].attention.matrix
				if p.values[p.at(part*tinyWidth+output, input)] != number("encoder.layer.1.attention.self."+name+".weight", i) {
					t.Fatalf("%s weight from %d to %d is elsewhere", name, input, output)
				}
			}
		}
		if m.layers[1].attention.bias[2*tinyWidth+output] != number("encoder.layer.1.attention.self.value.bias", output) {
			t.Fatalf("value bias %d is elsewhere", output)
		}
	}
	for i := range tinyInner * tinyWidth {
		p := m.layers[0].output.matrix
		if p.values[p.at(i/tinyInner, i%tinyInner)] != number("encoder.layer.0.output.dense.weight", i) {
			t.Fatalf("output weight %d is elsewhere", i)
		}
	}
	if got, want := m.positions[5], number("embeddings.position_embeddings.weight", 5)+number("embeddings.token_type_embeddings.weight", 5); got != want {
		t.Errorf("position number 5 is %g; with its segment's it is %g", got, want)
	}
}

func TestDamagedWeightsAreRefusedByName(t *testing.T) {
	const query = "encoder.layer.0.attention.self.query.weight"
	whole := tinyFile()
	header := binary.LittleEndian.Uint64(whole)
	withLength := func(n uint64) []byte {
		b := bytes.Clone(whole)
		binary.LittleEndian.PutUint64(b, n)
		return b
	}
	withNumber := func(v float64) []byte {
		b := bytes.Clone(whole)
		binary.LittleEndian.PutUint32(b[len(b)-400:], math.Float32bits(float32(v)))
		return b
	}
	entry := func(key string, value any) []byte {
		return edit(t, whole, func(h map[string]map[string]any) { h[query][key] = value })
	}
	for name, c := range map[string]struct {
		file []byte
		kind fault.Kind
		says string
	}{
		"empty":                 {nil, fault.Corrupt, "0 bytes"},
		"7 bytes":               {whole[:7], fault.Corrupt, "7 bytes"},
		"header alone":          {whole[:8+header], fault.Corrupt, "not whole"},
		"half":                  {whole[:len(whole)/2], fault.Corrupt, "not whole"},
		"one byte short":        {whole[:len(whole)-1], fault.Corrupt, "output.LayerNorm.bias"},
		"header length 0":       {withLength(0), fault.Corrupt, "JSON"},
		"header past the end":   {withLength(uint64(len(whole))), fault.Corrupt, "header"},
		"header length 2^64-1":  {withLength(math.MaxUint64), fault.Corrupt, "header"},
		"header length 2^63":    {withLength(1 << 63), fault.Corrupt, "header"},
		"header cut short":      {withLength(header - 1), fault.Corrupt, "JSON"},
		"half precision":        {entry("dtype", "F16"), fault.Unsupported, "F16"},
		"transposed":            {entry("shape", []int{tinyWidth * tinyWidth}), fault.Corrupt, query},
		"shape overflows":       {entry("shape", []int64{1 << 62, 4}), fault.Corrupt, query},
		"negative shape":        {entry("shape", []int{-64, -64}), fault.Corrupt, query},
		"shape of words":        {entry("shape", "wide"), fault.Corrupt, query},
		"offsets past the end":  {entry("data_offsets", []int64{1 << 40, 1<<40 + 4*64*64}), fault.Corrupt, query},
		"offsets negative":      {entry("data_offsets", []int64{-16384, 0}), fault.Corrupt, query},
		"offsets reversed":      {entry("data_offsets", []int64{16384, 0}), fault.Corrupt, query},
		"offsets overlap":       {entry("data_offsets", []int64{4, 4 + 4*64*64}), fault.Corrupt, "within the one before it"},
		"offsets too few bytes": {entry("data_offsets", []int64{0, 4}), fault.Corrupt, query},
		"tensor missing":        {edit(t, whole, func(h map[string]map[string]any) { delete(h, query) }), fault.Corrupt, query},
		"NaN":                   {withNumber(math.NaN()), fault.Corrupt, "NaN"},
		"infinite":              {withNumber(math.Inf(-1)), fault.Corrupt, "Inf"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readTiny(c.file)
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v; kind %s and the word %q are right", err, c.kind, c.says)
			}
		})
	}
}

func TestShapesThatTheKernelsCannotComputeAreRefused(t *testing.T) {
	for field, value := range map[string]any{
		"model_type": "gpt2", "hidden_act": "relu", "position_embedding_type": "relative_key", "vocab_size": 0, "hidden_size": 100,
		"intermediate_size": 1 << 30, "num_hidden_layers": -1, "num_attention_heads": 3, "max_position_embeddings": 1 << 40,
		"type_vocab_size": 17, "layer_norm_eps": 0, "vocab_size ": "many",
	} {
		b, err := json.Marshal(tinyConfig())
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		m[strings.TrimSpace(field)] = value
		if b, err = json.Marshal(m); err != nil {
			t.Fatal(err)
		}
		if _, err := readConfig(bytes.NewReader(b)); fault.As(err) == nil {
			t.Errorf("%s %v: %v", field, value, err)
		}
	}
	if _, err := readConfig(strings.NewReader("{")); !fault.Is(err, fault.Corrupt) {
		t.Errorf("half an object: %v", err)
	}
}

func TestVocabulariesThatDoNotFitAreRefused(t *testing.T) {
	whole, n := tinyVocabulary(), tinyConfig().Vocabulary
	for name, text := range map[string]string{
		"one less": strings.TrimSuffix(whole, "é\n"), "one more": whole + "x\n", "empty": "", "a line without end": strings.Repeat("x", 1<<20),
		"no unknown": strings.Replace(whole, "[UNK]", "[unk]", 1),
	} {
		if _, err := newTokenizer(strings.NewReader(text), n); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenNamesWhatIsMissingOrWrong(t *testing.T) {
	for _, name := range []string{"config.json", "vocab.txt", "model.safetensors"} {
		dir := tinyDir(t)
		path := filepath.Join(dir, name)
		if err := os.Truncate(path, 10); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, Options{Window: tinyWindow}); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s cut short: %v", name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, Options{Window: tinyWindow}); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "models pull") {
			t.Errorf("%s missing: %v", name, err)
		}
	}
	for _, window := range []int{-1, 1, tinyPositions + 1} {
		if _, err := Open(tinyDir(t), Options{Window: window}); !fault.Is(err, fault.Invalid) {
			t.Errorf("a window of %d: %v", window, err)
		}
	}
	if _, err := Open(tinyDir(t), Options{Window: tinyWindow, Workers: -1}); !fault.Is(err, fault.Invalid) {
		t.Errorf("-1 workers: %v", err)
	}
}

// FuzzSafetensors feeds damaged files of the least model to the reader. What can
// be damaged in interesting ways is the header, so that the fuzzer has that and
// the numbers are made up to fit.
func FuzzSafetensors(f *testing.F) {
	c := tinyConfig()
	c.Vocabulary, c.Width, c.Inner, c.Layers, c.Heads, c.Positions, c.SegmentTypes = 1, 32, 32, 1, 1, 1, 1
	whole := safetensors(c, rand.New(rand.NewPCG(7, 7)))
	n := binary.LittleEndian.Uint64(whole)
	f.Add(whole[:8+n], uint32(len(whole)))
	f.Add(whole[:8+n], uint32(len(whole)-1))
	f.Add(whole[:8+n-1], uint32(len(whole)))
	f.Add(append([]byte{255, 255, 255, 255, 255, 255, 255, 127}, whole[8:8+n]...), uint32(len(whole)))
	f.Add(bytes.Replace(whole[:8+n], []byte("[32,32]"), []byte("[1024]"), 1), uint32(len(whole)))
	f.Fuzz(func(t *testing.T, head []byte, size uint32) {
		file := append(bytes.Clone(head), make([]byte, max(0, min(int(size), 1<<18)-len(head)))...)
		m, err := readModel(bytes.NewReader(file), int64(len(file)), c, Float32)
		if (m == nil) == (err == nil) {
			t.Errorf("model %v with error %v", m != nil, err)
		}
		if err != nil && fault.As(err) == nil {
			t.Errorf("an error that says nothing to people: %v", err)
		}
	})
}
