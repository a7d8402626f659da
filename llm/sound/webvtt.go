package sound

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Cue is a text with the time in which it is shown, in seconds from the beginning.
type Cue struct {
	Start, End float64
	Text       string
}

// escape writes what would be markup in a cue, the arrow of a time line included.
var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// WebVTT writes captions (w3.org/TR/webvtt1). Times never run backwards and every
// cue is shown for a millisecond at least, whatever the cues say; those without a
// text are left out.
func WebVTT(cues []Cue) string {
	var b strings.Builder
	b.WriteString("WEBVTT\n")
	earliest := int64(0)
	for _, c := range cues {
		text := strings.Join(strings.Fields(c.Text), " ") // an empty line would end the cue
		if text == "" {
			continue
		}
		start := max(earliest, millis(c.Start))
		end := max(start+1, millis(c.End))
		fmt.Fprintf(&b, "\n%s --> %s\n%s\n", timestamp(start), timestamp(end), escape.Replace(text))
		earliest = start
	}
	return b.String()
}

// millis is a time in whole milliseconds: 0 to a day, whatever it was.
func millis(seconds float64) int64 {
	if !(seconds > 0) { // nor NaN
		return 0
	}
	return int64(math.Round(min(seconds, Longest.Seconds()) * 1000))
}

// timestamp writes hours, minutes, seconds and milliseconds.
func timestamp(millis int64) string {
	d := time.Duration(millis) * time.Millisecond
	return fmt.Sprintf("%02d:%02d:%02d.%03d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60, millis%1000)
}
