package realtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
)

// FreeAddr returns a TCP address on 127.0.0.1 for a program that cannot listen
// on port 0 and say which one it got. Programs that can should.
//
// The port is below those that the kernel gives to whoever asks for any port, so that
// neither a connection nor another test takes it before the program has started, however
// long that takes. A process gets each port once; two processes that draw at once seldom
// draw the same one of thousands.
func FreeAddr(t testing.TB) netip.AddrPort {
	t.Helper()
	for range 100 {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), lowest+rand.N(ephemeral()-lowest))
		if _, again := given.LoadOrStore(addr, true); again {
			continue
		}
		l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(addr))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return addr
	}
	t.Fatal("of a hundred ports none is free")
	return netip.AddrPort{}
}

// given are the addresses that this process has got.
var given sync.Map

// lowest is above the ports of well-known services, which a machine may run.
const lowest uint16 = 12_000

// ephemeral returns the first port that the kernel gives to whoever asks for any: on Linux
// what it says of itself, elsewhere the first one of IANA (RFC 6335, section 6).
func ephemeral() uint16 {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 49_152
	}
	first := uint16(0)
	if _, err := fmt.Sscan(string(text), &first); err != nil || first <= lowest {
		return 32_768
	}
	return first
}
