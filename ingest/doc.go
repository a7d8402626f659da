// Package ingest loads documents into an index: it reads files, cuts them into passages,
// has these embedded and stored, and remembers what it did, so that the next run does only what changed.
//
// A Source hands out files, a Target is the index, and a Manifest is what is remembered of the two.
package ingest
