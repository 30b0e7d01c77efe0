// Package devca is a certificate authority for development: one root per user,
// that a developer lets his machine trust once, and short-lived certificates for
// whatever name a client asks for, made when it asks.
//
//	ca, err := devca.Open(dir)     // reads, writes nothing
//	go ca.Run(ctx)                 // makes the root if there is none
//	cert, err := ca.ForName("app.localhost")
package devca

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/big"
	"sync"
	"time"

	"dwaar.dev/dwaar/host"
)

// How long things are valid. Whoever let a machine trust the root does so once;
// what it signs is made anew long before anybody could notice.
const (
	rootLife  = 10 * 365 * 24 * time.Hour
	rootRenew = 60 * 24 * time.Hour
	leafLife  = 7 * 24 * time.Hour
	leafRenew = leafLife / 3
	backdate  = time.Hour // clocks of clients differ
)

// CA signs for any name. Its methods may be called from any goroutine.
type CA struct {
	dir string // "": the root lives in memory
	log *slog.Logger

	mu      sync.Mutex
	root    *root // nil: to be made when it is needed
	leafKey *ecdsa.PrivateKey
	leaves  cache
}

// root is the authority itself.
type root struct {
	key   *ecdsa.PrivateKey
	cert  *x509.Certificate
	loose bool // the certificate was made for a key found alone, and is in no file
}

// Open reads the root from a directory if it is there. dir "" is an authority that
// is gone with the process.
func Open(dir string) (*CA, error) {
	r, err := load(dir)
	if err != nil {
		return nil, err
	}
	return &CA{dir: dir, root: r, log: slog.New(slog.DiscardHandler)}, nil
}

// File is the certificate that clients have to trust; "" if it is in memory only.
func (ca *CA) File() string {
	if ca.dir == "" {
		return ""
	}
	return certFile(ca.dir)
}

// KeyFile is the private key of the root; "" if it is in memory only.
func (ca *CA) KeyFile() string {
	if ca.dir == "" {
		return ""
	}
	return keyFile(ca.dir)
}

// Run makes the root if there is none, so that its file exists when the program
// says that it serves, and returns when ctx is done.
func (ca *CA) Run(ctx context.Context) error {
	ca.mu.Lock()
	ca.log = host.Log(ctx)
	err := ca.ready(time.Now())
	ca.mu.Unlock()
	if err != nil {
		host.Log(ctx).Error("internal CA not ready", "error", err)
	}
	<-ctx.Done()
	return nil
}

// ready makes a root where there is none that is good for long enough. One that
// cannot be written is used all the same: only nobody can trust it. ca.mu is held.
func (ca *CA) ready(now time.Time) error {
	if ca.root != nil && now.Add(rootRenew).Before(ca.root.cert.NotAfter) {
		ca.complete()
		return nil
	}
	made, err := newRoot(now)
	if err != nil {
		return err
	}
	kept, err := store(ca.dir, made, ca.root != nil)
	if err != nil {
		ca.log.Warn("internal CA not written, it is gone when the process ends", "error", err)
		kept = made
	} else if ca.dir != "" {
		ca.log.Info("internal CA made, for development", "trust", ca.File(), "expires", kept.cert.NotAfter)
	}
	ca.root = kept
	ca.leaves.clear()
	return nil
}

// complete writes the certificate of a root whose key was found alone, once.
// ca.mu is held.
func (ca *CA) complete() {
	if !ca.root.loose {
		return
	}
	ca.root.loose = false
	if err := storeCert(ca.dir, ca.root); err != nil {
		ca.log.Warn("certificate of the internal CA not written", "error", err)
	}
}

// newRoot makes a key and a certificate that it signs itself.
func newRoot(now time.Time) (*root, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key of the internal CA: %w", err)
	}
	return certify(key, now)
}

// certify makes the root certificate of a key. The subject and the key identifier
// follow from the key, so that two certificates of one key are interchangeable.
func certify(key *ecdsa.PrivateKey, now time.Time) (*root, error) {
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the key of the internal CA: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject: pkix.Name{
			Organization: []string{"dwaar"},
			CommonName:   "dwaar development CA " + hex.EncodeToString(point[len(point)-4:]),
		},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(rootLife),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	cert, err := sign(template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &root{key: key, cert: cert}, nil
}

func sign(template, parent *x509.Certificate, pub *ecdsa.PublicKey, by *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, by)
	if err != nil {
		return nil, fmt.Errorf("signing with the internal CA: %w", err)
	}
	return x509.ParseCertificate(der)
}

func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	return serial, nil
}

// certificate joins a leaf with the key that all leaves of a process have.
func (ca *CA) certificate(leaf *x509.Certificate) *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: ca.leafKey, Leaf: leaf}
}
