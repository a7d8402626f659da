// Package disk is the one home of durability. A Dir is a data directory that
// belongs to one process; a DB is a SQLite database in it, opened our way. No other
// package creates, replaces or renames a file.
//
// # What is promised
//
//   - When Update, WriteAtomic, RemoveAll or InstallDB returns nil, what it did is
//     on the device: the bytes, and the names of new files too.
//   - A change is whole or not there, also after a crash at any moment.
//   - A database that lacks something that was acknowledged, or of which a byte has
//     changed, is refused with a fault.Corrupt that names the file, when it is opened
//     or when the damaged page is read. A refused file is left as it was found. There is
//     one exception, of the moment in which the power is cut: see "The head witness".
//   - After a failed sync a database is read-only, and says so, until it is opened
//     anew: nobody knows what the device has, and a second sync would not tell.
//   - When the disk is full writes are refused with the numbers, reads go on, and
//     writes work again when there is room.
//   - Two processes never have one data directory; the second is told who the first is.
//
// What is not promised: that a database can be mended (restore a snapshot); that
// damage is found before it is read (Check and CheckDB read everything); that files
// opened with Dir.OpenFile, which are derived, are durable before File.Sync.
//
// # Files of a data directory
//
//	owner        locked while a process has the directory; says who, for people
//	format       "nearside data directory, format 1\nsum XXXXXXXX\n", the sum being the
//	             CRC-32C of the first line; made before anything else
//	NAME.temp    half-written; removed when the directory is opened
//	NAME.trash   half-removed; removed when the directory is opened
//
// Of a database called a.db:
//
//	a.db         SQLite: WAL mode, pages of 16 KiB, the last 8 bytes of each its
//	             checksum (that of sqlite.org/cksumvfs.html)
//	a.db-wal     SQLite's log: what has been committed since the last checkpoint, and
//	             behind it room, which is zeros or what older logs held
//	a.db-shm     SQLite's index of the log; made anew by whoever opens it first
//	a.db.head    the witness
//	a.db.new     a database that is whole and waits for its witness and its name
//
// Every database has a table "nearside" with one row: application, schema version,
// identity (16 random bytes) and head, the sequence of its last change. Each Update
// that succeeds is one sequence.
//
// A database of an older schema version is upgraded when it is opened, if its Schema
// knows the way, whole or not at all. There is no way back to an older version.
//
// # The head witness
//
// SQLite takes a damaged log for one that ends early, and says nothing. So the last
// acknowledged sequence is also written to the witness, after the commit and before
// any caller is told. A database that ends before its witness has lost something.
// One that ends after it was killed in between; then the witness is caught up.
//
// The witness is synced while the caller is told, and before it is written again. So
// it tells of every change that was acknowledged before the process was killed, and of
// every one but perhaps the last before the power was cut. That last one is in the log,
// which was synced; only if the device damages the log there as well, nobody notices.
//
// A witness is two slots of 4,096 bytes, written in turn, so that a write cut short
// leaves the other. A slot is, in little-endian:
//
//	 0  magic     16 bytes "nearside head 1\n"; the digit is the version
//	16  identity  16 bytes of the database
//	32  turn       8 bytes how many writes so far; turn modulo 2 is the slot
//	40  head       8 bytes
//	48  sum        4 bytes CRC-32C of the 48 before
//	52  unused
//
// # Making a database
//
// a.db.new is built, checkpointed and synced; then a.db.head is written, which is
// the moment at which the database exists; then a.db.new is renamed. OpenDB finishes
// what a crash interrupted: without a witness a.db.new is removed, with one renamed.
//
// # Locks
//
// Of a database: copies, then turn, then the mutexes of house, fleet and baton, which
// are held for a few instructions and never together. Parking another database only
// tries its locks.
package disk
