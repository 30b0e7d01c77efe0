package terminate_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/builtin/echo"
	"dwaar.dev/dwaar/builtin/terminate"
	"dwaar.dev/dwaar/builtin/terminate/internal/certtest"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/schema"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/sdk"
)

// TestMain gives the internal CA a directory that is not the developer's own.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "dwaar-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = os.Unsetenv("STATE_DIRECTORY")
	_ = os.Setenv("XDG_DATA_HOME", dir)
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// limit bounds every wait of a test.
const limit = 30 * time.Second

// kit is an authority, a directory with pairs, and configurations that follow each
// other.
type kit struct {
	*testing.T
	ca    *certtest.CA
	dir   string
	store *share.Store
}

func newKit(t *testing.T) *kit {
	t.Helper()
	return &kit{T: t, ca: certtest.NewCA(t), dir: t.TempDir(), store: new(share.Store)}
}

// pair writes FILE.crt and FILE.key for the names.
func (k *kit) pair(file string, names ...string) {
	k.Helper()
	k.ca.Issue(k, certtest.Leaf{Names: names}).Write(k, k.dir, file)
}

// grammar has what the tests write: global options, and one tls in a route.
func grammar() *sdk.Grammar {
	g := &sdk.Grammar{
		Top:      []sdk.Spec{{Name: "route", Need: true, Block: &sdk.Block{Holds: sdk.HoldsHandlers}}},
		Global:   sdk.Spec{Block: &sdk.Block{}},
		Handlers: []sdk.Spec{terminate.Spec()},
	}
	for _, e := range terminate.Globals() {
		g.Global.Block.Options = append(g.Global.Block.Options, e.Spec)
	}
	return g
}

// load reads a configuration, in which DIR is the kit's directory. The errors are
// those of the loader as well.
func (k *kit) load(text string) (host.Handler, *hosttest.Builder, error) {
	k.Helper()
	g := grammar()
	tree, err := dwaarfile.Parse("Dwaarfile", []byte(strings.ReplaceAll(text, "DIR", k.dir)), g, dwaarfile.Options{})
	if err != nil {
		return nil, nil, err
	}
	if err := schema.Check(tree, g, nil).Errors.Err(); err != nil {
		return nil, nil, err
	}
	b := &hosttest.Builder{Store: k.store}
	var errs sdk.Errors
	if tree[0].Name == "" {
		b.Options = tree[0].Block
		for _, e := range terminate.Globals() {
			errs.Add(sdk.Pos{}, e.Check(b, b.Global(e.Spec.Name)))
		}
	}
	h, err := terminate.New(b, &tree[len(tree)-1].Block[0])
	errs.Add(sdk.Pos{}, err)
	return h, b, errs.Err()
}

// serve loads a configuration and serves with it; behind tls runs next, or an echo.
func (k *kit) serve(text string, next host.Next) *hosttest.Server {
	k.Helper()
	h, b, err := k.load(text)
	if err != nil {
		k.Fatalf("loading: %v", err)
	}
	k.Cleanup(b.Release)
	if next == nil {
		next = echoes
	}
	return hosttest.Serve(k, h, next)
}

func echoes(ctx context.Context, c host.Conn) error {
	return (&echo.Handler{Idle: limit}).Handle(ctx, c, nil)
}

// config is that of a client that trusts the kit's authority.
func (k *kit) config(name string) *tls.Config {
	return &tls.Config{ServerName: name, RootCAs: k.ca.Pool}
}

// dial makes a handshake, or says why there was none.
func dial(t testing.TB, addr string, config *tls.Config) (*tls.Conn, error) {
	t.Helper()
	raw, err := net.DialTimeout("tcp", addr, limit)
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	if err := raw.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(raw, config)
	if err := conn.Handshake(); err != nil {
		_ = raw.Close()
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, nil
}

// talk makes a handshake, sends a word to an echo, and returns the client's state
// and what went wrong. TLS 1.3 tells a client only here that its certificate was
// refused.
func talk(t testing.TB, addr string, config *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	conn, err := dial(t, addr, config)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	if _, err := io.WriteString(conn, "hello"); err != nil {
		return tls.ConnectionState{}, err
	}
	if err := conn.CloseWrite(); err != nil {
		return tls.ConnectionState{}, err
	}
	got, err := io.ReadAll(conn)
	if err == nil && string(got) != "hello" {
		t.Errorf("the echo said %q", got)
	}
	return conn.ConnectionState(), err
}

// anyName lets a client look at a certificate for another name.
func (k *kit) anyName(name string) *tls.Config {
	c := k.config(name)
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: k.ca.Pool})
		return err
	}
	return c
}

// client is a certificate for a client, written to FILE.crt and FILE.key too.
func (k *kit) client(file, name string) tls.Certificate {
	k.Helper()
	i := k.ca.Issue(k, certtest.Leaf{Client: name, Serial: 4711, Names: []string{"client.example"}})
	i.Write(k, k.dir, file)
	return i.TLS(k)
}

// trust writes the authority's certificate to FILE.
func (k *kit) trust(file string) {
	certtest.Put(k, filepath.Join(k.dir, file), k.ca.PEM)
}
