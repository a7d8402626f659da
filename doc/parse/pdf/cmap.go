package pdf

import (
	"sort"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// cmap maps codes to characters (a ToUnicode map) or to CIDs (the encoding of a composite font);
// ISO 32000-2, 9.7.5 and 9.10.3.
type cmap struct {
	spaces []codeRange
	texts  map[uint32]string
	ranges []codeRange // with text or cid of the first code; sorted by lo
	found  bool        // something was mapped
}

type codeRange struct {
	lo, hi uint32
	n      int // bytes of a code; 0 = any
	text   string
	cid    int
}

// maxMappings bounds a map; a code of two bytes has 65,536 values.
const maxMappings = 1 << 17

// parseCMap reads the mappings of a CMap file and steps over the PostScript around them.
func parseCMap(data []byte) *cmap {
	m := &cmap{texts: map[uint32]string{}}
	l := &lexer{b: data}
	var operands array
	for {
		v := l.next(0)
		w, ok := v.(word)
		if v == end {
			break
		}
		if !ok {
			operands = append(operands, v)
			continue
		}
		if kind, ok := strings.CutPrefix(string(w), "end"); ok {
			m.section(kind, operands)
		}
		operands = operands[:0]
	}
	sort.SliceStable(m.ranges, func(i, k int) bool { return m.ranges[i].lo < m.ranges[k].lo })
	return m
}

// section takes the operands of a section over.
func (m *cmap) section(kind string, o array) {
	step := 3
	if kind == "codespacerange" || kind == "bfchar" || kind == "cidchar" {
		step = 2
	}
	for ; len(o) >= step && len(m.texts)+len(m.ranges) < maxMappings; o = o[step:] {
		lo, ok := o[0].(str)
		if !ok || len(lo) == 0 || len(lo) > 4 {
			continue
		}
		hi, _ := o[1].(str)
		r := codeRange{lo: number32(lo), hi: number32(hi), n: len(lo)}
		switch kind {
		case "codespacerange":
			m.spaces = append(m.spaces, r)
		case "bfchar":
			m.put(r.lo, o[1])
		case "bfrange":
			m.bfRange(r, o[2])
		case "cidchar":
			r.hi = r.lo
			r.cid, _ = o[1].(int)
			m.ranges = append(m.ranges, r)
		case "cidrange":
			r.cid, _ = o[2].(int)
			m.ranges = append(m.ranges, r)
		}
	}
}

func (m *cmap) put(c uint32, v any) {
	text := ""
	switch v := v.(type) {
	case str:
		text = cleanText(utf16BE(string(v)))
		if len(v) == 1 { // by writers that forget that it is UTF-16
			text = cleanText(string(rune(v[0])))
		}
	case name:
		text = glyphText(string(v))
	}
	m.texts[c] = text
	m.found = m.found || text != ""
}

// cleanText leaves out what is no character: NUL, and U+FFFD, by which writers say that they do not know.
func cleanText(s string) string {
	return strings.Map(func(r rune) rune {
		if r == 0 || r == 0xfffd || r == 0xfeff || r == 0xffff {
			return -1
		}
		return r
	}, s)
}

func (m *cmap) bfRange(r codeRange, v any) {
	switch v := v.(type) {
	case array:
		for i, x := range v {
			if r.lo+uint32(i) <= r.hi && len(m.texts) < maxMappings {
				m.put(r.lo+uint32(i), x)
			}
		}
	case str:
		if r.text = utf16BE(string(v)); r.text != "" {
			m.ranges = append(m.ranges, r)
			m.found = true
		}
	}
}

func number32(s str) uint32 {
	var n uint32
	for i := range len(s) {
		n = n<<8 | uint32(s[i])
	}
	return n
}

// lookup is the text of a code; a nil map has none.
func (m *cmap) lookup(c uint32, n int) (string, bool) {
	if m == nil || !m.found {
		return "", false
	}
	if text, ok := m.texts[c]; ok {
		return text, text != ""
	}
	r, ok := m.within(c, n)
	if !ok || r.text == "" {
		return "", false
	}
	units := utf16.Encode([]rune(r.text))
	units[len(units)-1] += uint16(c - r.lo)
	text := cleanText(string(utf16.Decode(units)))
	return text, text != ""
}

// cid is the CID of a code.
func (m *cmap) cid(c uint32, n int) (int, bool) {
	r, ok := m.within(c, n)
	if !ok {
		return 0, false
	}
	return r.cid + int(c-r.lo), true
}

// within finds the last range that begins at or before c, and holds it.
func (m *cmap) within(c uint32, n int) (codeRange, bool) {
	i := sort.Search(len(m.ranges), func(i int) bool { return m.ranges[i].lo > c })
	for tries := 0; i > 0 && tries < 8; tries++ { // ranges may stand within each other
		i--
		if r := m.ranges[i]; c <= r.hi && r.n == n {
			return r, true
		}
	}
	return codeRange{}, false
}

// length is how many bytes the first code of s has.
func (m *cmap) length(s string) int {
	for n := 1; n <= min(4, len(s)); n++ {
		for _, r := range m.spaces {
			if r.n == n && inSpace(s[:n], r) {
				return n
			}
		}
	}
	if len(m.spaces) > 0 {
		return m.spaces[0].n
	}
	return 2
}

// inSpace compares byte by byte, as code spaces are boxes, not intervals.
func inSpace(s string, r codeRange) bool {
	for i := range len(s) {
		shift := 8 * (len(s) - 1 - i)
		if s[i] < byte(r.lo>>shift) || s[i] > byte(r.hi>>shift) {
			return false
		}
	}
	return true
}

// charset is a predefined encoding whose codes are characters of a known set.
type charset interface {
	length(s string) int
	decode(s string) string
}

// multibyte has codes of one byte, or of two that begin with a byte that lead knows.
type multibyte struct {
	enc  encoding.Encoding
	lead func(byte) bool
}

func (m multibyte) length(s string) int {
	if m.lead(s[0]) {
		return 2
	}
	return 1
}

func (m multibyte) decode(s string) string {
	out, err := m.enc.NewDecoder().String(s)
	if err != nil {
		return ""
	}
	return out
}

// fixed has codes of n bytes, to which prepare may do something before they are decoded.
type fixed struct {
	enc     encoding.Encoding
	n       int
	prepare func(string) string
}

func (f fixed) length(s string) int {
	if f.n == 2 && f.prepare == nil && s[0] >= 0xd8 && s[0] <= 0xdb {
		return 4 // a surrogate pair of UTF-16
	}
	return f.n
}

func (f fixed) decode(s string) string {
	if f.prepare != nil {
		s = f.prepare(s)
	}
	out, err := f.enc.NewDecoder().String(s)
	if err != nil {
		return ""
	}
	return out
}

func high(b byte) bool { return b >= 0x81 && b <= 0xfe }
func sjisLead(b byte) bool {
	return b >= 0x81 && b <= 0x9f || b >= 0xe0 && b <= 0xfc
}

var (
	jis = fixed{japanese.EUCJP, 2, func(s string) string { // JIS X 0208 in seven bits
		b := []byte(s)
		for i := range b {
			b[i] |= 0x80
		}
		return string(b)
	}}
	utf16Set = fixed{unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), 2, nil}
	sjis     = multibyte{japanese.ShiftJIS, sjisLead}
	gbk      = multibyte{simplifiedchinese.GBK, high}
	big5     = multibyte{traditionalchinese.Big5, high}
	uhc      = multibyte{korean.EUCKR, high}
)

// charsets are the predefined CMaps (ISO 32000-2, table 116) without -H or -V. Those of 7-bit sets
// that golang.org/x/text lacks are missing, and so are their characters.
var charsets = map[string]charset{
	"UniGB-UCS2": utf16Set, "UniGB-UTF16": utf16Set, "UniCNS-UCS2": utf16Set, "UniCNS-UTF16": utf16Set,
	"UniJIS-UCS2": utf16Set, "UniJIS-UCS2-HW": utf16Set, "UniJIS-UTF16": utf16Set, "UniJIS2004-UTF16": utf16Set,
	"UniKS-UCS2": utf16Set, "UniKS-UTF16": utf16Set,
	"UniJIS-UTF32": fixed{utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM), 4, nil},
	"90ms-RKSJ":    sjis, "90msp-RKSJ": sjis, "90pv-RKSJ": sjis, "83pv-RKSJ": sjis, "Add-RKSJ": sjis, "Ext-RKSJ": sjis,
	"EUC":    multibyte{japanese.EUCJP, func(b byte) bool { return b == 0x8e || high(b) }},
	"GB-EUC": gbk, "GBK-EUC": gbk, "GBKp-EUC": gbk, "GBpc-EUC": gbk, "GBK2K": gbk,
	"B5pc": big5, "HKscs-B5": big5, "ETen-B5": big5, "ETenms-B5": big5,
	"KSC-EUC": uhc, "KSCms-UHC": uhc, "KSCms-UHC-HW": uhc, "KSCpc-EUC": uhc,
}
