// Package proxyproto reads headers of the PROXY protocol, version 1 and 2, from the first
// bytes of a connection:
//
//	h, need, err := proxyproto.Read(head)
//	switch {
//	case err != nil: // a header begins, and is none that may be believed
//	case need > 0:   // read again with a head of so many bytes
//	case h.Version == 0: // there is no header
//	}
//
// The specification is HAProxy's doc/proxy-protocol.txt, whose sections are cited here. Read
// is strict: what the specification calls undefined is an error, because whoever guesses at
// addresses lets in whom a rule for addresses was to keep out.
package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
)

// What headers begin with, and the longest header of version 1 with the CR LF that ends it.
const (
	Word      = "PROXY "                                           // §2.1
	Signature = "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a" // §2.2
	MaxLine   = 107                                                // §2.1
)

// Header is what a header says.
type Header struct {
	Version int // 1 or 2; 0: there is no header
	Size    int // bytes, with all that belongs to it
	// Named reports whether the header names the ends of the connection. Otherwise those
	// of the socket count: the sender speaks for itself (LOCAL), or does not tell.
	Named bool
	// Source and Destination are the client and the server as the sender saw them. The zero
	// value is what Unix sockets have.
	Source, Destination netip.AddrPort

	tlvs []byte
}

// Begins reports whether a head begins a header for sure, however the header goes on.
func Begins(head []byte) bool {
	return bytes.HasPrefix(head, []byte(Word)) || bytes.HasPrefix(head, []byte(Signature))
}

// Read reads the header at the beginning of a head. need is not 0 where the head is too
// short to tell: a head of need bytes tells more. The error says why what begins as a
// header is none. The header refers to the head.
func Read(head []byte) (h Header, need int, err error) {
	for _, start := range [...]string{Word, Signature} {
		n := min(len(head), len(start))
		switch {
		case string(head[:n]) != start[:n]:
		case n < len(start):
			return h, len(head) + 1, nil
		case start == Word:
			return line(head)
		default:
			return binary2(head)
		}
	}
	return h, 0, nil
}

// line reads a header of version 1 (§2.1):
//
//	PROXY TCP4 192.0.2.1 198.51.100.1 51820 443␍␊
//	PROXY UNKNOWN␍␊
func line(head []byte) (h Header, need int, err error) {
	end := bytes.IndexByte(head[:min(len(head), MaxLine)], '\n')
	switch {
	case end < 0 && len(head) < MaxLine:
		return h, len(head) + 1, nil
	case end < 0:
		return h, 0, fmt.Errorf("the line does not end within %d bytes", MaxLine)
	case head[end-1] != '\r':
		return h, 0, errors.New("the line does not end with CR LF")
	}
	h = Header{Version: 1, Size: end + 1}
	kind, rest, _ := bytes.Cut(head[len(Word):end-1], []byte(" "))
	switch string(kind) {
	case "UNKNOWN":
		return h, 0, nil
	case "TCP4", "TCP6":
		err = h.endpoints(rest, kind[3] == '4')
		return h, 0, err
	}
	return h, 0, fmt.Errorf("%q is neither TCP4, TCP6 nor UNKNOWN", kind)
}

// endpoints reads the addresses and ports of a line.
func (h *Header) endpoints(text []byte, v4 bool) error {
	var fields [4][]byte
	for i := range fields {
		field, rest, more := bytes.Cut(text, []byte(" "))
		if more != (i < len(fields)-1) {
			return errors.New("there are not two addresses and two ports")
		}
		fields[i], text = field, rest
	}
	source, err := address(fields[0], v4)
	if err != nil {
		return err
	}
	destination, err := address(fields[1], v4)
	if err != nil {
		return err
	}
	from, ok := port(fields[2])
	to, valid := port(fields[3])
	if !ok || !valid {
		return fmt.Errorf("%q is no port", fields[2:])
	}
	h.Named, h.Source, h.Destination = true, netip.AddrPortFrom(source, from), netip.AddrPortFrom(destination, to)
	return nil
}

// address reads an address of a family.
func address(text []byte, v4 bool) (netip.Addr, error) {
	a, err := netip.ParseAddr(string(text))
	if err != nil || a.Is4() != v4 || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q is no address of the family", text)
	}
	return a, nil
}

// port reads a port in decimal.
func port(text []byte) (n uint16, ok bool) {
	value := 0
	for _, b := range text {
		if b < '0' || b > '9' || len(text) > len("65535") {
			return 0, false
		}
		value = 10*value + int(b-'0')
	}
	return uint16(value), len(text) > 0 && value <= 0xffff
}

// The parts of a header of version 2 (§2.2).
const (
	fixed    = len(Signature) + 4 // up to the length, which counts what follows
	version2 = 0x20               // the high half of the byte behind the signature
	local    = 0x0                // the low half: the sender speaks for itself
	proxied  = 0x1                // for a client
)

// binary2 reads a header of version 2 (§2.2).
func binary2(head []byte) (h Header, need int, err error) {
	if len(head) > len(Signature) && head[len(Signature)]&0xf0 != version2 {
		return h, 0, fmt.Errorf("version %d of the binary header is unknown", head[len(Signature)]>>4)
	}
	if len(head) < fixed {
		return h, fixed, nil
	}
	command, family := head[len(Signature)]&0x0f, head[len(Signature)+1]
	h.Version, h.Size = 2, fixed+int(binary.BigEndian.Uint16(head[fixed-2:]))
	switch {
	case command > proxied:
		return h, 0, fmt.Errorf("command %d is unknown", command)
	case len(head) < h.Size:
		return h, h.Size, nil
	case command == local:
		return h, 0, nil // what follows is to be skipped
	}
	err = h.block(family, head[fixed:h.Size])
	if err == nil {
		err = h.check(head[:h.Size])
	}
	return h, 0, err
}

// block reads the addresses of a header of version 2, and finds the TLVs behind them. That
// the protocol is UDP, or a datagram of a Unix socket, makes no difference.
func (h *Header) block(family byte, b []byte) error {
	var size int
	switch family {
	case 0x00: // not told
	case 0x11, 0x12: // IPv4
		size = 12
	case 0x21, 0x22: // IPv6
		size = 36
	case 0x31, 0x32: // Unix sockets
		size = 216
	default:
		return fmt.Errorf("family and protocol %#02x are unknown", family)
	}
	if len(b) < size {
		return fmt.Errorf("%d bytes are too few for the addresses of family %#02x", len(b), family)
	}
	h.Named, h.tlvs = size > 0, b[size:]
	if size == 12 || size == 36 {
		ip := (size - 4) / 2
		h.Source = endpoint(b[:ip], b[2*ip:])
		h.Destination = endpoint(b[ip:2*ip], b[2*ip+2:])
	}
	return h.whole()
}

// endpoint returns an address with the port that port begins with.
func endpoint(ip, port []byte) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(port))
}

// check compares the checksum, if there is one, with that of the header in which the
// checksum is zero (§2.2.3).
func (h *Header) check(header []byte) error {
	at := len(header) - len(h.tlvs)
	for kind, value := range h.TLVs() {
		at += tlvHead
		if kind != crc32c {
			at += len(value)
			continue
		}
		if len(value) != 4 {
			return fmt.Errorf("a checksum has %d bytes", len(value))
		}
		table := crc32.MakeTable(crc32.Castagnoli)
		sum := crc32.Update(0, table, header[:at])
		sum = crc32.Update(sum, table, make([]byte, 4))
		if crc32.Update(sum, table, header[at+4:]) != binary.BigEndian.Uint32(value) {
			return errors.New("the checksum is wrong")
		}
		return nil
	}
	return nil
}
