package keyword

import (
	"runtime/debug"

	"nearside/fault"
)

// contain runs what reads segments. A panic in there, a fault in a mapped file included
// (it was cut short, or a sector is bad), becomes an error of kind fault.Corrupt.
// It holds for the calling goroutine only; the segment format starts none.
func contain[T any](what string, read func() (T, error)) (value T, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fault.New(fault.Corrupt, "%s cannot be read: %v", what, r)
		}
	}()
	return read()
}

// unreadable says that an error of the segment format is a damaged file.
func unreadable(what string, err error) error {
	if err == nil || fault.As(err) != nil {
		return err
	}
	return fault.New(fault.Corrupt, "%s cannot be read", what).Because(err)
}
