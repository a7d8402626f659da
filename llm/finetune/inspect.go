package finetune

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Limits of what is read into memory of a file. A real configuration has a few
// kilobytes, a real header some 150 bytes for each of a thousand tensors.
const (
	maxConfig = 1 << 20
	maxHeader = 2 << 20
)

// checkConfig checks an adapter_config.json as the library peft writes it.
func checkConfig(r io.Reader, size int64) error {
	if size > maxConfig {
		return fmt.Errorf("it has %d bytes; a configuration has at most %d", size, maxConfig)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	var config struct {
		Rank json.RawMessage `json:"r"`
		Kind *string         `json:"peft_type"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return errors.New("it is not a JSON object as peft writes it")
	}
	if config.Kind != nil && *config.Kind != "LORA" {
		return errors.New(`its peft_type is not "LORA"; no other adapters are taken`)
	}
	var rank int
	if json.Unmarshal(config.Rank, &rank) != nil || rank < 1 {
		return errors.New("its r, the rank, is not a whole number from 1 on")
	}
	return checkRank("it", int64(rank))
}

func checkRank(what string, rank int64) error {
	if rank > MaxRank {
		return fmt.Errorf("%s has the rank %d; at most %d is taken", what, rank, MaxRank)
	}
	return nil
}

// elementBits is the size of one number of each type that safetensors has
// (github.com/huggingface/safetensors).
var elementBits = map[string]int64{
	"BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
	"I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
}

// tensor is what the header of a safetensors file says of a tensor.
type tensor struct {
	Type    string   `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"` // from the end of the header
}

// checkWeights checks the header of a safetensors file: 8 bytes of its length,
// little-endian, JSON of that length, and then the bytes of all tensors without a gap.
func checkWeights(r io.Reader, size int64) error {
	tensors, data, err := readHeader(r, size)
	if err != nil {
		return err
	}
	if len(tensors) == 0 {
		return errors.New("it has no tensors")
	}
	names := make([]string, 0, len(tensors))
	for name, t := range tensors {
		if err := t.check(name); err != nil {
			return err
		}
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int {
		a, b := tensors[x].Offsets, tensors[y].Offsets
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	})
	at := int64(0)
	for _, name := range names {
		if tensors[name].Offsets[0] != at {
			return fmt.Errorf("its tensor %.80q begins at byte %d of the data; %d is where the one before it ends", name, tensors[name].Offsets[0], at)
		}
		at = tensors[name].Offsets[1]
	}
	if at != data {
		return fmt.Errorf("its tensors have %d bytes, and the file has %d for them; it was cut off, or damaged", at, data)
	}
	return nil
}

// readHeader returns the tensors of a file, and how many bytes come behind the header.
func readHeader(r io.Reader, size int64) (tensors map[string]tensor, data int64, err error) {
	var length [8]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, 0, errors.New("it is no safetensors file: it has no header")
	}
	header := binary.LittleEndian.Uint64(length[:])
	if header > uint64(size-8) || header > maxHeader {
		return nil, 0, fmt.Errorf("it is no safetensors file: the header would have %d bytes", header)
	}
	text := make([]byte, header)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, 0, err
	}
	var raw map[string]json.RawMessage
	if !bytes.HasPrefix(text, []byte("{")) || json.Unmarshal(text, &raw) != nil {
		return nil, 0, errors.New("it is no safetensors file: the header is not a JSON object")
	}
	delete(raw, "__metadata__")
	tensors = make(map[string]tensor, len(raw))
	for name, description := range raw {
		var t tensor
		if json.Unmarshal(description, &t) != nil {
			return nil, 0, fmt.Errorf("its header does not describe the tensor %.80q as safetensors does", name)
		}
		tensors[name] = t
	}
	return tensors, size - 8 - int64(header), nil
}

// check checks that a tensor has as many bytes as its shape needs, and is of no
// higher rank than is taken.
func (t tensor) check(name string) error {
	bits, known := elementBits[t.Type]
	if !known {
		return fmt.Errorf("its tensor %.80q has the type %.20q, which safetensors does not have", name, t.Type)
	}
	for _, n := range t.Shape {
		if n < 0 || n > 0 && bits > math.MaxInt64/n {
			return fmt.Errorf("its tensor %.80q has an impossible shape", name)
		}
		bits *= n
	}
	if t.Offsets[0] < 0 || t.Offsets[1]-t.Offsets[0] != bits/8 {
		return fmt.Errorf("its tensor %.80q has %d bytes; its shape needs %d", name, t.Offsets[1]-t.Offsets[0], bits/8)
	}
	if len(t.Shape) != 2 {
		return nil
	}
	switch { // A maps the layer's input to the rank, B the rank to its output
	case strings.Contains(name, "lora_A"):
		return checkRank(fmt.Sprintf("its tensor %.80q", name), t.Shape[0])
	case strings.Contains(name, "lora_B"):
		return checkRank(fmt.Sprintf("its tensor %.80q", name), t.Shape[1])
	}
	return nil
}
