// Package clienthello reads a TLS ClientHello (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2)
// while it arrives, whatever carries it: TLS records, QUIC CRYPTO frames.
//
// The handshake message is given again and again, each time with all of its bytes
// that are there. Nothing is read twice, no slice of it is kept, and nothing is
// allocated once a Hello has been used before:
//
//	var h clienthello.Hello
//	for {
//		switch state, n := h.Read(msg); state {
//		case clienthello.More: // read until msg has n bytes
//		case clienthello.Bad: // not a ClientHello
//		case clienthello.Done:
//			name, err := h.ServerName()
//		}
//	}
//
// It says [Bad] at the first byte that no ClientHello can have there, and [Odd] where some
// servers are more lenient than RFC 8446: OpenSSL and GnuTLS take an extension that they
// do not know twice, GnuTLS a list of protocols that does not add up.
package clienthello

import (
	"encoding/binary"
	"errors"
)

// State is how far a message has been read.
type State uint8

// The states. All but More are final.
const (
	More State = iota // the bytes so far begin a ClientHello
	Bad               // no ClientHello begins like this
	Done              // it is complete
	Odd               // no client sends this, and servers differ in whether they go on with it
)

// The versions that a client can offer.
const (
	SSL30 = 0x0300
	TLS10 = 0x0301
	TLS11 = 0x0302
	TLS12 = 0x0303
	TLS13 = 0x0304
)

// ErrNoName and ErrBadName say why there is no server name.
var (
	ErrNoName  = errors.New("the hello carries no server name")
	ErrBadName = errors.New("the server name is no host name")
)

// Hello is a ClientHello that is being read. The zero value is ready. It keeps
// its memory when it is Reset.
type Hello struct {
	state State
	step  step // what is read next
	at    int  // where it begins
	ext   int  // where the extension that is being read ends
	total int  // length of the message with its header, 0: not known yet

	legacy   uint16
	ciphers  span
	versions span
	schemes  span
	offers   span // the ALPN list
	odd      bool // the order or number of extensions is wrong
	ech      bool
	named    bool // server_name had a host_name
	nameErr  error
	name     [maxName]byte // lower case
	nameLen  int
	alpn     []byte // offered protocols, comma-separated

	types []uint16         // extensions in order
	many  *[1 << 10]uint64 // the same as a set, once they are many

	ja4     []byte
	scratch ja4Scratch
	word    [8]byte // what VersionName or ECH returned last
}

// span is a part of the message.
type span struct{ from, to int }

func (s span) of(msg []byte) []byte { return msg[s.from:s.to] }

// isGREASE reports whether v is one of the values that only keep implementations from
// rusting (RFC 8701).
func isGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

const (
	maxName    = 255 // RFC 1035 §2.3.4
	maxALPN    = 1024
	headerLen  = 4
	minBody    = 2 + 32 + 1 + 2 + 2 + 2                             // version, random, no session, one suite, null compression
	maxBody    = 2 + 32 + 1 + 255 + 2 + 65534 + 1 + 255 + 2 + 65535 // every vector at its greatest
	typeClient = 1
)

// Reset makes h ready for another message.
func (h *Hello) Reset() {
	if h.many != nil {
		for _, t := range h.types {
			h.many[t>>6] &^= 1 << (t & 63)
		}
	}
	*h = Hello{alpn: h.alpn[:0], types: h.types[:0], many: h.many, ja4: h.ja4[:0], scratch: h.scratch}
}

// Read goes on reading the message: msg is its beginning, as far as it is known,
// with its header; what follows the message is not looked at. With More, n is how
// many bytes of it must be there before anything else can be said.
func (h *Hello) Read(msg []byte) (s State, n int) {
	r := reader{msg: msg, at: h.at, limit: maxBody + headerLen}
	if h.total > 0 {
		r.limit = h.total
		r.msg = msg[:min(len(msg), h.total)]
	}
	for h.state == More {
		if !h.advance(&r) {
			if !r.bad {
				return More, r.need
			}
			h.state = Bad
			if h.odd || h.step >= readBody {
				h.state = Odd
			}
			break
		}
		h.at = r.at // what was read is never read again
	}
	return h.state, 0
}

// Len returns the length of the whole message with its header, and 0 as long as it
// is not known.
func (h *Hello) Len() int { return h.total }

// ServerName returns the host name that the client asks for (RFC 6066 §3): lower
// case, without a final dot, valid until Reset. [ErrNoName] says that the hello has
// none, [ErrBadName] that what it has cannot be a host name.
func (h *Hello) ServerName() ([]byte, error) {
	if h.nameLen == 0 && h.nameErr == nil {
		return nil, ErrNoName
	}
	return h.name[:h.nameLen], h.nameErr
}

// ALPN returns the protocols that the client offers (RFC 7301), separated by
// commas, valid until Reset. Those that would make it longer than 1,024 bytes
// are left out.
func (h *Hello) ALPN() []byte { return h.alpn }

// HasECH reports whether the hello carries encrypted_client_hello (RFC 9849). One that
// only pretends to (GREASE) cannot be told apart: that is its purpose.
func (h *Hello) HasECH() bool { return h.ech }

// Version returns the highest TLS version that the client offers, 0 if it offers
// none that is known: the highest in supported_versions (RFC 8446 §4.2.1), or
// without that extension what stands in the version field, but not above TLS 1.2.
// msg is the message.
func (h *Hello) Version(msg []byte) uint16 {
	if h.versions == (span{}) {
		return min(h.legacy, TLS12)
	}
	return h.highest(msg, TLS13)
}

// highest returns the greatest of the supported versions up to most.
func (h *Hello) highest(msg []byte, most uint16) uint16 {
	var highest uint16
	for b := h.versions.of(msg); len(b) > 1; b = b[2:] {
		if v := binary.BigEndian.Uint16(b); v >= SSL30 && v <= most && !isGREASE(v) {
			highest = max(highest, v)
		}
	}
	return highest
}

// Offers reports whether proto is among the protocols that the client offers. msg is
// the message.
func (h *Hello) Offers(msg []byte, proto string) bool {
	for list := h.offers.of(msg); len(list) > 0; list = list[1+int(list[0]):] {
		if string(list[1:1+int(list[0])]) == proto {
			return true
		}
	}
	return false
}
