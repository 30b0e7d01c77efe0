package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"dwaar.dev/dwaar/builtin"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/loop"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/host/wasm"
)

// served is a dwaar that serves a configuration.
type served struct {
	t      testing.TB
	engine *engine.Engine
	guests *wasm.Host
	store  *share.Store
	log    *lines
}

// serve loads a configuration whose listener is 127.0.0.1:0.
func serve(t testing.TB, config string) *served {
	t.Helper()
	return serveWith(t, wasm.Options{}, config)
}

// serveWith is serve with options of what runs the plugins; their log is the test's.
func serveWith(t testing.TB, o wasm.Options, config string) *served {
	t.Helper()
	return serveIn(t, loops(t), o, config)
}

// serveIn is serveWith in these event loops; nil: in goroutines.
func serveIn(t testing.TB, loops *loop.Loops, o wasm.Options, config string) *served {
	t.Helper()
	s := &served{t: t, store: new(share.Store), log: &lines{}}
	o.Log = slog.New(slog.NewTextHandler(s.log, nil))
	s.engine, s.guests = engine.New(engine.Options{Log: o.Log, Loops: loops}), wasm.New(o)
	if err := s.load(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := errors.Join(s.engine.Shutdown(ctx), s.guests.Close()); err != nil {
			t.Log(err)
		}
		if t.Failed() {
			t.Logf("the log:\n%s", s.log)
		}
	})
	return s
}

// loops starts event loops, as the program does; nil where there are none.
func loops(t testing.TB) *loop.Loops {
	t.Helper()
	rs, err := loop.New(2)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rs.Close) // after the engine: its cleanup comes first
	return rs
}

// load serves another configuration.
func (s *served) load(config string) error {
	g, err := s.build(config)
	if err != nil {
		return err
	}
	return s.engine.Load(s.t.Context(), g)
}

func (s *served) build(text string) (*graph.Graph, error) {
	r := &host.Registry{}
	builtin.Register(r)
	l := config.Loader{Registry: r, Store: s.store, Plugins: s.guests}
	c, err := l.Load(config.Text("Dwaarfile", text))
	if err != nil {
		return nil, err
	}
	return c.Graph, nil
}

// addr is where the only listener listens.
func (s *served) addr() netip.AddrPort {
	s.t.Helper()
	a, ok := s.engine.Addr("127.0.0.1:0")
	if !ok {
		s.t.Fatal("nothing listens")
	}
	return a
}

// listen is an upstream that gives each connection to handle and then closes it.
func listen(t testing.TB, handle func(net.Conn)) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return l.Addr()
}

// lines is a log that tests read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write appends.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns what was written.
func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// certificate writes a self-signed certificate and its key.
func certificate(t testing.TB, names ...string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePEM(t, cert, "CERTIFICATE", der)
	writePEM(t, key, "PRIVATE KEY", pkcs8)
	return cert, key
}

func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
