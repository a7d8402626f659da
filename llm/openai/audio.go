package openai

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"nearside/llm/backend"
	"nearside/llm/backend/wire"
	"nearside/llm/sound"
)

// Transcribe writes down speech, with its segments and words where the server tells them.
func (b *Backend) Transcribe(ctx context.Context, model string, q backend.Transcribing) (backend.Transcript, error) {
	m, err := b.find(ctx, model)
	if err != nil {
		return backend.Transcript{}, err
	}
	path := "audio/transcriptions"
	if q.Translate {
		path = "audio/translations"
	}
	t, err := b.transcribe(ctx, model, path, m.ID, q, "verbose_json")
	var e *backend.Error
	if errors.As(err, &e) && (e.Kind == backend.Refused || e.Kind == backend.Unable) && !wire.NoPath(err) {
		return b.transcribe(ctx, model, path, m.ID, q, "json") // some models know no times
	}
	return t, err
}

func (b *Backend) transcribe(ctx context.Context, model, path, id string, q backend.Transcribing, format string) (backend.Transcript, error) {
	body, err := form(id, q, format)
	if err != nil {
		return backend.Transcript{}, b.client.Error(model, backend.Unable, err, "the sound cannot be sent")
	}
	var reply struct {
		Text     *string `json:"text"`
		Language string  `json:"language"`
		Duration float64 `json:"duration"`
		Segments []struct {
			Start, End  float64
			Text        string
			Temperature *float64
			LogProb     *float64 `json:"avg_logprob"`
			Compression *float64 `json:"compression_ratio"`
			NoSpeech    *float64 `json:"no_speech_prob"`
		} `json:"segments"`
		Words []struct {
			Start, End float64
			Word       string
		} `json:"words"`
	}
	if err := b.client.PostBody(ctx, model, path, body, &reply); err != nil {
		return backend.Transcript{}, err
	}
	if reply.Text == nil {
		return backend.Transcript{}, b.client.Error(model, backend.Broken, nil, "its reply has no text")
	}
	t := backend.Transcript{Text: *reply.Text, Language: languageCode(reply.Language), Duration: seconds(reply.Duration)}
	for _, s := range reply.Segments {
		t.Segments = append(t.Segments, backend.Segment(s))
	}
	for _, w := range reply.Words {
		t.Words = append(t.Words, backend.Word(w))
	}
	return t, nil
}

// seconds is a duration, if it is one of at most a day.
func seconds(s float64) time.Duration {
	if s <= 0 || s > 24*time.Hour.Seconds() {
		return 0
	}
	return time.Duration(math.Round(s * float64(time.Second)))
}

// form is the multipart body of a transcription.
func form(id string, q backend.Transcribing, format string) (wire.Body, error) {
	var buffer bytes.Buffer
	w := multipart.NewWriter(&buffer)
	fields := [][2]string{{"model", id}, {"response_format", format}, {"language", q.Language}, {"prompt", q.Prompt}}
	if format == "verbose_json" {
		fields = append(fields, [2]string{"timestamp_granularities[]", "segment"}, [2]string{"timestamp_granularities[]", "word"})
	}
	for _, f := range fields {
		if f[1] == "" {
			continue
		}
		if err := w.WriteField(f[0], f[1]); err != nil {
			return wire.Body{}, err
		}
	}
	part, err := w.CreateFormFile("file", fileName(q.Audio.Type))
	if err != nil {
		return wire.Body{}, err
	}
	if _, err := part.Write(q.Audio.Bytes); err != nil {
		return wire.Body{}, err
	}
	err = w.Close() // writes the end
	return wire.Body{Type: w.FormDataContentType(), Bytes: buffer.Bytes()}, err
}

// fileName has the extension of the sound's type, by which servers tell what it is.
func fileName(contentType string) string {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "audio.wav"
	}
	extensions := map[string]string{
		"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/mp4": "m4a", "audio/x-m4a": "m4a", "audio/flac": "flac", "audio/x-flac": "flac",
		"audio/ogg": "ogg", "application/ogg": "ogg", "audio/webm": "webm", "video/webm": "webm", "video/mp4": "mp4", "audio/opus": "opus",
	}
	if e := extensions[kind]; e != "" {
		return "audio." + e
	}
	return "audio.wav"
}

// Speak reads a text aloud.
func (b *Backend) Speak(ctx context.Context, model string, q backend.Speaking) (backend.Audio, error) {
	m, err := b.find(ctx, model)
	if err != nil {
		return backend.Audio{}, err
	}
	format := q.Format
	if format == "" {
		format = "mp3"
	}
	body := map[string]any{"model": m.ID, "input": q.Text, "response_format": format}
	if q.Voice != "" {
		body["voice"] = q.Voice
	}
	if q.Language != "" {
		body["language"] = q.Language // LocalAI; OpenAI itself has no such name
	}
	kind, file, err := b.client.PostRaw(ctx, model, "audio/speech", body)
	if err != nil {
		return backend.Audio{}, err
	}
	looks := http.DetectContentType(file)
	if strings.HasPrefix(looks, "text/") { // nothing at all is text, too
		return backend.Audio{}, b.client.Error(model, backend.Broken, nil, "its reply of %d bytes is no sound", len(file))
	}
	if !strings.HasPrefix(kind, "audio/") { // the server does not say
		kind = cmp.Or(sound.Kind(file), looks)
	}
	return backend.Audio{Type: kind, Bytes: file}, nil
}
