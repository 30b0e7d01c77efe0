package keys

import (
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/terminate/internal/certtest"
	"dwaar.dev/dwaar/host/realtest"
)

// chain is what openssl made: a root, an intermediate authority, and servers.
type chain struct {
	*testing.T
	openssl, dir string
}

// newChain makes the two authorities.
func newChain(t *testing.T) *chain {
	t.Helper()
	c := &chain{t, realtest.Look(t, "openssl"), t.TempDir()}
	certtest.Put(t, filepath.Join(c.dir, "ca.ext"), []byte("basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n"))
	c.key("root")
	c.run("req", "-x509", "-new", "-key", "root.key", "-subj", "/CN=Root", "-days", "30", "-out", "root.crt")
	c.key("mid")
	c.sign("mid", "root", "ca.ext", "/CN=Intermediate")
	return c
}

func (c *chain) run(args ...string) {
	c.Helper()
	cmd := exec.CommandContext(c.Context(), c.openssl, args...)
	cmd.Dir = c.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		c.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (c *chain) key(name string) {
	c.Helper()
	c.run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", name+".key")
}

func (c *chain) sign(name, by, extensions, subject string) {
	c.Helper()
	c.run("req", "-new", "-key", name+".key", "-subj", subject, "-out", name+".csr")
	c.run("x509", "-req", "-in", name+".csr", "-CA", by+".crt", "-CAkey", by+".key", "-CAcreateserial",
		"-days", "20", "-extfile", extensions, "-out", name+".crt")
}

// issue makes a server's certificate.
func (c *chain) issue(name string) {
	c.Helper()
	certtest.Put(c, filepath.Join(c.dir, name+".ext"), []byte("subjectAltName=DNS:"+name+"\nextendedKeyUsage=serverAuth\n"))
	c.key(name)
	c.sign(name, "mid", name+".ext", "/CN="+name)
}

// text returns files joined; a name of the chain without an extension is a certificate.
func (c *chain) text(names ...string) []byte {
	c.Helper()
	var all []byte
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(c.dir, name))
		if err != nil {
			c.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// layout is a directory as a program leaves it: files, and what they are joined from.
type layout map[string][]string

func (c *chain) lay(l layout) (dir string) {
	c.Helper()
	dir = c.TempDir()
	for name, parts := range l {
		certtest.Put(c, filepath.Join(dir, name), c.text(parts...))
	}
	return dir
}

// describe says what was found: certificate file, key file, length of the chain.
func describe(t *testing.T, dir string) []string {
	t.Helper()
	found, err := NewDir(dir).List()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range found.Pairs {
		pair, err := f.Read()
		if err != nil {
			t.Errorf("%v: %v", f, err)
			continue
		}
		rel := func(name string) string { return strings.TrimPrefix(name, dir+"/") }
		all = append(all, fmt.Sprintf("%s + %s: %s, %d", rel(f.Cert), rel(f.Key), strings.Join(pair.Leaf.DNSNames, " "), len(pair.Certificate)))
	}
	for _, n := range found.Notes {
		all = append(all, strings.ReplaceAll(n, dir+"/", ""))
	}
	return all
}

func TestDirectoriesAreReadAsThePrograms(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	const a, b = "a.example", "b.example"
	c.issue(a)
	c.issue(b)
	for program, tc := range map[string]struct {
		layout layout
		want   []string
	}{
		"cert-manager": {layout{
			"tls.crt": {a + ".crt", "mid.crt"}, "tls.key": {a + ".key"}, "ca.crt": {"root.crt"},
			"tls-combined.pem": {a + ".key", a + ".crt", "mid.crt"},
		}, []string{"tls-combined.pem + tls-combined.pem: a.example, 2"}},
		"lego": {layout{
			a + ".crt": {a + ".crt", "mid.crt"}, a + ".key": {a + ".key"}, a + ".issuer.crt": {"mid.crt"}, a + ".json": nil,
			"_." + b + ".crt": {b + ".crt", "mid.crt"}, "_." + b + ".key": {b + ".key"}, "_." + b + ".issuer.crt": {"mid.crt"},
		}, []string{"_.b.example.crt + _.b.example.key: b.example, 2", "a.example.crt + a.example.key: a.example, 2"}},
		"acme.sh": {layout{
			"a.example_ecc/a.example.cer": {a + ".crt"}, "a.example_ecc/a.example.key": {a + ".key"},
			"a.example_ecc/ca.cer": {"mid.crt"}, "a.example_ecc/fullchain.cer": {a + ".crt", "mid.crt"},
			"a.example_ecc/a.example.conf": nil, "a.example_ecc/a.example.csr": {a + ".csr"},
			"account.conf": nil, "ca/acme.example/account.key": {"root.key"},
		}, []string{"a.example_ecc/fullchain.cer + a.example_ecc/a.example.key: a.example, 2"}},
		"HAProxy": {layout{
			"a.pem": {a + ".crt", "mid.crt", a + ".key"}, "b.pem": {b + ".key", b + ".crt", "mid.crt"},
			"b.pem.issuer": {"mid.crt"}, "b.pem.ocsp": nil, "crt-list.txt": nil,
		}, []string{"a.pem + a.pem: a.example, 2", "b.pem + b.pem: b.example, 2"}},
		"HAProxy, keys and kinds in files of their own": {layout{
			"a.pem": {a + ".crt", "mid.crt"}, "a.pem.key": {a + ".key"}, "b.pem.ecdsa": {b + ".crt", "mid.crt", b + ".key"},
		}, []string{"a.pem + a.pem.key: a.example, 2", "b.pem.ecdsa + b.pem.ecdsa: b.example, 2"}},
		"certbot": {layout{
			"README": nil, "a.example/README": nil,
			"a.example/cert.pem": {a + ".crt"}, "a.example/chain.pem": {"mid.crt"},
			"a.example/fullchain.pem": {a + ".crt", "mid.crt"}, "a.example/privkey.pem": {a + ".key"},
		}, []string{"a.example/fullchain.pem + a.example/privkey.pem: a.example, 2"}},
		"mkcert": {layout{
			"a.example.pem": {a + ".crt"}, "a.example-key.pem": {a + ".key"}, "rootCA.pem": {"root.crt"}, "rootCA-key.pem": {"root.key"},
		}, []string{"a.example.pem + a.example-key.pem: a.example, 1"}},
		"step": {layout{
			"a.crt": {a + ".crt", "mid.crt"}, "a.key": {a + ".key"}, "root_ca.crt": {"root.crt"}, "intermediate_ca.crt": {"mid.crt"},
		}, []string{"a.crt + a.key: a.example, 2"}},
		"an authority with its key": {layout{
			"ca.crt": {"root.crt"}, "ca.key": {"root.key"}, "a.crt": {a + ".crt"}, "a.key": {a + ".key"},
		}, []string{"a.crt + a.key: a.example, 1"}},
		"a leaf without a key, and one that is none": {layout{
			"a.crt": {a + ".crt"}, "a.key": {a + ".key"}, "b.crt": {b + ".crt"}, "notes.crt": nil, "dhparam.pem": nil,
		}, []string{
			"a.crt + a.key: a.example, 1",
			"b.crt is passed over: there is no key for it, put it into b.key",
			"notes.crt is passed over: no certificate in PEM can be read from it",
		}},
	} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, describe(t, c.lay(tc.layout))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestACertificateThatOpensslSignedWithItsOwnKeyIsServed(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	c.key("self")
	c.run("req", "-x509", "-new", "-key", "self.key", "-subj", "/CN=self", "-addext", "subjectAltName=DNS:self.example", "-out", "self.crt")
	got := describe(t, c.lay(layout{"self.crt": {"self.crt"}, "self.key": {"self.key"}}))
	if diff := cmp.Diff([]string{"self.crt + self.key: self.example, 1"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAByteOrderMarkIsNoPartOfACertificate(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	c.issue("a.example")
	dir := t.TempDir()
	const mark = "\ufeff"
	for _, ext := range []string{".crt", ".key"} {
		certtest.Put(t, filepath.Join(dir, "a"+ext), append([]byte(mark), c.text("a.example"+ext)...))
	}
	certtest.Put(t, filepath.Join(dir, "ca.pem"), []byte(mark+string(c.text("root.crt"))+mark+string(c.text("mid.crt"))))
	if diff := cmp.Diff([]string{"a.crt + a.key: a.example, 1"}, describe(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	pool, err := OpenPool([]string{filepath.Join(dir, "ca.pem")})
	if err != nil {
		t.Fatal(err)
	}
	want := x509.NewCertPool()
	want.AppendCertsFromPEM(c.text("root.crt", "mid.crt"))
	if !pool.Now().Pool.Equal(want) {
		t.Error("the pool has not both authorities")
	}
}
