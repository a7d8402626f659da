package index

import "nearside/fault"

// Forgotten is the fault of asking for changes since a mutation too far back, or one that never was.
func Forgotten(since, from, newest Sequence) error {
	return fault.For(ReasonForgotten, "what changed since mutation %d is not known any more: the index remembers what was removed after mutation %d, and is at %d; compare all records instead", since, from, newest)
}
