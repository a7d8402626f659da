// Package batch keeps batches of calls to models, has them run, and keeps what
// came of them until it is fetched.
//
// A Store takes a Batch: inputs for one model, on one payer's bill. Run has the
// items run, a few at once, and Look tells how far a batch is, and in the end
// every item's result.
//
// What is promised:
//
//   - A batch that Add has taken is on disk. Whatever happens to the process, each
//     of its items ends with one result or one failure, and nothing is lost or told
//     twice. A program that starts goes on where the one before it was.
//   - An item is charged once: for the first run of it that used anything. One that
//     was charged and whose result was lost with the process is run again, and not
//     charged again (see neuron.Call, Once). What a batch says it cost is what the
//     ledger has charged for its items.
//   - An item whose backend is not reachable or has no room waits and is tried again,
//     for GiveUp at most. One that fails in another way that may pass is tried
//     Tries times.
//   - Batches take turns, item by item, and none waits for another's backend.
//   - Batches that have ended are kept for Keep, and then deleted.
//
// What is not: that items run in order, or that a model is asked only once for an
// item. There is no way to end a batch early.
//
// The database is batches.db, kept by package disk:
//
//	batches  number → id, payer, model, when it came and ended, how many items are open
//	items    (batch, item) → input while it is open; then result or failure, and what it used
//
// Times are milliseconds since 1970, 0 for never. The input of an item is deleted when it ends.
package batch

import (
	"context"
	"fmt"
	"time"

	"nearside/fault"
	"nearside/llm"
	"nearside/llm/chat"
	"nearside/llm/neuron"
)

// Limits of one batch.
const (
	MaxItems       = 10_000
	MaxBytes       = 10 << 20 // of all inputs (developers.cloudflare.com/workers-ai/features/batch-api)
	MaxResultBytes = 64 << 20 // of all results: they are told in one reply
	MaxReference   = 512      // bytes of a reference
)

// How long things take, and how much is kept, unless Options say otherwise.
const (
	Keep       = 24 * time.Hour   // that a batch that has ended can be fetched
	GiveUp     = 24 * time.Hour   // that an item waits for a backend
	Tries      = 3                // of an item that fails in a way that may pass
	AtOnce     = 2                // items under way: a backend takes eight calls, and most are for people who wait
	HeldBytes  = 1 << 30          // of all inputs and results of all batches; beyond it no more are taken
	Grace      = 20 * time.Second // that items under way are given when the program ends: as long as calls
	firstDelay = time.Second      // before an item is tried again; it doubles
	longest    = time.Minute      // of these delays
	sweepEvery = time.Minute      // that batches whose time is over are looked for
	itemBytes  = 256              // that an item takes besides input and result
)

// ReasonUnknown is a batch that does not exist, or no longer, or is another account's.
const ReasonUnknown fault.Reason = "batch_unknown"

// Batch is calls that are made later.
type Batch struct {
	neuron.Payer
	Model string // an id of the catalogue
	Items []Item
}

// Item is one of the calls.
type Item struct {
	Input     []byte // of the model, as JSON
	Reference string // the caller's own name for it, or ""
}

// Validate checks the limits of a batch, not its inputs.
func (b Batch) Validate() error {
	if len(b.Items) == 0 || len(b.Items) > MaxItems {
		return fault.For(llm.ReasonInput, "AiError: Bad input: Error: Length of '/requests' must be >= 1 and <= %d, and is %d", MaxItems, len(b.Items))
	}
	for i, item := range b.Items {
		if len(item.Reference) > MaxReference {
			return fault.For(llm.ReasonInput, "AiError: Bad input: Error: Length of '/requests/%d/external_reference' must be <= %d, and is %d", i, MaxReference, len(item.Reference))
		}
	}
	if n := b.bytes(); n > MaxBytes {
		return fault.New(fault.TooLarge, "the requests of the batch are %d bytes; at most %d can be sent in one: send several batches", n, MaxBytes)
	}
	return nil
}

// bytes is the size of all inputs.
func (b Batch) bytes() (n int) {
	for _, item := range b.Items {
		n += len(item.Input)
	}
	return n
}

// held is about what the batch takes on disk.
func (b Batch) held() int64 { return int64(b.bytes() + len(b.Items)*itemBytes) }

// Task is an item that is to be run.
type Task struct {
	neuron.Payer
	Model string
	Input []byte
	Once  string // the name under which it is charged
}

// Done is what came of a task.
type Done struct {
	Result []byte // JSON
	Usage  chat.Usage
}

// Worker runs tasks and words their failures.
type Worker struct {
	// Run has a model do what a task asks for. It is called by several goroutines.
	Run func(ctx context.Context, t Task) (Done, error)
	// Word says how callers are told of an error.
	Word func(err error) Failure
}

// Failure is why an item failed, as callers are told.
type Failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// State says how far a batch is.
type State string

// The states.
const (
	Queued  State = "queued"  // no item was begun
	Running State = "running" // some item was
	Ended   State = "ended"   // every item was answered, or failed
)

// Report is what there is to tell of a batch.
type Report struct {
	Model   string
	State   State
	Open    int    // items that have not ended
	Waiting string // why the batch waits, for people; "": it does not
	// What follows is there once the batch has Ended.
	Responses []Response // in the order of the items
	Usage     chat.Usage
	Neurons   neuron.Micro // what was charged for all items
}

// Response is what came of an item.
type Response struct {
	Result    []byte // JSON; nil: it failed
	Failure   Failure
	Reference string
}

// patience says how long an item whose run failed is tried again.
type patience int

const (
	never    patience = iota // it would fail again
	someTime                 // Tries times
	longTime                 // until GiveUp
)

// patienceWith tells how likely it is that a failure passes.
func patienceWith(err error) patience {
	f := fault.As(err)
	switch {
	case f == nil:
		return someTime
	case f.Reason == llm.ReasonNoBackend || f.Kind == fault.Busy:
		return longTime
	case f.Kind == fault.Unavailable && f.Reason == "": // a full disk
		return longTime
	case f.Kind == fault.Unavailable || f.Kind == fault.Canceled || f.Kind == fault.Internal:
		return someTime
	default:
		return never
	}
}

// group is the name of all charges of a batch, and once that of an item's.
func group(id string) string { return "batch:" + id }

func once(id string, item int) string { return fmt.Sprintf("%s/%d", group(id), item) }
