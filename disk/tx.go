package disk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"nearside/fault"
)

// statementsKept bounds the prepared statements that a connection keeps.
const statementsKept = 64

// conn is one connection to a database. It is used by one goroutine at a time.
type conn struct {
	*sqlite3.Conn
	db         *DB
	statements map[string]*sqlite3.Stmt // idle ones, by their SQL
}

// take returns a prepared statement that nobody else uses until give.
func (c *conn) take(sql string) (*sqlite3.Stmt, error) {
	if s, ok := c.statements[sql]; ok {
		delete(c.statements, sql)
		return s, nil
	}
	s, tail, err := c.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT)
	if err != nil {
		return nil, err
	}
	if s == nil || strings.TrimSpace(tail) != "" {
		return nil, errors.Join(fault.New(fault.Internal, "not one SQL statement: %q", sql), s.Close())
	}
	return s, nil
}

// give resets a statement and keeps it for the next take.
func (c *conn) give(sql string, s *sqlite3.Stmt) {
	// Reset repeats the error of the last Step, which has been reported.
	_ = s.Reset()
	_ = s.ClearBindings() // frees large values; cannot fail
	if _, taken := c.statements[sql]; taken || len(c.statements) >= statementsKept {
		_ = s.Close() // repeats the same error
		return
	}
	c.statements[sql] = s
}

// close closes the connection and its statements; a nil connection is closed already.
func (c *conn) close() error {
	if c == nil {
		return nil
	}
	defer c.db.dir.house.fleet.closed(c.db)
	for sql, s := range c.statements {
		_ = s.Close() // idle statements have no error to report
		delete(c.statements, sql)
	}
	return c.Conn.Close()
}

// Tx is a transaction: of its own in View, a savepoint of the common one in
// Update. It must not be used after the function it was passed to has returned.
type Tx struct {
	ctx      context.Context
	c        *conn
	sequence uint64 // 0 in a View that has not asked for it
}

// Sequence returns, in Update, the sequence that this mutation will have; in
// View, the sequence of the last mutation that the transaction sees.
func (tx *Tx) Sequence() uint64 { return tx.sequence }

// Changes returns how many rows the last INSERT, UPDATE or DELETE changed.
func (tx *Tx) Changes() int { return int(tx.c.Conn.Changes()) }

// Exec runs one statement to its end. Arguments may be int, int64, uint64 below
// 2^63, float64, bool, string, []byte and nil; they are copied.
func (tx *Tx) Exec(sql string, args ...any) error {
	s, err := tx.begin(sql, args)
	if err != nil {
		return err
	}
	defer tx.c.give(sql, s)
	return tx.c.db.explain(s.Exec())
}

// Each runs a query and calls fn with every row, until it returns an error.
// Queries may be nested. Arguments are those of Exec.
func (tx *Tx) Each(sql string, fn func(r *Row) error, args ...any) error {
	s, err := tx.begin(sql, args)
	if err != nil {
		return err
	}
	defer tx.c.give(sql, s)
	row := Row{s}
	for s.Step() {
		if err := fn(&row); err != nil {
			return err
		}
		if err := tx.ctx.Err(); err != nil {
			return canceled(err)
		}
	}
	return tx.c.db.explain(s.Err())
}

// begin returns the statement with its arguments bound.
func (tx *Tx) begin(sql string, args []any) (*sqlite3.Stmt, error) {
	if err := tx.ctx.Err(); err != nil {
		return nil, canceled(err)
	}
	s, err := tx.c.take(sql)
	if err != nil {
		return nil, tx.c.db.explain(err)
	}
	for i, arg := range args {
		if err := bind(s, i+1, arg); err != nil {
			tx.c.give(sql, s)
			return nil, tx.c.db.explain(err)
		}
	}
	return s, nil
}

func bind(s *sqlite3.Stmt, i int, arg any) error {
	switch v := arg.(type) {
	case nil:
		return s.BindNull(i)
	case int:
		return s.BindInt64(i, int64(v))
	case int64:
		return s.BindInt64(i, v)
	case uint64:
		if v > math.MaxInt64 {
			return fmt.Errorf("argument %d of %q is %d, SQLite's integers end at %d", i, s.SQL(), v, math.MaxInt64)
		}
		return s.BindInt64(i, int64(v))
	case float64:
		return s.BindFloat(i, v)
	case bool:
		return s.BindBool(i, v)
	case string:
		return s.BindText(i, v)
	case []byte:
		if v == nil {
			return s.BindNull(i)
		}
		return s.BindBlob(i, v)
	default:
		return fmt.Errorf("argument %d of %q has the type %T, which SQLite cannot store", i, s.SQL(), arg)
	}
}

// Row is the current row of a query. Columns count from 0.
type Row struct{ s *sqlite3.Stmt }

// Int returns an INTEGER column.
func (r *Row) Int(i int) int64 { return r.s.ColumnInt64(i) }

// Float returns a REAL column.
func (r *Row) Float(i int) float64 { return r.s.ColumnFloat(i) }

// Text returns a copy of a TEXT column; "" for NULL.
func (r *Row) Text(i int) string { return r.s.ColumnText(i) }

// Blob returns a BLOB column; nil for NULL. The bytes are valid until the next
// row and must not be changed.
func (r *Row) Blob(i int) []byte { return r.s.ColumnRawBlob(i) }

// Null reports whether the column is NULL.
func (r *Row) Null(i int) bool { return r.s.ColumnType(i) == sqlite3.NULL }
