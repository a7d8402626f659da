package bert

import (
	"fmt"
	"io"
	"math"

	"nearside/fault"
)

// model holds the weights, once, in the form in which the kernels read them.
// It is read-only.
type model struct {
	config
	words     []float32 // one row a token of the vocabulary
	positions []float32 // one row a position, the segment's vector added
	input     scaling
	layers    []layer
}

// scaling is what layer normalization multiplies with and adds.
type scaling struct{ gain, shift []float32 }

// layer is one transformer layer.
type layer struct {
	attention     dense // query, key and value side by side
	mixed         dense
	mixedScaling  scaling
	inner         dense
	output        dense
	outputScaling scaling
}

// dense is a matrix with a bias. The matrix is in one of two forms; the other has no depth.
type dense struct {
	matrix panels
	codes  codePanels
	bias   []float32
}

// readModel reads the weights that a configuration calls for, and keeps them at a precision.
func readModel(r io.Reader, size int64, c config, p Precision) (*model, error) {
	if need := c.bytes(); size < need {
		return nil, fault.New(fault.Corrupt, "the weights have %d bytes; the configuration calls for at least %d: the file is not whole", size, need)
	}
	m := &model{config: c, layers: make([]layer, c.Layers)}
	want := map[string]wanted{}
	keep := func(name string, to *[]float32, shape ...int) {
		want[name] = wanted{shape: shape, take: func(v []float32) { *to = v }}
	}
	scale := func(name string, to *scaling) {
		keep(name+".weight", &to.gain, c.Width)
		keep(name+".bias", &to.shift, c.Width)
	}
	var segments []float32
	keep("embeddings.word_embeddings.weight", &m.words, c.Vocabulary, c.Width)
	keep("embeddings.position_embeddings.weight", &m.positions, c.Positions, c.Width)
	keep("embeddings.token_type_embeddings.weight", &segments, c.SegmentTypes, c.Width)
	scale("embeddings.LayerNorm", &m.input)
	for i := range m.layers {
		l, prefix := &m.layers[i], fmt.Sprintf("encoder.layer.%d.", i)
		l.attention = newDense(p, c.Width, 3*c.Width)
		l.mixed = newDense(p, c.Width, c.Width)
		l.inner = newDense(p, c.Width, c.Inner)
		l.output = newDense(p, c.Inner, c.Width)
		for j, name := range []string{"query", "key", "value"} {
			l.attention.want(want, prefix+"attention.self."+name, j*c.Width, c.Width)
		}
		l.mixed.want(want, prefix+"attention.output.dense", 0, c.Width)
		l.inner.want(want, prefix+"intermediate.dense", 0, c.Inner)
		l.output.want(want, prefix+"output.dense", 0, c.Width)
		scale(prefix+"attention.output.LayerNorm", &l.mixedScaling)
		scale(prefix+"output.LayerNorm", &l.outputScaling)
	}
	if err := readTensors(r, size, want); err != nil {
		return nil, err
	}
	for i := range m.positions {
		m.positions[i] += segments[i%c.Width] // every text is of the first segment
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}

// check refuses weights that are no numbers, so that vectors always are.
func (m *model) check() error {
	sets := [][]float32{m.words, m.positions, m.input.gain, m.input.shift}
	for _, l := range m.layers {
		for _, d := range []dense{l.attention, l.mixed, l.inner, l.output} {
			sets = append(sets, d.matrix.values, d.codes.gains, d.bias)
		}
		for _, s := range []scaling{l.mixedScaling, l.outputScaling} {
			sets = append(sets, s.gain, s.shift)
		}
	}
	for _, set := range sets {
		for _, v := range set {
			if v-v != 0 { // neither NaN nor infinite
				return fault.New(fault.Corrupt, "the weights hold %g, which is no finite number: the file is damaged", v)
			}
		}
	}
	return nil
}

// bytes is the least size of a file with weights of this shape.
func (c config) bytes() int64 {
	w, f := int64(c.Width), int64(c.Inner)
	perLayer := 4*w*w + 2*w*f + 9*w + f
	return 4 * (int64(c.Vocabulary+c.Positions+c.SegmentTypes+2)*w + int64(c.Layers)*perLayer)
}

func newDense(p Precision, depth, width int) dense {
	d := dense{bias: make([]float32, width)}
	if p == Int8 {
		d.codes = newCodePanels(depth, width)
	} else {
		d.matrix = newPanels(depth, width)
	}
	return d
}

// pack stores weights given as rows, one an output, for the outputs from first on.
func (d *dense) pack(first int, weights []float32) {
	if d.codes.depth > 0 {
		d.codes.pack(first, weights)
	} else {
		d.matrix.pack(first, weights)
	}
}

// multiply sets c to base + a·d for a number of rows. The bias is the caller's to add.
func (d *dense) multiply(k *kernels, rows int, a, base, c matrix, room codeRoom) {
	if d.codes.depth > 0 {
		k.codes.multiply(rows, a, d.codes, base, c, room)
	} else {
		k.multiply(rows, a, d.matrix, base, c)
	}
}

// want asks for the tensors that fill the outputs from first to first+width.
func (d *dense) want(want map[string]wanted, name string, first, width int) {
	want[name+".weight"] = wanted{
		shape: []int{width, max(d.matrix.depth, d.codes.depth)}, borrow: true,
		take: func(v []float32) { d.pack(first, v) },
	}
	want[name+".bias"] = wanted{
		shape: []int{width}, borrow: true,
		take: func(v []float32) { copy(d.bias[first:], v) },
	}
}

// length returns the Euclidean length of v.
func length(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}
