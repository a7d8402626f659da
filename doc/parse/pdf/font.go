package pdf

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// font says which characters the codes of a string stand for, and how wide they are.
type font struct {
	texts     [256]string // of simple fonts, by code
	widths    map[int]float64
	otherwise float64 // the width of what widths lacks
	perUnit   float64 // text space units of one unit of width
	toUnicode *cmap
	composite bool
	encoding  *cmap   // of composite fonts: code → CID
	charset   charset // of composite fonts whose codes are characters of a known set
	latin     bool    // CIDs 1 to 95 are ASCII, as in all collections of Adobe
	vertical  bool
	bold      bool
	mono      bool
	unit      float64 // how much larger glyphs are than the size says, for fonts that a page brings along
}

// code is a code of a string, as its font reads it.
type code struct {
	text  string
	width float64 // for a font of size 1
	known bool    // its font says what it stands for
	space bool    // the single byte 32, which word spacing widens
}

const maxFonts = 256 // that are kept; a font with a large ToUnicode map costs some hundred kB

// font returns the font that v refers to. What is none is Helvetica.
func (f *File) font(v any) *font {
	r, shared := v.(ref)
	if shared {
		if known, ok := f.fonts[r]; ok {
			return known
		}
	}
	out := f.newFont(f.dict(v))
	if shared {
		if len(f.fonts) >= maxFonts {
			clear(f.fonts)
		}
		f.fonts[r] = out
	}
	return out
}

func (f *File) newFont(d dict) *font {
	t := &font{widths: map[int]float64{}, perUnit: 0.001, unit: 1}
	base, _ := f.resolve(d["BaseFont"]).(name)
	if s, ok := f.resolve(d["ToUnicode"]).(stream); ok {
		if data, err := f.decode(s); err == nil {
			t.toUnicode = parseCMap(data)
		}
	}
	desc := f.dict(d["FontDescriptor"])
	if f.resolve(d["Subtype"]) == name("Type0") {
		descendant := f.dict(first0(f.list(d["DescendantFonts"])))
		desc = f.dict(descendant["FontDescriptor"])
		f.compose(t, d, descendant)
	} else {
		f.simple(t, d, desc, string(base))
	}
	t.style(string(base), desc, f)
	return t
}

func first0(a array) any {
	if len(a) == 0 {
		return nil
	}
	return a[0]
}

// style tells a bold and a monospaced font by its name or its flags.
func (t *font) style(base string, desc dict, f *File) {
	flags, _ := f.resolve(desc["Flags"]).(int)
	if i := strings.IndexByte(base, '+'); i == 6 {
		base = base[7:]
	}
	low := strings.ToLower(base)
	t.mono = flags&1 != 0 || containsAny(low, "courier", "mono", "typewriter", "cmtt", "sftt", "consol")
	t.bold = flags&(1<<18) != 0 || float(f.resolve(desc["FontWeight"])) >= 600 || containsAny(low, "bold", "black", "heavy", "demi", "cmbx", "sfbx")
}

func containsAny(s string, list ...string) bool {
	for _, sub := range list {
		if strings.Contains(s, sub) {
			return true
		}
	}
	return false
}

// simple reads a font of one byte a code.
func (f *File) simple(t *font, d, desc dict, base string) {
	t.texts = f.simpleTexts(d, desc, base)
	start, _ := f.resolve(d["FirstChar"]).(int)
	widths := f.list(d["Widths"])
	for i, v := range widths {
		if c := start + i; c >= 0 && c < 256 {
			t.widths[c] = float(f.resolve(v))
		}
	}
	t.otherwise = float(f.resolve(desc["MissingWidth"]))
	if len(widths) == 0 {
		for c := range t.texts {
			t.widths[c] = standardWidth(base, t.texts[c])
		}
	}
	if f.resolve(d["Subtype"]) == name("Type3") {
		f.type3(t, d)
	}
}

// type3 takes the scale of a font that is painted by content streams from its matrix and its box.
func (f *File) type3(t *font, d dict) {
	m := f.list(d["FontMatrix"])
	if len(m) != 6 {
		return
	}
	x, y := float(f.resolve(m[0])), float(f.resolve(m[3]))
	t.perUnit = max(x, -x)
	box := f.list(d["FontBBox"])
	if len(box) != 4 {
		return
	}
	high := (float(f.resolve(box[3])) - float(f.resolve(box[1]))) * y
	if high = max(high, -high); high > 0.01 && high < 200 {
		t.unit = high
	}
}

// simpleTexts is what codes stand for by the font's encoding.
func (f *File) simpleTexts(d, desc dict, base string) [256]string {
	flags, _ := f.resolve(desc["Flags"]).(int)
	symbolic := flags&4 != 0
	v := f.resolve(d["Encoding"])
	start, _ := v.(name)
	e, _ := v.(dict)
	if e != nil {
		start, _ = f.resolve(e["BaseEncoding"]).(name)
	}
	texts := baseEncoding(start, base, f.resolve(d["Subtype"]) == name("TrueType"))
	if start == "" {
		f.builtIn(&texts, desc, symbolic)
	}
	at := 0
	for _, v := range f.list(e["Differences"]) {
		switch v := f.resolve(v).(type) {
		case int:
			at = v
		case name:
			if at >= 0 && at < 256 {
				texts[at] = glyphText(string(v))
				if texts[at] == "" && string(v) == "a"+strconv.Itoa(at) {
					texts[at] = texText(at)
				}
			}
			at++
		}
	}
	return texts
}

// texText is what a code stands for in TeX's bitmap fonts, whose glyphs are called a65 and so on: ASCII, and
// the ligatures of both of its Latin encodings. What else it has differs from encoding to encoding.
func texText(c int) string {
	ligatures := [5]string{"ff", "fi", "fl", "ffi", "ffl"}
	switch {
	case c >= 11 && c <= 15:
		return ligatures[c-11]
	case c >= 27 && c <= 31:
		return ligatures[c-27]
	case c == '\'':
		return "’"
	case c > ' ' && c < 0x7f:
		return string(rune(c))
	}
	return ""
}

// builtIn takes over the encoding in the clear part of an embedded Type 1 font: lines of dup CODE /NAME put.
func (f *File) builtIn(texts *[256]string, desc dict, symbolic bool) {
	s, ok := f.resolve(desc["FontFile"]).(stream)
	if !ok {
		return
	}
	data, err := f.decode(s)
	if err != nil {
		return
	}
	if i := bytes.Index(data, []byte("eexec")); i >= 0 {
		data = data[:i]
	}
	i := bytes.Index(data, []byte("/Encoding"))
	if i < 0 || bytes.HasPrefix(bytes.TrimLeft(data[i+len("/Encoding"):], " \r\n"), []byte("StandardEncoding")) {
		return
	}
	if symbolic {
		clear(texts[:])
	}
	l := &lexer{b: data, pos: i + len("/Encoding")}
	for v := l.next(0); v != end && v != word("def") && v != word("readonly"); v = l.next(0) {
		if v != word("dup") {
			continue
		}
		c, ok := l.next(0).(int)
		n, too := l.next(0).(name)
		if ok && too && c >= 0 && c < 256 {
			texts[c] = glyphText(string(n))
		}
	}
}

// compose reads a composite font (ISO 32000-2, 9.7).
func (f *File) compose(t *font, d, descendant dict) {
	t.composite = true
	t.otherwise = 1000
	if v := f.resolve(descendant["DW"]); v != nil {
		t.otherwise = float(v)
	}
	f.cidWidths(t, f.list(descendant["W"]))
	ordering, _ := f.resolve(f.dict(descendant["CIDSystemInfo"])["Ordering"]).(str)
	t.latin = ordering == "Japan1" || ordering == "GB1" || ordering == "CNS1" || ordering == "Korea1" || ordering == "KR"
	switch v := f.resolve(d["Encoding"]).(type) {
	case name:
		t.vertical = strings.HasSuffix(string(v), "-V") || v == "V"
		t.charset = charsets[strings.TrimSuffix(strings.TrimSuffix(string(v), "-V"), "-H")]
		if v == "H" || v == "V" {
			t.charset = jis
		}
	case stream:
		if data, err := f.decode(v); err == nil {
			t.encoding = parseCMap(data)
		}
		mode, _ := f.resolve(v.dict["WMode"]).(int)
		t.vertical = mode == 1
	}
}

// cidWidths reads W: c [w w …] or first last w.
func (f *File) cidWidths(t *font, w array) {
	for i := 0; i+1 < len(w); {
		start, _ := f.resolve(w[i]).(int)
		if list, ok := f.resolve(w[i+1]).(array); ok {
			for k, v := range list {
				if k < 1<<16 {
					t.widths[start+k] = float(f.resolve(v))
				}
			}
			i += 2
			continue
		}
		last, _ := f.resolve(w[i+1]).(int)
		if i+2 < len(w) && start >= 0 {
			for c := start; c <= min(last, 1<<16-1); c++ {
				t.widths[c] = float(f.resolve(w[i+2]))
			}
		}
		i += 3
	}
}

// codes reads a string as the font does.
func (t *font) codes(s string) []code {
	if t.composite {
		return t.compositeCodes(s)
	}
	out := make([]code, len(s))
	for i := range len(s) {
		c := int(s[i])
		text, known := t.toUnicode.lookup(uint32(c), 1)
		if !known {
			text = t.texts[c]
		}
		out[i] = code{text: text, width: t.width(c), known: text != "", space: c == ' '}
	}
	return out
}

func (t *font) width(c int) float64 {
	w, ok := t.widths[c]
	if !ok {
		w = t.otherwise
	}
	return w * t.perUnit
}

func (t *font) compositeCodes(s string) []code {
	var out []code
	for len(s) > 0 {
		n := t.codeLength(s)
		var c uint32
		for i := range n {
			c = c<<8 | uint32(s[i])
		}
		cid, ok := int(c), true
		if t.encoding != nil {
			if cid, ok = t.encoding.cid(c, n); !ok {
				cid = int(c)
			}
		}
		o := code{width: t.width(cid), space: n == 1 && c == ' '}
		if o.text, o.known = t.toUnicode.lookup(c, n); !o.known {
			o.text, o.known = t.without(s[:n], cid)
		}
		if t.charset != nil && n == 1 {
			o.width = 0.5 // half of what other characters have; its CID, by which widths are told, is not known
		}
		out = append(out, o)
		s = s[n:]
	}
	return out
}

// without is what a code stands for where no ToUnicode map tells.
func (t *font) without(s string, cid int) (string, bool) {
	if t.charset != nil {
		text := t.charset.decode(s)
		return text, text != "" && !strings.ContainsRune(text, utf8.RuneError)
	}
	if t.latin && cid >= 1 && cid <= 95 {
		return string(rune(0x1f + cid)), true
	}
	return "", false
}

func (t *font) codeLength(s string) int {
	n := 2
	switch {
	case t.encoding != nil:
		n = t.encoding.length(s)
	case t.charset != nil:
		n = t.charset.length(s)
	}
	return min(max(n, 1), len(s)) // a code space of no bytes would never end
}
