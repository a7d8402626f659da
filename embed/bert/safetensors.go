package bert

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"slices"

	"nearside/fault"
)

// A safetensors file is
//
//	8 bytes  length of the header, little-endian
//	header   JSON: {"name": {"dtype": "F32", "shape": [a, b], "data_offsets": [begin, end]}, …, "__metadata__": {…}}
//	data     the tensors, row-major, little-endian; offsets count from here
//
// It is read once, front to back, so that a checksum can be taken on the way.

// longestHeader bounds the header; MiniLM's has 11 KB.
const longestHeader = 1 << 22

// tensorInfo is the header's entry of one tensor.
type tensorInfo struct {
	Type    string   `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// wanted is a tensor that the model needs.
type wanted struct {
	shape []int
	// take is given the numbers, row-major. They are the taker's.
	take func(values []float32)
	// borrow says that take copies what it needs, so that one buffer serves many tensors.
	borrow bool
}

// readTensors reads the wanted tensors out of a file of the given size. Nothing
// is allocated before the file has been seen to be long enough for it.
func readTensors(r io.Reader, size int64, want map[string]wanted) error {
	in := bufio.NewReaderSize(r, 1<<18)
	header, length, err := readHeader(in, size)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(want))
	for name, w := range want {
		if err := checkTensor(header, name, w.shape, size-8-length); err != nil {
			return err
		}
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(header[a].Offsets[0], header[b].Offsets[0]), cmp.Compare(a, b))
	})
	var at int64
	var shared []float32
	for _, name := range names {
		begin, end := header[name].Offsets[0], header[name].Offsets[1]
		if begin < at {
			return fault.New(fault.Corrupt, "the weights' tensor %s begins at %d, within the one before it", name, begin)
		}
		if _, err := io.CopyN(io.Discard, in, begin-at); err != nil {
			return short(name, err)
		}
		n := int((end - begin) / 4)
		values := shared
		if !want[name].borrow || cap(shared) < n {
			values = make([]float32, n)
		}
		if want[name].borrow {
			shared = values
		}
		if err := readFloats(in, values[:n]); err != nil {
			return short(name, err)
		}
		want[name].take(values[:n])
		at = end
	}
	_, err = io.Copy(io.Discard, in) // for the checksum
	return err
}

func short(name string, err error) error {
	return fault.New(fault.Corrupt, "the weights end within the tensor %s", name).Because(err)
}

// readHeader returns the header and its length.
func readHeader(r io.Reader, size int64) (map[string]tensorInfo, int64, error) {
	var prefix [8]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, 0, fault.New(fault.Corrupt, "the weights have %d bytes: too few for a safetensors file", size).Because(err)
	}
	length := binary.LittleEndian.Uint64(prefix[:])
	if length > longestHeader || int64(length) > size-8 {
		return nil, 0, fault.New(fault.Corrupt, "the weights' header claims %d bytes; a file of %d bytes may have %d: this is no whole safetensors file", length, size, max(0, min(size-8, longestHeader)))
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, 0, short("header", err)
	}
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, 0, fault.New(fault.Corrupt, "the weights' header is not JSON").Because(err)
	}
	delete(entries, "__metadata__")
	header := make(map[string]tensorInfo, len(entries))
	for name, entry := range entries {
		var info tensorInfo
		if err := json.Unmarshal(entry, &info); err != nil {
			return nil, 0, fault.New(fault.Corrupt, "the weights' header describes %q in a way that cannot be read", name).Because(err)
		}
		header[name] = info
	}
	return header, int64(length), nil
}

// checkTensor compares a tensor's entry with the shape it must have and with the bytes there are.
func checkTensor(header map[string]tensorInfo, name string, shape []int, bytes int64) error {
	info, ok := header[name]
	if !ok {
		return fault.New(fault.Corrupt, "the weights have no tensor %s, which the configuration calls for", name)
	}
	if info.Type != "F32" {
		return fault.New(fault.Unsupported, "the weights' tensor %s holds %.20q; this encoder reads F32", name, info.Type)
	}
	need := int64(4)
	for _, n := range shape {
		need *= int64(n) // config.go bounds every factor: no product of two comes near 2^63
	}
	if !slices.EqualFunc(info.Shape, shape, func(a int64, b int) bool { return a == int64(b) }) {
		return fault.New(fault.Corrupt, "the weights' tensor %s has shape %v; the configuration calls for %v", name, info.Shape, shape)
	}
	begin, end := info.Offsets[0], info.Offsets[1]
	if begin < 0 || end < begin || end > bytes || end-begin != need {
		return fault.New(fault.Corrupt, "the weights' tensor %s lies at %d to %d; it needs %d bytes within the file's %d", name, begin, end, need, bytes)
	}
	return nil
}

// readFloats fills values with little-endian numbers.
func readFloats(in *bufio.Reader, values []float32) error {
	for len(values) > 0 {
		n := min(len(values), in.Size()/4)
		chunk, err := in.Peek(4 * n)
		if err != nil {
			return err
		}
		for i := range values[:n] {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(chunk[4*i:]))
		}
		values = values[n:]
		if _, err := in.Discard(4 * n); err != nil {
			return err
		}
	}
	return nil
}
