package layout

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"nearside/doc"
)

const (
	runningPages  = 6   // a running line is looked for on so many pages before and after
	runningTimes  = 3   // and must be on so many of them, itself included
	runningOffset = 4.0 // points that it may move between them
)

var (
	numbers = regexp.MustCompile(`\d+`)
	roman   = regexp.MustCompile(`^[ivxlc]+$|\b[ivxlc]+$|^[ivxlc]+\b`)
)

// runningKeys is what a running line has in common with its likes: all of it, or all but numbers of which the first or the last
// grows with the pages, as page numbers do and those of chapters do not.
func runningKeys(l line) []string {
	exact := strings.ToLower(strings.TrimSpace(l.text))
	if !numbers.MatchString(exact) {
		return []string{roman.ReplaceAllString(exact, "#")}
	}
	all := numbers.FindAllString(exact, -1)
	but := numbers.ReplaceAllString(exact, "#")
	keys := []string{exact}
	for _, s := range []string{all[0], all[len(all)-1]} {
		if n, err := strconv.Atoi(s); err == nil {
			keys = append(keys, fmt.Sprintf("%s\n%d", but, n-l.page))
		}
	}
	return keys
}

// leaveOutRunning marks headers and footers: lines at the same place at the edge of several pages near
// each other that say the same but for the number of the page.
func (t *text) leaveOutRunning() {
	type place struct {
		page int
		base float64
	}
	seen := map[string][]place{}
	for _, l := range t.lines {
		if l.edge == 0 {
			continue
		}
		for _, key := range runningKeys(l) {
			seen[key] = append(seen[key], place{l.page, l.base})
		}
	}
	for i := range t.lines {
		l := &t.lines[i]
		if l.edge == 0 {
			continue
		}
		for _, key := range runningKeys(*l) {
			near := map[int]bool{}
			from, _ := slices.BinarySearchFunc(seen[key], l.page-runningPages, func(p place, page int) int { return cmp.Compare(p.page, page) })
			for _, p := range seen[key][from:] {
				if p.page > l.page+runningPages {
					break
				}
				if math.Abs(p.base-l.base) <= runningOffset {
					near[p.page] = true
				}
			}
			l.running = l.running || len(near) >= runningTimes
		}
	}
	t.keepInner()
	count, example, chars, all := 0, "", 0, 0
	for _, l := range t.lines {
		all += len(l.text)
		if l.running {
			count++
			chars += len(l.text)
			if len(example) < 8 { // a page number is a poor example
				example = l.text
			}
		}
	}
	if 2*chars > all { // what is most of the text is the text
		for i := range t.lines {
			t.lines[i].running = false
		}
		return
	}
	if count > 0 {
		t.notes.Note(fmt.Sprintf("left out %d running headers, footers and page numbers, such as %q", count, clip(example, 60)))
	}
}

// keepInner takes back what stands further in than a line that stays: a table's header on each page.
func (t *text) keepInner() {
	stays := map[[2]int]int{} // page and edge (top or foot) → the outermost line that stays
	for _, l := range t.lines {
		if l.edge != 0 && !l.running {
			k := [2]int{l.page, sign(l.edge)}
			if v, ok := stays[k]; !ok || abs(l.edge) < v {
				stays[k] = abs(l.edge)
			}
		}
	}
	for i := range t.lines {
		l := &t.lines[i]
		if v, ok := stays[[2]int{l.page, sign(l.edge)}]; l.running && ok && abs(l.edge) > v {
			l.running = false
		}
	}
}

func sign(n int) int { return cmp.Compare(n, 0) }
func abs(n int) int  { return max(n, -n) }

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

// style is how the document's type is set.
type style struct {
	body    float64   // size of most characters
	sizes   []float64 // of headings, the largest first
	boldRun bool      // bold marks headings: little else is bold
}

// headingSize is how much larger than the body type a heading's must be.
const headingSize = 1.12

func styleOf(lines []line) style {
	chars := map[float64]int{}
	bold, all := 0, 0
	for _, l := range lines {
		if l.running {
			continue
		}
		n := utf8.RuneCountInString(l.text)
		chars[half(l.size)] += n
		all += n
		if l.bold {
			bold += n
		}
	}
	s := style{body: mostly(chars), boldRun: bold*4 < all}
	for size := range maps.Keys(chars) {
		if size >= s.body*headingSize {
			s.sizes = append(s.sizes, size)
		}
	}
	slices.SortFunc(s.sizes, func(a, b float64) int { return cmp.Compare(b, a) })
	return s
}

func half(size float64) float64 { return math.Round(2*size) / 2 }

// wordsOf counts the words of a document that stand within a line, by which a hyphen at a line's end is judged.
func wordsOf(lines []line) map[string]bool {
	known := map[string]bool{}
	for _, l := range lines {
		for w := range strings.FieldsSeq(l.text) {
			w = strings.ToLower(strings.TrimFunc(w, func(r rune) bool { return !unicode.IsLetter(r) }))
			if w != "" && len(known) < 1<<20 {
				known[w] = true
			}
		}
	}
	return known
}

// blocks joins lines into blocks.
type blocks struct {
	out   doc.Builder
	style style
	known map[string]bool
	block []*line // the lines of the open block
	kind  doc.Kind
	label string // of an item
}

var (
	bullet = regexp.MustCompile(`^(?:[•‣◦▪●○■□➢►✓]\s*|[–·∗*-]\s+)(\S)`)
	number = regexp.MustCompile(`^(\(?(\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)])\s+\S`)
)

func (b *blocks) add(l *line) {
	if strings.TrimSpace(l.text) == "" {
		return
	}
	if len(b.block) > 0 && b.continues(l) {
		b.block = append(b.block, l)
		return
	}
	b.close()
	b.block = append(b.block, l)
	b.kind, b.label = doc.Paragraph, ""
	switch {
	case l.mono && b.style.body > 0:
		b.kind = doc.Code
	case bullet.MatchString(l.text):
		b.kind = doc.Item
	case number.MatchString(l.text) && !b.heading(l):
		b.kind, b.label = doc.Item, number.FindStringSubmatch(l.text)[1]
	case b.heading(l):
		b.kind = doc.Heading
	}
}

// heading reports whether a line is set as a heading is: larger than the text, or bold where little else is.
func (b *blocks) heading(l *line) bool {
	if !hasLetter(l.text) || utf8.RuneCountInString(l.text) > 200 {
		return false
	}
	if half(l.size) >= b.style.body*headingSize {
		return true
	}
	last, _ := utf8.DecodeLastRuneInString(l.text)
	return l.bold && b.style.boldRun && l.size >= 0.95*b.style.body && !strings.ContainsRune(".,;:", last) && utf8.RuneCountInString(l.text) <= 100
}

// continues reports whether a line belongs to the open block.
func (b *blocks) continues(l *line) bool {
	last := b.block[len(b.block)-1]
	if b.kind == doc.Code {
		return l.mono && (l.page != last.page || l.region != last.region || last.base-l.base < 3*max(l.size, last.size))
	}
	if l.mono || l.turn != last.turn || math.Abs(l.size-last.size) > 0.12*max(l.size, last.size) || startsItem(l.text) {
		return false
	}
	if l.row != last.row || b.kind == doc.Item && l.left < b.block[0].left-0.5*l.size && l.region == b.block[0].region {
		return false
	}
	if l.page == last.page && l.region != last.region && last.base-l.base > 1.75*l.size {
		return false // below it, behind a gap; a column goes on above where the one before it ended
	}
	if l.page != last.page || l.region != last.region {
		return !l.row && b.kind != doc.Heading && b.unfinished(last) && startsLower(l.text)
	}
	pitch := last.base - l.base
	if b.kind == doc.Heading || b.heading(l) {
		return b.kind == doc.Heading && b.heading(l) && l.bold == last.bold && pitch < 1.5*l.size && len(b.block) < 4
	}
	if pitch > 1.75*l.size || pitch < 0 {
		return false
	}
	if n := len(b.block); n >= 2 && b.block[n-2].region == last.region && b.block[n-2].page == last.page {
		if usual := b.block[n-2].base - last.base; pitch > 1.25*usual+0.5 {
			return false
		}
	}
	return l.row || !b.indented(last, l)
}

func startsItem(s string) bool { return bullet.MatchString(s) || number.MatchString(s) }

// indented reports whether l begins a paragraph by standing further in than the line before, which began at the margin. The
// second line of a list's item, or of a hanging indent, is no beginning.
func (b *blocks) indented(last, l *line) bool {
	in := l.left - last.left
	if b.kind == doc.Item {
		return in < -0.8*l.size && !b.unfinished(last)
	}
	if len(b.block) == 1 || in < 0.8*l.size || in > 5*l.size {
		return in < -5*l.size && !b.unfinished(last)
	}
	return !b.unfinished(last) || last.right < l.right-2*l.size
}

// unfinished reports whether a line ends within a sentence.
func (b *blocks) unfinished(l *line) bool {
	last, _ := utf8.DecodeLastRuneInString(strings.TrimRight(l.text, ` "'”’)»]`))
	return !strings.ContainsRune(".!?:;。！？।", last)
}

func startsLower(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsLower(r) || unicode.Is(unicode.Han, r) || unicode.Is(unicode.Hiragana, r) || unicode.Is(unicode.Katakana, r) || rightToLeft(string(r))
}

// close writes the open block.
func (b *blocks) close() {
	if len(b.block) == 0 {
		return
	}
	level := 0
	switch b.kind {
	case doc.Heading:
		level = b.level(b.block[0])
	case doc.Item:
		level = 1
	}
	label := ""
	if b.kind == doc.Item {
		label = b.label
	}
	b.out.Begin(b.kind, level, label)
	margin := math.Inf(1)
	for _, l := range b.block {
		margin = min(margin, l.left)
	}
	for i, l := range b.block {
		text := l.text
		skip := 0
		if i == 0 && b.kind == doc.Item {
			skip = b.marker(text)
		}
		if i > 0 {
			b.join(b.block[i-1], l)
		}
		if b.kind == doc.Code && len(text) > 0 {
			if n := indent(l, margin); n > 0 {
				b.write(l, strings.Repeat(" ", n), l.sources[0].span.From, l.sources[0].span.To)
			}
		}
		end := len(text)
		if i+1 < len(b.block) && b.kind != doc.Code && b.mends(l, b.block[i+1]) {
			_, size := utf8.DecodeLastRuneInString(text)
			end -= size
		}
		b.line(l, skip, end)
	}
	b.block = b.block[:0]
}

// marker is the length of an item's bullet or number with the space behind it.
func (b *blocks) marker(text string) int {
	if m := bullet.FindStringSubmatchIndex(text); m != nil {
		return m[2]
	}
	return len(b.label) + len(text[len(b.label):]) - len(strings.TrimLeft(text[len(b.label):], " "))
}

// indent is how many of its own characters a line of code stands to the right of the margin.
func indent(l *line, margin float64) int {
	n := utf8.RuneCountInString(l.text)
	if n == 0 || l.right <= l.left {
		return 0
	}
	return min(max(int(math.Round((l.left-margin)/((l.right-l.left)/float64(n)))), 0), 80)
}

// line writes a line's text from start to end with its origins.
func (b *blocks) line(l *line, start, end int) {
	at := start
	for _, s := range l.sources {
		if stop := min(s.end, end); stop > at {
			b.write(l, l.text[at:stop], s.span.From, s.span.To)
			at = stop
		}
	}
}

func (b *blocks) write(l *line, text string, from, to int64) {
	b.out.Add(text, doc.Origin{From: from, To: to, Page: l.page})
}

// join writes what stands between two lines: a line's end in code; a space, but none where a hyphen was mended or where
// the script has none.
func (b *blocks) join(last, l *line) {
	between := " "
	switch {
	case b.kind == doc.Code, l.row:
		between = "\n"
	case b.mends(last, l) || hyphenated(last.text) || unspaced(last.text, l.text):
		return
	}
	s := last.sources[len(last.sources)-1].span
	b.write(last, between, s.From, s.To)
}

// hyphenated reports whether a line ends with a letter and a hyphen.
func hyphenated(s string) bool {
	last, size := utf8.DecodeLastRuneInString(s)
	before, _ := utf8.DecodeLastRuneInString(s[:len(s)-size])
	return (last == '-' || last == '‐' || last == '\u00ad') && unicode.IsLetter(before)
}

// mends reports whether the hyphen at the end of a line goes: the next line begins with a small letter, and the
// document does not write the word with a hyphen elsewhere.
func (b *blocks) mends(last, l *line) bool {
	if !hyphenated(last.text) {
		return false
	}
	next, _ := utf8.DecodeRuneInString(l.text)
	if strings.HasSuffix(last.text, "\u00ad") {
		return true
	}
	if !unicode.IsLower(next) {
		return false
	}
	letters := func(r rune) bool { return !unicode.IsLetter(r) && r != '-' }
	head := last.text[strings.LastIndex(last.text, " ")+1:]
	tail, _, _ := strings.Cut(l.text, " ")
	whole := strings.ToLower(strings.TrimFunc(head+tail, letters))
	closed := strings.ReplaceAll(strings.ReplaceAll(whole, "-", ""), "‐", "")
	return b.known[closed] || !b.known[whole]
}

// unspaced reports whether two lines belong to a script that sets no spaces between words.
func unspaced(a, b string) bool {
	last, _ := utf8.DecodeLastRuneInString(a)
	next, _ := utf8.DecodeRuneInString(b)
	return wide(last) && wide(next)
}

// wide reports whether r is of a script without spaces, or of its punctuation. Korean has spaces.
func wide(r rune) bool {
	return unicode.Is(unicode.Han, r) || unicode.Is(unicode.Hiragana, r) || unicode.Is(unicode.Katakana, r) || unicode.Is(unicode.Thai, r) ||
		r >= 0x3000 && r <= 0x303f || r >= 0xff00 && r <= 0xff65
}

// level ranks a heading by its size; bold ones of the text's own size come after all larger ones.
func (b *blocks) level(l *line) int {
	i := slices.Index(b.style.sizes, half(l.size))
	if i < 0 {
		i = len(b.style.sizes)
	}
	return min(i+1, 6)
}
