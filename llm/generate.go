package llm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"nearside/fault"
	"nearside/llm/backend"
	"nearside/llm/chat"
	"nearside/llm/neuron"
)

// Call says who asks which model.
type Call struct {
	neuron.Payer
	ID           string // of the request: what an answer is named after
	Model        string // an id of the catalogue, or an alias
	RejectIfBusy bool   // rather an error at once than a place in a backend's queue
	DryRun       bool   // nothing is done; the error is a *Quote
	Once         string // the name under which it is charged once, however often it is made; see neuron.Call
}

// context is ctx with what the call wants of backends.
func (c Call) context(ctx context.Context) context.Context {
	if c.RejectIfBusy {
		return backend.RejectIfBusy(ctx)
	}
	return ctx
}

// Generated is how an answer came about.
type Generated struct {
	By
	chat.End
	Neurons neuron.Micro
	Warning string // what the caller should know about the model, or ""
}

// Listener is told an answer while it comes.
type Listener struct {
	// Begin is called once, before the first piece: it is known who answers.
	Begin func(Generated)
	// Piece is called for every piece that says something. An error ends the call and is returned.
	Piece func(chat.Piece) error
}

// Chat has a model that generates text answer piece by piece. The first backend
// that can answers, and no other is asked once Begin was called. What was produced
// is charged, also when the call is ended or fails midway; a call that fails
// before anything costs nothing. When Chat returns, the charge is durable.
func (r *Router) Chat(ctx context.Context, call Call, q *chat.Request, to Listener) (Generated, error) {
	return r.generate(call.context(ctx), call, q, func(ctx context.Context, a attempt) error {
		return a.chat(ctx, a.q, to)
	})
}

// Complete has a model answer as a whole. An answer that is not the JSON that the
// request wants is sent back once to be mended; both attempts are charged.
func (r *Router) Complete(ctx context.Context, call Call, q *chat.Request) (*chat.Answer, Generated, error) {
	var answer *chat.Answer
	out, err := r.generate(call.context(ctx), call, q, func(ctx context.Context, a attempt) error {
		var err error
		answer, err = a.complete(ctx)
		return err
	})
	return answer, out, err
}

// attempt is one model's try at answering a call.
type attempt struct {
	fleet *fleet
	call  Call
	model *Model // whose backends are asked
	pays  *Model // whose prices hold
	q     *chat.Request
	more  []*chat.Request // asked besides q, by the same work
	out   *Generated      // Usage adds up over everything that was asked
}

// generate finds the model, or those that @nearside/auto may pick, and has one of
// them do the work on the payer's bill. Once an answer has begun, a failure is final.
func (r *Router) generate(ctx context.Context, call Call, q *chat.Request, work func(context.Context, attempt) error) (out Generated, err error) {
	f := r.fleet.Load()
	m, err := f.model(call.Model, TextGeneration)
	if err != nil {
		return out, err
	}
	if q.LoRA != "" {
		return out, r.refuseFinetune(ctx, call.Account, m, q.LoRA)
	}
	q = bounded(m, q)
	var attempts []attempt
	for _, choice := range f.choices(ctx, m, q, m.Task) {
		attempts = append(attempts, attempt{fleet: f, call: call, model: choice.Model, pays: choice.Model, q: q, out: &Generated{Warning: choice.warning(m)}})
	}
	return r.firstOf(ctx, m, attempts, work)
}

// firstOf goes through attempts until one succeeds, or fails for good.
func (r *Router) firstOf(ctx context.Context, m *Model, attempts []attempt, work func(context.Context, attempt) error) (Generated, error) {
	var failures []error
	for _, a := range attempts {
		out, err := r.attempt(ctx, a, work)
		if err == nil || !elsewhere(ctx, err) || out.Usage != (chat.Usage{}) {
			return out, err // what was produced is paid for; nobody else is asked for more
		}
		failures = append(failures, err)
	}
	return Generated{}, allFailed(m, failures)
}

// attempt has one model do the work on the payer's bill.
func (r *Router) attempt(ctx context.Context, a attempt, work func(context.Context, attempt) error) (Generated, error) {
	requests := append(a.more, a.q)
	cost, err := r.charged(ctx, a.call, a.pays, a.pays.counting(estimated(requests), requests), func() (neuron.Usage, error) {
		err := work(ctx, a)
		used := a.out.Usage
		return a.pays.counting(neuron.Tokens(used.Prompt, used.Cached, used.Completion), requests), err
	})
	a.out.Neurons = cost
	return *a.out, err
}

// estimated is what requests use if every answer is as long as it may be.
func estimated(requests []*chat.Request) neuron.Usage {
	prompt, completion := 0, 0
	for _, q := range requests {
		prompt += chat.EstimateTokens(q)
		completion += cmp.Or(q.MaxTokens, longestAnswer)
	}
	return neuron.Tokens(prompt, 0, completion)
}

// counting adds the pictures of requests to the tokens that they used, for a model
// that is priced by them. Where no tokens were used, nothing was read.
func (m *Model) counting(used neuron.Usage, requests []*chat.Request) neuron.Usage {
	if !m.priced(neuron.Images) || len(used) == 0 {
		return used
	}
	for _, q := range requests {
		for _, message := range q.Messages {
			used[neuron.Images] += int64(len(message.Images))
		}
	}
	return used
}

// longestAnswer is the tokens reserved for an answer whose length nobody bounded.
const longestAnswer = 1024

// bounded returns q with a longest answer. What Cloudflare's models of the native
// kind write is bounded unless the caller says otherwise; the others, which think
// before they answer, may write what their context holds.
func bounded(m *Model, q *chat.Request) *chat.Request {
	if q.MaxTokens > 0 || m.Output == CompletionOutput {
		return q
	}
	with := *q
	with.MaxTokens = chat.DefaultMaxTokens
	return &with
}

// choices lists the models that may answer, best first: m itself, or of those
// that its rules pick the ones that are here now.
func (f *fleet) choices(ctx context.Context, m *Model, q *chat.Request, task Task) []Choice {
	if !m.Auto {
		return []Choice{{Model: m}}
	}
	ask := Ask{Task: task, Input: chat.EstimateTokens(q), Output: q.MaxTokens}
	if len(q.Tools) > 0 {
		ask.Needs = append(ask.Needs, Tools)
	}
	for _, message := range q.Messages {
		if len(message.Images) > 0 {
			ask.Needs = append(ask.Needs, Vision)
			break
		}
	}
	here := f.survey(ctx)
	return slices.DeleteFunc(f.catalogue.Choices(ask), func(c Choice) bool {
		_, missing := here.Serves(c.Model)
		return missing != nil
	})
}

// warning is what the callers of m should know about the model that was chosen.
func (c Choice) warning(m *Model) string {
	if m.Auto {
		return fmt.Sprintf("%s picked %s: %s", m.ID, c.Model.ID, c.Rule)
	}
	return m.Notice()
}

// elsewhere reports whether another model may be asked after the error of one.
func elsewhere(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	var e *backend.Error
	if errors.As(err, &e) {
		return e.Elsewhere()
	}
	f := fault.As(err)
	return f != nil && f.Reason == ReasonNoBackend
}

// chat asks for q and passes the answer on. The usage is added to the attempt's.
func (a attempt) chat(ctx context.Context, q *chat.Request, to Listener) error {
	before := a.out.Usage
	by, err := ask(ctx, a.fleet, a.model, func(c backend.Chatter, by By) error {
		a.out.By = by
		end, begun, err := a.listen(ctx, c, by, q, to)
		a.out.End = end
		a.out.Usage = chat.Usage{
			Prompt: before.Prompt + end.Usage.Prompt, Cached: before.Cached + end.Usage.Cached, Completion: before.Completion + end.Usage.Completion,
		}
		var e *backend.Error
		if begun && errors.As(err, &e) && !e.Started {
			started := *e
			started.Started = true
			return &started
		}
		return err
	})
	a.out.By = by
	return err
}

// listen has one backend answer, and passes on what its pieces say.
func (a attempt) listen(ctx context.Context, c backend.Chatter, by By, q *chat.Request, to Listener) (end chat.End, begun bool, err error) {
	sieve := chat.NewSieve(q, a.call.ID, a.model.Can(Reasoning))
	pass := func(p chat.Piece, err error) error {
		if err != nil {
			return err
		}
		if !begun {
			begun = true
			to.Begin(*a.out)
		}
		if p.Content == "" && p.Reasoning == "" && len(p.ToolCalls) == 0 {
			return nil
		}
		return to.Piece(p)
	}
	end, err = c.Chat(ctx, by.Served, q, func(p chat.Piece) error { return pass(sieve.Piece(p)) })
	if err != nil {
		return end, begun, err
	}
	last, final, err := sieve.End(end)
	if err != nil {
		return end, begun, err
	}
	return final, begun, pass(last, nil)
}

// complete gathers an answer, and sees to it that it is the JSON that is wanted.
func (a attempt) complete(ctx context.Context) (*chat.Answer, error) {
	if a.model.Input == GuardShape {
		return a.judge(ctx)
	}
	answer, err := a.gather(ctx, a.q)
	if err != nil || a.q.Format == nil || len(answer.ToolCalls) > 0 {
		return answer, err
	}
	object, why := a.q.Format.Check(answer.Content)
	if why != nil {
		if answer, err = a.gather(ctx, chat.Repair(a.q, answer.Content, why)); err != nil {
			return answer, err
		}
		if object, why = a.q.Format.Check(answer.Content); why != nil {
			return answer, chat.Unmet(why)
		}
	}
	answer.Content = string(object)
	return answer, nil
}

// judge gathers a verdict, which is JSON if that is wanted. The model itself has
// one way to say it, and must not be held to another.
func (a attempt) judge(ctx context.Context) (*chat.Answer, error) {
	plain := *a.q
	plain.Format = nil
	answer, err := a.gather(ctx, &plain)
	if err != nil || a.q.Format == nil {
		return answer, err
	}
	verdict, why := chat.Verdict(answer.Content)
	if why != nil {
		return answer, chat.Unmet(why)
	}
	answer.Content = string(verdict)
	return answer, nil
}

// gather asks for q and returns the answer as a whole, with the usage of the attempt so far.
func (a attempt) gather(ctx context.Context, q *chat.Request) (*chat.Answer, error) {
	answer := &chat.Answer{}
	err := a.chat(ctx, q, Listener{
		Begin: func(Generated) {},
		Piece: func(p chat.Piece) error { answer.Add(p); return nil },
	})
	answer.End = a.out.End
	return answer, err
}
