package pdf

import (
	"bytes"
	"math"

	"nearside/fault"
)

// state is the graphics state as far as text needs it (ISO 32000-2, 8.4 and 9.3).
type state struct {
	ctm       matrix
	font      *font
	size      float64
	charSpace float64
	wordSpace float64
	scale     float64 // horizontal, 1 = 100 %
	leading   float64
	rise      float64
}

// painter runs content streams.
type painter struct {
	f      *File
	page   *Page
	state  state
	stack  []state
	tm, lm matrix // text matrix, text line matrix
	marks  []mark // marked content that is open
	extra  int    // how many of marks are artifacts
	depth  int    // of forms
	from   int    // index in page.Sources of what is running
}

// mark is marked content. Its actual text, if it has one, stands for all glyphs in it.
type mark struct {
	extra  bool
	actual *string
	glyphs int // of the page when it began
}

const (
	maxGlyphs = 1 << 18 // of a page
	maxStates = 512     // saved graphics states, open marks
	maxOpers  = 1 << 10 // operands of an operator
)

// paint runs a content stream.
func (p *painter) paint(data []byte, pieces []piece, resources dict) error {
	l := &lexer{b: data}
	var operands array
	for n := 0; ; n++ {
		if n%1024 == 0 && p.f.ctx.Err() != nil {
			return p.f.ctx.Err()
		}
		for len(pieces) > 0 && l.pos >= pieces[0].at {
			p.from = len(p.page.Sources)
			p.page.Sources = append(p.page.Sources, pieces[0].span)
			pieces = pieces[1:]
		}
		v := l.next(0)
		op, ok := v.(word)
		switch {
		case v == end:
			return nil
		case !ok:
			if len(operands) < maxOpers {
				operands = append(operands, v)
			}
			continue
		case op == "BI":
			l.skipImage()
			p.page.Pictures++
		default:
			if err := p.do(op, operands, resources); err != nil {
				return err
			}
		}
		operands = operands[:0]
	}
}

// skipImage goes past an inline image: to an EI with white space around it that is followed by what looks like content.
func (l *lexer) skipImage() {
	if i := bytes.Index(l.b[l.pos:], []byte("ID")); i >= 0 {
		l.pos += i + 2
	}
	for l.pos < len(l.b) {
		i := bytes.Index(l.b[l.pos:], []byte("EI"))
		if i < 0 {
			l.pos = len(l.b)
			return
		}
		before := l.pos + i - 1
		l.pos += i + 2
		if !isSpace(l.b[before]) || l.pos < len(l.b) && !isSpace(l.b[l.pos]) {
			continue
		}
		ahead := l.b[l.pos:min(len(l.b), l.pos+16)]
		if !bytes.ContainsFunc(ahead, func(r rune) bool { return r > 126 || r < 9 }) {
			return
		}
	}
}

// args are operands of operators, read as what they should be.
type args array

func (a args) num(i int) float64 {
	if i < len(a) {
		return float(a[i])
	}
	return 0
}

func (a args) name(i int) name {
	if i < len(a) {
		n, _ := a[i].(name)
		return n
	}
	return ""
}

func (a args) last() any {
	if len(a) == 0 {
		return nil
	}
	return a[len(a)-1]
}

func (a args) matrix() matrix {
	return matrix{a.num(0), a.num(1), a.num(2), a.num(3), a.num(4), a.num(5)}
}

func (p *painter) do(op word, operands array, resources dict) error {
	a, s := args(operands), &p.state
	switch op {
	case "q":
		if len(p.stack) < maxStates {
			p.stack = append(p.stack, *s)
		}
	case "Q":
		if n := len(p.stack); n > 0 {
			*s, p.stack = p.stack[n-1], p.stack[:n-1]
		}
	case "cm":
		s.ctm = a.matrix().times(s.ctm)
	case "Do":
		return p.object(p.f.dict(resources["XObject"])[a.name(0)], resources)
	case "gs":
		if list, ok := p.f.resolve(p.f.dict(p.f.dict(resources["ExtGState"])[a.name(0)])["Font"]).(array); ok && len(list) == 2 {
			s.font, s.size = p.f.font(list[0]), float(p.f.resolve(list[1]))
		}
	case "Tf":
		s.font, s.size = p.f.font(p.f.dict(resources["Font"])[a.name(0)]), a.num(1)
	case "BMC", "BDC":
		p.begin(op, a, resources)
	case "EMC":
		p.finish()
	default:
		return p.text(op, a)
	}
	return nil
}

// text runs the operators of text state, position and showing.
func (p *painter) text(op word, a args) error {
	s := &p.state
	switch op {
	case "BT":
		p.tm, p.lm = identity, identity
	case "Tc":
		s.charSpace = a.num(0)
	case "Tw":
		s.wordSpace = a.num(0)
	case "Tz":
		s.scale = a.num(0) / 100
	case "TL":
		s.leading = a.num(0)
	case "Ts":
		s.rise = a.num(0)
	case "Td":
		p.move(a.num(0), a.num(1))
	case "TD":
		s.leading = -a.num(1)
		p.move(a.num(0), a.num(1))
	case "Tm":
		p.lm = a.matrix()
		p.tm = p.lm
	case "T*":
		p.move(0, -s.leading)
	case "Tj":
		return p.show(a.last())
	case "'":
		p.move(0, -s.leading)
		return p.show(a.last())
	case "\"":
		s.wordSpace, s.charSpace = a.num(0), a.num(1)
		p.move(0, -s.leading)
		return p.show(a.last())
	case "TJ":
		list, _ := a.last().(array)
		for _, v := range list {
			if err := p.show(v); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *painter) move(x, y float64) {
	p.lm = matrix{1, 0, 0, 1, x, y}.times(p.lm)
	p.tm = p.lm
}

// show paints a string, or moves by a number of TJ.
func (p *painter) show(v any) error {
	s := &p.state
	text, ok := v.(str)
	if !ok {
		p.advance(-float(v) / 1000 * s.size * s.scale)
		return nil
	}
	if s.font == nil {
		s.font = p.f.font(nil)
	}
	for _, c := range s.font.codes(string(text)) {
		if len(p.page.Glyphs) >= maxGlyphs {
			return fault.New(fault.TooLarge, "a page has more than %d glyphs, the limit", maxGlyphs)
		}
		width := c.width * s.size
		p.glyph(c, width)
		width += s.charSpace
		if c.space {
			width += s.wordSpace
		}
		p.advance(width * s.scale)
	}
	return nil
}

// advance moves along the line of text by x, or down by it where the font writes downwards.
func (p *painter) advance(x float64) {
	if p.state.font != nil && p.state.font.vertical {
		p.tm = matrix{1, 0, 0, 1, 0, -x / max(p.state.scale, 1e-9)}.times(p.tm)
		return
	}
	p.tm = matrix{1, 0, 0, 1, x, 0}.times(p.tm)
}

func (p *painter) glyph(c code, width float64) {
	s := &p.state
	if n := len(p.marks); n > 0 && p.marks[n-1].actual != nil && len(p.page.Glyphs) > p.marks[n-1].glyphs {
		c.text, c.known = "", true // the first glyph says it all
	} else if n > 0 && p.marks[n-1].actual != nil {
		c.text, c.known = *p.marks[n-1].actual, true
	}
	if !c.known {
		p.page.Unknown++
	}
	m := matrix{1, 0, 0, 1, 0, s.rise}.times(p.tm).times(s.ctm)
	turn := 0
	if x, y := m[0]*s.size, m[1]*s.size; math.Abs(y) > math.Abs(x) {
		turn = 1
		if y < 0 {
			turn = 3
		}
	} else if x < 0 {
		turn = 2
	}
	if s.font.vertical {
		turn = (turn + 3) % 4
	}
	p.page.Glyphs = append(p.page.Glyphs, Glyph{
		Text: c.text, X: finite(m[4]), Y: finite(m[5]),
		Width: finite(math.Abs(width*s.scale) * math.Hypot(m[0], m[1])),
		Size:  finite(math.Abs(s.size) * math.Hypot(m[2], m[3]) * s.font.unit),
		Turn:  turn, Bold: s.font.bold, Mono: s.font.mono, From: p.from, Extra: p.extra > 0,
	})
}

// begin opens marked content.
func (p *painter) begin(op word, a args, resources dict) {
	m := mark{extra: a.name(0) == "Artifact", glyphs: len(p.page.Glyphs)}
	if op == "BDC" {
		v := a.last()
		if n, ok := v.(name); ok {
			v = p.f.dict(resources["Properties"])[n]
		}
		if s, ok := p.f.resolve(p.f.dict(v)["ActualText"]).(str); ok {
			t := textString(string(s))
			m.actual = &t
		}
	}
	if len(p.marks) >= maxStates {
		return
	}
	if n := len(p.marks); n > 0 && p.marks[n-1].actual != nil {
		m.actual, m.glyphs = p.marks[n-1].actual, p.marks[n-1].glyphs
	}
	if m.extra {
		p.extra++
	}
	p.marks = append(p.marks, m)
}

func (p *painter) finish() {
	n := len(p.marks)
	if n == 0 {
		return
	}
	if p.marks[n-1].extra {
		p.extra--
	}
	p.marks = p.marks[:n-1]
}

// object paints a form, or counts a picture.
func (p *painter) object(v any, resources dict) error {
	s, ok := p.f.resolve(v).(stream)
	if !ok {
		return nil
	}
	if p.f.resolve(s.dict["Subtype"]) != name("Form") {
		p.page.Pictures++
		return nil
	}
	if p.depth >= min(p.f.limits.Depth, 50) || p.f.busy[s.ref.num] {
		return nil
	}
	if own := p.f.dict(s.dict["Resources"]); own != nil {
		resources = own
	}
	data, pieces, err := p.f.join(array{s})
	if err != nil {
		return err
	}
	saved := *p
	if m, ok := p.f.resolve(s.dict["Matrix"]).(array); ok && len(m) == 6 {
		resolved := args{}
		for _, v := range m {
			resolved = append(resolved, p.f.resolve(v))
		}
		p.state.ctm = resolved.matrix().times(p.state.ctm)
	}
	p.depth++
	p.stack, p.marks = nil, nil
	p.f.busy[s.ref.num] = true // a form that paints itself
	err = p.paint(data, pieces, resources)
	delete(p.f.busy, s.ref.num)
	page := p.page
	*p = saved
	p.page = page
	return err
}
