package edge_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nearside/disk"
	"nearside/edge"
	"nearside/fault"
)

// clock is a time that the test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newClock() *clock { return &clock{time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)} }

// folder makes a data directory and returns the folder of an Edge in it.
func folder(t *testing.T) *disk.Dir {
	t.Helper()
	dir, err := disk.OpenDir(t.TempDir(), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	return dir.Sub(edge.Folder)
}

func open(t *testing.T, dir *disk.Dir, c *clock) *edge.Edge {
	t.Helper()
	e, err := edge.Open(dir, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// trusted reads what clients trust, and returns the authority's certificate beside all of them.
func trusted(t *testing.T, e *edge.Edge) (*x509.Certificate, *x509.CertPool) {
	t.Helper()
	pool := x509.NewCertPool()
	all := certificates(t, e)
	for _, c := range all {
		pool.AddCert(c)
	}
	return all[0], pool
}

// certificates reads what clients trust.
func certificates(t *testing.T, e *edge.Edge) (all []*x509.Certificate) {
	t.Helper()
	text, err := os.ReadFile(e.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// leaf asks for the certificate of a name.
func leaf(t *testing.T, e *edge.Edge, name string) *x509.Certificate {
	t.Helper()
	got, err := e.TLS().GetCertificate(&tls.ClientHelloInfo{ServerName: name})
	if err != nil {
		t.Fatal(err)
	}
	return got.Leaf
}

func TestClientsThatTrustTheAuthorityTrustItsServers(t *testing.T) {
	c := newClock()
	e := open(t, folder(t), c)
	_, roots := trusted(t, e)
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost", "shop.ada.workers.dev", "Shop.ADA.Workers.dev."} {
		sni := strings.Trim(host, "[]")
		if net.ParseIP(sni) != nil {
			sni = "" // clients name no addresses
		}
		if _, err := leaf(t, e, sni).Verify(x509.VerifyOptions{DNSName: strings.TrimSuffix(host, "."), Roots: roots, CurrentTime: c.at}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestTheAuthoritySpeaksForNoNameOnTheInternet(t *testing.T) {
	c := newClock()
	e := open(t, folder(t), c)
	_, roots := trusted(t, e)
	for _, name := range []string{"api.cloudflare.com", "workers.dev.evil.example", "evilworkers.dev", "a b.workers.dev", "*.workers.dev", "..workers.dev", strings.Repeat("a.", 200) + "workers.dev"} {
		if names := leaf(t, e, name).DNSNames; len(names) != 1 || names[0] != "localhost" {
			t.Errorf("%.40q: a certificate for %q", name, names)
		}
	}
	for i, c := range certificates(t, e) {
		if !c.PermittedDNSDomainsCritical || c.IsCA != (i == 0) || c.MaxPathLenZero != (i == 0) || len(c.PermittedDNSDomains) != 2 || len(c.PermittedIPRanges) != 2 {
			t.Errorf("certificate %d is not held to its names: %+v", i, c)
		}
	}
	if _, err := leaf(t, e, "").Verify(x509.VerifyOptions{DNSName: "api.cloudflare.com", Roots: roots, CurrentTime: c.at}); err == nil {
		t.Error("another's name was verified")
	}
}

func TestTheKeyIsItsOwnersAlone(t *testing.T) {
	dir, c := folder(t), newClock()
	open(t, dir, c)
	key := dir.Path("ca.key")
	info, err := os.Stat(key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(key, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := edge.Open(dir, c.now); err == nil || !strings.Contains(err.Error(), "chmod 600 "+key) {
		t.Errorf("a key that others read: %v", err)
	}
}

func TestTheAuthorityStaysAndIsRenewedWithItsKey(t *testing.T) {
	dir, c := folder(t), newClock()
	first, roots := trusted(t, open(t, dir, c))
	c.at = first.NotAfter.AddDate(-1, 0, -1)
	if again, _ := trusted(t, open(t, dir, c)); !again.Equal(first) {
		t.Error("it changed without need")
	}
	c.at = first.NotAfter.AddDate(-1, 0, 2)
	e := open(t, dir, c)
	second, later := trusted(t, e)
	if !second.NotAfter.After(c.at.AddDate(9, 0, 0)) {
		t.Errorf("it ends %s", second.NotAfter)
	}
	verify := func(who string, roots *x509.CertPool) {
		t.Helper()
		for _, name := range []string{"127.0.0.1", "shop.ada.workers.dev"} {
			if _, err := leaf(t, e, strings.TrimPrefix(name, "127.0.0.1")).Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: c.at}); err != nil {
				t.Errorf("%s, %s: %v", who, name, err)
			}
		}
	}
	verify("who trusts what was there before", roots)
	verify("who trusts what is there now", later)
	c.at = first.NotAfter.AddDate(0, 0, 1)
	verify("who trusts what is there now, when the first has ended", later)
}

// An Edge that knew no certificate of the addresses gets one, and its authority stays.
func TestAnEdgeFromBeforeGetsACertificateOfItsAddresses(t *testing.T) {
	dir, c := folder(t), newClock()
	first, _ := trusted(t, open(t, dir, c))
	alone := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: first.Raw})
	if err := os.WriteFile(dir.Path("ca.pem"), alone, 0o600); err != nil {
		t.Fatal(err)
	}
	e := open(t, dir, c)
	if all := certificates(t, e); len(all) != 2 || !all[0].Equal(first) || !all[1].Equal(leaf(t, e, "")) {
		t.Errorf("there are %d certificates", len(all))
	}
}

// A runtime of Workers with Miniflare 4 trusts no chain in which an authority is held to
// addresses and a server has one, so the addresses' certificate stands for itself, and no other has an address.
func TestNoChainHasAddresses(t *testing.T) {
	e := open(t, folder(t), newClock())
	own := leaf(t, e, "")
	if own.Issuer.String() != own.Subject.String() || own.KeyUsage != 0 {
		t.Errorf("the certificate of the addresses is issued by %s, for the use %d", own.Issuer, own.KeyUsage)
	}
	if other := leaf(t, e, "shop.ada.workers.dev"); len(other.IPAddresses) != 0 {
		t.Errorf("the certificate of a name has %v", other.IPAddresses)
	}
}

func TestCertificatesOfServersAreRenewedUnseen(t *testing.T) {
	c := newClock()
	e := open(t, folder(t), c)
	const name = "shop.ada.workers.dev"
	first := leaf(t, e, name)
	c.at = c.at.AddDate(0, 0, 59)
	if !leaf(t, e, name).Equal(first) {
		t.Error("it changed without need")
	}
	c.at = c.at.AddDate(0, 0, 2)
	if second := leaf(t, e, name); second.Equal(first) || !second.NotAfter.After(first.NotAfter) {
		t.Error("it was not renewed")
	}
	for i := range 1000 {
		leaf(t, e, fmt.Sprintf("w%d.workers.dev", i)) // what is kept of them is bounded
	}
}

func TestADamagedAuthorityIsNamedWithTheNextStep(t *testing.T) {
	other := folder(t)
	open(t, other, newClock())
	for name, damage := range map[string]func(dir string) error{
		"no key":                  func(dir string) error { return os.Remove(filepath.Join(dir, "ca.key")) },
		"a key that is none":      func(dir string) error { return os.WriteFile(filepath.Join(dir, "ca.key"), []byte("x"), 0o600) },
		"an empty certificate":    func(dir string) error { return os.Truncate(filepath.Join(dir, "ca.pem"), 0) },
		"another's certificate":   func(dir string) error { return os.Rename(other.Path("ca.pem"), filepath.Join(dir, "ca.pem")) },
		"a certificate that ends": func(dir string) error { return os.Truncate(filepath.Join(dir, "ca.pem"), 300) },
	} {
		dir, c := folder(t), newClock()
		open(t, dir, c)
		if err := damage(dir.Path()); err != nil {
			t.Fatal(err)
		}
		if _, err := edge.Open(dir, c.now); fault.KindOf(err) != fault.Corrupt || !strings.Contains(err.Error(), "remove the folder "+dir.Path()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir, c := folder(t), newClock()
	open(t, dir, c)
	if err := os.Remove(dir.Path("ca.pem")); err != nil { // as a crash after the key leaves it
		t.Fatal(err)
	}
	open(t, dir, c)
}

func TestEverySystemHasAWayToThePort(t *testing.T) {
	for system, way := range map[string]string{"linux": "setcap", "darwin": "0.0.0.0:443", "windows": "8443"} {
		if !strings.Contains(edge.Ways(system), way) {
			t.Errorf("%s: %s", system, edge.Ways(system))
		}
	}
}

var session = edge.Session{Account: "local", Key: "key-1", Bindings: []edge.Binding{{Name: "VECTORIZE", Type: "vectorize", Resource: "films"}, {Name: "AI", Type: "ai"}}}

func TestASessionOutlivesARestartAndEndsByItsTime(t *testing.T) {
	dir, c := folder(t), newClock()
	token, err := open(t, dir, c).Seal(session)
	if err != nil {
		t.Fatal(err)
	}
	e := open(t, dir, c)
	c.at = c.at.Add(edge.SessionLife - time.Second)
	got, ok := e.Unseal(token)
	if !ok || got.Account != "local" || got.Key != "key-1" {
		t.Fatalf("got %+v, %t", got, ok)
	}
	if b, ok := got.Binding("VECTORIZE"); !ok || b != session.Bindings[0] {
		t.Errorf("got %+v, %t", b, ok)
	}
	if _, ok := got.Binding("vectorize"); ok {
		t.Error("names of bindings have capitals")
	}
	c.at = c.at.Add(time.Second)
	if _, ok := e.Unseal(token); ok {
		t.Error("it is good for longer than it should be")
	}
}

func TestForgedTokensAreNone(t *testing.T) {
	c := newClock()
	e := open(t, folder(t), c)
	token, err := e.Seal(session)
	if err != nil {
		t.Fatal(err)
	}
	others, err := open(t, folder(t), c).Seal(session)
	if err != nil {
		t.Fatal(err)
	}
	text, proof, _ := strings.Cut(token, ".")
	admin := "nse_" + base64.RawURLEncoding.EncodeToString([]byte(`{"account":"others","ends":"2099-01-01T00:00:00Z","bindings":[]}`))
	for name, forged := range map[string]string{
		"nothing": "", "a mark": "nse_", "a dot": ".", "no proof": text, "an empty proof": text + ".", "another's": others,
		"another session": admin + "." + proof, "no mark": strings.TrimPrefix(token, "nse_"), "more behind it": token + "A", "a padded proof": token + "=",
		"a space": " " + token, "too long": token + strings.Repeat("A", edge.MaxToken),
	} {
		if s, ok := e.Unseal(forged); ok {
			t.Errorf("%s: %+v", name, s)
		}
	}
	for i := range token {
		changed := []byte(token)
		changed[i] ^= 1
		if _, ok := e.Unseal(string(changed)); ok {
			t.Errorf("with byte %d changed it is good", i)
		}
	}
}

func TestASessionThatFitsIntoNoHeaderIsRefused(t *testing.T) {
	e := open(t, folder(t), newClock())
	large := session
	for i := range 200 {
		large.Bindings = append(large.Bindings, edge.Binding{Name: fmt.Sprintf("VECTORIZE_%d", i), Type: "vectorize", Resource: "films"})
	}
	if _, err := e.Seal(large); err == nil || !strings.Contains(err.Error(), "202 bindings") {
		t.Errorf("got %v", err)
	}
}
