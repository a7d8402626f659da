package edge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"time"
)

// maxLeaves bounds the certificates in memory. A client chooses the names.
const maxLeaves = 64

// maxHost is the longest name of a host, in bytes.
const maxHost = 253

// leaf returns the certificate for the name that a client asks for. Whoever asks for
// none, or for one that the authority cannot speak for, gets that of the loopback addresses.
func (e *Edge) leaf(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if !speaksFor(name) {
		name = ""
	}
	if name == "" {
		return e.addressed(), nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if kept := e.leaves[name]; kept != nil && e.now().Before(kept.Leaf.NotAfter.Add(-leafRenew)) {
		return kept, nil
	}
	made, err := e.mint(name)
	if err != nil {
		return nil, err
	}
	if len(e.leaves) >= maxLeaves {
		clear(e.leaves)
	}
	e.leaves[name] = made
	return made, nil
}

// speaksFor reports whether the authority can speak for a host.
func speaksFor(name string) bool {
	for _, domain := range domains {
		if len(name) <= maxHost && (name == domain || strings.HasSuffix(name, "."+domain)) {
			return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" && !strings.Contains(name, "..")
		}
	}
	return false
}

// addressed returns the certificate of the loopback addresses, which clients trust as it
// is: by the authority's, some could not. A runtime of Workers with Miniflare 4 refuses
// every chain in which an authority is held to addresses.
func (e *Edge) addressed() *tls.Certificate {
	oldest := e.byAddress[0]
	for _, c := range e.byAddress {
		if oldest = c; e.now().Before(c.NotAfter) {
			break
		}
	}
	return &tls.Certificate{Certificate: [][]byte{oldest.Raw}, PrivateKey: e.key, Leaf: oldest}
}

// mint makes a certificate for a host.
func (e *Edge) mint(name string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "nearside"},
		NotBefore: e.now().Add(-skew), NotAfter: earlier(e.now().Add(leafLife), e.ca.NotAfter),
		DNSNames: []string{name},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, e.ca, &key.PublicKey, e.key)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
