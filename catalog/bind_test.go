package catalog_test

import (
	"testing"

	"nearside/catalog"
	"nearside/disk"
	"nearside/fault"
)

func TestTheFirstBindingOfAnIndexHoldsAndSurvivesARestart(t *testing.T) {
	dir, err := disk.OpenDir(t.TempDir(), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	c, err := catalog.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.AddIndex(t.Context(), catalog.Index{Account: "a", Name: "notes", Number: 7, Dimensions: 2, Metric: "cosine", Preset: "p"}, 0); err != nil {
		t.Fatal(err)
	}
	for _, fingerprint := range []string{"first", "second"} {
		x, err := c.BindModel(t.Context(), "a", "notes", 7, "model of "+fingerprint, fingerprint)
		if err != nil || x.Fingerprint != "first" || x.Model != "model of first" {
			t.Errorf("binding %s: got %+v, %v", fingerprint, x, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if c, err = catalog.Open(dir, nil); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if x, err := c.Index("a", "notes"); err != nil || x.Fingerprint != "first" || x.Preset != "p" || !x.Modified.After(x.Created) {
		t.Errorf("after a restart: got %+v, %v", x, err)
	}
}

func TestOnlyTheIndexThatWasMeantIsBound(t *testing.T) {
	dir, err := disk.OpenDir(t.TempDir(), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	c, err := catalog.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.AddIndex(t.Context(), catalog.Index{Account: "a", Name: "notes", Number: 8, Dimensions: 2, Metric: "cosine"}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := c.BindModel(t.Context(), "a", "notes", 7, "m", "f"); !fault.Is(err, fault.Conflict) {
		t.Errorf("another index of the name: got %v", err)
	}
	if _, err := c.BindModel(t.Context(), "a", "gone", 7, "m", "f"); !fault.Is(err, fault.NotFound) {
		t.Errorf("no index of the name: got %v", err)
	}
	if x, err := c.Index("a", "notes"); err != nil || x.Fingerprint != "" {
		t.Errorf("got %+v, %v", x, err)
	}
}
