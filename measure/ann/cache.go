package ann

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"nearside/disk"
)

// parts are the numbers of a truth, in the order of a .gt file.
func (t *Truth) parts() []any {
	return []any{uint32(t.Queries), uint32(t.K), t.Rows, t.Distances}
}

// Known returns the exact answers of a set, computed once: they are kept in a file of
// the folder cache, named after the bytes of the set, with a checksum at its end. A
// file that is damaged is as good as none. Without a folder nothing is kept.
func Known(ctx context.Context, cache string, s *Set, k int, tell func(done, total int)) (*Truth, error) {
	if cache == "" {
		return Exact(ctx, s, k, nil, tell)
	}
	path := filepath.Join(cache, fmt.Sprintf("%s-%s.gt", s.Name, s.fingerprint(k)))
	if b, err := os.ReadFile(path); err == nil {
		if t := parseTruth(b, s, k); t != nil {
			return t, nil
		}
	}
	t, err := Exact(ctx, s, k, nil, tell)
	if err != nil {
		return nil, err
	}
	return t, disk.WriteFileAtomic(path, func(w io.Writer) error {
		sum := crc32.New(castagnoli)
		if err := writing(t.parts()...)(io.MultiWriter(w, sum)); err != nil {
			return err
		}
		return binary.Write(w, binary.LittleEndian, sum.Sum32())
	})
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fingerprint is short, and another for every other set, metric or k.
func (s *Set) fingerprint(k int) string {
	sum := sha256.New()
	// Writing to a hash does not fail.
	fmt.Fprintln(sum, s.Metric, k, s.Base.Rows, s.Base.Dimensions, s.Queries.Rows)
	_ = writing(s.Base.Values, s.Queries.Values)(sum)
	return fmt.Sprintf("%x", sum.Sum(nil)[:8])
}

// parseTruth reads a truth with its checksum; nil if it is not that of the set.
func parseTruth(b []byte, s *Set, k int) *Truth {
	n := s.Queries.Rows * min(k, s.Base.Rows)
	if len(b) != 8+8*n+4 {
		return nil
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	t := &Truth{Queries: int(binary.LittleEndian.Uint32(b)), K: int(binary.LittleEndian.Uint32(b[4:]))}
	if crc32.Checksum(body, castagnoli) != sum || t.Queries*t.K != n {
		return nil
	}
	t.Rows = numbersOf(body[8 : 8+4*n])
	t.Distances = make([]float32, n)
	// The length was checked above.
	_ = binary.Read(bytes.NewReader(body[8+4*n:]), binary.LittleEndian, t.Distances)
	for _, row := range t.Rows {
		if int(row) >= s.Base.Rows {
			return nil
		}
	}
	return t
}
