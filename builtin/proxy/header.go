package proxy

import (
	"encoding/binary"
	"fmt"
	"net/netip"

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
// two families both are written as IPv6 (RFC 4291, section 2.5.5.2).
func (v version) header(from, to netip.AddrPort) []byte {
	known := from.IsValid() && to.IsValid()
	v4 := known && from.Addr().Is4() && to.Addr().Is4()
	if known && !v4 {
		from, to = in6(from), in6(to)
	}
	if v == v2 {
		return binaryHeader(from, to, known, v4)
	}
	switch {
	case !known:
		return []byte("PROXY UNKNOWN\r\n")
	case v4:
		return fmt.Appendf(nil, "PROXY TCP4 %s %s %d %d\r\n", from.Addr(), to.Addr(), from.Port(), to.Port())
	}
	return fmt.Appendf(nil, "PROXY TCP6 %s %s %d %d\r\n", from.Addr(), to.Addr(), from.Port(), to.Port())
}

func in6(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
}

// signature begins a header of version 2.
const signature = "\r\n\r\n\x00\r\nQUIT\n"

// The bytes behind the signature: version and command, family and transport.
const (
	commandLocal = 0x20
	commandProxy = 0x21
	unspecified  = 0x00
	tcp4         = 0x11
	tcp6         = 0x21
)

func binaryHeader(from, to netip.AddrPort, known, v4 bool) []byte {
	b := []byte(signature)
	if !known {
		return append(b, commandLocal, unspecified, 0, 0)
	}
	src, dst, family := from.Addr().AsSlice(), to.Addr().AsSlice(), byte(tcp6)
	if v4 {
		family = tcp4
	}
	b = append(b, commandProxy, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(src)+len(dst)+4))
	b = append(append(b, src...), dst...)
	b = binary.BigEndian.AppendUint16(b, from.Port())
	return binary.BigEndian.AppendUint16(b, to.Port())
}
