// Package certtest makes authorities and certificates for tests.
//
//	ca := certtest.NewCA(t)
//	leaf := ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}})
//	cert, key := leaf.Write(t, dir, "a")
package certtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// CA is an authority that a test trusts.
type CA struct {
	Pool *x509.CertPool // that trusts it
	PEM  []byte         // its certificate

	cert *x509.Certificate
	key  crypto.Signer
}

// Leaf is what a certificate is to say.
type Leaf struct {
	Names  []string  // host names and addresses
	Kind   string    // of key: "ecdsa", which "" is too, "ed25519" or "rsa"
	Client string    // the common name; "": it is for a server
	Begins time.Time // zero: two days ago
	Ends   time.Time // zero: in 90 days
	Serial int64     // 0: one that no other has
}

// Issued is a certificate with its key.
type Issued struct {
	CertPEM, KeyPEM []byte
	X509            *x509.Certificate
}

// NewCA makes an authority.
func NewCA(t testing.TB) *CA {
	t.Helper()
	key := newKey(t, "ecdsa")
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * 365 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	ca := &CA{Pool: x509.NewCertPool(), key: key, cert: template}
	ca.cert = ca.sign(t, template, key.Public())
	ca.PEM = encode("CERTIFICATE", ca.cert.Raw)
	ca.Pool.AddCert(ca.cert)
	return ca
}

// Issue makes a certificate.
func (ca *CA) Issue(t testing.TB, l Leaf) *Issued {
	t.Helper()
	key := newKey(t, l.Kind)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(l.Serial), Subject: pkix.Name{CommonName: l.Client, Organization: []string{"test"}},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: l.Ends,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if l.Serial == 0 {
		template.SerialNumber = big.NewInt(time.Now().UnixNano())
	}
	if l.Ends.IsZero() {
		template.NotAfter = time.Now().Add(90 * 24 * time.Hour)
	}
	if !l.Begins.IsZero() {
		template.NotBefore, template.NotAfter = l.Begins, l.Begins.Add(120*24*time.Hour)
	}
	if l.Client != "" {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	for _, name := range l.Names {
		if a, err := netip.ParseAddr(name); err == nil {
			template.IPAddresses = append(template.IPAddresses, a.AsSlice())
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := ca.sign(t, template, key.Public())
	return &Issued{encode("CERTIFICATE", cert.Raw), encode("PRIVATE KEY", der), cert}
}

func (ca *CA) sign(t testing.TB, template *x509.Certificate, pub crypto.PublicKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, pub, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// Write puts NAME.crt and NAME.key into a directory, in place of older ones.
func (i *Issued) Write(t testing.TB, dir, name string) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	Put(t, cert, i.CertPEM)
	Put(t, key, i.KeyPEM)
	return cert, key
}

// TLS is the pair as crypto/tls has it.
func (i *Issued) TLS(t testing.TB) tls.Certificate {
	t.Helper()
	c, err := tls.X509KeyPair(i.CertPEM, i.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Put writes a file, and replaces an old one as a whole. Directories are made.
func Put(t testing.TB, name string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

func newKey(t testing.TB, kind string) crypto.Signer {
	t.Helper()
	var (
		key crypto.Signer
		err error
	)
	switch kind {
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
