package catalog

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/google/uuid"

	"nearside/disk"
	"nearside/fault"
)

// projectsTable came later than most others: see later.
const projectsTable = `CREATE TABLE projects (
			id      TEXT PRIMARY KEY,
			account TEXT NOT NULL,
			name    TEXT NOT NULL,
			digest  BLOB NOT NULL UNIQUE,
			created INTEGER NOT NULL
		) STRICT, WITHOUT ROWID`

// Project is a Workers project whose bindings are answered here. The runtime that
// runs its Worker shows the project's secret with every call of a binding. A project
// is no key: it opens no API, and that there is one does not close the door that is
// open without keys.
type Project struct {
	ID      string // a UUID
	Account string // the account whose indexes and models its bindings reach
	Name    string // for people: mostly the folder; a project of the same name replaces it
	Created time.Time
}

// Reasons of the faults about projects.
const (
	ReasonProject   fault.Reason = "project"         // a project that cannot be made
	ReasonNoProject fault.Reason = "project_missing" // no project has the id
)

// A project's secret is like a key's, but for its mark.
const projectMark = "nsw_"

// maxProjectName bounds the name of a project, in bytes.
const maxProjectName = 1024

// CreateProject makes a project and returns it with its secret, of which only the
// SHA-256 is kept. A project of the account with the same name is gone then, with its secret and its traffic.
func (c *Catalog) CreateProject(ctx context.Context, account, name string) (Project, string, error) {
	switch {
	case account == "":
		return Project{}, "", fault.For(ReasonProject, "a project belongs to an account; name one")
	case name == "" || len(name) > maxProjectName:
		return Project{}, "", fault.For(ReasonProject, "the project's name has %d bytes; it can have 1 to %d, such as those of its folder", len(name), maxProjectName)
	}
	secret := newSecret(projectMark)
	sum := digest(sha256.Sum256([]byte(secret)))
	p := Project{ID: uuid.NewString(), Account: account, Name: name, Created: c.now()}
	err := c.db.Update(ctx, func(tx *disk.Tx) error {
		for _, forget := range []string{
			`DELETE FROM traffic WHERE project IN (SELECT id FROM projects WHERE account = ? AND name = ?)`,
			`DELETE FROM projects WHERE account = ? AND name = ?`,
		} {
			if err := tx.Exec(forget, account, name); err != nil {
				return err
			}
		}
		return tx.Exec(`INSERT INTO projects (id, account, name, digest, created) VALUES (?, ?, ?, ?, ?)`, p.ID, account, name, sum[:], stamp(p.Created))
	}, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.forgetProjects(func(old Project) bool { return old.Account == account && old.Name == name })
		c.projects[sum] = p
	})
	if err != nil {
		return Project{}, "", err
	}
	return p, secret, nil
}

// Project returns the project that a secret belongs to, from memory.
func (c *Catalog) Project(secret string) (Project, bool) {
	sum := digest(sha256.Sum256([]byte(secret)))
	c.mu.RLock()
	defer c.mu.RUnlock()
	p, ok := c.projects[sum]
	return p, ok
}

// Projects returns the projects of an account, oldest first, from memory.
func (c *Catalog) Projects(account string) []Project {
	c.mu.RLock()
	var projects []Project
	for _, p := range c.projects {
		if p.Account == account {
			projects = append(projects, p)
		}
	}
	c.mu.RUnlock()
	slices.SortFunc(projects, func(a, b Project) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return projects
}

// DeleteProject deletes a project of an account. Once it returns, its secret opens nothing.
func (c *Catalog) DeleteProject(ctx context.Context, account, id string) error {
	return c.db.Update(ctx, func(tx *disk.Tx) error {
		n, err := count(tx, `SELECT count(*) FROM projects WHERE account = ? AND id = ?`, account, id)
		if err == nil && n == 0 {
			err = &fault.Error{Kind: fault.NotFound, Reason: ReasonNoProject, Message: "no project of the account has the id " + id}
		}
		if err != nil {
			return err
		}
		if err := forgetTraffic(tx, id); err != nil {
			return err
		}
		return tx.Exec(`DELETE FROM projects WHERE id = ?`, id)
	}, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.forgetProjects(func(p Project) bool { return p.ID == id })
	})
}

// forgetProjects drops projects from memory.
func (c *Catalog) forgetProjects(which func(Project) bool) {
	for sum, p := range c.projects {
		if which(p) {
			delete(c.projects, sum)
		}
	}
}

func (c *Catalog) loadProjects(tx *disk.Tx) error {
	return tx.Each(`SELECT id, account, name, digest, created FROM projects`, func(r *disk.Row) error {
		p := Project{ID: r.Text(0), Account: r.Text(1), Name: r.Text(2), Created: unstamp(r.Int(4))}
		if len(r.Blob(3)) != sha256.Size {
			return fault.New(fault.Corrupt, "project %s is damaged", p.ID)
		}
		c.projects[digest(r.Blob(3))] = p
		return nil
	})
}
