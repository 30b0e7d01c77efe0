// Package special knows the addresses that are no ordinary hosts: those of this machine and
// its links, those of many machines at once, those that nobody has, those by which a cloud
// answers its own machines, and all IPv6 forms that stand for an IPv4 address. Whoever
// connects where a client says asks here first:
//
//	if what := special.What(addr); what != "" {
//		return fmt.Errorf("connecting to %s: %s", addr, what)
//	}
//
// Private networks (RFC 1918, RFC 4193) are ordinary here: they are what a proxy leads to.
package special

import (
	"cmp"
	"encoding/binary"
	"net/netip"
)

// What says what is special about an address, in a few words; "" for an ordinary one. An
// IPv6 address that stands for an IPv4 address is what the IPv4 address is.
func What(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return "no address"
	case a.Zone() != "":
		return "an address of one link"
	}
	what := of(a)
	for _, v4 := range Embedded(a) {
		what = cmp.Or(what, of(v4))
	}
	return what
}

// of looks an address up in the list of its family.
func of(a netip.Addr) string {
	if a.Is4() {
		for _, n := range v4 {
			if n.net.Contains(a) {
				return n.what
			}
		}
		return ""
	}
	for _, n := range v6 {
		if n.net.Contains(a) {
			return n.what
		}
	}
	return ""
}

// network is a range of special addresses.
type network struct {
	net  netip.Prefix
	what string
}

// The words that several ranges share.
const (
	cloud      = "an address by which a cloud answers its machines"
	multicast  = "an address of many machines"
	linkLocal  = "an address of one link"
	loopback   = "an address of this machine"
	nowhere    = "an address that nobody has"
	transition = "an IPv6 form of an IPv4 address, which a translator or tunnel decides about"
)

// v4 is what IANA's registry of special-purpose IPv4 addresses (RFC 6890) says cannot be
// an ordinary host, and what clouds use beside it. Nobody writes to the array.
var v4 = [...]network{
	{netip.MustParsePrefix("0.0.0.0/8"), loopback},           // RFC 1122, section 3.2.1.3: this network; Linux connects 0.0.0.0 to itself
	{netip.MustParsePrefix("127.0.0.0/8"), loopback},         // RFC 1122, section 3.2.1.3
	{netip.MustParsePrefix("169.254.0.0/16"), linkLocal},     // RFC 3927; metadata services of nearly all clouds
	{netip.MustParsePrefix("192.0.0.0/24"), nowhere},         // RFC 6890: protocol assignments; Oracle's metadata is 192.0.0.192
	{netip.MustParsePrefix("192.88.99.0/24"), transition},    // RFC 7526: relays of 6to4
	{netip.MustParsePrefix("100.100.100.200/32"), cloud},     // Alibaba
	{netip.MustParsePrefix("168.63.129.16/32"), cloud},       // Azure
	{netip.MustParsePrefix("224.0.0.0/4"), multicast},        // RFC 5771
	{netip.MustParsePrefix("255.255.255.255/32"), multicast}, // RFC 919: broadcast
	{netip.MustParsePrefix("240.0.0.0/4"), nowhere},          // RFC 1112, section 4: reserved
}

// v6 is the same for IPv6. Nobody writes to the array.
var v6 = [...]network{
	{netip.MustParsePrefix("::1/128"), loopback},             // RFC 4291, section 2.5.3
	{netip.MustParsePrefix("::/128"), loopback},              // RFC 4291, section 2.5.2; Linux connects :: to itself
	{forms[compatible], transition},                          // RFC 4291, section 2.5.5.1: IPv4-compatible
	{forms[translated], transition},                          // RFC 2765, section 2.1: IPv4-translated
	{netip.MustParsePrefix("64:ff9b:1::/48"), transition},    // RFC 8215: translators of the operator's own
	{netip.MustParsePrefix("100::/64"), nowhere},             // RFC 6666: discarded
	{netip.MustParsePrefix("100:0:0:1::/64"), nowhere},       // RFC 9780: dummies
	{forms[teredo], transition},                              // RFC 4380: Teredo
	{netip.MustParsePrefix("fe80::/10"), linkLocal},          // RFC 4291, section 2.5.6
	{netip.MustParsePrefix("fec0::/10"), linkLocal},          // RFC 3879: once site-local
	{netip.MustParsePrefix("ff00::/8"), multicast},           // RFC 4291, section 2.7
	{netip.MustParsePrefix("fd00:ec2::/32"), cloud},          // Amazon: fd00:ec2::254 and others
	{netip.MustParsePrefix("fd20:ce::254/128"), cloud},       // Google
	{netip.MustParsePrefix("fd00:42::42/128"), cloud},        // Scaleway
	{netip.MustParsePrefix("fd00:c1::a9fe:a9fe/128"), cloud}, // Oracle
}

// The prefixes of forms.
const (
	compatible = iota
	translated
	nat64
	sixToFour
	teredo
)

// forms are the IPv6 prefixes behind which an IPv4 address stands. Nobody writes to the
// array.
var forms = [...]netip.Prefix{
	compatible: netip.MustParsePrefix("::/96"),
	translated: netip.MustParsePrefix("::ffff:0:0:0/96"),
	nat64:      netip.MustParsePrefix("64:ff9b::/96"),
	sixToFour:  netip.MustParsePrefix("2002::/16"),
	teredo:     netip.MustParsePrefix("2001::/32"),
}

// Embedded returns the IPv4 addresses that an IPv6 address stands for, if it has one of the
// forms that are known:
//
//	::ffff:V4              mapped (RFC 4291, section 2.5.5.2)
//	::V4, ::ffff:0:V4      compatible and translated (RFC 4291, section 2.5.5.1; RFC 2765)
//	64:ff9b::V4            NAT64 with the well-known prefix (RFC 6052, section 2.1)
//	2002:V4:…              6to4 (RFC 3056, section 2)
//	2001:0:V4:…:~V4        Teredo: server, and client with its bits inverted (RFC 4380, section 4)
//	…:[02]00:5efe:V4       ISATAP (RFC 5214, section 6.1)
//
// The prefixes that an operator chooses for NAT64 (RFC 6052, section 2.2) and 6rd (RFC
// 5969) look like any other address: they are not known.
func Embedded(a netip.Addr) []netip.Addr {
	if !a.Is6() {
		return nil
	}
	var found []netip.Addr
	a = a.WithZone("")
	b := a.As16()
	last := binary.BigEndian.Uint32(b[12:])
	switch {
	case a.Is4In6(), forms[nat64].Contains(a), forms[compatible].Contains(a), forms[translated].Contains(a):
		found = append(found, fromBits(last))
	case forms[sixToFour].Contains(a):
		found = append(found, fromBits(binary.BigEndian.Uint32(b[2:])))
	case forms[teredo].Contains(a):
		found = append(found, fromBits(binary.BigEndian.Uint32(b[4:])), fromBits(^last))
	}
	if b[8]&^3 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe { // the bits "universal" and "group" may have any value
		found = append(found, fromBits(last))
	}
	return found
}

func fromBits(v4 uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], v4)
	return netip.AddrFrom4(b)
}
