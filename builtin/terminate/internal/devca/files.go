package devca

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dwaar.dev/dwaar/host/files"
)

// Dir returns where the root is kept: $STATE_DIRECTORY, which systemd sets, else
// dwaar below $XDG_DATA_HOME, which is ~/.local/share. "": there is no such place.
func Dir(getenv func(string) string) string {
	if state, _, _ := strings.Cut(getenv("STATE_DIRECTORY"), ":"); filepath.IsAbs(state) {
		return state
	}
	if data := getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "dwaar")
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "share", "dwaar")
	}
	return ""
}

func certFile(dir string) string { return filepath.Join(dir, "ca.crt") }
func keyFile(dir string) string  { return filepath.Join(dir, "ca.key") }

// The kinds of block in the two files.
const (
	certBlock = "CERTIFICATE"
	keyBlock  = "PRIVATE KEY"
)

// load reads the root. It is nil if there is none yet. A key without its
// certificate, which an interrupted start leaves, gets a new one.
func load(dir string) (*root, error) {
	if dir == "" {
		return nil, nil
	}
	if err := safe(dir); err != nil {
		return nil, err
	}
	keyDER, err := readBlock(keyFile(dir), keyBlock)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, orphan(dir)
	}
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyDER)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", keyFile(dir), err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("reading %s: it holds no ECDSA key, and the internal CA's is one: move it away", keyFile(dir))
	}
	certDER, err := readBlock(certFile(dir), certBlock)
	if errors.Is(err, fs.ErrNotExist) {
		r, err := certify(key, time.Now())
		if err == nil {
			r.loose = true
		}
		return r, err
	}
	if err != nil {
		return nil, err
	}
	return join(dir, key, certDER)
}

// safe returns an error where another user could have put the root there: whoever
// trusts it would trust that user. What is not there yet is made for this user alone.
func safe(dir string) error {
	for _, path := range []string{dir, keyFile(dir), certFile(dir)} {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("reading the internal CA: %w", err)
		case files.Owner(info) < 0: // where files have no owners
		case !files.Mine(info) && !files.Roots(info):
			return fmt.Errorf("reading the internal CA: %s belongs to another user, who could sign for every site: "+
				"move it away, or name another directory with $STATE_DIRECTORY", path)
		case info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0:
			return fmt.Errorf("reading the internal CA: others can write to %s (mode %04o): chmod go-w it", path, info.Mode().Perm())
		}
	}
	return nil
}

// orphan complains of a certificate without its key: somebody trusts it, and
// nothing can be signed for him any more.
func orphan(dir string) error {
	if _, err := os.Stat(certFile(dir)); err != nil {
		return nil // neither is there: the root is made when it is needed
	}
	return fmt.Errorf("reading the internal CA: %s is there and %s is not: bring it back, or remove the former for a new CA",
		certFile(dir), keyFile(dir))
}

func join(dir string, key *ecdsa.PrivateKey, der []byte) (*root, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", certFile(dir), err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) || !cert.IsCA {
		return nil, fmt.Errorf("reading the internal CA: %s does not belong to %s: remove both for a new CA", certFile(dir), keyFile(dir))
	}
	return &root{key: key, cert: cert}, nil
}

func readBlock(name, kind string) ([]byte, error) {
	text, err := files.ReadPEM(name)
	if err != nil {
		return nil, err // it names the file
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("reading %s: it does not begin with a %s in PEM", name, strings.ToLower(kind))
	}
	return block.Bytes, nil
}

// store writes a root, and returns the one that counts: another process may have
// been first. The key is written before the certificate, so that whoever finds the
// certificate finds its key. replace takes the place of an old root.
func store(dir string, r *root, replace bool) (*root, error) {
	if dir == "" {
		return r, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("writing the internal CA: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(r.key)
	if err != nil {
		return nil, fmt.Errorf("writing the internal CA: %w", err)
	}
	place := os.Link
	if replace {
		place = os.Rename
	}
	err = put(keyFile(dir), keyBlock, der, 0o600, place)
	if errors.Is(err, fs.ErrExist) {
		return adopt(dir)
	}
	if err != nil {
		return nil, err
	}
	return r, storeCert(dir, r)
}

func storeCert(dir string, r *root) error {
	return put(certFile(dir), certBlock, r.cert.Raw, 0o644, os.Rename)
}

// adopt reads the root that another process is just making, and finishes what it
// has begun: whoever writes the certificate last, it is one of the same key.
func adopt(dir string) (*root, error) {
	r, err := load(dir)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, fmt.Errorf("writing the internal CA: %s has gone again", keyFile(dir))
	}
	if !r.loose {
		return r, nil
	}
	r.loose = false
	return r, storeCert(dir, r)
}

// put writes a file under another name and then puts it in its place, so that
// nobody reads half of it.
func put(name, kind string, der []byte, mode fs.FileMode, place func(from, to string) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	defer os.Remove(f.Name()) // gone already after a rename
	err = pem.Encode(f, &pem.Block{Type: kind, Bytes: der})
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := place(f.Name(), name); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
