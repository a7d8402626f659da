package bert

import (
	"bufio"
	"context"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"nearside/fault"
)

// specials are the names that stand for one token wherever a text contains
// them, spelled exactly so. The vocabulary must have all of them.
var specials = [...]string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}

// continuation marks the vocabulary's entries for the later pieces of a word.
const continuation = "##"

// tokenizer cuts texts into word pieces exactly as the reference does: clean,
// set ideographs apart, decompose, drop accents, lower case, split at spaces and
// punctuation, then take the longest known piece again and again.
//
// It is read-only once made, and needs memory only for the tokens it returns,
// whatever the length of a text.
type tokenizer struct {
	first   map[string]int32 // pieces that begin a word
	later   map[string]int32 // pieces that continue one, without their mark
	longest int              // characters of the longest piece
	unknown int32
	begin   int32 // [CLS]
	end     int32 // [SEP]
}

// longestLine bounds the lines of a vocabulary.
const longestLine = 1 << 12

// newTokenizer reads a vocabulary: one token a line, numbered from 0, size lines.
func newTokenizer(r io.Reader, size int) (*tokenizer, error) {
	t := &tokenizer{first: make(map[string]int32), later: make(map[string]int32)}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, longestLine), longestLine)
	n := 0
	for ; lines.Scan(); n++ {
		if n == size {
			return nil, fault.New(fault.Corrupt, "the vocabulary has more than the %d tokens that the configuration names", size)
		}
		t.learn(lines.Text(), int32(n))
	}
	if err := lines.Err(); err != nil {
		return nil, fault.New(fault.Corrupt, "the vocabulary cannot be read at line %d", n+1).Because(err)
	}
	if n != size {
		return nil, fault.New(fault.Corrupt, "the vocabulary has %d tokens; the configuration names %d", n, size)
	}
	for _, s := range specials {
		if _, ok := t.first[s]; !ok {
			return nil, fault.New(fault.Corrupt, "the vocabulary has no token %s", s)
		}
	}
	t.unknown, t.begin, t.end = t.first["[UNK]"], t.first["[CLS]"], t.first["[SEP]"]
	return t, nil
}

func (t *tokenizer) learn(piece string, id int32) {
	if tail, ok := strings.CutPrefix(piece, continuation); ok && tail != "" {
		t.later[tail] = id
		t.longest = max(t.longest, utf8.RuneCountInString(tail))
	}
	t.first[piece] = id // "##able" begins no word, because "#" is a word of its own
	t.longest = max(t.longest, utf8.RuneCountInString(piece))
}

// tokens is the outcome of reading one text.
type tokens struct {
	ids   []int32 // at most the window, with [CLS] and [SEP]
	total int     // how many the whole text has, with [CLS] and [SEP]
}

// encode reads a text of any length and keeps the first tokens, so many that
// they fit the window with [CLS] and [SEP]. It stops early when ctx ends.
func (t *tokenizer) encode(ctx context.Context, text string, window int) (tokens, error) {
	s := scan{tokenizer: t, room: window - 1, out: tokens{ids: make([]int32, 0, min(window, 2+len(text)))}}
	s.emit(t.begin)
	if err := s.text(ctx, text); err != nil {
		return tokens{}, err
	}
	s.out.ids = append(s.out.ids, t.end)
	s.out.total++
	return s.out, nil
}

// count returns how many tokens a text has, with [CLS] and [SEP].
func (t *tokenizer) count(ctx context.Context, text string) (int, error) {
	read, err := t.encode(ctx, text, 2)
	return read.total, err
}

// scan is one reading of a text.
type scan struct {
	*tokenizer
	word  word
	parts []part // of the character being read
	bytes []byte // the word in UTF-8
	ends  []int  // where each of its characters ends there
	out   tokens
	room  int // how many tokens may be kept
}

// emit counts a token, and keeps it while there is room.
func (s *scan) emit(id int32) {
	s.out.total++
	if len(s.out.ids) < s.room {
		s.out.ids = append(s.out.ids, id)
	}
}

// stride is how many bytes are read between two looks at the context: some milliseconds.
const stride = 1 << 16

func (s *scan) text(ctx context.Context, text string) error {
	for look, i := 0, 0; i < len(text); {
		if i >= look {
			if err := ctx.Err(); err != nil {
				return err
			}
			look = i + stride
		}
		c := text[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(text[i:])
			s.character(r)
			i += size
			continue
		}
		if c == '[' {
			if name := specialAt(text[i:]); name != "" {
				s.flush()
				s.emit(s.first[name])
				i += len(name)
				continue
			}
		}
		s.character(rune(c))
		i++
	}
	s.flush()
	return nil
}

// specialAt returns the special token that text begins with, or "".
func specialAt(text string) string {
	for _, name := range specials {
		if strings.HasPrefix(text, name) {
			return name
		}
	}
	return ""
}

// character reads one character. Bytes that are no UTF-8 arrive as U+FFFD, which is removed.
func (s *scan) character(r rune) {
	if r < utf8.RuneSelf {
		switch ascii[r] {
		case space:
			s.flush()
		case separator:
			s.alone(r)
		case letter:
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			s.word.add(r)
		}
		return
	}
	switch classify(r) {
	case removed:
	case space:
		s.flush()
	case separator:
		s.flush()
		s.letters(r)
		s.flush()
	case letter:
		s.letters(r)
	}
}

// letters adds a character's decomposition to the word, without accents, in lower case.
func (s *scan) letters(r rune) {
	s.parts = decompose(s.parts[:0], r)
	for _, p := range s.parts {
		switch accent := unicode.Is(accents, p.r); {
		case accent && p.combining == 0:
			s.word.endBlock()
		case accent:
		case p.combining > 0:
			s.word.addMark(p.r, p.combining)
		case unicode.Is(punctuation, p.r): // U+2260, not equal, is an equals sign with an accent
			s.alone(p.r)
		default:
			s.word.add(unicode.ToLower(p.r))
		}
	}
}

// alone emits a character that is a word of its own.
func (s *scan) alone(r rune) {
	s.flush()
	s.word.add(r)
	s.flush()
}

// flush ends the word being read and emits its pieces.
func (s *scan) flush() {
	if len(s.word.runes) == 0 {
		s.word.reset()
		return
	}
	if s.word.over || !s.pieces() {
		s.emit(s.unknown)
	}
	s.word.reset()
}

// pieces emits the word's pieces, longest first from the left; nothing and false
// if some part of it is in no piece.
func (s *scan) pieces() bool {
	s.bytes, s.ends = s.bytes[:0], s.ends[:0]
	for _, r := range s.word.runes {
		s.bytes = utf8.AppendRune(s.bytes, r)
		s.ends = append(s.ends, len(s.bytes))
	}
	var found [longestWord]int32
	n, start, from := 0, 0, 0 // pieces; characters and bytes they cover
	vocabulary := s.first
	for start < len(s.ends) {
		end := min(len(s.ends), start+s.longest)
		for ; end > start; end-- {
			if id, ok := vocabulary[string(s.bytes[from:s.ends[end-1]])]; ok {
				found[n] = id
				break
			}
		}
		if end == start {
			return false
		}
		n, start, from = n+1, end, s.ends[end-1]
		vocabulary = s.later
	}
	for _, id := range found[:n] {
		s.emit(id)
	}
	return true
}
