package ingest

import (
	"context"
	"time"
)

// Manifest is what is remembered of a source and an index, for whoever has it claimed. Its
// methods may be called from several goroutines. It renews its claim by itself until it is released.
type Manifest interface {
	// Items returns known items after a path, in the order of their paths' bytes, up to limit of them.
	Items(ctx context.Context, after string, limit int) ([]Known, error)

	// Put puts items and forgets others, durably, as one change of up to 1,000.
	Put(ctx context.Context, items []Known, forget []string) error

	// Lost is closed when the claim is lost: another loader may be at work.
	Lost() <-chan struct{}

	// Release gives the source back; complete if all of it was seen.
	Release(ctx context.Context, complete bool) error
}

// Known is what is remembered of an item.
type Known struct {
	Path     string
	State    State
	Size     int64
	Modified time.Time
	Digest   string   // of its content
	Recipe   string   // what its records depend on beside the content
	Records  []string // their ids
	Reason   string   // why it failed
}

// State is how far an item has come.
type State string

// The states.
const (
	Loading State = "loading" // records are on their way: the ids are those before and those to come
	Loaded  State = "loaded"  // all of its records are in the index, and no others
	Failed  State = "failed"  // it could not be loaded, or not all of it. Records are those that are there
)
