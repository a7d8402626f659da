// Package ingest loads documents into an index: it reads files, cuts them into passages,
// has these embedded and stored, and remembers what it did, so that the next run does only what changed.
//
// A Source hands out files, a Target is the index, and a Manifest is what is remembered of the two.
// Load brings the three together.
//
// Promises:
//
//   - What did not change costs nothing: it is not read if its size and time are those of the last
//     run, and not parsed if its digest is. What changed is replaced, its new passages before the old ones go.
//   - A run may end at any moment, killed or told to: the next one goes on, and the index comes to be what one undisturbed run
//     would have made it. Before a record is written the manifest knows its id, so that nothing is in the index that it does not know of.
//   - One bad file ends no run. It has a reason, which is reported each time until the file changes.
//   - Only a walk that came to its end proves that a file is gone, and only pruning removes its records.
//   - Memory does not grow with the number of files, nor with their size, but for some 16 bytes
//     a passage of the largest file (package chunk) and the paths of files that are gone.
//
// A file with more than Options.PartRecords passages is remembered in parts: items whose
// path is the file's with a NUL and the part's number, from 1. A part is loaded as soon as its records are in,
// so that a file of a day's work need not begin again.
//
// It does not know HTTP, and does not lock: who may load a source is up to the Manifest that it is given.
package ingest
