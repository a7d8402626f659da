package quant_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"nearside/fault"
	"nearside/index"
	"nearside/index/local/quant"
)

func TestStoredCodecsComeBack(t *testing.T) {
	for _, metric := range metrics {
		for _, dimensions := range []int{1, 768, index.MaxDimensions} {
			c := quant.Train(metric, dimensions, normal(random(), 30, dimensions, .2, 3))
			b := c.AppendTo([]byte("before"))
			if len(b) != len("before")+quant.StoredBytes {
				t.Fatalf("%d bytes, want %d", len(b), quant.StoredBytes)
			}
			if got, err := quant.Parse(b[len("before"):]); err != nil || got != c {
				t.Errorf("%+v came back as %+v, %v", c, got, err)
			}
		}
	}
}

// The form is what files hold that were written before: these bytes stay readable.
func TestStoredFormIsWhatItWas(t *testing.T) {
	stored := "\x01\x01\x10\x03" + "\x00\x00\xff\x42" + "\x00\x00\x7f\x3f" + "\x00\x00\x00\x00" + "\x0a\xd7\x23\x3c"
	want := quant.Codec{Metric: index.Euclidean, Dimensions: 784, Offset: 127.5, Scale: .99609375, Error: .01}
	got, err := quant.Parse([]byte(stored))
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if again := string(want.AppendTo(nil)); again != stored {
		t.Errorf("stored as %q, want %q", again, stored)
	}
}

func TestDamagedCodecsAreRefused(t *testing.T) {
	c := quant.Train(index.DotProduct, 64, normal(random(), 30, 64, 0, 1))
	e := quant.Train(index.Euclidean, 64, normal(random(), 30, 64, 1, 1))
	good, euclidean := c.AppendTo(nil), e.AppendTo(nil)
	float := func(b []byte, at int, x float32) []byte {
		b = append([]byte(nil), b...)
		binary.LittleEndian.PutUint32(b[at:], math.Float32bits(x))
		return b
	}
	change := func(at int, x byte) []byte {
		b := append([]byte(nil), good...)
		b[at] = x
		return b
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, bad := range []struct {
		bytes []byte
		says  string
	}{
		{nil, "0 bytes"}, {good[:19], "19 bytes"}, {append(good, 0), "21 bytes"},
		{change(0, 0), "version is 0"}, {change(0, 2), "version is 2"},
		{change(1, 3), "metric number 3"},
		{append(append([]byte(nil), good[:2]...), append([]byte{0, 0}, good[4:]...)...), "0 dimensions"},
		{change(3, 7), "1856 dimensions"},
		{float(good, 4, 1), "offset is 1"}, {float(euclidean, 4, nan), "offset is NaN"}, {float(euclidean, 4, -inf), "offset is -Inf"},
		{float(good, 8, 0), "scale is 0"}, {float(good, 8, -1), "scale is -1"}, {float(good, 8, nan), "scale is NaN"},
		{float(good, 8, inf), "scale is +Inf"}, {float(good, 8, 0x1p-123), "scale is"}, {float(good, 8, 0x1p121), "scale is"},
		{float(good, 12, -1), "radius is -1"}, {float(good, 12, 1017), "radius is 1017"}, {float(good, 12, nan), "radius is NaN"},
		{float(euclidean, 12, 1), "radius is 1"},
		{float(good, 16, -1), "error is -1"}, {float(good, 16, nan), "error is NaN"}, {float(good, 16, inf), "error is +Inf"},
	} {
		got, err := quant.Parse(bad.bytes)
		if !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("% x: %+v, %v; want corrupt, with %q", bad.bytes, got, err, bad.says)
		}
	}
	if _, err := quant.Parse(float(good, 12, 1016)); err != nil {
		t.Errorf("the longest radius is refused: %v", err)
	}
}

// Whatever the bytes: an error, or a codec that is stored as them and can be used for any vector.
func FuzzParse(f *testing.F) {
	r := seeded(1)
	for _, metric := range metrics {
		c := quant.Train(metric, 9, normal(r, 20, 9, 0, 1))
		f.Add(c.AppendTo(nil), uint64(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		c, err := quant.Parse(b)
		if err != nil {
			if !fault.Is(err, fault.Corrupt) {
				t.Errorf("not called corrupt: %v", err)
			}
			return
		}
		if string(c.AppendTo(nil)) != string(b) {
			t.Errorf("% x is stored as % x", b, c.AppendTo(nil))
		}
		r := seeded(seed)
		s := store(c, draw(r, shapes[r.IntN(len(shapes))], 3, c.Dimensions))
		for _, query := range draw(r, shapes[r.IntN(len(shapes))], 2, c.Dimensions) {
			checkBounds(t, s, query)
		}
		var q quant.Query
		q.SetCode(&c, s.code(0), s.terms[0])
		s.keys(&q)
	})
}
