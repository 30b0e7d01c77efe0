package upstream

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/realtest"
)

// option returns an option of the socket of a connection.
func option(t *testing.T, c net.Conn, level, name int) (value int) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), level, name) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// Connections to upstreams are plain TCP, which can be spliced, and a dead one is found.
func TestTheSocketOfAConnectionIsPlainTCPWithKeepalive(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := Dial{Network: "tcp", Addr: netip.MustParseAddrPort(l.Addr().String()), Timeout: time.Minute}
	c, err := d.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, tc := range map[string]struct{ level, option, want int }{
		"protocol":             {syscall.SOL_SOCKET, 38, syscall.IPPROTO_TCP}, // SO_PROTOCOL; MPTCP is another one
		"keepalive":            {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		"silence before":       {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 30},
		"pause between probes": {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 10},
		"probes":               {syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 3},
	} {
		if got := option(t, c, tc.level, tc.option); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}

func TestAnOptionThatASocketDoesNotTakeIsAnError(t *testing.T) {
	t.Parallel()
	for network, set := range map[string]func(syscall.RawConn) error{"tcp": bindAnyName, "unix": lateBind} {
		addr := map[string]string{"tcp": "127.0.0.1:0", "unix": t.TempDir() + "/s"}[network]
		l, err := net.Listen(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := l.(syscall.Conn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var wrong *os.SyscallError
		if err := set(raw); !errors.As(err, &wrong) {
			t.Errorf("%s: %v", network, err)
		}
		_ = l.Close()
		if err := set(raw); err == nil || errors.As(err, &wrong) {
			t.Errorf("%s, closed: %v", network, err)
		}
	}
}

// A local port that is given serves a connection to each address; another one to the same
// address has to wait, which is no fault of the upstream.
func TestConnectionsToDifferentAddressesShareALocalPort(t *testing.T) {
	t.Parallel()
	free := realtest.FreeAddr(t)
	local := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), free.Port())
	var first Dial
	for i := range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		d := Dial{Network: "tcp", Addr: netip.MustParseAddrPort(l.Addr().String()), Local: local, Timeout: time.Minute}
		c, err := d.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got := c.LocalAddr().String(); got != local.String() {
			t.Errorf("connected from %s, want %s", got, local)
		}
		if i == 0 {
			first = d
		}
	}
	c, err := first.Connect(t.Context())
	if err == nil {
		_ = c.Close()
	}
	if !LocalFault(err) {
		t.Errorf("a second connection to the same address: %v", err)
	}
}
