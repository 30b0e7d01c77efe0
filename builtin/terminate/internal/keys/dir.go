package keys

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"dwaar.dev/dwaar/host/files"
	"dwaar.dev/dwaar/host/watch"
)

// maxPairs bounds a directory: one that holds more is not what was meant.
const maxPairs = 10_000

// Dir finds the pairs in a directory, as people and the programs that fetch
// certificates keep them: NAME.crt or NAME.pem with NAME.key, NAME.pem with both
// (HAProxy), NAME/fullchain.pem with NAME/privkey.pem (certbot), NAME/fullchain.cer
// with NAME/NAME.key (acme.sh), NAME.crt beside NAME.issuer.crt (lego), tls.crt with
// tls.key and ca.crt (cert-manager). The rule behind all of them: a certificate's key
// is the file with its name, or else whichever file of the directory holds it; of
// several files with one certificate the longest chain counts; what is no server's
// certificate is passed over. Directories in the directory are looked at too, those
// in them are not.
//
// A Dir remembers what the files hold and reads those again that have changed. Its
// methods may be called from any goroutine.
type Dir struct {
	Path string

	mu   sync.Mutex
	seen map[string]*content // of every file at the last look, by its path
}

// NewDir returns the directory at a path, which List looks at.
func NewDir(path string) *Dir { return &Dir{Path: path} }

// Found is what a directory holds.
type Found struct {
	Pairs []Files
	Notes []string // files that were passed over, and probably not on purpose
}

// List looks for pairs now. With an error come the pairs that were found.
func (d *Dir) List() (Found, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	look := &look{old: d.seen, seen: map[string]*content{}}
	below, err := look.directory(d.Path, false)
	if err != nil {
		return Found{}, err
	}
	for _, dir := range below {
		if _, err := look.directory(dir, true); err != nil {
			look.note("%s is passed over: %v", dir, err)
		}
	}
	d.seen = look.seen
	switch {
	case len(look.found.Pairs) > maxPairs:
		return Found{}, fmt.Errorf("reading %s: it holds more than %d certificates", d.Path, maxPairs)
	case len(look.found.Pairs) == 0 && len(look.errs) == 0:
		return Found{}, d.empty(look.found.Notes)
	}
	return look.found, errors.Join(look.errs...)
}

// empty says why a directory without a pair has none.
func (d *Dir) empty(notes []string) error {
	if len(notes) == 0 {
		return fmt.Errorf("reading %s: it holds no certificate: put NAME.crt with NAME.key there, "+
			"NAME.pem with both, or NAME/fullchain.pem with NAME/privkey.pem", d.Path)
	}
	errs := make([]error, len(notes))
	for i, text := range notes {
		errs[i] = errors.New(text)
	}
	return errors.Join(errs...)
}

// look is one look at a directory and those in it.
type look struct {
	old, seen map[string]*content
	found     Found
	errs      []error
}

func (l *look) note(format string, args ...any) {
	l.found.Notes = append(l.found.Notes, fmt.Sprintf(format, args...))
}

// directory finds the pairs of one directory and returns the directories in it.
func (l *look) directory(dir string, inner bool) (below []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var here []*content // with a certificate or a key, ordered by name
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		info, err := os.Stat(path)
		switch {
		case err != nil: // a link to nothing
		case info.IsDir():
			below = append(below, path)
		case holds(path):
			if c := l.content(path, info); c != nil {
				here = append(here, c)
			}
		}
	}
	l.pairs(here, inner)
	return below, nil
}

// holds reports whether a file can hold a certificate or a key, by its name.
func holds(path string) bool {
	switch filepath.Ext(path) {
	case ".crt", ".cer", ".cert", ".pem", ".key", ".rsa", ".ecdsa":
		return true
	}
	return false
}

// content returns what a file holds, as it was read at an earlier look if it has not
// changed since; nil: it cannot be used.
func (l *look) content(path string, info fs.FileInfo) *content {
	c := l.old[path]
	if c == nil || c.err != nil || !watch.SameFile(c.info, info) {
		c = read(path, info)
	}
	l.seen[path] = c
	switch {
	case errors.Is(c.err, files.ErrNotRegular):
		l.note("%s is passed over: it is %s", path, files.Kind(info.Mode()))
	case c.err != nil:
		l.errs = append(l.errs, c.err)
	default:
		return c
	}
	return nil
}

// pairs adds the pairs among the files of one directory.
func (l *look) pairs(here []*content, inner bool) {
	best := map[string]int{} // index in Pairs of each certificate
	chains := map[string]int{}
	for _, c := range here {
		if !c.certificate {
			continue
		}
		key := keyOf(c, here)
		if !l.serves(c, key) {
			continue
		}
		pair, id := Files{Cert: c.path, Key: key, Name: c.name(inner)}, c.id()
		i, twice := best[id]
		switch {
		case !twice:
			best[id], chains[id] = len(l.found.Pairs), c.chain
			l.found.Pairs = append(l.found.Pairs, pair)
		case c.chain > chains[id]:
			l.found.Pairs[i], chains[id] = pair, c.chain
		}
	}
}

// serves reports whether a file's certificate is one to serve with. Authorities lie
// beside most certificates and are no mistake.
func (l *look) serves(c *content, key string) bool {
	switch {
	case c.leaf == nil && key == "":
		l.note("%s is passed over: no certificate in PEM can be read from it", c.path)
		return false
	case c.leaf == nil:
		return true // reading the pair says what is wrong with it
	case c.leaf.IsCA && (key == "" || !named(c.leaf)):
		return false
	case key == "":
		l.note("%s is passed over: there is no key for it, put it into %s", c.path, c.stem()+".key")
		return false
	}
	return true
}

// named reports whether a certificate says for which hosts it is. One that openssl
// made for a server in a single step is an authority's as well, and does.
func named(leaf *x509.Certificate) bool { return len(leaf.DNSNames)+len(leaf.IPAddresses) > 0 }

// keyOf returns the file with the key of a certificate: by its name, or else by what
// the file holds; "": there is none.
func keyOf(c *content, here []*content) string {
	for _, name := range []string{c.stem() + ".key", c.path + ".key"} {
		if slices.ContainsFunc(here, func(k *content) bool { return k.path == name && k != c }) {
			return name
		}
	}
	if c.keys != nil {
		return c.path
	}
	if c.leaf == nil {
		return ""
	}
	public := publicID(c.leaf.PublicKey)
	for _, k := range here {
		if slices.Contains(k.keys, public) {
			return k.path
		}
	}
	return ""
}
