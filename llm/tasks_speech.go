package llm

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"nearside/llm/backend"
	"nearside/llm/neuron"
	"nearside/llm/sound"
)

// What a sound is taken for whose length nobody tells.
const (
	bytesASecond   = 16_000                 // of a file: MP3 of 128 kbit/s
	wordTime       = 400 * time.Millisecond // 150 words a minute
	lettersASecond = 15                     // of a text that is read aloud
)

// What is said of an estimate that was charged.
const (
	soundGuess  = "the length of the sound is estimated, because neither the backend nor the file tells it"
	speechGuess = "the length of the speech is estimated from its text, because the file does not tell it"
)

// perform has the first backend of m that can do so do a task that is no chat, on the
// payer's bill. What was used is charged only if it succeeds.
func perform[C any](ctx context.Context, r *Router, f *fleet, m *Model, call Call, estimate neuron.Usage, do func(ctx context.Context, can C, by By) (neuron.Usage, error)) (out Generated, err error) {
	ctx = call.context(ctx)
	out.Warning = m.Notice()
	out.Neurons, err = r.charged(ctx, call, m, estimate, func() (used neuron.Usage, err error) {
		out.By, err = ask(ctx, f, m, func(can C, by By) (err error) {
			used, err = do(ctx, can, by)
			return err
		})
		if err != nil {
			return nil, err
		}
		return used, nil
	})
	return out, err
}

// warn adds something that the caller should know.
func (g *Generated) warn(text string) {
	if g.Warning != "" {
		g.Warning += "; "
	}
	g.Warning += text
}

// Transcribe writes down what is said in a sound. It is paid by the sound's length:
// what the backend tells of it, or the file, or an estimate, which the warning names.
func (r *Router) Transcribe(ctx context.Context, call Call, q backend.Transcribing) (heard backend.Transcript, out Generated, err error) {
	f := r.fleet.Load()
	m, err := f.model(call.Model, SpeechRecognition)
	if err != nil {
		return heard, out, err
	}
	if err := m.Unserved(); err != nil {
		return heard, out, err
	}
	length, known := sound.Duration(q.Audio.Bytes)
	if !known {
		length = bytesTime(q.Audio.Bytes)
	}
	guessed := false
	out, err = perform(ctx, r, f, m, call, minutes(length), func(ctx context.Context, can backend.Transcriber, by By) (neuron.Usage, error) {
		var err error
		if heard, err = can.Transcribe(ctx, by.Served, q); err != nil {
			return nil, err
		}
		keepInTime(&heard)
		if guessed = heard.Duration <= 0 && !known; guessed {
			heard.Duration = spokenTime(heard, length)
		} else if heard.Duration <= 0 {
			heard.Duration = length
		}
		return minutes(heard.Duration), nil
	})
	if err == nil && guessed {
		out.warn(soundGuess)
	}
	return heard, out, err
}

// minutes is the usage of so much sound.
func minutes(d time.Duration) neuron.Usage {
	return neuron.Usage{neuron.AudioMinutes: max(1, d.Milliseconds())}
}

// bytesTime estimates how long a sound plays by the size of its file.
func bytesTime(file []byte) time.Duration {
	return min(sound.Longest, time.Second*time.Duration(len(file))/bytesASecond)
}

// spokenTime estimates how long a sound is by when its last word ends, or by how many
// words there are; where nothing is said, by its file.
func spokenTime(t backend.Transcript, file time.Duration) time.Duration {
	end := 0.0
	for _, s := range t.Segments {
		end = max(end, s.End)
	}
	for _, w := range t.Words {
		end = max(end, w.End)
	}
	if end > 0 {
		return time.Duration(end * float64(time.Second))
	}
	if words := len(strings.Fields(t.Text)); words > 0 {
		return min(sound.Longest, time.Duration(words)*wordTime)
	}
	return file
}

// keepInTime brings the times of a transcript, which may be anything, within those
// that a sound can have.
func keepInTime(t *backend.Transcript) {
	within := func(start, end *float64) {
		*start = max(0, min(*start, sound.Longest.Seconds()))
		*end = max(*start, min(*end, sound.Longest.Seconds()))
	}
	for i := range t.Segments {
		within(&t.Segments[i].Start, &t.Segments[i].End)
	}
	for i := range t.Words {
		within(&t.Words[i].Start, &t.Words[i].End)
	}
}

// Captions returns what was said in WebVTT: a cue for each segment; where there are
// none, for every few words; and where no times are known at all, one for everything.
func Captions(t backend.Transcript) string {
	var cues []sound.Cue
	for _, s := range t.Segments {
		cues = append(cues, sound.Cue{Start: s.Start, End: s.End, Text: s.Text})
	}
	if len(cues) == 0 {
		cues = wordCues(t.Words)
	}
	if len(cues) == 0 {
		cues = []sound.Cue{{End: t.Duration.Seconds(), Text: t.Text}}
	}
	return sound.WebVTT(cues)
}

// wordsInCue is how many words a cue has at most: two lines of a caption.
const wordsInCue = 12

// wordCues puts words together: to the end of a sentence, or as many as fit.
func wordCues(words []backend.Word) []sound.Cue {
	var cues []sound.Cue
	inCue := 0
	for _, w := range words {
		if inCue == 0 {
			cues = append(cues, sound.Cue{Start: w.Start})
		}
		cue := &cues[len(cues)-1]
		cue.Text += " " + strings.TrimSpace(w.Word)
		cue.End = w.End
		if inCue++; inCue == wordsInCue || strings.ContainsAny(w.Word, ".?!。？！") {
			inCue = 0
		}
	}
	return cues
}

// Speak reads a text aloud. It is paid by the length of the speech or by the
// characters of the text, as the model is priced.
func (r *Router) Speak(ctx context.Context, call Call, q backend.Speaking) (spoken backend.Audio, out Generated, err error) {
	f := r.fleet.Load()
	m, err := f.model(call.Model, TextToSpeech)
	if err != nil {
		return spoken, out, err
	}
	characters := utf8.RuneCountInString(q.Text)
	guess := min(sound.Longest, time.Duration(characters)*time.Second/lettersASecond)
	used, guessed := neuron.Usage{neuron.Characters: int64(characters)}, false
	if m.priced(neuron.AudioMinutes) {
		used = minutes(guess)
	}
	out, err = perform(ctx, r, f, m, call, used, func(ctx context.Context, can backend.Speaker, by By) (neuron.Usage, error) {
		var err error
		if spoken, err = can.Speak(ctx, by.Served, q); err != nil {
			return nil, err
		}
		if len(spoken.Bytes) == 0 {
			return nil, &backend.Error{Backend: string(by.Backend), Model: by.Served, Kind: backend.Broken, Message: "it returned a sound without a byte"}
		}
		if m.priced(neuron.AudioMinutes) {
			length, known := sound.Duration(spoken.Bytes)
			if guessed = !known; !known {
				length = guess
			}
			return minutes(length), nil
		}
		return used, nil
	})
	if err == nil && guessed {
		out.warn(speechGuess)
	}
	return spoken, out, err
}
