package keys

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"dwaar.dev/dwaar/host/files"
)

// Files are a certificate chain and its private key. They may be one file.
type Files struct {
	Cert, Key string
	Name      string // who it is for if the certificate does not say
}

// list returns the files, each once.
func (f Files) list() []string {
	if f.Cert == f.Key {
		return []string{f.Cert}
	}
	return []string{f.Cert, f.Key}
}

// Read reads a pair. The error names the file and what to do.
func (f Files) Read() (*tls.Certificate, error) {
	chain, err := files.ReadPEM(f.Cert)
	if err != nil {
		return nil, err
	}
	key := chain
	if f.Key != f.Cert {
		if key, err = files.ReadPEM(f.Key); err != nil {
			return nil, err
		}
	}
	if bytes.Contains(key, []byte("ENCRYPTED")) {
		return nil, fmt.Errorf("reading %s: the key is encrypted, and nobody is there to type a passphrase: write it without (openssl pkey)", f.Key)
	}
	c, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, f.explain(err)
	}
	return &c, nil
}

// Exposed says what is wrong with the mode of the key's file, or returns "": whoever
// has the key can pass for the server.
func (f Files) Exposed() string {
	info, err := os.Stat(f.Key)
	if err != nil {
		return "" // reading it says more
	}
	who := files.Readers(f.Key, info)
	if who == "" {
		return ""
	}
	return fmt.Sprintf("the key in %s can be read by %s (mode %04o), who can pass for this server with it: chmod 600 it", f.Key, who, info.Mode().Perm())
}

// explain says which of the two files an error of crypto/tls is about.
func (f Files) explain(err error) error {
	text := strings.TrimPrefix(err.Error(), "tls: ")
	switch {
	case strings.Contains(text, "does not match"):
		return fmt.Errorf("reading %s and %s: the key does not belong to the certificate", f.Cert, f.Key)
	case strings.Contains(text, "key") && !strings.Contains(text, "certificate"):
		return fmt.Errorf("reading %s: %s", f.Key, text)
	}
	return fmt.Errorf("reading %s: %s", f.Cert, text)
}

// namesOf returns the names a certificate is for, as clients ask for them: its
// DNS names and addresses, or else the name of its file if that can be one.
func (f Files) namesOf(leaf *x509.Certificate) []string {
	var names []string
	for _, name := range leaf.DNSNames {
		names = append(names, Fold(name))
	}
	for _, ip := range leaf.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			names = append(names, a.Unmap().String())
		}
	}
	if len(names) == 0 && f.Name != "" {
		names = append(names, Fold(f.Name))
	}
	return names
}

// Fold returns a name as it is looked up: lower case, without a final dot.
func Fold(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

// Covers reports whether a certificate is valid for a name as configured, which may
// begin with "*.".
func Covers(leaf *x509.Certificate, name string) bool {
	if rest, ok := strings.CutPrefix(name, "*."); ok {
		name = "any." + rest
	}
	return leaf.VerifyHostname(name) == nil
}
