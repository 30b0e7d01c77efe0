package keys

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The two files in which certbot leaves a pair.
const (
	certbotCert = "fullchain.pem"
	certbotKey  = "privkey.pem"
)

// maxPairs bounds a directory: one that holds more is not what was meant.
const maxPairs = 10_000

// List finds the pairs in a directory, as people and certbot keep them:
//
//	NAME.crt and NAME.key
//	NAME.pem with both, or NAME.pem and NAME.key
//	NAME/fullchain.pem and NAME/privkey.pem
//
// Of a directory with fullchain.pem and privkey.pem itself these are the pair. A
// .pem file that holds no certificate is passed over, and so is every other file
// and what begins with a dot. With an error come the pairs that were found.
func List(dir string) ([]Files, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if pair, ok := certbot(dir); ok {
		return []Files{pair}, nil
	}
	var (
		found []Files
		errs  []error
	)
	for _, e := range entries {
		pair, ok, err := pairAt(dir, e.Name())
		if err != nil {
			errs = append(errs, err)
		}
		if ok {
			found = append(found, pair)
		}
	}
	switch {
	case len(found) > maxPairs:
		return nil, fmt.Errorf("reading %s: it holds more than %d certificates", dir, maxPairs)
	case len(found) == 0 && len(errs) == 0:
		return nil, fmt.Errorf("reading %s: it holds no certificate: put NAME.crt with NAME.key there, "+
			"NAME.pem with both, or NAME/%s with NAME/%s", dir, certbotCert, certbotKey)
	}
	return found, errors.Join(errs...)
}

// pairAt returns the pair that an entry of the directory is the first file of.
func pairAt(dir, entry string) (pair Files, ok bool, err error) {
	path := filepath.Join(dir, entry)
	if strings.HasPrefix(entry, ".") {
		return Files{}, false, nil
	}
	ext := filepath.Ext(entry)
	name := strings.TrimSuffix(entry, ext)
	key := filepath.Join(dir, name+".key")
	switch {
	case ext == ".crt" && isFile(path):
		if !isFile(key) {
			return Files{}, false, fmt.Errorf("reading %s: its key is missing, it belongs into %s", path, key)
		}
		return Files{path, key, name}, true, nil
	case ext == ".pem" && isFile(path):
		return pemAt(path, key, name)
	}
	pair, ok = certbot(path)
	return pair, ok, nil
}

// pemAt is the pair of a NAME.pem.
func pemAt(path, key, name string) (pair Files, ok bool, err error) {
	if isFile(key) {
		return Files{path, key, name}, true, nil
	}
	text, err := readFile(path)
	switch {
	case err != nil:
		return Files{}, false, err
	case !bytes.Contains(text, []byte("-----BEGIN CERTIFICATE-----")):
		return Files{}, false, nil // parameters, a key of something else
	case !bytes.Contains(text, []byte("PRIVATE KEY-----")):
		return Files{}, false, fmt.Errorf("reading %s: it holds a certificate and no key: add the key, or put it into %s", path, key)
	}
	return Files{path, path, name}, true, nil
}

// certbot is the pair in a directory of certbot's.
func certbot(dir string) (Files, bool) {
	pair := Files{filepath.Join(dir, certbotCert), filepath.Join(dir, certbotKey), filepath.Base(dir)}
	return pair, isFile(pair.Cert) && isFile(pair.Key)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
