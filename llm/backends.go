package llm

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"time"
)

// Server is a program that runs models, as the section backends describes it.
// What is 0 there is left to the package that talks to it.
type Server struct {
	Name          Kind          // what models call it
	Kind          Kind          // Ollama or OpenAI: how it is spoken to
	URL           string        // without a path for Ollama, with the /v1 for OpenAI
	KeyEnv        string        // the environment variable that holds its key; "" = it needs none
	Concurrency   int           // calls at once
	Queue         int           // calls that may wait for their turn
	FirstByte     time.Duration // how long it may take until the answer begins, loading the model included
	BetweenTokens time.Duration // how long it may be silent after that
	Enabled       bool
}

// serverEntry is a backend as a catalogue file writes it.
type serverEntry struct {
	Name          Kind          `yaml:"name"`
	Kind          Kind          `yaml:"kind"`
	URL           string        `yaml:"url"`
	KeyEnv        string        `yaml:"key_env"`
	Concurrency   int           `yaml:"concurrency"`
	Queue         int           `yaml:"queue"`
	FirstByte     time.Duration `yaml:"first_byte"`
	BetweenTokens time.Duration `yaml:"between_tokens"`
	Enabled       *bool         `yaml:"enabled"` // not said: if there is a URL
}

// Limits of a backend's figures. Beyond them is a slip of the pen.
const (
	maxConcurrency = 10_000
	maxQueue       = 100_000
	maxSilence     = time.Hour
)

// variable is the name of an environment variable. A key itself, written there
// by mistake, hardly ever looks like one.
var variable = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

func (l *loader) addServers() error {
	for _, e := range l.serversRead {
		var s serverEntry
		if err := e.decode(&s); err != nil {
			return err
		}
		if err := s.check(e); err != nil {
			return err
		}
		enabled := s.URL != ""
		if s.Enabled != nil {
			enabled = *s.Enabled
		}
		l.servers = append(l.servers, Server{s.Name, s.Kind, s.URL, s.KeyEnv, s.Concurrency, s.Queue, s.FirstByte, s.BetweenTokens, enabled})
	}
	return nil
}

func (s serverEntry) check(e *entry) error {
	if s.Name == Builtin {
		return e.at("name").wrong("the backend %q is in the program and cannot be described", s.Name)
	}
	if s.Kind != Ollama && s.Kind != OpenAI {
		return e.at("kind").wrong("backend %q is of kind %q; it can be %s or %s", s.Name, s.Kind, Ollama, OpenAI)
	}
	if s.URL == "" && s.Enabled != nil && *s.Enabled {
		return e.at("enabled").wrong("backend %q is enabled and has no url", s.Name)
	}
	if s.URL != "" {
		// The URL itself is not repeated: it may hold a password.
		at, err := url.Parse(s.URL)
		if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" || at.RawQuery != "" || at.Fragment != "" {
			return e.at("url").wrong("backend %q needs a url such as http://127.0.0.1:11434", s.Name)
		}
		if at.User != nil {
			return e.at("url").wrong("backend %q has a name or password in its url; put the key into an environment variable and name that as key_env", s.Name)
		}
	}
	if s.KeyEnv != "" && !variable.MatchString(s.KeyEnv) {
		return e.at("key_env").wrong("backend %q: key_env is the name of an environment variable, such as OPENAI_API_KEY, not the key", s.Name)
	}
	return s.checkFigures(e)
}

func (s serverEntry) checkFigures(e *entry) error {
	for key, limit := range map[string]struct{ is, most int }{"concurrency": {s.Concurrency, maxConcurrency}, "queue": {s.Queue, maxQueue}} {
		if limit.is < 0 || limit.is > limit.most {
			return e.at(key).wrong("backend %q: %s is %d; it can be 0 to %d", s.Name, key, limit.is, limit.most)
		}
	}
	for key, silence := range map[string]time.Duration{"first_byte": s.FirstByte, "between_tokens": s.BetweenTokens} {
		if silence < 0 || silence > maxSilence {
			return e.at(key).wrong("backend %q: %s is %s; it can be 0s to %s", s.Name, key, silence, maxSilence)
		}
	}
	return nil
}

// hasServer reports whether there is a backend with the name.
func (l *loader) hasServer(name Kind) bool {
	return slices.ContainsFunc(l.servers, func(s Server) bool { return s.Name == name })
}

// serverNames lists what a model's backend may be, for messages.
func (l *loader) serverNames() string {
	names := string(Builtin)
	for _, s := range l.servers {
		names += fmt.Sprintf(", %s", s.Name)
	}
	return names
}
