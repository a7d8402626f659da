package ann

import (
	"context"

	"nearside/fault"
)

// buildCoder refuses: the library does not build for Windows.
func buildCoder(context.Context, *Set, Options) (Engine, error) {
	return nil, fault.New(fault.Unavailable, "coder-hnsw does not run on Windows; leave it out of --engine")
}
