package command

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far long work is, on a terminal; elsewhere it is silent, so that logs stay readable.
type progress struct{ bar *progressbar.ProgressBar }

// newProgress shows a bar on w, in bytes or in things.
func newProgress(w io.Writer, what string, inBytes bool) *progress {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return &progress{}
	}
	return &progress{progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(inBytes),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

// set says that done of total is done; it may be called from any goroutine.
func (p *progress) set(done, total int64) {
	if p.bar == nil {
		return
	}
	p.bar.ChangeMax64(total)
	// NOTE: a bar that cannot be drawn is no reason to stop the work it shows.
	_ = p.bar.Set64(done)
}

// finish takes the bar away.
func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish() // see set
	}
}
