package postgres

import (
	"bytes"
	"encoding/binary"

	"dwaar.dev/dwaar/sdk"
)

// kind is which of the first messages of the protocol a client sent. They have no
// type byte: LENGTH (4 bytes, itself included), CODE (4 bytes), and what the code
// says (PostgreSQL, "Message Formats").
type kind uint8

const (
	partial    kind = iota // more bytes are needed
	foreign                // none of them
	old                    // StartupMessage of protocol 2, which servers take up to PostgreSQL 13
	startup                // StartupMessage of protocol 3
	sslRequest             // may we speak TLS? Nothing more until the server answers
	gssRequest             // may we speak GSSAPI encryption? Likewise
	cancel                 // CancelRequest: end the query of another connection
)

const (
	header   = 8          // length and code
	most     = 10004      // servers count 10,000 bytes behind the length
	magic    = 1234 << 16 // the "major version" of what is no StartupMessage
	oldMajor = 2 << 16
	major    = 3 << 16
	minorBit = 1<<16 - 1

	cancelCode = magic | 5678
	sslCode    = magic | 5679
	gssCode    = magic | 5680

	// CancelRequest has a process id and a key: 4 bytes in protocol 3.0, up to 256
	// in 3.2.
	minCancel = header + 4 + 4
	maxCancel = header + 4 + 256
)

// message is the first message of a client, as far as its bytes are there.
type message struct {
	kind kind
	need int // a head of that many bytes tells more

	user, database, application parameter
}

// A parameter of a StartupMessage, as a part of the head.
type parameter struct {
	lo, hi int
	given  bool
	twice  bool // given again with another value: which one counts is the server's choice
}

func (p parameter) in(head []byte) []byte { return head[p.lo:p.hi] }

// fill brings m up to date with the head.
func fill(f *sdk.Flow, m *message) {
	if m.kind != partial {
		return
	}
	head := f.Head
	switch {
	case !possible(head):
		m.kind = foreign
	case len(head) < header:
		m.need = len(head) + 1
	default:
		m.read(head)
	}
}

// possible reports whether the first bytes can begin a message: each is looked at
// when it is there.
func possible(head []byte) bool {
	var b [header]byte
	n := copy(b[:], head)
	length, code := binary.BigEndian.Uint32(b[:]), binary.BigEndian.Uint32(b[4:])
	unseen := func(bytes int) uint32 { return 1<<(8*max(0, bytes)) - 1 } // what the bytes to come can add
	if length > most || length|unseen(4-n) < header {
		return false
	}
	if n <= 4 {
		return true
	}
	rest := unseen(header - n)
	for _, k := range [...]struct{ from, to, min, max uint32 }{
		{major, major | minorBit, header + 1, most},
		{cancelCode, cancelCode, minCancel, maxCancel},
		{sslCode, sslCode, header, most}, // servers do not look at what stands behind the code
		{gssCode, gssCode, header, most},
		{oldMajor, oldMajor | minorBit, header + 1, most},
	} {
		if code <= k.to && code|rest >= k.from && length >= k.min && length <= k.max {
			return true
		}
	}
	return false
}

// read reads a message whose header is there and possible.
func (m *message) read(head []byte) {
	length, code := int(binary.BigEndian.Uint32(head)), binary.BigEndian.Uint32(head[4:])
	if code>>16 == oldMajor>>16 {
		m.kind = old
		return
	}
	if len(head) < length {
		m.need = length
		return
	}
	switch code {
	case sslCode:
		m.kind = sslRequest
	case gssCode:
		m.kind = gssRequest
	case cancelCode:
		m.kind = cancel
	default:
		m.kind = foreign
		if m.parameters(head[:length]) {
			m.kind = startup
		}
	}
}

// parameters reads NAME NUL VALUE NUL … NUL. The server wants a user, and the end of the
// list at the last byte: a NUL, or any other byte, for which a server puts a NUL behind
// the message.
func (m *message) parameters(b []byte) bool {
	for at := header; at < len(b); {
		name := bytes.IndexByte(b[at:], 0)
		switch {
		case name <= 0:
			return at == len(b)-1 && m.user.lo < m.user.hi
		}
		value := at + name + 1
		n := bytes.IndexByte(b[value:], 0)
		if n < 0 {
			return false
		}
		m.take(b, string(b[at:at+name]), value, value+n)
		at = value + n + 1
	}
	return false
}

func (m *message) take(b []byte, name string, lo, hi int) {
	var p *parameter
	switch name {
	case "user":
		p = &m.user
	case "database":
		p = &m.database
	case "application_name":
		p = &m.application
	default:
		return
	}
	p.twice = p.twice || p.given && !bytes.Equal(p.in(b), b[lo:hi])
	p.lo, p.hi, p.given = lo, hi, true
}

// db returns the database: without one the server takes the user's name.
func (m *message) db() parameter {
	if m.database.lo == m.database.hi && !m.database.twice {
		return m.user
	}
	return m.database
}
