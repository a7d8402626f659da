package catalog

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"nearside/disk"
	"nearside/fault"
)

// Permission says what a key's holder may do. Each one includes those before it.
type Permission string

// The permissions.
const (
	Read  Permission = "read"  // look and search
	Write Permission = "write" // and change records
	Admin Permission = "admin" // and make and delete indexes and keys
)

var ranks = map[Permission]int{Read: 1, Write: 2, Admin: 3}

// Valid reports whether p is one of the three permissions.
func (p Permission) Valid() bool { return ranks[p] > 0 }

// Allows reports whether p includes what is needed.
func (p Permission) Allows(needed Permission) bool { return p.Valid() && ranks[p] >= ranks[needed] }

// Limits narrow what a key reaches; the zero value narrows nothing.
type Limits struct {
	Indexes    []string        // the only index names it may use; nil = all
	Namespaces []string        // the only namespaces it may see and touch, "" = records without one; nil = all
	Filter     json.RawMessage // a metadata filter that every record it sees or touches must pass; nil = none
}

// None reports whether l narrows nothing.
func (l Limits) None() bool { return l.Indexes == nil && l.Namespaces == nil && l.Filter == nil }

// AllowsIndex reports whether the key may use the index of that name.
func (l Limits) AllowsIndex(name string) bool {
	return l.Indexes == nil || slices.Contains(l.Indexes, name)
}

// Key is an API key without its secret. Callers do not change its slices.
type Key struct {
	ID         string // a UUID; how people name the key to revoke it
	Account    string // the one account it opens
	Name       string // for people, may be ""
	Prefix     string // the beginning of the secret, for recognition
	Permission Permission
	Limits
	NeuronsPerDay int64 `json:",omitzero"` // what models may cost that it calls in a UTC day; 0 = no limit of its own
	Created       time.Time
}

// Reasons of the faults about keys.
const (
	ReasonKey   fault.Reason = "key"         // a key that cannot be made
	ReasonNoKey fault.Reason = "key_missing" // no key has the id
)

// A secret is "nsk_" and 32 random bytes in lower-case base32. The prefix kept
// for recognition leaves 226 of the 256 bits unknown.
const (
	secretMark   = "nsk_"
	secretBytes  = 32
	prefixLength = len(secretMark) + 6
)

// maxNeuronsPerDay bounds the allowance of a key: $11,000,000 a day.
const maxNeuronsPerDay = 1_000_000_000_000

// maxKeyName bounds the name of a key, in bytes.
const maxKeyName = 256

type digest [sha256.Size]byte

// CreateKey makes a key and returns it with its secret, which is shown this once:
// only its SHA-256 is kept. ID, Prefix and Created of the argument are ignored.
//
// The first key closes the door that was open without keys, so it must be an
// admin key without limits: any other would leave nobody able to make the next one.
func (c *Catalog) CreateKey(ctx context.Context, k Key) (Key, string, error) {
	if err := checkKey(k); err != nil {
		return Key{}, "", err
	}
	secret := newSecret(secretMark)
	sum := digest(sha256.Sum256([]byte(secret)))
	k.ID, k.Prefix, k.Created = uuid.NewString(), secret[:prefixLength], c.now()
	err := c.db.Update(ctx, func(tx *disk.Tx) error {
		if err := checkFirst(tx, k); err != nil {
			return err
		}
		err := tx.Exec(`INSERT INTO keys (id, account, name, prefix, digest, permission, indexes, namespaces, filter, created)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			k.ID, k.Account, k.Name, k.Prefix, sum[:], string(k.Permission), list(k.Indexes), list(k.Namespaces), raw(k.Filter), stamp(k.Created))
		if err != nil || k.NeuronsPerDay == 0 {
			return err
		}
		return tx.Exec(`INSERT INTO allowances (key, neurons) VALUES (?, ?)`, k.ID, k.NeuronsPerDay)
	}, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.keys[sum] = k
	})
	if err != nil {
		return Key{}, "", err
	}
	return k, secret, nil
}

// Authenticate returns the key that a secret belongs to, from memory.
func (c *Catalog) Authenticate(secret string) (Key, bool) {
	sum := digest(sha256.Sum256([]byte(secret)))
	c.mu.RLock()
	defer c.mu.RUnlock()
	k, ok := c.keys[sum]
	return k, ok
}

// HasKeys reports whether any account has a key: then every request needs one.
func (c *Catalog) HasKeys() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.keys) > 0
}

// Keys returns the keys of an account, oldest first, from memory.
func (c *Catalog) Keys(account string) []Key {
	c.mu.RLock()
	var keys []Key
	for _, k := range c.keys {
		if k.Account == account {
			keys = append(keys, k)
		}
	}
	c.mu.RUnlock()
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return keys
}

// RevokeKey deletes a key of an account. Once it returns, the secret opens nothing.
// The last admin key without limits stays as long as there are other keys.
func (c *Catalog) RevokeKey(ctx context.Context, account, id string) error {
	var sum digest
	return c.db.Update(ctx, func(tx *disk.Tx) error {
		found := false
		err := tx.Each(`SELECT digest FROM keys WHERE account = ? AND id = ?`, func(r *disk.Row) error {
			found = true
			copy(sum[:], r.Blob(0))
			return nil
		}, account, id)
		if err != nil {
			return err
		}
		if !found {
			return &fault.Error{Kind: fault.NotFound, Reason: ReasonNoKey, Message: "no key of the account has the id " + id + "; list them with: nearside keys list"}
		}
		for _, statement := range []string{`DELETE FROM keys WHERE id = ?`, `DELETE FROM allowances WHERE key = ?`} {
			if err := tx.Exec(statement, id); err != nil {
				return err
			}
		}
		return checkSomebodyMayMakeKeys(tx)
	}, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.keys, sum)
	})
}

// checkKey checks what does not depend on other keys.
func checkKey(k Key) error {
	switch {
	case k.Account == "":
		return fault.For(ReasonKey, "a key belongs to an account; name one")
	case len(k.Name) > maxKeyName:
		return fault.For(ReasonKey, "the key's name has %d bytes; at most %d are allowed", len(k.Name), maxKeyName)
	case !k.Permission.Valid():
		return fault.For(ReasonKey, "the scope %q does not exist; use read, write or admin", k.Permission)
	case k.Indexes != nil && len(k.Indexes) == 0, k.Namespaces != nil && len(k.Namespaces) == 0:
		return fault.For(ReasonKey, "an empty list of indexes or namespaces would allow nothing; leave the list out to allow all")
	case k.Filter != nil && !json.Valid(k.Filter):
		return fault.For(ReasonKey, "the key's filter is not JSON: %s", k.Filter)
	case k.NeuronsPerDay < 0 || k.NeuronsPerDay > maxNeuronsPerDay:
		return fault.For(ReasonKey, "the key's neurons per day are %d; a whole number from 1 to %d is a limit, 0 is none", k.NeuronsPerDay, int64(maxNeuronsPerDay))
	case k.Permission == Admin && k.NeuronsPerDay > 0:
		return fault.For(ReasonKey, "an admin key cannot be limited to %d neurons a day, because it could make a key that is not; use the scope write", k.NeuronsPerDay)
	case k.Permission == Admin && !k.Limits.None():
		return fault.For(ReasonKey, "an admin key cannot be limited to indexes, namespaces or a filter, because it could make a key that is not; use the scope write")
	}
	return nil
}

func checkFirst(tx *disk.Tx, k Key) error {
	others, err := count(tx, `SELECT count(*) FROM keys`)
	if err != nil || others > 0 || k.Permission == Admin {
		return err
	}
	return fault.For(ReasonKey, "the first key must have the scope admin, not %s: from then on every request needs a key, and only an admin key can make more", k.Permission)
}

func checkSomebodyMayMakeKeys(tx *disk.Tx) error {
	admins, err := count(tx, `SELECT count(*) FROM keys WHERE permission = ?`, string(Admin))
	if err != nil || admins > 0 {
		return err
	}
	others, err := count(tx, `SELECT count(*) FROM keys`)
	if err != nil || others == 0 {
		return err
	}
	return fault.New(fault.Conflict, "this is the last admin key, and %d other keys need one to manage them; revoke those first, or make another admin key", others)
}

func newSecret(mark string) string {
	b := make([]byte, secretBytes)
	rand.Read(b) // never fails: the program ends if the system has no randomness
	return mark + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}

func (c *Catalog) loadKeys(tx *disk.Tx) error {
	return tx.Each(`SELECT id, account, name, prefix, digest, permission, indexes, namespaces, filter, created, neurons
		FROM keys LEFT JOIN allowances ON allowances.key = keys.id`, func(r *disk.Row) error {
		k := Key{ID: r.Text(0), Account: r.Text(1), Name: r.Text(2), Prefix: r.Text(3), Permission: Permission(r.Text(5)), Created: unstamp(r.Int(9)), NeuronsPerDay: r.Int(10)}
		if len(r.Blob(4)) != sha256.Size || !k.Permission.Valid() {
			return fault.New(fault.Corrupt, "key %s is damaged", k.ID)
		}
		if !r.Null(6) && json.Unmarshal([]byte(r.Text(6)), &k.Indexes) != nil || !r.Null(7) && json.Unmarshal([]byte(r.Text(7)), &k.Namespaces) != nil {
			return fault.New(fault.Corrupt, "the limits of key %s are damaged", k.ID)
		}
		if !r.Null(8) {
			k.Filter = json.RawMessage(r.Text(8))
		}
		c.keys[digest(r.Blob(4))] = k
		return nil
	})
}

// list and raw are the column values of limits: JSON, or NULL where there is none.
func list(names []string) any {
	if names == nil {
		return nil
	}
	b, err := json.Marshal(names)
	if err != nil {
		panic(err) // a slice of strings always encodes
	}
	return string(b)
}

func raw(filter json.RawMessage) any {
	if filter == nil {
		return nil
	}
	return string(filter)
}
