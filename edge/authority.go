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
	"slices"
	"time"

	"nearside/fault"
)

// Lifetimes. Clients read what they trust when they start, and some keep it in a store,
// so it changes as rarely as it can; a server's of a name is made anew unseen.
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

// openAuthority reads the key and the certificates, and makes what is missing. The key is
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
		if err := e.readCertificates(); err != nil {
			return err
		}
	}
	lasts := found && e.now().Before(e.ca.NotAfter.Add(-authorityRenew))
	if lasts && len(e.byAddress) > 0 {
		return nil
	}
	return e.certify(lasts)
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

func (e *Edge) readCertificates() error {
	all, err := e.readPEM(CertificateFile, pemCertificate)
	if err != nil {
		return err
	}
	certificates, err := x509.ParseCertificates(all)
	if err != nil {
		return e.damaged(CertificateFile, err)
	}
	for _, c := range certificates {
		if public, ok := c.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(&e.key.PublicKey) {
			return e.damaged(CertificateFile, errors.New("it is of another key"))
		}
	}
	e.ca, e.byAddress = certificates[0], certificates[1:]
	return nil
}

// certify makes what clients are told to trust: the certificate of the authority,
// unless that lasts, and one more of the loopback addresses. Those from before stay until
// they end, because who trusts one of them trusts no other.
func (e *Edge) certify(lasts bool) (err error) {
	if !lasts {
		authority := e.trusted("nearside on this machine")
		authority.IsCA, authority.MaxPathLenZero, authority.KeyUsage = true, true, x509.KeyUsageCertSign
		if e.ca, err = e.sign(authority); err != nil {
			return err
		}
	}
	e.byAddress = slices.DeleteFunc(e.byAddress, func(c *x509.Certificate) bool { return e.now().After(c.NotAfter) })
	server := e.trusted("nearside on this machine, by its addresses")
	// NOTE: it says no KeyUsage, because some clients trust no certificate that vouches for itself and says so of another use.
	server.IPAddresses, server.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, []string{"localhost"}
	made, err := e.sign(server)
	if err != nil {
		return err
	}
	e.byAddress = append(e.byAddress, made)
	der := [][]byte{e.ca.Raw}
	for _, c := range e.byAddress {
		der = append(der, c.Raw)
	}
	return e.writePEM(CertificateFile, pemCertificate, der...)
}

// trusted is a certificate that clients are told to trust. All are held to the same names:
// for some clients, whatever they trust is an authority.
func (e *Edge) trusted(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name},
		NotBefore: e.now().Add(-skew), NotAfter: e.now().Add(authorityLife),
		BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: domains, PermittedIPRanges: loopback,
	}
}

// sign makes a certificate of the key that vouches for itself.
func (e *Edge) sign(template *x509.Certificate) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, template, &e.key.PublicKey, e.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// serial is a random number of 127 bits, as unlikely as another to occur twice.
func serial() *big.Int {
	number := make([]byte, 16)
	_, _ = rand.Read(number) // it never fails
	number[0] &= 0x7f
	return new(big.Int).SetBytes(number)
}

// readPEM returns what is in the blocks of a file, one behind the other.
func (e *Edge) readPEM(name, kind string) ([]byte, error) {
	data, err := e.dir.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var all []byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != kind {
			return nil, e.damaged(name, errors.New("there is something else in it than "+kind))
		}
		all = append(all, block.Bytes...)
	}
	if len(all) == 0 {
		return nil, e.damaged(name, errors.New("there is no "+kind+" in it"))
	}
	return all, nil
}

func (e *Edge) writePEM(name, kind string, blocks ...[]byte) error {
	return e.dir.WriteAtomic(name, func(w io.Writer) error {
		for _, der := range blocks {
			if err := pem.Encode(w, &pem.Block{Type: kind, Bytes: der}); err != nil {
				return err
			}
		}
		return nil
	})
}

// damaged says how to go on when a file of the authority cannot be used.
func (e *Edge) damaged(name string, why error) error {
	return fault.New(fault.Corrupt, "%s cannot be used; to have a new authority made, which clients will have to be told of, remove the folder %s", e.dir.Path(name), e.dir.Path()).Because(why)
}
