package bert

// panels is a matrix of weights, depth inputs by width outputs, cut into
// panels of panelWidth outputs. Within a panel the weights of one input lie side
// by side, so that a kernel streams through it from front to back:
//
//	values[(output/panelWidth*depth + input)*panelWidth + output%panelWidth]
//
// Every kernel reads this one form; those with wider registers take two panels at a time.
type panels struct {
	depth, width int
	values       []float32
}

const (
	panelWidth = 16             // outputs in a panel
	pairWidth  = 2 * panelWidth // the widest tile: matrices are multiples of it
	rowStep    = 4              // rows are computed in multiples of it; buffers have that room
)

func newPanels(depth, width int) panels {
	return panels{depth: depth, width: width, values: make([]float32, depth*width)}
}

// pack stores weights given as rows, one an output, for the outputs from first on.
func (p panels) pack(first int, weights []float32) {
	for n := range len(weights) / p.depth {
		row := weights[n*p.depth:][:p.depth]
		at := p.at(first+n, 0)
		for _, w := range row {
			p.values[at] = w
			at += panelWidth
		}
	}
}

// at returns where the weight from an input to an output is.
func (p panels) at(output, input int) int {
	return (output/panelWidth*p.depth+input)*panelWidth + output%panelWidth
}

// roundUp returns the least multiple of step that is not below n.
func roundUp(n, step int) int { return (n + step - 1) / step * step }
