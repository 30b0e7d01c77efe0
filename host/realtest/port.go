package realtest

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
)

// FreeAddr returns a TCP address on 127.0.0.1 for a program that cannot listen
// on port 0 and say which one it got. Programs that can should.
//
// The port is not merely free at the moment: one connection was made to it and
// closed, server first, and for the minute that this lies in TIME_WAIT the kernel
// gives the port to nobody who asks for any port, while a server that asks for
// this one with SO_REUSEADDR, as all do, gets it.
func FreeAddr(t testing.TB) netip.AddrPort {
	t.Helper()
	addr, err := reserve()
	if err != nil {
		t.Fatalf("reserving a port: %v", err)
	}
	return addr
}

func reserve() (addr netip.AddrPort, err error) {
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		return addr, err
	}
	defer l.Close()
	addr = l.Addr().(*net.TCPAddr).AddrPort()
	client, err := net.Dial("tcp4", addr.String())
	if err != nil {
		return addr, err
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		return addr, err
	}
	if err := server.Close(); err != nil { // first, so TIME_WAIT is on this side
		return addr, err
	}
	if n, err := client.Read(make([]byte, 1)); n != 0 || err == nil {
		return addr, fmt.Errorf("reading the end of the connection: %d bytes", n)
	}
	return addr, nil
}
