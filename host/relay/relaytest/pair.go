package relaytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// peer is the far end of a connection: the client, or the upstream.
type peer struct {
	net.Conn          // with TLS on it if the wire has it
	socket   net.Conn // the socket under it
}

// closeWrite ends the peer's sending side.
func (p *peer) closeWrite(t testing.TB) {
	t.Helper()
	if err := p.Conn.(relay.CloseWriter).CloseWrite(); err != nil {
		t.Errorf("finishing: %v", err)
	}
}

// reset resets the connection, after the relay's kernel has everything that
// the peer wrote: what a peer takes back itself is not the relay's loss.
func (p *peer) reset(t testing.TB) {
	t.Helper()
	awaitSent(t, p.socket)
	p.abort()
}

// abort resets at once, where the protocol knows a reset, and closes.
func (p *peer) abort() {
	if c, ok := p.socket.(*net.TCPConn); ok {
		_ = c.SetLinger(0)
	}
	_ = p.socket.Close()
}

// wire makes a connection: the end for the relay, and the peer.
type wire struct {
	name string
	dial func(t testing.TB) (relay.Endpoint, *peer)
	tcp  bool // resets exist
}

// route is what a test runs over: the wires on both sides of the relay.
type route struct {
	name     string
	down, up wire
}

// routes returns the combinations the suite runs over.
func routes(tb testing.TB) []route {
	tb.Helper()
	id := newIdentity(tb)
	tcp := wire{"tcp", dialTCP, true}
	unix := wire{"unix", dialUnix, false}
	terminated := wire{"tls", id.terminated, true}
	list := []route{
		{"tcp to tcp", tcp, tcp},
		{"tcp to unix", tcp, unix},
		{"unix to tcp", unix, tcp},
		{"tls to tcp", terminated, tcp},
		{"tls to tls", terminated, wire{"tls", id.originated, true}},
	}
	if bareDescriptors {
		tcpFD, unixFD := wire{"tcp", bare(dialTCP), true}, wire{"unix", bare(dialUnix), false}
		list = append(list,
			route{"bare tcp to bare tcp", tcpFD, tcpFD},
			route{"bare tcp to bare unix", tcpFD, unixFD},
			route{"tls to bare tcp", terminated, tcpFD})
	}
	return list
}

// connect makes both connections of r.
func (r route) connect(t testing.TB) (down, up relay.Endpoint, client, server *peer) {
	t.Helper()
	down, client = r.down.dial(t)
	up, server = r.up.dial(t)
	return down, up, client, server
}

func dialTCP(t testing.TB) (relay.Endpoint, *peer) {
	t.Helper()
	near, far := sockets(t, "tcp", "127.0.0.1:0")
	return relay.Endpoint{Conn: near}, &peer{far, far}
}

func dialUnix(t testing.TB) (relay.Endpoint, *peer) {
	t.Helper()
	near, far := sockets(t, "unix", filepath.Join(t.TempDir(), "s"))
	return relay.Endpoint{Conn: near}, &peer{far, far}
}

// sockets makes a connected pair. The far one gives up after patience.
func sockets(t testing.TB, network, address string) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatalf("listening: %v", err)
	}
	defer ln.Close()
	far, err = net.Dial(network, ln.Addr().String())
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	near, err = ln.Accept()
	if err != nil {
		t.Fatalf("accepting: %v", err)
	}
	t.Cleanup(func() { _ = far.Close() })
	if err := far.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatalf("setting a deadline: %v", err)
	}
	return near, far
}

// identity is a certificate and those who trust it.
type identity struct{ server, client *tls.Config }

func newIdentity(t testing.TB) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("making a key: %v", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "relay.test"},
		DNSNames:     []string{"relay.test"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatalf("making a certificate: %v", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("reading the certificate: %v", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return identity{
		server: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		client: &tls.Config{RootCAs: pool, ServerName: "relay.test"},
	}
}

// terminated: the relay's end is the TLS server.
func (id identity) terminated(t testing.TB) (relay.Endpoint, *peer) {
	t.Helper()
	near, far := sockets(t, "tcp", "127.0.0.1:0")
	server, client := tls.Server(near, id.server), tls.Client(far, id.client)
	handshake(t, server, client)
	return relay.Endpoint{Conn: server}, &peer{client, far}
}

// originated: the relay's end is the TLS client.
func (id identity) originated(t testing.TB) (relay.Endpoint, *peer) {
	t.Helper()
	near, far := sockets(t, "tcp", "127.0.0.1:0")
	server, client := tls.Server(far, id.server), tls.Client(near, id.client)
	handshake(t, server, client)
	return relay.Endpoint{Conn: client}, &peer{server, far}
}

func handshake(t testing.TB, server, client *tls.Conn) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-done); err != nil {
		t.Fatalf("shaking hands: %v", err)
	}
}

// link is a link under test.
type link struct {
	*relay.Link
	done chan relay.Result
}

// begin starts a link that reports to a channel.
func begin(start Start, down, up relay.Endpoint, o relay.Options) link {
	done := make(chan relay.Result, 2) // room for a second call, which is an error
	o.Done = func(r relay.Result) { done <- r }
	return link{start(down, up, o), done}
}

// result waits for the end and checks what is true of every end.
func (l link) result(t testing.TB) relay.Result {
	t.Helper()
	select {
	case r := <-l.done:
		if up, down := l.Counts(); up != r.Up || down != r.Down {
			t.Errorf("counts after the end: %d up, %d down; in the result: %d, %d", up, down, r.Up, r.Down)
		}
		l.Kill(relay.Killed) // changes nothing any more
		select {
		case again := <-l.done:
			t.Errorf("Done was called twice: %+v, %+v", r, again)
		default:
		}
		return r
	case <-time.After(patience):
		t.Fatalf("the link did not end\n%s", stacks())
		return relay.Result{}
	}
}

// awaitEnd reads until the connection ends, and returns the error.
func awaitEnd(c net.Conn) error {
	_, err := io.Copy(io.Discard, struct{ io.Reader }{c})
	if err == nil {
		return io.EOF
	}
	return err
}

// isTimeout reports whether a peer ran out of patience.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
