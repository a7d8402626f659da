//go:build race

package local_test

// underRace: the detector empties pools at random, so that allocations say nothing.
const underRace = true
