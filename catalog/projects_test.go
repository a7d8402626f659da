package catalog_test

import (
	"errors"
	"strings"
	"testing"

	"nearside/catalog"
	"nearside/disk"
	"nearside/fault"
)

// project makes a project of account a.
func (h *house) project(name string) (catalog.Project, string) {
	h.t.Helper()
	p, secret, err := h.CreateProject(h.t.Context(), "a", name)
	if err != nil {
		h.t.Fatal(err)
	}
	return p, secret
}

func TestAProjectIsKnownByItsSecretAlsoAfterARestart(t *testing.T) {
	h := open(t)
	p, secret := h.project("shop")
	other, _ := h.project("blog")
	h.restart()
	if got, ok := h.Project(secret); !ok || got.ID != p.ID || got.Account != "a" || got.Name != "shop" {
		t.Errorf("got %+v, %t", got, ok)
	}
	if list := h.Projects("a"); len(list) != 2 || len(h.Projects("b")) != 0 || list[0].ID != p.ID && list[1].ID != p.ID || list[0].ID != other.ID && list[1].ID != other.ID {
		t.Errorf("got %+v", list)
	}
	for _, wrong := range []string{"", secret[:len(secret)-1], secret + "a", strings.ToUpper(secret)} {
		if _, ok := h.Project(wrong); ok {
			t.Errorf("%q opens it", wrong)
		}
	}
}

func TestAProjectIsNoKeyAndClosesNoDoor(t *testing.T) {
	h := open(t)
	_, secret := h.project("shop")
	if _, ok := h.Authenticate(secret); ok || h.HasKeys() {
		t.Error("the project is taken for a key")
	}
	_, key := h.key(catalog.Key{Account: "a", Permission: catalog.Admin})
	if _, ok := h.Project(key); ok {
		t.Error("a key is taken for a project")
	}
}

func TestAProjectOfTheSameNameReplacesTheOneThereWas(t *testing.T) {
	h := open(t)
	_, old := h.project("shop")
	p, secret := h.project("shop")
	for range 2 {
		if _, ok := h.Project(old); ok {
			t.Error("the old secret opens something")
		}
		if got, ok := h.Project(secret); !ok || got.ID != p.ID || len(h.Projects("a")) != 1 {
			t.Errorf("got %+v, %t", got, ok)
		}
		h.restart()
	}
}

func TestADeletedProjectOpensNothing(t *testing.T) {
	h := open(t)
	p, secret := h.project("shop")
	if err := h.DeleteProject(t.Context(), "b", p.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("by another account: got %v", err)
	}
	if err := h.DeleteProject(t.Context(), "a", p.ID); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, ok := h.Project(secret); ok {
			t.Error("it opens something")
		}
		h.restart()
	}
	if err := h.DeleteProject(t.Context(), "a", p.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("again: got %v", err)
	}
}

func TestAProjectNeedsAnAccountAndAName(t *testing.T) {
	h := open(t)
	for _, wrong := range [][2]string{{"", "shop"}, {"a", ""}, {"a", strings.Repeat("x", 1025)}} {
		if _, _, err := h.CreateProject(t.Context(), wrong[0], wrong[1]); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.20q: got %v", wrong, err)
		}
	}
}

func TestACatalogueOfAnEarlierProgramGainsProjects(t *testing.T) {
	h := open(t)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := h.dir.OpenDB("nearside.db", disk.Schema{Application: "nearside catalog", Version: 1})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx *disk.Tx) error { return tx.Exec(`DROP TABLE projects`) }, nil)
	if err := errors.Join(err, db.Close(), h.dir.Close()); err != nil {
		t.Fatal(err)
	}
	h.open()
	if _, secret := h.project("shop"); secret == "" {
		t.Error("no secret")
	}
}
