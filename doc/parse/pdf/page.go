package pdf

import (
	"math"
	"slices"

	"nearside/fault"
)

// Glyph is what a font paints at once: mostly one character, sometimes several.
type Glyph struct {
	Text  string  // "" = the font does not say which characters it paints
	X, Y  float64 // where it begins on its base line, in points from the lower left of the page as it is shown
	Width float64 // along its base line, in points
	Size  float64 // of the font, in points
	Turn  int     // quarter turns to the left of the direction that it is read in: 0 = from left to right, 1 = upwards
	Bold  bool    // by the font's name or flags
	Mono  bool    // likewise: of a font whose glyphs have one width
	From  int     // the index in Page.Sources of what painted it
	Extra bool    // marked by the file as no part of what the page says: a running header, a page number
}

// Span is bytes of the file: of a content stream as it is stored, mostly packed.
type Span struct{ From, To int64 }

// Page is what is written on one page, in the order in which it is painted.
type Page struct {
	Width, Height float64 // in points, as it is shown
	Glyphs        []Glyph
	Sources       []Span
	Pictures      int // painted pictures; a page of pictures without glyphs is a scan
	Unknown       int // glyphs whose characters no font told
}

// pageNode is a leaf of the page tree with what it inherits.
type pageNode struct {
	dict      dict
	resources any
	box       any
	rotate    any
}

const maxPages = 1 << 17

// walk collects the pages below v.
func (f *File) walk(v any, above dict, depth int, seen map[ref]bool) error {
	if r, ok := v.(ref); ok {
		if seen[r] {
			return nil
		}
		seen[r] = true
	}
	d := f.dict(v)
	if d == nil {
		return f.ctx.Err()
	}
	if depth > f.limits.Depth {
		return fault.New(fault.TooLarge, "its page tree is deeper than %d, the limit", f.limits.Depth)
	}
	inherited := dict{}
	for _, k := range []name{"Resources", "MediaBox", "CropBox", "Rotate"} {
		if x, ok := d[k]; ok {
			inherited[k] = x
		} else if x, ok := above[k]; ok {
			inherited[k] = x
		}
	}
	kids, ok := f.resolve(d["Kids"]).(array)
	if !ok || d["Type"] == name("Page") {
		if d["Type"] != name("Pages") {
			f.addPage(d, inherited)
		}
		return nil
	}
	for _, kid := range kids {
		if len(f.pages) >= maxPages {
			return fault.New(fault.TooLarge, "it has more than %d pages, the limit", maxPages)
		}
		if err := f.walk(kid, inherited, depth+1, seen); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) addPage(d, inherited dict) {
	f.pages = append(f.pages, pageNode{
		dict:      dict{"Contents": d["Contents"]},
		resources: inherited["Resources"],
		box:       first(inherited, "CropBox", "MediaBox"),
		rotate:    inherited["Rotate"],
	})
}

// strayPages takes pages from a file whose page tree is lost, in the order of their numbers.
func (f *File) strayPages() {
	nums := make([]int, 0, len(f.xref))
	for num := range f.xref {
		nums = append(nums, num)
	}
	slices.Sort(nums)
	for _, num := range nums {
		if d := f.dict(ref{num: num}); d["Type"] == name("Page") && len(f.pages) < maxPages {
			f.addPage(d, d)
		}
	}
}

// matrix is a b c d e f of ISO 32000-2, 8.3.3: x' = ax + cy + e, y' = bx + dy + f.
type matrix [6]float64

var identity = matrix{1, 0, 0, 1, 0, 0}

// times is m followed by n.
func (m matrix) times(n matrix) matrix {
	return matrix{
		m[0]*n[0] + m[1]*n[2], m[0]*n[1] + m[1]*n[3],
		m[2]*n[0] + m[3]*n[2], m[2]*n[1] + m[3]*n[3],
		m[4]*n[0] + m[5]*n[2] + n[4], m[4]*n[1] + m[5]*n[3] + n[5],
	}
}

// Page reads page i, from 0. What cannot be read of it is missing; an error is of the limits or the context.
func (f *File) Page(i int) (*Page, error) {
	node := f.pages[i]
	box := f.box(node.box)
	turn, _ := f.resolve(node.rotate).(int)
	turn = ((turn/90)%4 + 4) % 4
	p := &Page{Width: box[2] - box[0], Height: box[3] - box[1]}
	base := matrix{1, 0, 0, 1, -box[0], -box[1]}
	switch turn { // Rotate is clockwise
	case 1:
		base = base.times(matrix{0, -1, 1, 0, 0, p.Width})
	case 2:
		base = base.times(matrix{-1, 0, 0, -1, p.Width, p.Height})
	case 3:
		base = base.times(matrix{0, 1, -1, 0, p.Height, 0})
	}
	if turn%2 == 1 {
		p.Width, p.Height = p.Height, p.Width
	}
	in := &painter{f: f, page: p, state: state{ctm: base, scale: 1}}
	var contents array
	for _, v := range f.list(node.dict["Contents"]) {
		if s, ok := f.resolve(v).(stream); ok {
			contents = append(contents, s)
		}
	}
	data, spans, err := f.join(contents)
	if err != nil {
		return nil, err
	}
	return p, in.paint(data, spans, f.dict(node.resources))
}

// box is a rectangle with its lower left corner first; letter paper, if it is none.
func (f *File) box(v any) [4]float64 {
	list, _ := f.resolve(v).(array)
	var b [4]float64
	if len(list) == 4 {
		for i := range b {
			b[i] = float(f.resolve(list[i]))
		}
	}
	b[0], b[2] = min(b[0], b[2]), max(b[0], b[2])
	b[1], b[3] = min(b[1], b[3]), max(b[1], b[3])
	if b[2]-b[0] < 1 || b[3]-b[1] < 1 {
		return [4]float64{0, 0, 612, 792}
	}
	return b
}

// piece says that the joined content from at on comes from a span.
type piece struct {
	at   int
	span Span
}

// join puts content streams together, which the standard calls one stream with white space between.
func (f *File) join(streams array) ([]byte, []piece, error) {
	var data []byte
	var pieces []piece
	for _, v := range streams {
		s := v.(stream)
		b, err := f.decode(s)
		if fault.Is(err, fault.TooLarge) || f.ctx.Err() != nil {
			return nil, nil, err
		}
		pieces = append(pieces, piece{len(data), Span{s.from, min(s.to, f.size)}})
		data = append(append(data, b...), '\n')
	}
	return data, pieces, nil
}

func float(v any) float64 {
	switch v := v.(type) {
	case int:
		return float64(v)
	case float64:
		return v
	}
	return 0
}

// finite is x, or 0 where arithmetic with a lying file ran out of numbers.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.Abs(x) > 1e9 {
		return 0
	}
	return x
}
