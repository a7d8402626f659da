package llm

import (
	"errors"
	"fmt"
	"strings"

	"nearside/fault"
	"nearside/llm/backend"
)

// Reasons of the faults of backends.
const (
	ReasonBusy    fault.Reason = "model_busy"    // every backend of the model has all the calls it takes
	ReasonSlow    fault.Reason = "model_slow"    // nothing came in time
	ReasonBroken  fault.Reason = "model_broken"  // the backend answered with a fault of its own
	ReasonRefused fault.Reason = "model_refused" // the backend does not take the input
	ReasonUnable  fault.Reason = "model_unable"  // no backend here does such a thing
)

// failed is the fault of a call that one backend ended.
func failed(m *Model, e *backend.Error) error {
	f := &fault.Error{Kind: fault.Unavailable, Reason: ReasonBroken, Message: fmt.Sprintf("%s: %s, which answers for it, failed: %s", m.ID, e.Backend, e.Message)}
	switch e.Kind {
	case backend.Refused:
		f.Kind, f.Reason = fault.Invalid, ReasonRefused
		f.Message = fmt.Sprintf("AiError: Bad input: Error: %s does not take it for %s: %s", e.Backend, m.ID, e.Message)
	case backend.Busy:
		f.Kind, f.Reason = fault.Busy, ReasonBusy
		f.Message = fmt.Sprintf("Capacity temporarily exceeded, please try again. (%s, which answers for %s: %s)", e.Backend, m.ID, e.Message)
	case backend.Slow:
		f.Kind, f.Reason = fault.Canceled, ReasonSlow
	case backend.Unable:
		f.Kind, f.Reason = fault.Unsupported, ReasonUnable
	case backend.Missing, backend.Unreachable:
		f.Reason = ReasonNoBackend
	}
	f.RetryAfter = e.RetryAfter
	return f.Because(e)
}

// telling ranks kinds of errors by how much they say about a call that nobody
// answered: one that is busy may answer in a moment, one that lacks the model will not.
var telling = []backend.Kind{backend.Busy, backend.Slow, backend.Broken, backend.Unreachable, backend.Unable, backend.Missing}

// nobody is the fault of a call that no backend here answered.
func nobody(m *Model, skipped []Skipped) error {
	for _, kind := range telling[:3] {
		for _, s := range skipped {
			var e *backend.Error
			if errors.As(s.Why, &e) && e.Kind == kind {
				return failed(m, e)
			}
		}
	}
	return nothingHere(m, skipped)
}

// wayOut ends the message of a model that nothing answers for.
const wayOut = ". `nearside models list` shows which models answer, and what the others lack"

// nothingHere is the fault of a model that no backend here can answer for. It
// names those that could.
func nothingHere(m *Model, skipped []Skipped) error {
	tried := ""
	if len(skipped) > 0 {
		why := make([]string, len(skipped))
		for i, s := range skipped {
			why[i] = s.String()
		}
		tried = ". Of those that are set up: " + strings.Join(why, "; ")
	}
	return &fault.Error{Kind: fault.Unavailable, Reason: ReasonNoBackend, Message: fmt.Sprintf(
		"%s is in the catalogue, but nothing here can answer for it: it needs %s%s%s", m.ID, needed(m), tried, wayOut)}
}

// servers says for the tasks that few servers do which path one must have, and who has it.
var servers = map[Task]string{
	SpeechRecognition: "OpenAI's /v1/audio/transcriptions, such as LocalAI, Speaches or vLLM",
	TextToSpeech:      "OpenAI's /v1/audio/speech, such as LocalAI, Speaches or Kokoro-FastAPI",
	TextToImage:       "OpenAI's /v1/images/generations, such as LocalAI",
}

// needed says what would answer for a model.
func needed(m *Model) string {
	if m.Task == ImageClassification {
		return "a model that chats and reads pictures, such as gemma3 in Ollama"
	}
	names := make([]string, len(m.Backends))
	for i, b := range m.Backends {
		names[i] = b.String()
	}
	need := strings.Join(names, " or ")
	if server := servers[m.Task]; server != "" {
		need += ": a server with " + server + ", given by `nearside serve --openai URL`, that has the model under this name or one that your models.yaml says"
	}
	return need
}

// unserved says for the tasks that nothing behind nearside does what keeps it from them.
var unserved = map[Task]string{
	ObjectDetection: "says where things are in a picture, and neither Ollama nor OpenAI's API has a call for that; the places that a model makes up which chats would be worth nothing. " +
		"A server that runs such a model, such as one with the object-detection pipeline of Hugging Face's Transformers, has to be asked directly",
	ImageEmbeddings: "turns pictures into vectors, and neither Ollama nor OpenAI's API has a call for that",
	DumbPipe:        "has a form of its own, and neither Ollama nor OpenAI's API has a call for it",
	Decision:        "runs at Cloudflare alone, in a form that is not published",
}

// Unserved returns the fault of a model that no backend of any kind can serve; nil
// for all others.
func (m *Model) Unserved() error {
	why := unserved[m.Task]
	if m.Task == SpeechRecognition && m.Input == AnyShape {
		why = "listens over a WebSocket alone, which nearside does not do; send a whole recording to @cf/deepgram/nova-3 or @cf/openai/whisper"
	}
	if why == "" {
		return nil
	}
	return &fault.Error{Kind: fault.Unsupported, Reason: ReasonUnable, Message: m.ID + " " + why}
}

// allFailed is the fault of a call that none of the models it may go to answered:
// the failure of one that may answer later, where there is one, else all of them.
func allFailed(m *Model, failures []error) error {
	switch len(failures) {
	case 0:
		return nothingHere(m, nil)
	case 1:
		return failures[0]
	}
	for _, reason := range []fault.Reason{ReasonBusy, ReasonSlow, ReasonBroken} {
		for _, failure := range failures {
			if f := fault.As(failure); f != nil && f.Reason == reason {
				return failure
			}
		}
	}
	each := make([]string, len(failures))
	for i, failure := range failures {
		each[i] = strings.TrimSuffix(failure.Error(), wayOut)
	}
	return &fault.Error{Kind: fault.Unavailable, Reason: ReasonNoBackend, Message: fmt.Sprintf("%s found nobody to answer: %s%s", m.ID, strings.Join(each, "; "), wayOut)}
}
