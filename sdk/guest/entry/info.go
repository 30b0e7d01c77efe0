package entry

import (
	"net/netip"
	"unsafe"

	"dwaar.dev/dwaar/sdk/abi"
)

// infoBlock is the info block as it lies in memory, with its numbers in the byte order of
// the machine: it is read in place, each field at once. A module's loads are what an
// evaluation mostly pays for, and package abi reads every byte on its own.
type infoBlock struct {
	size, flags                          uint32
	transport, remoteFamily, localFamily uint8
	maxHead                              uint32
	remoteIP, localIP                    [16]byte
	remotePort, localPort                uint16
	listener, serverName, alpn           span
	tlsVersion, cipher                   uint16
	accepted                             int64
	bounds                               span
	_                                    [32]byte
}

// span is where a stretch of the window lies.
type span struct{ ptr, size uint32 }

// The fields are where the specification has them, or this does not compile.
var _ = [1]struct{}{}[(unsafe.Sizeof(infoBlock{})-abi.InfoSize)|(unsafe.Offsetof(infoBlock{}.remoteIP)-abi.InfoRemoteIP)|
	(unsafe.Offsetof(infoBlock{}.listener)-abi.InfoListener)|(unsafe.Offsetof(infoBlock{}.accepted)-abi.InfoAccepted)|
	(unsafe.Offsetof(infoBlock{}.bounds)-abi.InfoBounds)]

// addr returns an address of a family: 4, 6, or 0 for none.
func addr(family uint8, ip *[16]byte, port uint16) netip.AddrPort {
	switch family {
	case 4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:])), port)
	case 6:
		return netip.AddrPortFrom(netip.AddrFrom16(*ip), port)
	}
	return netip.AddrPort{}
}
