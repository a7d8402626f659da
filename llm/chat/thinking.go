package chat

import "strings"

// The marks that models put around what they think.
const (
	thinkBegins = "<think>"
	thinkEnds   = "</think>"
)

// thinking parts an answer that begins with <think>…</think> into what was
// thought and what is said. White space around the marks belongs to neither. An
// answer that begins otherwise is all said; marks further on are left alone.
//
// NOTE: some templates put <think> into the prompt, and the answer has only
// </think>. In a stream that cannot be known before it comes, so it is not
// looked for; backends that know the template tell the two apart themselves.
type thinking struct {
	state thought
	held  string // what may be a part of a mark, or white space beside one
}

// thought says how far an answer has come.
type thought uint8

const (
	unbegun  thought = iota // nothing but white space, or a part of <think>, so far
	entering                // after <think>, before the first character of what is thought
	inside                  // in what is thought
	leaving                 // after </think>, before the first character of what is said
	speaking                // in what is said
)

// add takes a part of the answer, and returns what of it was thought and what is said.
func (t *thinking) add(s string) (thoughts, said string) {
	if t.state == speaking {
		return "", s
	}
	s, t.held = t.held+s, ""
	if t.state == unbegun {
		s = t.begin(s)
	}
	s = t.pass(entering, s)
	if t.state == inside {
		thoughts, s = t.think(s)
	}
	s = t.pass(leaving, s)
	if t.state == speaking {
		said = s
	}
	return thoughts, said
}

// begin decides whether an answer begins with thinking, and returns what to go on with.
func (t *thinking) begin(s string) string {
	switch trimmed := trimLeft(s); {
	case strings.HasPrefix(trimmed, thinkBegins):
		t.state = entering
		return trimmed[len(thinkBegins):]
	case strings.HasPrefix(thinkBegins, trimmed): // as yet
		t.held = s
		return ""
	default:
		t.state = speaking
		return s
	}
}

// pass leaves the state before a text at the text's first character.
func (t *thinking) pass(before thought, s string) string {
	if t.state != before {
		return s
	}
	if s = trimLeft(s); s != "" {
		t.state++
	}
	return s
}

// think returns what of s was surely thought, and what follows the thinking.
func (t *thinking) think(s string) (thoughts, rest string) {
	if before, after, ends := strings.Cut(s, thinkEnds); ends {
		t.state = leaving
		return trimRight(before), after
	}
	sure := trimRight(s[:len(s)-partOf(thinkEnds, s)])
	t.held = s[len(sure):]
	return sure, ""
}

// end returns what was held back.
func (t *thinking) end() (thoughts, said string) {
	held := t.held
	t.held = ""
	if t.state == inside {
		return trimRight(held), ""
	}
	return "", held
}

// partOf returns how long an end of s is with which the mark begins, but no more of it.
func partOf(mark, s string) int {
	for n := min(len(mark)-1, len(s)); n > 0; n-- {
		if strings.HasSuffix(s, mark[:n]) {
			return n
		}
	}
	return 0
}

const blanks = " \t\r\n"

func trimLeft(s string) string  { return strings.TrimLeft(s, blanks) }
func trimRight(s string) string { return strings.TrimRight(s, blanks) }
