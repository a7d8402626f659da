package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"nearside/llm/chat"
)

// Limits of a Guard that are used where a field is 0. Both time-outs are long,
// because a model that is not in memory yet is read from disk before its first token.
const (
	DefaultConcurrency   = 8
	DefaultQueue         = 64
	DefaultFirstByte     = 2 * time.Minute
	DefaultBetweenTokens = time.Minute
	DefaultFailures      = 5
	DefaultCooldown      = 10 * time.Second
)

// askTime is how long a list of models, or a fingerprint, may take. No model runs for it.
const askTime = 5 * time.Second

// Limits say how much a backend is given to do, and how long it is waited for.
// A field of 0 has its default.
type Limits struct {
	Concurrency int // calls under way at once
	Queue       int // calls that wait for a turn, each FirstByte at most; negative: none
	// FirstByte is the longest wait for the first piece of a chat, and for the
	// whole of an answer that comes in one piece: embeddings, a picture, speech.
	FirstByte     time.Duration
	BetweenTokens time.Duration // the longest silence after that
	Failures      int           // so many in a row, and the backend, or the model, is left alone
	Cooldown      time.Duration // for so long; then one call tries it
}

func (l Limits) withDefaults() Limits {
	fill(&l.Concurrency, DefaultConcurrency)
	fill(&l.Queue, DefaultQueue)
	fill(&l.FirstByte, DefaultFirstByte)
	fill(&l.BetweenTokens, DefaultBetweenTokens)
	fill(&l.Failures, DefaultFailures)
	fill(&l.Cooldown, DefaultCooldown)
	l.Queue = max(l.Queue, 0)
	return l
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Guard stands before a backend. It lets so many calls through at once, has a few
// wait, and refuses the rest as Busy. It ends calls that stay silent (Slow), asks
// once more when a backend was Unreachable and nothing had been given out, and
// leaves a backend alone after several failures in a row: calls then come back at
// once as Unreachable, until one probe in each Cooldown finds it well again.
//
// Unreachable is a failure of the whole backend. Slow and Broken are failures of the
// model, which alone is left alone: the others of the backend answer as before.
// Missing, Busy, Refused and Unable say nothing about health and count for nothing,
// and neither does a caller who goes away. List and Fingerprint need no turn; when
// they fail, in whatever way, it counts against the whole backend, and when they
// succeed it does not count, because they may be answered from memory.
//
// A call whose own context ends returns that context's error; an error of yield
// comes back as it is; all else is an *Error. The guarded backend must return soon
// after its context ends. A Guard may be used from any goroutine.
type Guard struct {
	backend Backend
	limits  Limits
	fuses   *fuses
	turns   chan struct{} // one a call under way
	life    context.Context
	end     context.CancelFunc

	queued   atomic.Int64
	calls    atomic.Uint64
	failures atomic.Uint64
	rejected atomic.Uint64

	mu       sync.Mutex // guards what follows
	closed   bool
	entered  sync.WaitGroup // calls; added to under mu while not closed
	lastKind Kind           // of the latest failure
	lastAt   time.Time
}

// NewGuard returns a guard of the backend.
func NewGuard(b Backend, limits Limits) *Guard {
	limits = limits.withDefaults()
	g := &Guard{backend: b, limits: limits, fuses: newFuses(limits), turns: make(chan struct{}, limits.Concurrency)}
	g.life, g.end = context.WithCancel(context.Background())
	return g
}

// isFailure reports whether an error speaks against the health of a backend or of a model.
func isFailure(err error) bool {
	kind := kindOf(err)
	return kind == Unreachable || kind == Slow || kind == Broken
}

// Causes of the errors that are the Guard's own.
var (
	ErrOpen   = errors.New("left alone after failures")
	ErrClosed = errors.New("closed")
	errSilent = errors.New("silent for too long")
)

// Name is the backend's.
func (g *Guard) Name() string { return g.backend.Name() }

// Close ends the calls under way, waits for them, and closes the backend if it can be closed.
func (g *Guard) Close() error {
	g.mu.Lock()
	first := !g.closed
	g.closed = true
	g.mu.Unlock()
	g.end()
	g.entered.Wait()
	if c, ok := g.backend.(io.Closer); ok && first {
		return c.Close()
	}
	return nil
}

// call has a model asked when it is the call's turn.
func (g *Guard) call(ctx context.Context, model string, do func(context.Context, *watch) error) (err error) {
	whileOutside(ctx, func() { err = g.inTurn(ctx, model, do) })
	return err
}

func (g *Guard) inTurn(ctx context.Context, model string, do func(context.Context, *watch) error) (err error) {
	leave, err := g.enter(model)
	if err != nil {
		return err
	}
	defer leave()
	if not := g.fuses.open(model); not != nil {
		return g.leftAlone(model, not) // without a wait in the queue
	}
	if err := g.takeTurn(ctx, model); err != nil {
		return err
	}
	defer func() { <-g.turns }()
	done, not := g.fuses.allow(model)
	if not != nil {
		return g.leftAlone(model, not)
	}
	g.calls.Add(1)
	defer func() { done(err); g.remember(err) }()
	err = g.attempt(ctx, model, g.limits.FirstByte, do)
	if mayAskAgain(err) && ctx.Err() == nil && g.life.Err() == nil {
		err = g.attempt(ctx, model, g.limits.FirstByte, do)
	}
	return err
}

// mayAskAgain: a connection that was kept too long breaks when it is used next,
// which says nothing about the server behind it.
func mayAskAgain(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == Unreachable && !e.Started
}

// ask has a question answered that no model runs for.
func (g *Guard) ask(ctx context.Context, model string, do func(context.Context) error) error {
	leave, err := g.enter(model)
	if err != nil {
		return err
	}
	defer leave()
	done, ok := g.fuses.whole.allow()
	if !ok {
		return g.leftAlone(model, &blown{g.fuses.whole, false})
	}
	err = g.attempt(ctx, model, askTime, func(ctx context.Context, _ *watch) error { return do(ctx) })
	if !isFailure(err) {
		done(errNoSign)
		return err
	}
	done(err)
	g.remember(err)
	return err
}

// enter counts a call in, unless the guard is closed.
func (g *Guard) enter(model string) (leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, g.fails(model, Unreachable, ErrClosed, "it is closed, because nearside ends or has read a new list of models")
	}
	g.entered.Add(1)
	return g.entered.Done, nil
}

// takeTurn waits until fewer than Concurrency calls are under way.
func (g *Guard) takeTurn(ctx context.Context, model string) error {
	select {
	case g.turns <- struct{}{}:
		return nil
	default:
	}
	if rejectsIfBusy(ctx) {
		return g.busy(model, "%d calls are under way, and this one does not want to wait", g.limits.Concurrency)
	}
	if g.queued.Add(1) > int64(g.limits.Queue) {
		g.queued.Add(-1)
		return g.busy(model, "%d calls are under way and %d wait; concurrency and queue of the backend in models.yaml allow no more", g.limits.Concurrency, g.limits.Queue)
	}
	defer g.queued.Add(-1)
	patience := time.NewTimer(g.limits.FirstByte)
	defer patience.Stop()
	select {
	case g.turns <- struct{}{}:
		return nil
	case <-patience.C:
		return g.busy(model, "no turn came within %v; first_byte of the backend in models.yaml allows no more", g.limits.FirstByte)
	case <-g.life.Done():
		return g.fails(model, Unreachable, ErrClosed, "it was closed while the call waited for its turn")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// attempt runs do under a watch and makes its error a plain one.
func (g *Guard) attempt(ctx context.Context, model string, first time.Duration, do func(context.Context, *watch) error) error {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(g.life, func() { cancel(ErrClosed) })
	defer stop()
	w := &watch{patience: first, between: g.limits.BetweenTokens, timer: time.AfterFunc(first, func() { cancel(errSilent) })}
	defer w.timer.Stop()
	err := do(inner, w)
	switch cause := context.Cause(inner); {
	case err == nil:
		return nil
	case w.unwanted != nil:
		return w.unwanted
	case ctx.Err() != nil:
		return ctx.Err()
	case cause == errSilent && w.started:
		err = g.fails(model, Slow, cause, "nothing more came for %v; between_tokens of the backend in models.yaml allows no more", g.limits.BetweenTokens)
	case cause == errSilent:
		err = g.fails(model, Slow, cause, "nothing came for %v; first_byte of the backend in models.yaml allows no more", first)
	case cause == ErrClosed:
		err = g.fails(model, Unreachable, cause, "it was closed while it answered")
	}
	var e *Error
	if !errors.As(err, &e) {
		e = g.fails(model, Broken, err, "it failed for a reason of its own")
	}
	told := *e
	told.Started = told.Started || w.started
	return &told
}

// watch ends a call that stays silent. The time its caller takes over a piece does not count.
type watch struct {
	timer    *time.Timer   // cancels the call
	patience time.Duration // for the next piece
	between  time.Duration
	started  bool  // a piece was given out
	unwanted error // of yield
}

// pass hands a piece on. One with nothing in it only shows that the backend lives.
func (w *watch) pass(p chat.Piece, yield func(chat.Piece) error) error {
	if !w.timer.Stop() {
		return errSilent
	}
	if p.Content != "" || p.Reasoning != "" || len(p.ToolCalls) > 0 {
		w.started, w.patience = true, w.between
		w.unwanted = yield(p)
	}
	if w.unwanted == nil {
		w.timer.Reset(w.patience)
	}
	return w.unwanted
}

func (g *Guard) fails(model string, kind Kind, cause error, format string, args ...any) *Error {
	return &Error{Backend: g.Name(), Model: model, Kind: kind, Message: fmt.Sprintf(format, args...), Cause: cause}
}

func (g *Guard) busy(model, format string, args ...any) *Error {
	g.rejected.Add(1)
	return g.fails(model, Busy, nil, format, args...)
}

// leftAlone is the error of a call that comes while a fuse is open or a probe is under way.
func (g *Guard) leftAlone(model string, not *blown) *Error {
	g.rejected.Add(1)
	until, kind := not.openUntil()
	who := "it"
	if not.ofModel {
		who = "this model"
	}
	if left := time.Until(until); left > 0 {
		e := g.fails(model, Unreachable, ErrOpen, "%s failed as %s %d times in a row and is left alone for %v more", who, kind, g.limits.Failures, left.Round(time.Millisecond))
		e.RetryAfter = left
		return e
	}
	return g.fails(model, Unreachable, ErrOpen, "%s failed as %s %d times in a row, and one call is trying it now", who, kind, g.limits.Failures)
}
