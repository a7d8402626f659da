//go:build race

package hnsw_test

import "nearside/index/local/vek"

// The race detector does not see what assembly reads.
func init() {
	if err := vek.Use("generic"); err != nil {
		panic(err)
	}
}
