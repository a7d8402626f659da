package command

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"nearside/ingest"
)

// ingestPrinter shows how a load goes: one line on a terminal, a line now and then in a log, an object for each event with --json.
type ingestPrinter struct {
	out, err io.Writer
	live     bool          // err is a terminal
	json     *json.Encoder // of events; nil = for people
	index    string

	mu    sync.Mutex
	line  bool // a line is shown
	last  time.Time
	began time.Time
	shown int   // passages
	bytes int64 // of the source; 0 = not counted yet

	counting sync.WaitGroup
	stop     func()
}

// In a log progress is told of every logEvery, on a terminal every lineEvery.
const (
	logEvery  = 30 * time.Second
	lineEvery = 200 * time.Millisecond
)

func newIngestPrinter(cmd *cobra.Command, f *ingestFlags) (*ingestPrinter, error) {
	p := &ingestPrinter{out: cmd.OutOrStdout(), err: cmd.ErrOrStderr(), index: f.index}
	file, ok := p.err.(*os.File)
	p.live = ok && terminal(file)
	asJSON, err := cmd.Flags().GetBool("json")
	if asJSON {
		p.json = json.NewEncoder(p.out)
		p.json.SetEscapeHTML(false)
	}
	return p, err
}

func terminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// start begins to count the time.
func (p *ingestPrinter) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began, p.last = time.Now(), time.Now()
}

// event shows an event.
func (p *ingestPrinter) event(e ingest.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Kind == ingest.Done {
		return // finish tells of all sources together
	}
	if p.json != nil {
		// NOTE: a failed write to standard output has nobody to be told to.
		_ = p.json.Encode(e)
	}
	switch e.Kind {
	case ingest.ItemFailed:
		p.sayLocked(fmt.Sprintf("%s: %s", e.Path, e.Reason))
	case ingest.Warning:
		if p.json == nil {
			p.sayLocked(fmt.Sprintf("%s: note: %s", e.Path, e.Reason))
		}
	case ingest.Progress:
		p.progressLocked(*e.Totals)
	}
}

// remark shows what a person should know.
func (p *ingestPrinter) remark(message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.json != nil {
		_ = p.json.Encode(ingest.Event{Kind: ingest.Warning, Reason: message}) // see event
	}
	p.sayLocked(message)
}

// sayLocked prints a line above that of the progress.
func (p *ingestPrinter) sayLocked(line string) {
	p.clear()
	fmt.Fprintln(p.err, line)
}

// clear takes the progress away; mu is held.
func (p *ingestPrinter) clear() {
	if p.line {
		fmt.Fprint(p.err, "\r\033[K")
		p.line = false
	}
}

func (p *ingestPrinter) progressLocked(t ingest.Totals) {
	every := logEvery
	if p.live {
		every = lineEvery
	}
	if time.Since(p.last) < every {
		return
	}
	p.last = time.Now()
	line := p.words(t)
	if !p.live {
		fmt.Fprintln(p.err, line)
		return
	}
	p.clear()
	fmt.Fprint(p.err, line)
	p.line = true
}

// words says how far a load is.
func (p *ingestPrinter) words(t ingest.Totals) string {
	took := time.Since(p.began)
	words := []string{
		fmt.Sprintf("%s of %s files loaded", humanize.Comma(t.Loaded), humanize.Comma(t.Items)),
		fmt.Sprintf("%s passages, %.0f/s", humanize.Comma(t.Stored), float64(t.Stored)/max(took.Seconds(), 0.001)),
		fmt.Sprintf("%s tokens", humanize.Comma(t.Tokens)),
	}
	if t.Unchanged > 0 {
		words = append(words, fmt.Sprintf("%s unchanged", humanize.Comma(t.Unchanged)))
	}
	if t.Failed > 0 {
		words = append(words, fmt.Sprintf("%s failed", humanize.Comma(t.Failed)))
	}
	if t.Neurons > 0 {
		words = append(words, fmt.Sprintf("%.1f neurons", t.Neurons))
	}
	if p.bytes > 0 && t.Bytes > 0 && t.Bytes <= p.bytes {
		left := time.Duration(float64(took) * float64(p.bytes-t.Bytes) / float64(t.Bytes))
		words = append(words, fmt.Sprintf("about %v left", left.Round(time.Second)))
	}
	return strings.Join(words, " · ")
}

// finish prints the report.
func (p *ingestPrinter) finish(r ingest.Report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	if p.json != nil {
		_ = p.json.Encode(ingest.Event{Kind: ingest.Done, Report: &r}) // see event
		return
	}
	switch {
	case r.Error != "" && r.Items == 0:
		return // the error says it all
	case r.DryRun != nil:
		p.foretell(r)
		return
	}
	fmt.Fprintf(p.out, "%s: %s loaded into %s, %s unchanged, %s failed\n",
		number(r.Items, "file"), humanize.Comma(r.Loaded), p.index, humanize.Comma(r.Unchanged), humanize.Comma(r.Failed))
	fmt.Fprintf(p.out, "%s written, %s removed; %s tokens, %.1f neurons, %v\n",
		number(r.Stored, "passage"), humanize.Comma(r.Deleted), humanize.Comma(r.Tokens), r.Neurons, r.Took.Round(100*time.Millisecond))
	if r.Shortened > 0 {
		fmt.Fprintf(p.out, "longer than the model reads, so that their ends were not embedded: %s\n", number(r.Shortened, "passage"))
	}
	switch kept := r.Gone - r.Pruned; {
	case r.Pruned > 0:
		fmt.Fprintf(p.out, "gone, and removed from the index: %s\n", number(r.Pruned, "file"))
	case kept > 0:
		fmt.Fprintf(p.out, "gone, and still in the index until a run with --prune: %s\n", number(kept, "file"))
	}
}

// foretell prints what a dry run counted.
func (p *ingestPrinter) foretell(r ingest.Report) {
	e := r.DryRun
	fmt.Fprintf(p.out, "%s: %s would be loaded into %s, %s unchanged, %s would fail\n",
		number(r.Items, "file"), humanize.Comma(r.Loaded), p.index, humanize.Comma(r.Unchanged), humanize.Comma(r.Failed))
	fmt.Fprintf(p.out, "%s in %s, %s of them new: %s tokens, %.1f neurons, about %s on the disk",
		number(e.Documents, "document"), number(e.Chunks, "passage"), humanize.Comma(e.New), humanize.Comma(e.Tokens), e.Neurons, humanize.IBytes(uint64(e.Disk)))
	if e.Seconds > 0 {
		fmt.Fprintf(p.out, ", about %v", time.Duration(e.Seconds*float64(time.Second)).Round(time.Second))
	}
	fmt.Fprintln(p.out)
	if r.Gone > 0 {
		fmt.Fprintf(p.out, "gone: %s\n", number(r.Gone, "file"))
	}
}

// number is a number of things: "1 file", "1,200 files".
func number(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return humanize.Comma(n) + " " + thing
}
