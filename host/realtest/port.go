package realtest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"syscall"
	"testing"
)

// FreeAddr returns a TCP address on 127.0.0.1 for a program that cannot listen
// on port 0 and say which one it got. Programs that can should.
//
// The port is below those that the kernel gives to whoever asks for any port, so that no
// connection gets it, and until the test ends a socket is bound to it that does not listen:
// no other test draws it, while a server that asks for it with SO_REUSEADDR, as all do,
// gets it.
func FreeAddr(t testing.TB) netip.AddrPort {
	t.Helper()
	for range 100 {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), lowest+rand.N(ephemeral()-lowest))
		if reserve(t, addr) {
			return addr
		}
	}
	t.Fatal("of a hundred ports none is free")
	return netip.AddrPort{}
}

// reserve binds a socket to an address, and reports whether nobody else has the address.
func reserve(t testing.TB, addr netip.AddrPort) bool {
	t.Helper()
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatalf("reserving a port: %v", os.NewSyscallError("socket", err))
	}
	if syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}) != nil {
		_ = syscall.Close(fd)
		return false
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	// Behind the bind: with the option it would share the port with others of its kind.
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		t.Fatalf("reserving a port: %v", os.NewSyscallError("setsockopt", err))
	}
	return true
}

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
