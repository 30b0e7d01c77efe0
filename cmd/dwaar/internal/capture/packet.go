package capture

import (
	"encoding/binary"
	"net/netip"
)

// Types of links (tcpdump.org/linktypes.html).
const (
	linkNull     = 0   // BSD loopback: four bytes of address family
	linkEthernet = 1   // with tags of IEEE 802.1Q
	linkRaw      = 101 // IP
	linkRawBSD   = 12  // the same as tcpdump writes it
	linkRawOld   = 14
	linkCooked   = 113 // Linux "any"
	linkCooked2  = 276
)

// Ethernet types, and numbers of protocols of IP.
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100
	etherQinQ = 0x88a8

	protocolTCP = 6
	protocolUDP = 17
)

// segment is a packet of TCP or UDP.
type segment struct {
	from, to netip.AddrPort
	udp      bool
	syn, ack bool
	seq      uint32
	payload  []byte
}

// decode reads a packet as far as TCP or UDP.
func decode(link uint16, b []byte) (segment, bool) {
	switch link {
	case linkNull:
		return ip(skip(b, 4))
	case linkEthernet:
		return ether(skip(b, 12))
	case linkRaw, linkRawBSD, linkRawOld:
		return ip(b)
	case linkCooked:
		return ip(skip(b, 16))
	case linkCooked2:
		return ip(skip(b, 20))
	}
	return segment{}, false
}

func skip(b []byte, n int) []byte { return b[min(n, len(b)):] }

// ether reads a packet from its Ethernet type on.
func ether(b []byte) (segment, bool) {
	for range 3 { // two tags at most
		if len(b) < 2 {
			break
		}
		switch binary.BigEndian.Uint16(b) {
		case etherIPv4, etherIPv6:
			return ip(b[2:])
		case etherVLAN, etherQinQ:
			b = skip(b, 4)
		default:
			return segment{}, false
		}
	}
	return segment{}, false
}

func ip(b []byte) (segment, bool) {
	if len(b) == 0 {
		return segment{}, false
	}
	switch b[0] >> 4 {
	case 4:
		return ipv4(b)
	case 6:
		return ipv6(b)
	}
	return segment{}, false
}

// ipv4 reads a packet that is not a fragment (RFC 791 section 3.1). What Ethernet adds
// behind it to be long enough is cut off.
func ipv4(b []byte) (segment, bool) {
	if len(b) < 20 {
		return segment{}, false
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 { // the network card was to fill it in
		total = len(b)
	}
	if header < 20 || total < header || len(b) < header || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
		return segment{}, false
	}
	from, to := netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	return transport(b[9], from, to, b[header:min(total, len(b))])
}

// ipv6 reads a packet without extension headers (RFC 8200 section 3): those that carry
// what a matcher sees have none, in all but laboratories.
func ipv6(b []byte) (segment, bool) {
	if len(b) < 40 {
		return segment{}, false
	}
	from, to := netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	rest := b[40:]
	if n := int(binary.BigEndian.Uint16(b[4:])); n > 0 {
		rest = rest[:min(n, len(rest))]
	}
	return transport(b[6], from, to, rest)
}

// transport reads the header of TCP (RFC 9293 section 3.1) or UDP (RFC 768).
func transport(protocol byte, from, to netip.Addr, b []byte) (segment, bool) {
	if len(b) < 8 || protocol != protocolTCP && protocol != protocolUDP {
		return segment{}, false
	}
	s := segment{
		from: netip.AddrPortFrom(from, binary.BigEndian.Uint16(b)),
		to:   netip.AddrPortFrom(to, binary.BigEndian.Uint16(b[2:])),
		udp:  protocol == protocolUDP, payload: b[8:],
	}
	if s.udp {
		return s, true
	}
	if len(b) < 20 || int(b[12]>>4)*4 < 20 || int(b[12]>>4)*4 > len(b) {
		return segment{}, false
	}
	s.seq = binary.BigEndian.Uint32(b[4:])
	s.syn, s.ack = b[13]&2 != 0, b[13]&16 != 0
	s.payload = b[int(b[12]>>4)*4:]
	return s, true
}
