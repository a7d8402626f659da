// Package edge is what a Workers edge of one's own needs beside HTTP: certificates
// that clients on this machine can trust, and tokens for the sessions that they open.
//
// An Edge lives in a folder of the data directory with two files: ca.pem, the
// certificate of an authority and one of the loopback addresses, which are made at the
// first opening and are what clients are told to trust; and ca.key, the private key of
// both, which only the owner of the data directory may read. They can speak for this
// machine's loopback addresses, localhost and workers.dev, and for no other name, so that
// trusting them, even in the store of a whole system, gives nobody who steals the key a
// name on the internet. Certificates of servers are made when a client asks for a name,
// and live in memory; who asks for none, as for an address, gets that of the addresses.
//
// A Session is remembered by the client alone: its token holds all of it, with
// a proof that the Edge of this data directory made it. So sessions survive a restart,
// cost no memory, and end by their time. What is in a token can be read by whoever has
// it; it holds names only. Whether the key that opened it still opens anything is asked
// by whoever reads it.
//
// An Edge may be used from any number of goroutines.
package edge

import (
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"sync"
	"time"

	"nearside/disk"
)

// Folder is where an Edge lives in a data directory.
const Folder = "edge"

// Files of the folder.
const (
	CertificateFile = "ca.pem" // what clients are told to trust
	keyFile         = "ca.key"
)

// Edge has an authority of certificates and the secret of the sessions.
type Edge struct {
	dir     *disk.Dir
	now     func() time.Time
	key     *ecdsa.PrivateKey
	ca      *x509.Certificate
	signing []byte // of tokens

	// byAddress are the certificates of the loopback addresses that clients may trust,
	// oldest first; there is always one, and they do not change while the Edge is open.
	byAddress []*x509.Certificate

	mu     sync.Mutex
	leaves map[string]*tls.Certificate // by the name asked for; guarded by mu
}

// Open opens the Edge in a folder, and makes what is not there. What ends
// within a year gets a new certificate beside it, with the same key: what clients trusted
// stays good for as long as it says.
func Open(dir *disk.Dir, now func() time.Time) (*Edge, error) {
	e := &Edge{dir: dir, now: now, leaves: map[string]*tls.Certificate{}}
	if err := e.openAuthority(); err != nil {
		return nil, err
	}
	secret, err := e.key.Bytes()
	if err != nil {
		return nil, err
	}
	e.signing, err = hkdf.Key(sha256.New, secret, nil, "nearside: tokens of Workers sessions", sha256.Size)
	return e, err
}

// Certificate is the path of the file that clients are told to trust.
func (e *Edge) Certificate() string { return e.dir.Path(CertificateFile) }

// TLS is how a listener of the edge answers.
func (e *Edge) TLS() *tls.Config {
	return &tls.Config{GetCertificate: e.leaf, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
}
