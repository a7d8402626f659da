package ann

import (
	"io"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The size of a plot on paper.
const (
	plotWidth  = 7 * vg.Inch
	plotHeight = 4.5 * vg.Inch
)

// leastShown is the recall from which on points are drawn: below, nobody asks how fast it is.
const leastShown = .5

// Plot draws a sweep as SVG: recall to the right, queries a second upwards and
// logarithmic. A line is an engine; up and to the right is better.
func Plot(w io.Writer, title string, points []Point) error {
	p := plot.New()
	p.Title.Text = title
	p.X.Label.Text = "recall@10"
	p.Y.Label.Text = "queries a second, one core"
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	for i, engine := range engineNames(points) {
		line, dots, err := plotter.NewLinePoints(shown(points, engine))
		if err != nil {
			return err
		}
		line.Color, dots.Color, dots.Shape = plotutil.Color(i), plotutil.Color(i), plotutil.Shape(i)
		line.Width = vg.Points(1.5)
		p.Add(line, dots)
		p.Legend.Add(engine, line, dots)
	}
	canvas := vgsvg.New(plotWidth, plotHeight)
	p.Draw(vgdraw.New(canvas))
	_, err := canvas.WriteTo(w)
	return err
}

// engineNames lists the engines that have a point to be shown, in their order.
func engineNames(points []Point) []string {
	var names []string
	for _, p := range points {
		if !slices.Contains(names, p.Engine) && len(shown(points, p.Engine)) > 0 {
			names = append(names, p.Engine)
		}
	}
	return names
}

// shown are the points of an engine, in the order of the sweep.
func shown(points []Point, engine string) plotter.XYs {
	var line plotter.XYs
	for _, p := range points {
		if p.Engine == engine && p.Recall >= leastShown && p.QPS > 0 {
			line = append(line, plotter.XY{X: p.Recall, Y: p.QPS})
		}
	}
	return line
}
