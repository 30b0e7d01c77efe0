package keys

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"dwaar.dev/dwaar/host/files"
)

// content is what a file in a directory of certificates holds.
type content struct {
	path string
	info fs.FileInfo // of the file when it was read
	err  error       // why it could not be read

	certificate bool              // by its name or its text it is meant to hold one
	leaf        *x509.Certificate // the first one; nil: none, or it cannot be read
	chain       int               // certificates
	keys        []string          // publicID of every private key
}

// read reads a file.
func read(path string, info fs.FileInfo) *content {
	c := &content{path: path, info: info}
	text, err := files.ReadPEM(path)
	if err != nil {
		c.err = err
		return c
	}
	ext := filepath.Ext(path)
	c.certificate = ext != ".pem" && ext != ".key" // these may hold parameters, or a key alone
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "CERTIFICATE":
			c.addCertificate(block.Bytes)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			c.keys = append(c.keys, privateID(block.Bytes))
		}
	}
	return c
}

// addCertificate counts a certificate; the first one is the leaf.
func (c *content) addCertificate(der []byte) {
	if c.chain == 0 {
		c.leaf, _ = x509.ParseCertificate(der) // serves says of nil what it means
	}
	c.certificate = true
	c.chain++
}

// stem is the path without its extension.
func (c *content) stem() string { return strings.TrimSuffix(c.path, filepath.Ext(c.path)) }

// id tells certificates apart.
func (c *content) id() string {
	if c.leaf == nil {
		return c.path
	}
	return string(c.leaf.Raw)
}

// name is whom the certificate is for if it does not say: the name of the file, or of
// the directory where programs keep one for each certificate, which acme.sh ends in
// _ecc for some.
func (c *content) name(inner bool) string {
	name := filepath.Base(c.stem())
	if inner || name == "fullchain" {
		name = strings.TrimSuffix(filepath.Base(filepath.Dir(c.path)), "_ecc")
	}
	return name
}

// privateID is the publicID of a private key; "" if it cannot be read: it may be
// encrypted.
func privateID(der []byte) string {
	var key any
	var err error
	for _, parse := range []func([]byte) (any, error){
		x509.ParsePKCS8PrivateKey,
		func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
		func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
	} {
		if key, err = parse(der); err == nil {
			break
		}
	}
	if signer, ok := key.(crypto.Signer); ok && err == nil {
		return publicID(signer.Public())
	}
	return ""
}

// publicID tells public keys apart.
func publicID(key crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return fmt.Sprintf("unknown key %T", key)
	}
	return string(der)
}
