package catalog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/catalog"
	"nearside/disk"
	"nearside/fault"
)

// house is a data directory whose catalogue can be closed and opened again.
type house struct {
	t    *testing.T
	path string
	dir  *disk.Dir
	now  time.Time
	*catalog.Catalog
}

func open(t *testing.T) *house {
	h := &house{t: t, path: t.TempDir(), now: time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)}
	h.open()
	t.Cleanup(h.close)
	return h
}

func (h *house) open() {
	h.t.Helper()
	var err error
	if h.dir, err = disk.OpenDir(h.path, disk.Options{}); err != nil {
		h.t.Fatal(err)
	}
	if h.Catalog, err = catalog.Open(h.dir, func() time.Time { return h.now }); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) close() {
	h.t.Helper()
	if err := h.Check(context.Background()); err != nil {
		h.t.Error(err)
	}
	if err := h.Close(); err != nil {
		h.t.Error(err)
	}
	if err := h.dir.Close(); err != nil {
		h.t.Error(err)
	}
}

func (h *house) restart() {
	h.t.Helper()
	h.close()
	h.open()
}

func (h *house) add(account, name string) catalog.Index {
	h.t.Helper()
	n, err := h.AllocateNumber(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	x, err := h.AddIndex(h.t.Context(), catalog.Index{Account: account, Name: name, Number: n, Dimensions: 3, Metric: "cosine"}, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	return x
}

func (h *house) key(k catalog.Key) (catalog.Key, string) {
	h.t.Helper()
	made, secret, err := h.CreateKey(h.t.Context(), k)
	if err != nil {
		h.t.Fatal(err)
	}
	return made, secret
}

func kind(t *testing.T, err error, want fault.Kind, reason fault.Reason, fragments ...string) {
	t.Helper()
	f := fault.As(err)
	if f == nil || f.Kind != want || f.Reason != reason {
		t.Fatalf("got %v, want %s with the reason %q", err, want, reason)
	}
	for _, fragment := range fragments {
		if !strings.Contains(f.Message, fragment) {
			t.Errorf("the message lacks %q: %s", fragment, f.Message)
		}
	}
}

func TestDefinitionsSurviveARestartWhole(t *testing.T) {
	h := open(t)
	want, err := h.AddIndex(t.Context(), catalog.Index{
		Account: "local", Name: "films", Number: 7, Description: "demo — ü", Dimensions: 768, Metric: "dot-product",
		Preset: "p", Model: "m", Fingerprint: "f",
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if want.Created != h.now.Truncate(time.Microsecond) || want.Modified != want.Created {
		t.Errorf("stamped %v, %v at %v", want.Created, want.Modified, h.now)
	}
	for range 2 {
		got, err := h.Index("local", "films")
		if err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
		h.restart()
	}
}

func TestAccountsDoNotSeeEachOther(t *testing.T) {
	h := open(t)
	h.add("a", "films")
	h.add("b", "films")
	h.add("b", "books")
	if got := h.Indexes("a"); len(got) != 1 || got[0].Account != "a" {
		t.Errorf("account a has %+v", got)
	}
	if got := h.Indexes("b"); len(got) != 2 || got[0].Name != "books" || got[1].Name != "films" {
		t.Errorf("account b has %+v, want its two by name", got)
	}
	_, err := h.Index("a", "books")
	kind(t, err, fault.NotFound, catalog.ReasonNoIndex, `vectorize.index.not_found - Index name "books"`)
}

func TestNumbersAreNeverGivenTwice(t *testing.T) {
	h := open(t)
	seen := map[catalog.Number]bool{}
	for range 3 {
		x := h.add("a", "films")
		if seen[x.Number] {
			t.Fatalf("number %d was given twice", x.Number)
		}
		seen[x.Number] = true
		if _, err := h.RemoveIndex(t.Context(), "a", "films"); err != nil {
			t.Fatal(err)
		}
		h.restart()
		if last, err := h.LastNumber(t.Context()); err != nil || last != x.Number {
			t.Fatalf("the last number is %d, %v; want %d", last, err, x.Number)
		}
	}
}

func TestConcurrentAllocationsAndAdditionsAllHold(t *testing.T) {
	h := open(t)
	var wait sync.WaitGroup
	for i := range 32 {
		wait.Go(func() { h.add("a", fmt.Sprintf("index-%d", i)) })
	}
	wait.Wait()
	before := h.Indexes("a")
	all := h.All()
	if len(before) != 32 || len(all) != 32 || all[31].Number != 32 {
		t.Fatalf("%d indexes, of all accounts %v", len(before), all)
	}
	h.restart()
	for i, x := range h.Indexes("a") {
		if x != before[i] {
			t.Errorf("memory said %+v, the database %+v", before[i], x)
		}
	}
}

func TestANameIsTakenOnce(t *testing.T) {
	h := open(t)
	h.add("a", "films")
	_, err := h.AddIndex(t.Context(), catalog.Index{Account: "a", Name: "films", Number: 99}, 0)
	kind(t, err, fault.Conflict, catalog.ReasonDuplicate, `vectorize.index.duplicate_name - Index name "films"`)
}

func TestTheLimitOfIndexesHoldsAtItsEdge(t *testing.T) {
	h := open(t)
	for i, refused := range []bool{false, false, true} {
		_, err := h.AddIndex(t.Context(), catalog.Index{Account: "a", Name: fmt.Sprint("n", i), Number: catalog.Number(i + 1)}, 2)
		if (err != nil) != refused {
			t.Errorf("index %d of at most 2: %v", i+1, err)
		}
		if refused {
			kind(t, err, fault.Invalid, catalog.ReasonQuota, "2 indexes and may have 2", "delete one")
		}
	}
	if _, err := h.AddIndex(t.Context(), catalog.Index{Account: "b", Name: "n", Number: 9}, 2); err != nil {
		t.Errorf("another account's limit is its own: %v", err)
	}
}

func TestADeletedNameIsRememberedUntilItIsUsedAgain(t *testing.T) {
	h := open(t)
	h.add("a", "films")
	if _, err := h.RemoveIndex(t.Context(), "a", "films"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := h.Index("a", "films")
		kind(t, err, fault.Gone, catalog.ReasonDeleted, `vectorize.index.deleted - Index name "films" was deleted`)
		_, err = h.RemoveIndex(t.Context(), "a", "films")
		kind(t, err, fault.Gone, catalog.ReasonDeleted)
		_, err = h.Index("b", "films")
		kind(t, err, fault.NotFound, catalog.ReasonNoIndex)
		h.restart()
	}
	h.add("a", "films")
	for range 2 {
		if _, err := h.Index("a", "films"); err != nil {
			t.Error(err)
		}
		h.restart()
	}
}

func TestSwappingStorageIsForTheOneThatWasSeen(t *testing.T) {
	h := open(t)
	old := h.add("a", "films")
	h.now = h.now.Add(time.Hour)
	x, err := h.SwapNumber(t.Context(), "a", "films", old.Number, 50)
	if err != nil || x.Number != 50 || x.Created != old.Created || !x.Modified.Equal(h.now.Truncate(time.Microsecond)) {
		t.Fatalf("got %+v, %v", x, err)
	}
	_, err = h.SwapNumber(t.Context(), "a", "films", old.Number, 51)
	kind(t, err, fault.Conflict, "", "was replaced")
	h.restart()
	if got, err := h.Index("a", "films"); err != nil || got != x {
		t.Errorf("got %+v, %v; want %+v", got, err, x)
	}
}

func TestADescriptionCanBeReplaced(t *testing.T) {
	h := open(t)
	h.add("a", "films")
	if x, err := h.SetDescription(t.Context(), "a", "films", "new"); err != nil || x.Description != "new" {
		t.Fatalf("got %+v, %v", x, err)
	}
	h.restart()
	if x, err := h.Index("a", "films"); err != nil || x.Description != "new" {
		t.Errorf("got %+v, %v", x, err)
	}
	_, err := h.SetDescription(t.Context(), "a", "books", "new")
	kind(t, err, fault.NotFound, catalog.ReasonNoIndex)
}

func TestASecretIsShownOnceAndNeverStored(t *testing.T) {
	h := open(t)
	filter := json.RawMessage(`{"tenant":"x"}`)
	admin, adminSecret := h.key(catalog.Key{Account: "a", Permission: catalog.Admin})
	limited, secret := h.key(catalog.Key{Account: "a", Name: "reader", Permission: catalog.Read, Limits: catalog.Limits{
		Indexes: []string{"films"}, Namespaces: []string{"", "eu"}, Filter: filter,
	}})
	for range 2 {
		got, ok := h.Authenticate(secret)
		if !ok || fmt.Sprint(got) != fmt.Sprint(limited) {
			t.Errorf("got %v, %v; want %v", got, ok, limited)
		}
		if got, ok := h.Authenticate(adminSecret); !ok || got.ID != admin.ID {
			t.Errorf("the admin's secret opens %v, %v", got, ok)
		}
		h.restart()
	}
	if !strings.HasPrefix(secret, limited.Prefix) || len(limited.Prefix) > 12 {
		t.Errorf("the prefix is %q", limited.Prefix)
	}
	for _, file := range []string{"nearside.db", "nearside.db-wal"} {
		raw, err := os.ReadFile(h.dir.Path(file))
		if err == nil && bytes.Contains(raw, []byte(secret[len(limited.Prefix):])) {
			t.Errorf("%s holds the secret", file)
		}
	}
}

func TestTheAllowanceOfAKeySurvivesARestartAndEndsWithTheKey(t *testing.T) {
	h := open(t)
	h.key(catalog.Key{Account: "a", Permission: catalog.Admin})
	k, secret := h.key(catalog.Key{Account: "a", Permission: catalog.Read, NeuronsPerDay: 500})
	for range 2 {
		if got, ok := h.Authenticate(secret); !ok || got.NeuronsPerDay != 500 {
			t.Errorf("got %+v, %v", got, ok)
		}
		if keys := h.Keys("a"); len(keys) != 2 || keys[0].NeuronsPerDay+keys[1].NeuronsPerDay != 500 {
			t.Errorf("the account has %+v", keys)
		}
		h.restart()
	}
	if err := h.RevokeKey(t.Context(), "a", k.ID); err != nil {
		t.Fatal(err)
	}
	h.restart()
	if keys := h.Keys("a"); len(keys) != 1 || keys[0].NeuronsPerDay != 0 {
		t.Errorf("the account has %+v", keys)
	}
}

func TestACatalogueOfAnEarlierProgramGainsAllowances(t *testing.T) {
	h := open(t)
	_, secret := h.key(catalog.Key{Account: "a", Permission: catalog.Admin})
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := h.dir.OpenDB("nearside.db", disk.Schema{Application: "nearside catalog", Version: 1})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx *disk.Tx) error { return tx.Exec(`DROP TABLE allowances`) }, nil)
	if err := errors.Join(err, db.Close(), h.dir.Close()); err != nil {
		t.Fatal(err)
	}
	h.open()
	if _, ok := h.Authenticate(secret); !ok {
		t.Error("the key that was there opens nothing")
	}
	if k, _ := h.key(catalog.Key{Account: "a", Permission: catalog.Read, NeuronsPerDay: 1}); k.NeuronsPerDay != 1 {
		t.Errorf("got %+v", k)
	}
}

func TestOnlyTheExactSecretOpens(t *testing.T) {
	h := open(t)
	_, secret := h.key(catalog.Key{Account: "a", Permission: catalog.Admin})
	for _, wrong := range []string{"", "x", secret[:len(secret)-1], secret + "a", strings.ToUpper(secret), " " + secret} {
		if _, ok := h.Authenticate(wrong); ok {
			t.Errorf("%q opens", wrong)
		}
	}
}

func TestARevokedKeyOpensNothingFromThenOn(t *testing.T) {
	h := open(t)
	h.key(catalog.Key{Account: "a", Permission: catalog.Admin})
	k, secret := h.key(catalog.Key{Account: "a", Permission: catalog.Write})
	kind(t, h.RevokeKey(t.Context(), "b", k.ID), fault.NotFound, catalog.ReasonNoKey)
	if err := h.RevokeKey(t.Context(), "a", k.ID); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, ok := h.Authenticate(secret); ok {
			t.Error("a revoked key opens")
		}
		if keys := h.Keys("a"); len(keys) != 1 {
			t.Errorf("the account has %v", keys)
		}
		h.restart()
	}
	kind(t, h.RevokeKey(t.Context(), "a", k.ID), fault.NotFound, catalog.ReasonNoKey)
}

func TestNobodyIsLockedOut(t *testing.T) {
	h := open(t)
	if h.HasKeys() {
		t.Fatal("a new catalogue has keys")
	}
	_, _, err := h.CreateKey(t.Context(), catalog.Key{Account: "a", Permission: catalog.Write})
	kind(t, err, fault.Invalid, catalog.ReasonKey, "first key must have the scope admin, not write")
	admin, _ := h.key(catalog.Key{Account: "a", Permission: catalog.Admin})
	reader, _ := h.key(catalog.Key{Account: "a", Permission: catalog.Read})
	kind(t, h.RevokeKey(t.Context(), "a", admin.ID), fault.Conflict, "", "last admin key")
	for _, id := range []string{reader.ID, admin.ID} {
		if !h.HasKeys() {
			t.Error("HasKeys is false while there is a key")
		}
		if err := h.RevokeKey(t.Context(), "a", id); err != nil {
			t.Fatal(err)
		}
	}
	if h.HasKeys() {
		t.Error("HasKeys is true without keys")
	}
}

func TestKeysThatCannotBeMadeAreRefusedWithTheReason(t *testing.T) {
	h := open(t)
	h.key(catalog.Key{Account: "a", Permission: catalog.Admin})
	for _, c := range []struct {
		key  catalog.Key
		want string
	}{
		{catalog.Key{Permission: catalog.Read}, "belongs to an account"},
		{catalog.Key{Account: "a"}, `scope "" does not exist`},
		{catalog.Key{Account: "a", Permission: "root"}, `scope "root" does not exist; use read, write or admin`},
		{catalog.Key{Account: "a", Permission: catalog.Read, Name: strings.Repeat("x", 257)}, "257 bytes; at most 256"},
		{catalog.Key{Account: "a", Permission: catalog.Read, Limits: catalog.Limits{Indexes: []string{}}}, "empty list"},
		{catalog.Key{Account: "a", Permission: catalog.Read, Limits: catalog.Limits{Filter: json.RawMessage(`{"a":`)}}, "not JSON"},
		{catalog.Key{Account: "a", Permission: catalog.Admin, Limits: catalog.Limits{Indexes: []string{"x"}}}, "admin key cannot be limited"},
		{catalog.Key{Account: "a", Permission: catalog.Admin, NeuronsPerDay: 1}, "admin key cannot be limited to 1 neurons"},
		{catalog.Key{Account: "a", Permission: catalog.Read, NeuronsPerDay: -1}, "are -1"},
		{catalog.Key{Account: "a", Permission: catalog.Read, NeuronsPerDay: 1_000_000_000_001}, "from 1 to 1000000000000"},
	} {
		_, _, err := h.CreateKey(t.Context(), c.key)
		kind(t, err, fault.Invalid, catalog.ReasonKey, c.want)
	}
	if _, _, err := h.CreateKey(t.Context(), catalog.Key{Account: "a", Permission: catalog.Read, Name: strings.Repeat("x", 256)}); err != nil {
		t.Errorf("a name of 256 bytes: %v", err)
	}
}

func TestPermissionsIncludeTheOnesBefore(t *testing.T) {
	order := []catalog.Permission{catalog.Read, catalog.Write, catalog.Admin}
	for i, has := range order {
		for j, needs := range order {
			if has.Allows(needs) != (i >= j) {
				t.Errorf("%s allows %s: %v", has, needs, has.Allows(needs))
			}
		}
	}
	if catalog.Permission("root").Allows(catalog.Read) {
		t.Error("an unknown permission allows something")
	}
}

func TestAModelStaysPinnedToTheWeightsThatServedItFirst(t *testing.T) {
	h := open(t)
	var wait sync.WaitGroup
	got := make([]string, 8)
	for i := range got {
		wait.Go(func() {
			pin, err := h.PinModel(t.Context(), "a", "m", fmt.Sprint("weights-", i))
			if err != nil {
				t.Error(err)
			}
			got[i] = pin.Fingerprint
		})
	}
	wait.Wait()
	for _, f := range got {
		if f != got[0] {
			t.Fatalf("several weights were pinned: %v", got)
		}
	}
	h.restart()
	if pin, ok := h.Pin("a", "m"); !ok || pin.Fingerprint != got[0] {
		t.Errorf("after a restart the pin is %v, %v", pin, ok)
	}
	if _, ok := h.Pin("b", "m"); ok {
		t.Error("another account has the pin too")
	}
	if pin, err := h.SwitchModel(t.Context(), "a", "m", "other"); err != nil || pin.Fingerprint != "other" {
		t.Errorf("switched to %v, %v", pin, err)
	}
	h.restart()
	if pins := h.Pins("a"); len(pins) != 1 || pins[0].Fingerprint != "other" {
		t.Errorf("the pins are %v", pins)
	}
}
