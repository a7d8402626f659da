// Package local is the embedded engine: indexes in the folders of a data
// directory, vectors in mapped memory, graphs over them. Engine implements
// index.Engine; Open returns one.
//
// Each index is a folder with a number for a name:
//
//	records.db        the truth: a SQLite database that any SQLite program can read
//	records.db.head   its witness, see package disk
//	vectors.rows      the vectors once more, as the scan wants them: derived, see rows
//	graph.hnsw        the graph as it was some time ago: derived, see graphFile
//
// records.db has these tables:
//
//	config            dimensions, metric, created
//	state             the newest mutation (sequence, mutation, time, changed) and what it
//	                  left behind: slots, the next free one; count, of records; purged,
//	                  the sequence up to which superseded versions may be gone
//	history           the last mutation of each second in which there was one, while it matters
//	records           slot, born, died, sum, id, namespace, metadata, title, text
//	vectors           slot, data: little-endian float32; sum above is its CRC-32C
//	metadata_indexes  number, property, type, created, backfilled, dropped
//
// Times are nanoseconds since 1970; born, died, created, dropped and purged are sequences.
//
// A slot is one version of one record, and never changes. Replacing a record takes
// a new slot and sets died in the old one; slots ascend with the commits. While an
// index is open none is used twice; when it is opened, gaps that purged versions left
// may be closed, and then what remains is numbered anew. A mutation is one transaction of records.db, shared with the
// callers that come at the same time, unless it is of a selection and may concern
// any number of records; once that is durable, memory follows, and a
// view is published with one pointer. Readers pin a view and wait for nobody: what
// a view reaches (slotTable, rows, filter.Column) is only ever added to, and the
// slots it shows are a bitmap of its own. All that one answer says of a record
// comes from one slot.
//
// Superseded versions stay until no view, age or cursor can ask for them, and are
// then purged in small batches. An open index remembers every view as far back as
// Options.MaxAge; one that was opened again, those that history has.
//
// An index of some thousand records gets a graph (package hnsw) over codes of its
// vectors (package quant). A builder in the background makes it and puts the newest
// slots, the tail, into it; while it is idle it repairs the graph around the dead and
// asks queries of late again exactly, so that the recall is known and ef follows it. A
// query is answered in the cheapest way (see planner): codes or a walk say which rows
// may be among the nearest, those and the tail are scanned exactly. So a graph
// decides only whether a record is found, never what is said of it.
//
// What the package promises, beyond index.Index:
//
//   - A file that is damaged or cut gives the same answers or a fault.Corrupt that
//     names it. The index is then out of service; others are not concerned.
//   - vectors.rows may be deleted, damaged or outdated at any time: what is wrong
//     with it is put right from records.db when the index is opened. So may
//     graph.hnsw: the graph is built anew, and answers are exact meanwhile.
//   - An answer that may lack some of the nearest says so (Explain.Exhaustive); it is
//     never short, and never has a record that was deleted, lies outside of the scope or
//     does not match.
//   - Open indexes stay within Options.MemoryBytes and MaxOpen. Idle ones are
//     closed to make room and opened again by their next use, unnoticed; what
//     does not fit even so is refused with the numbers.
//
// Locks, in the order in which they may be taken together: handle.gate, the writer
// of records.db, store.publishing, then one of Engine.mu, views.mu, leases.mu, bell.mu,
// recallGauge.mu and namespaces.mu, under which no other is taken. Files are touched under the first two only.
package local
