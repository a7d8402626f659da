package bert

import (
	"context"
	"math"

	"nearside/fault"
)

// workspace is the memory of one forward pass over some texts at once. Their
// tokens are the rows of one matrix, text after text, without padding between them.
type workspace struct {
	hidden    matrix // what goes from layer to layer
	attention matrix // query, key and value of every token
	mixed     matrix // values mixed by attention
	middle    matrix // between attention and the inner layer
	inner     matrix // for rowBlock rows only: they stay in the cache
	scores    []float32
	keys      []float32 // one head's keys, as panels
	values    []float32 // one head's values, as panels
	zeros     []float32
	codes     codeRoom // for a model of int8 weights
}

// skew is added to strides that are a large power of two times something
// small: rows would fall on the same lines of the first-level cache.
const skew = panelWidth

// newWorkspace makes room for a number of tokens, no text longer than window.
func newWorkspace(c config, p Precision, tokens, window int) *workspace {
	rows := roundUp(tokens, rowStep) + rowStep // a text in mid-matrix may be rounded up, too
	wide := roundUp(window, pairWidth)
	grid := func(rows, columns int) matrix {
		return matrix{make([]float32, rows*(columns+skew)), columns + skew}
	}
	head := c.Width / c.Heads
	var codes codeRoom
	if p == Int8 {
		codes = newCodeRoom(max(c.Width, c.Inner), max(3*c.Width, c.Inner))
	}
	return &workspace{
		hidden:    grid(rows, c.Width),
		attention: grid(rows, 3*c.Width),
		mixed:     grid(rows, c.Width),
		middle:    grid(rows, c.Width),
		inner:     grid(min(rows, rowBlock), c.Inner),
		scores:    make([]float32, roundUp(window, rowStep)*wide),
		keys:      make([]float32, wide*head),
		values:    make([]float32, roundUp(window, rowStep)*head),
		zeros:     make([]float32, max(wide, c.Width)),
		codes:     codes,
	}
}

// forward returns the vector of each text. It looks at ctx once a layer.
func (m *model) forward(ctx context.Context, k *kernels, w *workspace, texts [][]int32) ([][]float32, error) {
	rows := 0
	for _, ids := range texts {
		m.embed(k, w, rows, ids)
		rows += len(ids)
	}
	for i := range m.layers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l := &m.layers[i]
		m.attend(k, w, l, texts, rows)
		m.feedForward(k, w, l, rows)
	}
	out := make([][]float32, len(texts))
	rows = 0
	for i, ids := range texts {
		if out[i] = pool(w.hidden, rows, len(ids), m.Width); out[i] == nil {
			return nil, fault.New(fault.Internal, "the encoder's weights give a text no direction: they are not those of a sentence encoder")
		}
		rows += len(ids)
	}
	return out, nil
}

// embed looks up a text's tokens and positions.
func (m *model) embed(k *kernels, w *workspace, first int, ids []int32) {
	for at, id := range ids {
		row := w.hidden.row(first+at, m.Width)
		copy(row, m.words[int(id)*m.Width:])
		k.normalize(row, m.positions[at*m.Width:][:m.Width], m.input, m.Epsilon)
	}
}

// attend sets w.middle to the normalized sum of w.hidden and what attention makes of it.
func (m *model) attend(k *kernels, w *workspace, l *layer, texts [][]int32, rows int) {
	l.attention.multiply(k, rows, w.hidden, matrix{values: l.attention.bias}, w.attention, w.codes)
	first := 0
	for _, ids := range texts {
		for head := range m.Heads {
			m.attendHead(k, w, first, len(ids), head)
		}
		first += len(ids)
	}
	l.mixed.multiply(k, rows, w.mixed, w.hidden, w.middle, w.codes)
	for r := range rows {
		k.normalize(w.middle.row(r, m.Width), l.mixed.bias, l.mixedScaling, m.Epsilon)
	}
}

// attendHead computes one head's attention within one text of n tokens. Products are
// rounded up to rowStep rows: they reach into the next text's rows of w.mixed,
// which are computed after it, or into the room at the end.
func (m *model) attendHead(k *kernels, w *workspace, first, n, head int) {
	width := m.Width / m.Heads
	deep, wide := roundUp(n, rowStep), roundUp(n, pairWidth)
	keys := panels{width, wide, w.keys[:width*wide]}
	values := panels{deep, width, w.values[:deep*width]}
	column := head * width
	for r := range n {
		row := w.attention.row(first+r, 3*m.Width)
		at := keys.at(r, 0)
		for _, v := range row[m.Width+column:][:width] {
			keys.values[at] = v
			at += panelWidth
		}
		for c := 0; c < width; c += panelWidth {
			copy(values.values[values.at(c, r):][:panelWidth], row[2*m.Width+column+c:])
		}
	}
	for c := 0; c < width; c += panelWidth {
		clear(values.values[values.at(c, n-1)+panelWidth : values.at(c, deep-1)+panelWidth])
	}
	scores := matrix{w.scores, wide}
	zeros := matrix{values: w.zeros}
	k.multiply(n, w.attention.from(first, column), keys, zeros, scores)
	scale := float32(1 / math.Sqrt(float64(width)))
	for r := range n {
		row := scores.row(r, roundUp(n, panelWidth))
		for c := n; c < len(row); c++ {
			row[c] = float32(math.Inf(-1))
		}
		k.softmax(row, scale)
	}
	k.multiply(n, scores, values, zeros, w.mixed.from(first, column))
}

// feedForward sets w.hidden to the normalized sum of w.middle and what the inner layer makes of it.
func (m *model) feedForward(k *kernels, w *workspace, l *layer, rows int) {
	for first := 0; first < rows; first += rowBlock {
		n := min(rowBlock, rows-first)
		middle, hidden := w.middle.from(first, 0), w.hidden.from(first, 0)
		l.inner.multiply(k, n, middle, matrix{values: l.inner.bias}, w.inner, w.codes)
		for r := range n {
			k.gelu(w.inner.row(r, m.Inner))
		}
		l.output.multiply(k, n, w.inner, middle, hidden, w.codes)
		for r := range n {
			k.normalize(hidden.row(r, m.Width), l.output.bias, l.outputScaling, m.Epsilon)
		}
	}
}

// pool returns the mean of n rows, at unit length; nil if it has no direction.
func pool(hidden matrix, first, n, width int) []float32 {
	v := make([]float32, width)
	for r := range n {
		row := hidden.row(first+r, width)
		for i := range v {
			v[i] += row[i]
		}
	}
	inverse := float32(1 / length(v))
	if !(inverse > 0) || math.IsInf(float64(inverse), 0) {
		return nil
	}
	for i := range v {
		v[i] *= inverse
	}
	return v
}
