package abi

import (
	"encoding/binary"
	"net/netip"
)

// Info is the info block: what a guest is told of a connection beside its head. The
// pairs of address and length point into the guest's memory.
type Info struct {
	Flags         uint32         // [FlagTLS], [FlagProxied], [FlagDatagrams]
	Transport     uint8          // [TransportTCP], [TransportUDP] or [TransportUnix]
	MaxHead       uint32         // bytes
	Remote, Local netip.AddrPort // the zero value is "no IP address"

	Listener, ServerName, ALPN Span // of bytes

	TLSVersion, Cipher uint16 // as on the wire; 0 without TLS
	Accepted           int64  // nanoseconds since 1970 UTC
	Bounds             Span   // of u32: where each datagram of the head ends
}

// Span is a place in the guest's memory and how many elements are there. Ptr is
// never 0, also when Len is.
type Span struct{ Ptr, Len uint32 }

// EncodeInfo writes the info block into b, all of it.
func EncodeInfo(b *[InfoSize]byte, i *Info) {
	clear(b[:])
	le := binary.LittleEndian
	le.PutUint32(b[0:], InfoSize)
	le.PutUint32(b[InfoFlags:], i.Flags)
	b[InfoTransport] = i.Transport
	le.PutUint32(b[InfoMaxHead:], i.MaxHead)
	putAddr(b, InfoRemoteFamily, InfoRemoteIP, InfoRemotePort, i.Remote)
	putAddr(b, InfoLocalFamily, InfoLocalIP, InfoLocalPort, i.Local)
	putSpan(b, InfoListener, i.Listener)
	putSpan(b, InfoServerName, i.ServerName)
	putSpan(b, InfoALPN, i.ALPN)
	le.PutUint16(b[InfoTLSVersion:], i.TLSVersion)
	le.PutUint16(b[InfoCipher:], i.Cipher)
	le.PutUint64(b[InfoAccepted:], uint64(i.Accepted))
	putSpan(b, InfoBounds, i.Bounds)
}

func putAddr(b *[InfoSize]byte, family, ip, port int, a netip.AddrPort) {
	switch addr := a.Addr().Unmap(); {
	case addr.Is4():
		b[family] = 4
	case addr.Is6():
		b[family] = 6
	default:
		return
	}
	bytes := a.Addr().As16()
	copy(b[ip:], bytes[:])
	binary.LittleEndian.PutUint16(b[port:], a.Port())
}

func putSpan(b *[InfoSize]byte, at int, s Span) {
	binary.LittleEndian.PutUint32(b[at:], s.Ptr)
	binary.LittleEndian.PutUint32(b[at+4:], s.Len)
}

// DecodeInfo reads an info block. It allocates nothing.
func DecodeInfo(b *[InfoSize]byte) Info {
	le := binary.LittleEndian
	return Info{
		Flags:      le.Uint32(b[InfoFlags:]),
		Transport:  b[InfoTransport],
		MaxHead:    le.Uint32(b[InfoMaxHead:]),
		Remote:     addrAt(b, InfoRemoteFamily, InfoRemoteIP, InfoRemotePort),
		Local:      addrAt(b, InfoLocalFamily, InfoLocalIP, InfoLocalPort),
		Listener:   spanAt(b, InfoListener),
		ServerName: spanAt(b, InfoServerName),
		ALPN:       spanAt(b, InfoALPN),
		TLSVersion: le.Uint16(b[InfoTLSVersion:]),
		Cipher:     le.Uint16(b[InfoCipher:]),
		Accepted:   int64(le.Uint64(b[InfoAccepted:])),
		Bounds:     spanAt(b, InfoBounds),
	}
}

func addrAt(b *[InfoSize]byte, family, ip, port int) netip.AddrPort {
	if b[family] == 0 {
		return netip.AddrPort{}
	}
	addr := netip.AddrFrom16([16]byte(b[ip:])).Unmap()
	return netip.AddrPortFrom(addr, binary.LittleEndian.Uint16(b[port:]))
}

func spanAt(b *[InfoSize]byte, at int) Span {
	return Span{binary.LittleEndian.Uint32(b[at:]), binary.LittleEndian.Uint32(b[at+4:])}
}
