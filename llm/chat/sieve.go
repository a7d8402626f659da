package chat

import "nearside/fault"

// Sieve makes of the pieces that a backend yields those that callers are told:
// whole characters, thinking apart from the answer, calls that were written as
// text as calls, and each call with an id and an object of arguments. Streams and
// objects are both made of its pieces, so they say the same.
type Sieve struct {
	request          string // for the ids of calls
	single           bool   // one call an answer
	content, thought runes
	thinking         *thinking  // nil: thinking is not in the text
	textCalls        *textCalls // nil: there are no tools
	calls            int
}

// NewSieve returns a sieve for one answer to q. The id is the request's.
// Reasoning says that the model's thinking, if it stands in the text, is to be
// taken out of it.
func NewSieve(q *Request, id string, reasoning bool) *Sieve {
	s := &Sieve{request: id, textCalls: newTextCalls(q)}
	s.single = q.ParallelTools != nil && !*q.ParallelTools
	if reasoning {
		s.thinking = &thinking{}
	}
	return s
}

// Piece takes a piece of the backend's, and returns what can be told now, which
// may be nothing. The error is a fault of the model's: a call without an object
// of arguments.
func (s *Sieve) Piece(p Piece) (Piece, error) {
	return s.pass(Piece{s.content.add(p.Content), s.thought.add(p.Reasoning), p.ToolCalls})
}

// pass takes a piece of whole characters through the rest.
func (s *Sieve) pass(p Piece) (Piece, error) {
	calls := p.ToolCalls
	p.ToolCalls = nil
	if s.thinking != nil {
		thoughts, said := s.thinking.add(p.Content)
		p.Reasoning += thoughts
		p.Content = said
	}
	if s.textCalls != nil {
		text, written := s.textCalls.add(p.Content)
		p.Content = text
		calls = append(calls[:len(calls):len(calls)], written...)
	}
	return p, s.call(&p, calls)
}

// End returns what was held back, and the end of the answer with the reason that holds now.
func (s *Sieve) End(e End) (Piece, End, error) {
	p, err := s.pass(Piece{Content: s.content.end(), Reasoning: s.thought.end()})
	if err != nil {
		return Piece{}, e, err
	}
	var calls []ToolCall
	if s.thinking != nil {
		thoughts, said := s.thinking.end()
		p.Reasoning += thoughts
		if s.textCalls != nil {
			said, calls = s.textCalls.add(said)
		}
		p.Content += said
	}
	if s.textCalls != nil {
		text, written := s.textCalls.end()
		p.Content += text
		calls = append(calls, written...)
	}
	err = s.call(&p, calls)
	switch {
	case s.calls > 0 && e.Reason != Length:
		e.Reason = CalledTools
	case s.calls == 0 && e.Reason != Length:
		e.Reason = Stopped
	}
	return p, e, err
}

// call adds calls to a piece, each with an id and an object of arguments.
func (s *Sieve) call(p *Piece, calls []ToolCall) error {
	for _, call := range calls {
		if s.single && s.calls > 0 {
			return nil
		}
		given, ok := arguments(call.Arguments)
		if !ok {
			return fault.For(ReasonToolCall,
				"AiError: the model called a tool with arguments that are no JSON object. Ask again, or use a model that is better at calling tools")
		}
		call.Arguments = given
		if call.ID == "" {
			call.ID = callID(s.request, s.calls)
		}
		s.calls++
		p.ToolCalls = append(p.ToolCalls, call)
	}
	return nil
}
