package rows

import (
	"context"
	"time"

	"nearside/fault"
)

// Pauses before a call is made again, each twice the one before. Seven of them, before a service elsewhere is given
// up, are some two minutes; a nearside that has a graph to build may be busy for longer.
const (
	firstPause        = time.Second
	longestPause      = 30 * time.Second
	attemptsElsewhere = 8
	attemptsHere      = 24 // some ten minutes
)

// patience is how long a call is repeated. Package client has waited a little already where a server is busy.
type patience struct {
	first    time.Duration // pause; 0 = firstPause
	attempts int
	hopes    func(*fault.Error) bool // whether time may change it
	note     func(why error)         // called before a pause; may be nil
}

func (p patience) call(ctx context.Context, call func() error) error {
	pause := p.first
	if pause == 0 {
		pause = firstPause
	}
	for attempt := 1; ; attempt++ {
		err := call()
		f := fault.As(err)
		if f == nil || attempt == p.attempts || !p.hopes(f) {
			return err
		}
		if p.note != nil {
			p.note(err)
		}
		timer := time.NewTimer(max(pause, f.RetryAfter))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		pause = min(2*pause, longestPause)
	}
}

// patiently makes a call to a nearside. One that is busy is waited for, and one that went away; not one that was never there.
func (l *load) patiently(ctx context.Context, call func() error) error {
	p := patience{first: l.Pause, attempts: attemptsHere, note: l.Waiting, hopes: func(f *fault.Error) bool {
		return f.Kind == fault.Busy || f.Kind == fault.Unavailable && l.reached.Load()
	}}
	err := p.call(ctx, call)
	if err == nil {
		l.reached.Store(true)
	}
	return err
}
