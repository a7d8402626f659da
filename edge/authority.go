package edge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"runtime"
	"time"

	"nearside/fault"
)

// Lifetimes. Clients read the authority's certificate when they start, and some keep it
// in a store, so it changes as rarely as it can; a server's is made anew unseen.
const (
	authorityLife  = 10 * 365 * 24 * time.Hour
	authorityRenew = 365 * 24 * time.Hour // before its end
	leafLife       = 90 * 24 * time.Hour
	leafRenew      = 30 * 24 * time.Hour // before its end
	skew           = time.Hour           // of a client's clock behind ours
)

// Types of PEM blocks.
const (
	pemCertificate = "CERTIFICATE"
	pemKey         = "PRIVATE KEY"
)

// domains are the names, with all below them, that the authority can speak for.
var domains = []string{"localhost", "workers.dev"}

// loopback are the addresses that it can speak for.
var loopback = []*net.IPNet{
	{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
	{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
}

// openAuthority reads the key and the certificate, and makes what is missing. The key is
// written first: a certificate never stands there without it.
func (e *Edge) openAuthority() error {
	if err := e.openKey(); err != nil {
		return err
	}
	found, err := e.dir.Exists(CertificateFile)
	if err != nil {
		return err
	}
	if found {
		if err := e.readCertificate(); err != nil {
			return err
		}
		if e.now().Before(e.ca.NotAfter.Add(-authorityRenew)) {
			return nil
		}
	}
	return e.certify()
}

func (e *Edge) openKey() error {
	found, err := e.dir.Exists(keyFile)
	if err != nil {
		return err
	}
	if !found {
		return e.makeKey()
	}
	if err := e.checkMode(); err != nil {
		return err
	}
	der, err := e.readPEM(keyFile, pemKey)
	if err != nil {
		return err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	key, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok {
		return e.damaged(keyFile, err)
	}
	e.key = key
	return nil
}

// checkMode refuses a key that others can read.
func (e *Edge) checkMode() error {
	path := e.dir.Path(keyFile)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return fault.New(fault.Invalid, "%s has the mode %04o, so others than its owner can use it; run: chmod 600 %[1]s", path, mode)
	}
	return nil
}

func (e *Edge) makeKey() error {
	orphan, err := e.dir.Exists(CertificateFile)
	if err != nil {
		return err
	}
	if orphan {
		return e.damaged(keyFile, errors.New("it is not there"))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	e.key = key
	return e.writePEM(keyFile, pemKey, der)
}

func (e *Edge) readCertificate() error {
	der, err := e.readPEM(CertificateFile, pemCertificate)
	if err != nil {
		return err
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		return e.damaged(CertificateFile, err)
	}
	if public, ok := ca.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(&e.key.PublicKey) {
		return e.damaged(CertificateFile, errors.New("it is of another key"))
	}
	e.ca = ca
	return nil
}

// certify makes a certificate of the authority for its key.
func (e *Edge) certify() error {
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "nearside on this machine"},
		NotBefore: e.now().Add(-skew), NotAfter: e.now().Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: domains, PermittedIPRanges: loopback,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &e.key.PublicKey, e.key)
	if err != nil {
		return err
	}
	if e.ca, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	return e.writePEM(CertificateFile, pemCertificate, der)
}

// serial is a random number of 127 bits, as unlikely as another to occur twice.
func serial() *big.Int {
	number := make([]byte, 16)
	_, _ = rand.Read(number) // it never fails
	number[0] &= 0x7f
	return new(big.Int).SetBytes(number)
}

func (e *Edge) readPEM(name, kind string) ([]byte, error) {
	data, err := e.dir.ReadFile(name)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != kind {
		return nil, e.damaged(name, errors.New("there is no "+kind+" in it"))
	}
	return block.Bytes, nil
}

func (e *Edge) writePEM(name, kind string, der []byte) error {
	return e.dir.WriteAtomic(name, func(w io.Writer) error { return pem.Encode(w, &pem.Block{Type: kind, Bytes: der}) })
}

// damaged says how to go on when a file of the authority cannot be used.
func (e *Edge) damaged(name string, why error) error {
	return fault.New(fault.Corrupt, "%s cannot be used; to have a new authority made, which clients will have to be told of, remove the folder %s", e.dir.Path(name), e.dir.Path()).Because(why)
}
