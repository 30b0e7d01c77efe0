package proxy

import (
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"

	"dwaar.dev/dwaar/sdk"
)

// version is that of the PROXY protocol header an upstream gets first.
type version byte

const (
	noHeader version = iota
	v1
	v2
)

// of returns the header for a connection, or nil.
func (v version) of(f *sdk.Flow) []byte {
	if v == noHeader {
		return nil
	}
	return v.header(f.Remote, f.Local)
}

// header names both addresses, or says that there are none: UNKNOWN in version 1,
// LOCAL in version 2. The zero AddrPort is what Unix sockets and checks have. Of
// two families version 2 writes both as IPv6 (RFC 4291, section 2.5.5.2); version 1
// has no form for that.
func (v version) header(from, to netip.AddrPort) []byte {
	h := &proxyproto.Header{Version: byte(v), Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}
	if protocol, ok := v.protocol(from.Addr(), to.Addr()); ok {
		h.Command, h.TransportProtocol = proxyproto.PROXY, protocol
		h.SourceAddr, h.DestinationAddr = net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(to)
	}
	b, err := h.Format()
	if err != nil { // of addresses that protocol has accepted: a defect
		panic("formatting a PROXY header: " + err.Error())
	}
	return b
}

func (v version) protocol(from, to netip.Addr) (p proxyproto.AddressFamilyAndProtocol, ok bool) {
	switch {
	case !from.IsValid() || !to.IsValid():
		return proxyproto.UNSPEC, false
	case from.Is4() && to.Is4():
		return proxyproto.TCPv4, true
	}
	return proxyproto.TCPv6, v == v2 || from.Is4() == to.Is4()
}
