package llm

import (
	"context"
	"fmt"
	"sync"

	"nearside/llm/backend"
)

// Survey knows what every backend has, as it was when they were asked.
type Survey struct {
	fleet *fleet
	lists map[Kind]listing
}

// listing is what one backend said.
type listing struct {
	found []backend.Found
	err   error
}

// Survey asks every backend once what it has.
func (r *Router) Survey(ctx context.Context) *Survey { return r.fleet.Load().survey(ctx) }

func (f *fleet) survey(ctx context.Context) *Survey {
	s := &Survey{fleet: f, lists: map[Kind]listing{}}
	var asking sync.WaitGroup
	var mu sync.Mutex // guards s.lists
	for name, server := range f.servers {
		asking.Go(func() {
			found, err := server.List(ctx)
			mu.Lock()
			defer mu.Unlock()
			s.lists[name] = listing{found, err}
		})
	}
	asking.Wait()
	return s
}

// Serves reports who would answer for a model in an account that has not used it
// before, and who was passed over; or what is missing.
func (s *Survey) Serves(m *Model) (by By, missing error) {
	if m.Auto {
		return s.servesAuto(m, Ask{Task: m.Task})
	}
	by = By{Model: m.ID}
	if err := m.Unserved(); err != nil {
		return by, err
	}
	for _, b := range m.Backends {
		if !s.fleet.has(b) {
			continue
		}
		if err := s.lacks(m, b); err != nil {
			by.Skipped = append(by.Skipped, Skipped{b, err})
			continue
		}
		return by.answered(b), nil
	}
	if stand, err := s.standsIn(m); err == nil {
		by.Served, by.Backend, by.Route = stand.Served, stand.Backend, Substitute
		return by, nil
	}
	return by, nothingHere(m, by.Skipped)
}

// standsIn reports who would do m's task in words.
func (s *Survey) standsIn(m *Model) (By, error) {
	other, err := s.fleet.catalogue.Model(m.StandIn)
	switch {
	case err != nil:
		return By{}, err
	case !other.Auto:
		return s.Serves(other)
	}
	ask := Ask{Task: m.Task}
	if m.Task.looks() {
		ask.Needs = []Ability{Vision}
	}
	return s.servesAuto(other, ask)
}

// servesAuto reports who would answer a short question to @nearside/auto.
func (s *Survey) servesAuto(m *Model, ask Ask) (By, error) {
	for _, choice := range s.fleet.catalogue.Choices(ask) {
		if by, err := s.Serves(choice.Model); err == nil {
			by.Model = m.ID
			return by, nil
		}
	}
	return By{Model: m.ID}, nothingHere(m, nil)
}

// lacks returns what keeps a backend from answering for m; nil if nothing does.
func (s *Survey) lacks(m *Model, b Backend) error {
	if b.Kind == Builtin {
		if s.fleet.builtin[b.Model] == nil {
			return errNoWeights
		}
		return nil
	}
	if !does(s.fleet.servers[b.Kind], m) {
		return unable(b, m)
	}
	list := s.lists[b.Kind]
	if list.err != nil {
		return list.err
	}
	for _, f := range list.found {
		if f.Name == b.Model || f.Name == b.Model+":latest" {
			return nil
		}
	}
	return &backend.Error{Backend: string(b.Kind), Model: b.Model, Kind: backend.Missing, Message: fmt.Sprintf("%s has no model %s", b.Kind, b.Model)}
}

// does reports whether a backend has the capability that a model's task needs,
// its own or the one of the adapter that does the task in words.
func does(b backend.Backend, m *Model) bool {
	_, chats := backend.As[backend.Chatter](b)
	_, embeds := backend.As[backend.Embedder](b)
	switch m.Task {
	case Embeddings:
		return embeds
	case SpeechRecognition:
		_, can := backend.As[backend.Transcriber](b)
		return can
	case TextToSpeech:
		_, can := backend.As[backend.Speaker](b)
		return can
	case TextToImage:
		_, can := backend.As[backend.Painter](b)
		return can
	case Classification:
		_, ranks := backend.As[backend.Ranker](b)
		return chats || ranks
	case TextGeneration, Translation, Summarization, ImageToText:
		return chats
	}
	return false
}
