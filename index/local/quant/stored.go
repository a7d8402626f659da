package quant

import (
	"encoding/binary"
	"math"

	"nearside/fault"
	"nearside/index"
)

// StoredBytes is how long the stored form of a codec is. It is, little-endian:
//
//	byte     1, the version of the form
//	byte     metric: 0 cosine, 1 euclidean, 2 dot-product
//	uint16   dimensions
//	float32  offset, scale, radius, error
const StoredBytes = 20

const storedVersion = 1

var storedMetrics = [...]index.Metric{index.Cosine, index.Euclidean, index.DotProduct}

// AppendTo appends the stored form of the codec to b.
func (c *Codec) AppendTo(b []byte) []byte {
	metric := byte(0)
	for i, m := range storedMetrics {
		if m == c.Metric {
			metric = byte(i)
		}
	}
	b = append(b, storedVersion, metric)
	b = binary.LittleEndian.AppendUint16(b, uint16(c.Dimensions))
	for _, f := range [...]float32{c.Offset, c.Scale, c.Radius, c.Error} {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

// Parse returns the codec whose stored form is b. What it returns is safe to use,
// whatever the bytes were.
func Parse(b []byte) (Codec, error) {
	if len(b) != StoredBytes {
		return Codec{}, damaged("it has %d bytes; version %d has %d", len(b), storedVersion, StoredBytes)
	}
	if b[0] != storedVersion {
		return Codec{}, damaged("its version is %d; this program reads %d", b[0], storedVersion)
	}
	if int(b[1]) >= len(storedMetrics) {
		return Codec{}, damaged("it has metric number %d; the last there is is %d", b[1], len(storedMetrics)-1)
	}
	number := func(i int) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b[4+4*i:])) }
	c := Codec{
		Metric:     storedMetrics[b[1]],
		Dimensions: int(binary.LittleEndian.Uint16(b[2:])),
		Offset:     number(0),
		Scale:      number(1),
		Radius:     number(2),
		Error:      number(3),
	}
	if err := c.check(); err != nil {
		return Codec{}, err
	}
	return c, nil
}

// check reports what is out of range in a codec. Comparisons are written so that NaN is.
func (c *Codec) check() error {
	longest := 0.0
	if c.Metric == index.DotProduct {
		longest = limit * math.Sqrt(float64(c.Dimensions)) * (1 + 0x1p-20)
	}
	farthest := 0.0
	if c.Metric == index.Euclidean {
		farthest = math.MaxFloat32
	}
	switch {
	case c.Dimensions < 1 || c.Dimensions > index.MaxDimensions:
		return damaged("it has %d dimensions; 1 to %d are possible", c.Dimensions, index.MaxDimensions)
	case !within(c.Offset, -farthest, farthest):
		return damaged("its offset is %v; %v to %v are possible under the metric %s", c.Offset, -farthest, farthest, c.Metric)
	case !within(c.Scale, minScale, maxScale):
		return damaged("its scale is %v; %v to %v are possible", c.Scale, minScale, maxScale)
	case !within(c.Radius, 0, longest):
		return damaged("its radius is %v; 0 to %v are possible under the metric %s", c.Radius, longest, c.Metric)
	case !within(c.Error, 0, math.MaxFloat32):
		return damaged("its error is %v; 0 to %v are possible", c.Error, math.MaxFloat32)
	}
	return nil
}

func within(x float32, low, high float64) bool { return float64(x) >= low && float64(x) <= high }

func damaged(format string, args ...any) error {
	return fault.New(fault.Corrupt, "the description of the codes is damaged: "+format+"; it is made anew when the graph is rebuilt", args...)
}
