package catalog_test

import (
	"testing"
)

// keep keeps a text of a project for a day, behind what is kept already.
func (h *house) keep(project, day, text string) {
	h.t.Helper()
	err := h.KeepTraffic(h.t.Context(), project, day, "2026-11-01", func(kept []byte) ([]byte, error) {
		return append(kept, text...), nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// kept returns what is kept of a project for two days.
func (h *house) kept(project string) string {
	h.t.Helper()
	days, err := h.Traffic(h.t.Context(), project)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(days["2026-11-01"]) + "|" + string(days["2026-11-02"])
}

func TestTrafficIsKeptByProjectAndDayAlsoAfterARestart(t *testing.T) {
	h := open(t)
	shop, _ := h.project("shop")
	blog, _ := h.project("blog")
	h.keep(shop.ID, "2026-11-01", "a")
	h.keep(shop.ID, "2026-11-01", "b")
	h.keep(shop.ID, "2026-11-02", "c")
	h.keep(blog.ID, "2026-11-02", "d")
	h.restart()
	if got := h.kept(shop.ID) + " " + h.kept(blog.ID); got != "ab|c |d" {
		t.Errorf("got %s", got)
	}
	if err := h.ForgetTraffic(t.Context(), shop.ID); err != nil {
		t.Fatal(err)
	}
	if got := h.kept(shop.ID) + " " + h.kept(blog.ID); got != "| |d" {
		t.Errorf("after the shop's was forgotten: %s", got)
	}
}

func TestDaysBeforeTheOldestAreForgotten(t *testing.T) {
	h := open(t)
	p, _ := h.project("shop")
	h.keep(p.ID, "2026-10-31", "old")
	h.keep(p.ID, "2026-11-01", "a")
	days, err := h.Traffic(t.Context(), p.ID)
	if err != nil || len(days) != 1 {
		t.Errorf("%d days, %v", len(days), err)
	}
}

func TestTrafficGoesWithItsProject(t *testing.T) {
	h := open(t)
	p, _ := h.project("shop")
	h.keep(p.ID, "2026-11-01", "a")
	again, _ := h.project("shop")
	if got := h.kept(p.ID) + " " + h.kept(again.ID); got != "| |" {
		t.Errorf("of a project that another one replaced: %s", got)
	}
	h.keep(again.ID, "2026-11-01", "a")
	if err := h.DeleteProject(t.Context(), "a", again.ID); err != nil {
		t.Fatal(err)
	}
	h.keep(again.ID, "2026-11-01", "late")
	if got := h.kept(again.ID); got != "|" {
		t.Errorf("of a project that was deleted: %s", got)
	}
}
