package server

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"strings"
	"time"

	"nearside/llm"
	"nearside/llm/backend"
	"nearside/llm/sound"
)

// runTranscription writes down what is said, in the form of the model.
func runTranscription(ctx context.Context, s *Server, r run) (outcome, error) {
	q, remarks, err := r.hearing()
	if err != nil {
		return outcome{}, err
	}
	heard, made, err := s.parts.Models.Transcribe(ctx, r.call, q)
	if err != nil {
		return failed(made, err)
	}
	out, err := asJSON(made, transcript(r.model.Input, q, heard))
	out.remarks = append(out.remarks, remarks...)
	return out, err
}

// hearing reads what is to be written down. The remarks name what is asked for and
// no backend can be told.
func (r run) hearing() (q backend.Transcribing, remarks []string, err error) {
	switch {
	case r.kind != typeJSON:
		q = r.hearingFile()
	case r.model.Input == llm.WhisperLargeShape:
		q, remarks, err = r.hearingLarge()
	case r.model.Input == llm.NovaShape:
		q, err = r.hearingNova()
	default:
		q, err = r.hearingBytes()
	}
	if kind := sound.Kind(q.Audio.Bytes); kind != "" {
		q.Audio.Type = kind // clients say many things, and servers go by it
	}
	return q, remarks, err
}

// hearingFile reads a sound that is the whole body, and what stands beside it, in
// the words of any of the models.
func (r run) hearingFile() backend.Transcribing {
	q := backend.Transcribing{Audio: backend.Audio{Type: r.kind, Bytes: r.body}, Prompt: r.beside.Get("initial_prompt")}
	q.Language = cmp.Or(r.beside.Get("language"), r.beside.Get("source_lang"))
	q.Translate = r.beside.Get("task") == "translate" || toEnglish(q.Language, r.beside.Get("target_lang"))
	return q
}

// toEnglish reports whether whisper is asked to translate: it can into English only.
func toEnglish(from, to string) bool { return to == "en" && from != "en" }

// hearingBytes reads the JSON input of whisper, and of models like it.
func (r run) hearingBytes() (q backend.Transcribing, err error) {
	var input struct {
		Audio    json.RawMessage `json:"audio"`
		Source   string          `json:"source_lang"`
		Target   string          `json:"target_lang"`
		Language string          `json:"language"`
	}
	if err := r.input(&input); err != nil {
		return q, err
	}
	q.Language = cmp.Or(input.Source, input.Language)
	q.Translate = toEnglish(q.Language, input.Target)
	q.Audio.Bytes, err = llm.File("/audio", input.Audio)
	return q, err
}

// hearingLarge reads the JSON input of whisper-large-v3-turbo.
func (r run) hearingLarge() (q backend.Transcribing, remarks []string, err error) {
	var input struct {
		Audio       string          `json:"audio"`
		Task        string          `json:"task"`
		Language    string          `json:"language"`
		Prompt      string          `json:"initial_prompt"`
		VAD         json.RawMessage `json:"vad_filter"`
		Prefix      json.RawMessage `json:"prefix"`
		Beams       json.RawMessage `json:"beam_size"`
		Condition   json.RawMessage `json:"condition_on_previous_text"`
		NoSpeech    json.RawMessage `json:"no_speech_threshold"`
		Compression json.RawMessage `json:"compression_ratio_threshold"`
		LogProb     json.RawMessage `json:"log_prob_threshold"`
		Silence     json.RawMessage `json:"hallucination_silence_threshold"`
	}
	if err := r.input(&input); err != nil {
		return q, nil, err
	}
	q.Language, q.Prompt, q.Translate = input.Language, input.Prompt, input.Task == "translate"
	q.Audio.Bytes, err = llm.Base64("/audio", input.Audio)
	return q, untold([]option{
		{"vad_filter", input.VAD}, {"prefix", input.Prefix}, {"beam_size", input.Beams}, {"condition_on_previous_text", input.Condition},
		{"no_speech_threshold", input.NoSpeech}, {"compression_ratio_threshold", input.Compression}, {"log_prob_threshold", input.LogProb},
		{"hallucination_silence_threshold", input.Silence},
	}), err
}

// option is an input with its name.
type option struct {
	name  string
	value json.RawMessage // nil: not given
}

// untold says which of the options are given, of those that no backend can be told.
func untold(options []option) []string {
	var given []string
	for _, o := range options {
		if o.value != nil && string(o.value) != "null" {
			given = append(given, o.name)
		}
	}
	if given == nil {
		return nil
	}
	return []string{"not passed on, because OpenAI's API has no such option: " + strings.Join(given, ", ")}
}

// hearingNova reads the JSON input of nova-3.
func (r run) hearingNova() (q backend.Transcribing, err error) {
	var input struct {
		Audio struct {
			Body json.RawMessage `json:"body"`
			Type string          `json:"contentType"`
		} `json:"audio"`
		Language string `json:"language"`
	}
	if err := r.input(&input); err != nil {
		return q, err
	}
	q.Language, q.Audio.Type = input.Language, input.Audio.Type
	q.Audio.Bytes, err = llm.File("/audio/body", input.Audio.Body)
	return q, err
}

// word is a word with its time, in seconds from the beginning.
type word struct {
	Word  string  `json:"word"`
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}

// words puts the words of a transcript into the form of the replies.
func words(t backend.Transcript) []word {
	list := make([]word, len(t.Words))
	for i, w := range t.Words {
		list[i] = word{w.Word, w.Start, w.End}
	}
	return list
}

// transcript puts what was said into the form in which the model answers.
func transcript(shape llm.Shape, q backend.Transcribing, t backend.Transcript) any {
	all := words(t)
	count := len(strings.Fields(t.Text))
	if len(all) > 0 {
		count = len(all) // not every script parts its words
	}
	switch shape {
	case llm.SpeechShape:
		return struct {
			Text     string  `json:"text"`
			Duration float64 `json:"duration"`
		}{t.Text, seconds(t.Duration)}
	case llm.NovaShape:
		return novaReply(t, all)
	case llm.WhisperLargeShape:
		return whisperLarge{whisperInfo{cmp.Or(q.Language, t.Language), seconds(t.Duration), seconds(t.Duration)}, t.Text, count, whisperSegments(t, all), llm.Captions(t)}
	}
	return struct {
		Text  string `json:"text"`
		Count int    `json:"word_count"`
		Words []word `json:"words"`
		VTT   string `json:"vtt"`
	}{t.Text, count, all, llm.Captions(t)}
}

// seconds writes a duration as a number of seconds, to the millisecond.
func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// whisperLarge is the reply of whisper-large-v3-turbo.
type whisperLarge struct {
	About    whisperInfo      `json:"transcription_info"`
	Text     string           `json:"text"`
	Count    int              `json:"word_count"`
	Segments []whisperSegment `json:"segments"`
	VTT      string           `json:"vtt"`
}

// whisperInfo leaves out language_probability, which no backend tells. Nothing is
// left out of a sound, so that both durations are the same.
type whisperInfo struct {
	Language string  `json:"language,omitempty"`
	Duration float64 `json:"duration"`
	After    float64 `json:"duration_after_vad"`
}

// whisperSegment is a stretch of speech, without the figures that a backend does not tell.
type whisperSegment struct {
	Start       float64  `json:"start"`
	End         float64  `json:"end"`
	Text        string   `json:"text"`
	Temperature *float64 `json:"temperature,omitempty"`
	LogProb     *float64 `json:"avg_logprob,omitempty"`
	Compression *float64 `json:"compression_ratio,omitempty"`
	NoSpeech    *float64 `json:"no_speech_prob,omitempty"`
	Words       []word   `json:"words"`
}

// whisperSegments are those of a transcript with the words that begin in each, or
// all of it as one.
func whisperSegments(t backend.Transcript, all []word) []whisperSegment {
	list := []whisperSegment{}
	for _, s := range t.Segments {
		list = append(list, whisperSegment{s.Start, s.End, s.Text, s.Temperature, s.LogProb, s.Compression, s.NoSpeech, []word{}})
	}
	if len(list) == 0 {
		if t.Text != "" {
			list = append(list, whisperSegment{End: seconds(t.Duration), Text: t.Text, Words: all})
		}
		return list
	}
	at := 0
	for _, w := range all {
		for at+1 < len(list) && w.Start >= list[at+1].Start {
			at++
		}
		list[at].Words = append(list[at].Words, w)
	}
	return list
}

// nova is the reply of nova-3: one channel, heard in one way.
type nova struct {
	Results struct {
		Channels []novaChannel `json:"channels"`
	} `json:"results"`
}

// novaChannel is what one channel of a sound may say.
type novaChannel struct {
	Alternatives []novaAlternative `json:"alternatives"`
}

// novaAlternative leaves out the confidence where the backend tells nothing that it could be made of.
type novaAlternative struct {
	Transcript string   `json:"transcript"`
	Confidence *float64 `json:"confidence,omitempty"`
	Words      []word   `json:"words"`
}

func novaReply(t backend.Transcript, all []word) nova {
	var reply nova
	reply.Results.Channels = []novaChannel{{[]novaAlternative{{t.Text, confidence(t), all}}}}
	return reply
}

// confidence is the probability of a token, as the segments tell it, on average
// over the time that they take; nil if one does not tell it.
func confidence(t backend.Transcript) *float64 {
	sum, length := 0.0, 0.0
	for _, s := range t.Segments {
		if s.LogProb == nil {
			return nil
		}
		sum += min(0, *s.LogProb) * (s.End - s.Start)
		length += s.End - s.Start
	}
	if length <= 0 {
		return nil
	}
	sure := math.Exp(sum / length)
	return &sure
}
