package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate makes a self-signed certificate for 127.0.0.1 and returns its files.
func certificate(t *testing.T) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for file, content := range map[string][]byte{cert: certPEM, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	return cert, key, roots
}

// startMaybeTLS is start, with TLS if secure.
func startMaybeTLS(t *testing.T, secure bool, config Config, table ...Route) *harness {
	t.Helper()
	if !secure {
		return start(t, config, table...)
	}
	var roots *x509.CertPool
	config.TLSCert, config.TLSKey, roots = certificate(t)
	h := start(t, config, table...)
	h.roots = roots
	return h
}

func TestTLSServesHTTP11AndNothingElse(t *testing.T) {
	h := startMaybeTLS(t, true, Config{})
	h.do("GET", "/health", nil).want(t, 200, 0, `"status":"ok"`)

	c, err := tls.Dial("tcp", h.addr(), &tls.Config{RootCAs: h.roots, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if p := c.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
		t.Errorf("negotiated %q", p)
	}
	if _, err := tls.Dial("tcp", h.addr(), &tls.Config{RootCAs: h.roots, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

func TestACertificateThatCannotBeUsedIsNamedAtStart(t *testing.T) {
	cert, _, _ := certificate(t)
	_, otherKey, _ := certificate(t)
	for _, key := range []string{otherKey, filepath.Join(t.TempDir(), "absent.pem")} {
		_, err := listen(Config{Addr: "127.0.0.1:0", TLSCert: cert, TLSKey: key}, Parts{Keys: &keyring{}}, nil, nil)
		if err == nil || !strings.Contains(err.Error(), cert) || !strings.Contains(err.Error(), "--tls-key") {
			t.Errorf("key %s: %v", key, err)
		}
	}
}
