package crowd

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Levels say how many bits of an address make a crowd.
type Levels struct {
	V4 int // 16 to 32
	V6 int // 16 to 128
}

// DefaultLevels make a crowd of an IPv4 address, and of a /64 of IPv6, which is what one
// subscriber has at least.
func DefaultLevels() Levels { return Levels{V4: 32, V6: 64} }

// neighbours is how many bits shorter the prefix of a network is than that of its crowds.
const neighbours = 8

// key is an address without the bits that do not count.
type key [2]uint64

// keys returns the crowd and the network of an address. All clients of Unix sockets,
// which have none, are one crowd.
func (l Levels) keys(a netip.Addr) (crowd, network key) {
	if !a.IsValid() {
		return key{^uint64(0), ^uint64(0)}, key{^uint64(0), ^uint64(0)}
	}
	b := a.As16()
	k := key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
	n := l.V6
	if a.Is4() || a.Is4In6() {
		n = 96 + l.V4
	}
	return k.mask(n), k.mask(n - neighbours)
}

// Crowd returns the crowd of an address; the zero value for clients without one.
func (l Levels) Crowd(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	n := l.V6
	if a.Is4() {
		n = l.V4
	}
	p, _ := a.Prefix(n) // fails for no address: then the zero value is right
	return p
}

// mask keeps the first n bits.
func (k key) mask(n int) key {
	if n <= 64 {
		return key{k[0] &^ (^uint64(0) >> n), 0}
	}
	return key{k[0], k[1] &^ (^uint64(0) >> (n - 64))}
}

// hash spreads keys over shards.
func (k key) hash() uint64 {
	hi, lo := bits.Mul64(k[0]^0x9e3779b97f4a7c15, k[1]^0xd1b54a32d192ed03)
	return (hi ^ lo) * 0x9e3779b97f4a7c15 >> 32
}
