package local

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"time"

	"nearside/disk"
	"nearside/index"
)

// The files of an index folder.
const (
	recordsFile = "records.db"   // the truth
	rowsFile    = "vectors.rows" // derived from it
)

// schema is the layout of records.db, drawn in the package comment.
var schema = disk.Schema{
	Application: "nearside index",
	Version:     1,
	Statements: []string{
		`CREATE TABLE config (dimensions INTEGER NOT NULL, metric TEXT NOT NULL, created INTEGER NOT NULL)`,
		`CREATE TABLE state (sequence INTEGER NOT NULL, mutation TEXT NOT NULL, time INTEGER NOT NULL, changed INTEGER NOT NULL,
			slots INTEGER NOT NULL, count INTEGER NOT NULL, purged INTEGER NOT NULL)`,
		`CREATE TABLE history (second INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, mutation TEXT NOT NULL,
			time INTEGER NOT NULL, changed INTEGER NOT NULL, slots INTEGER NOT NULL)`,
		`CREATE TABLE records (slot INTEGER PRIMARY KEY, born INTEGER NOT NULL, died INTEGER, sum INTEGER NOT NULL,
			id TEXT NOT NULL, namespace TEXT NOT NULL, metadata TEXT, title TEXT NOT NULL, text TEXT NOT NULL)`,
		`CREATE UNIQUE INDEX records_alive ON records (id) WHERE died IS NULL`,
		`CREATE INDEX records_dead ON records (died) WHERE died IS NOT NULL`,
		`CREATE TABLE vectors (slot INTEGER PRIMARY KEY, data BLOB NOT NULL)`,
		`CREATE TABLE metadata_indexes (number INTEGER PRIMARY KEY, property TEXT NOT NULL, type TEXT NOT NULL,
			created INTEGER NOT NULL, backfilled INTEGER NOT NULL, dropped INTEGER)`,
	},
}

// state is the single row that says what the newest mutation left behind.
type state struct {
	mutation index.Mutation
	slots    slot // the next free slot
	count    int
	purged   index.Sequence // versions that died at or before it may be gone
}

// errEnough stops a statement that has returned enough rows.
var errEnough = errors.New("enough rows")

// each runs a query that its function may end early with errEnough.
func each(tx *disk.Tx, sql string, fn func(*disk.Row) error, args ...any) error {
	if err := tx.Each(sql, fn, args...); err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return nil
}

func initialize(tx *disk.Tx, c index.Config, now time.Time) error {
	err := tx.Exec(`INSERT INTO config (dimensions, metric, created) VALUES (?, ?, ?)`, c.Dimensions, string(c.Metric), now.UnixNano())
	if err != nil {
		return err
	}
	err = tx.Exec(`INSERT INTO state (sequence, mutation, time, changed, slots, count, purged) VALUES (0, '', 0, 0, 0, 0, 0)`)
	if err != nil {
		return err
	}
	return writeState(tx, state{mutation: index.Mutation{Time: now}})
}

func readState(tx *disk.Tx) (st state, found bool, err error) {
	err = tx.Each(`SELECT sequence, mutation, time, changed, slots, count, purged FROM state`, func(r *disk.Row) error {
		found = true
		st = state{
			mutation: readMutation(r),
			slots:    slot(r.Int(4)),
			count:    int(r.Int(5)),
			purged:   index.Sequence(r.Int(6)),
		}
		return nil
	})
	return st, found, err
}

// readMutation reads the columns sequence, mutation, time and changed.
func readMutation(r *disk.Row) index.Mutation {
	return index.Mutation{Sequence: index.Sequence(r.Int(0)), ID: r.Text(1), Time: time.Unix(0, r.Int(2)).UTC(), Changed: int(r.Int(3))}
}

// writeState makes st the newest state, and the one remembered for its second of the clock.
func writeState(tx *disk.Tx, st state) error {
	m, nanos := st.mutation, st.mutation.Time.UnixNano()
	err := tx.Exec(`UPDATE state SET sequence = ?, mutation = ?, time = ?, changed = ?, slots = ?, count = ?`,
		uint64(m.Sequence), m.ID, nanos, m.Changed, int64(st.slots), st.count)
	if err != nil {
		return err
	}
	return tx.Exec(`INSERT OR REPLACE INTO history (second, sequence, mutation, time, changed, slots) VALUES (?, ?, ?, ?, ?, ?)`,
		nanos/int64(time.Second), uint64(m.Sequence), m.ID, nanos, m.Changed, int64(st.slots))
}

func insertRecord(tx *disk.Tx, s slot, born index.Sequence, r *index.Record) error {
	var metadata any
	if r.Metadata != nil {
		metadata = string(r.Metadata)
	}
	err := tx.Exec(`INSERT INTO records (slot, born, died, sum, id, namespace, metadata, title, text) VALUES (?, ?, NULL, ?, ?, ?, ?, ?, ?)`,
		int64(s), uint64(born), int64(rowSum(r.Values)), string(r.ID), r.Namespace, metadata, r.Title, r.Text)
	if err != nil {
		return err
	}
	// The numbers lie in memory as they do in the file: openRows refuses machines where they do not.
	return tx.Exec(`INSERT INTO vectors (slot, data) VALUES (?, ?)`, int64(s), bytesOf(r.Values))
}

// living is the version of a record that is alive inside a write transaction.
type living struct {
	slot      slot
	born      index.Sequence
	namespace string
	metadata  json.RawMessage // nil unless asked for
}

func findLiving(tx *disk.Tx, id index.VectorID, withMetadata bool) (l living, found bool, err error) {
	sql := `SELECT slot, born, namespace, NULL FROM records WHERE id = ? AND died IS NULL`
	if withMetadata {
		sql = `SELECT slot, born, namespace, metadata FROM records WHERE id = ? AND died IS NULL`
	}
	err = tx.Each(sql, func(r *disk.Row) error {
		found = true
		l = living{slot: slot(r.Int(0)), born: index.Sequence(r.Int(1)), namespace: r.Text(2), metadata: rawJSON(r, 3)}
		return nil
	}, string(id))
	return l, found, err
}

func rawJSON(r *disk.Row, column int) json.RawMessage {
	if r.Null(column) {
		return nil
	}
	return json.RawMessage(r.Text(column))
}

func killRecord(tx *disk.Tx, s slot, at index.Sequence) error {
	return tx.Exec(`UPDATE records SET died = ? WHERE slot = ?`, uint64(at), int64(s))
}

func decodeVector(dst []float32, b []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
}
