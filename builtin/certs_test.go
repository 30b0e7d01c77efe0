package builtin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// writeCertificates puts into the working directory what configurations name:
//
//	good.crt, good.key        for good.example.com, valid for a year
//	expired.crt, expired.key  for expired.example.com, ended 2020-02-01
//	soon.crt, soon.key        for soon.example.com, ending in a week
//	both.pem                  good.crt and good.key in one file
//	lone/good.pem             good.crt and no key
//	huge.crt                  two MiB of zeros
//	pairs/, bare/, keyless/   directories: with good.crt and good.key, with neither,
//	                          with good.crt alone
//
// It returns the day on which soon.crt ends, as messages write it.
func writeCertificates(t *testing.T) (soon string) {
	t.Helper()
	now := time.Now()
	cert, key := pair(t, "good", now.AddDate(1, 0, 0))
	writeFile(t, "both.pem", append(append([]byte{}, cert...), key...))
	writeFile(t, "lone/good.pem", cert)
	writeFile(t, "huge.crt", make([]byte, 2<<20))
	writeFile(t, "pairs/good.crt", cert)
	writeFile(t, "pairs/good.key", key)
	writeFile(t, "bare/README", []byte("nothing here yet\n"))
	writeFile(t, "keyless/good.crt", cert)
	pair(t, "expired", time.Date(2020, 2, 1, 0, 0, 0, 0, time.UTC))
	week := now.AddDate(0, 0, 7)
	pair(t, "soon", week)
	return week.UTC().Format(time.DateOnly)
}

// pair writes NAME.crt and NAME.key for NAME.example.com.
func pair(t *testing.T, name string, ends time.Time) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(ends.Unix()), DNSNames: []string{name + ".example.com"},
		NotBefore: ends.AddDate(-2, 0, 0), NotAfter: ends,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	writeFile(t, name+".crt", cert)
	writeFile(t, name+".key", key)
	return cert, key
}

func writeFile(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
