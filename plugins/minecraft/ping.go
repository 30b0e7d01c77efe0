package main

import "dwaar.dev/dwaar/sdk"

const (
	pingStart = 0xfe
	// pingHost is the name of the message in which clients of 1.6 name the host, in
	// UTF-16, with its length.
	pingHost = "\xfe\x01\xfa\x00\x0b\x00M\x00C\x00|\x00P\x00i\x00n\x00g\x00H\x00o\x00s\x00t"
	restSize = 7 // bytes of what follows it beside the host
)

// ping reads how clients of 1.6 ask for the status: what those from 1.7 on also try
// when a server does not answer them. What older ones send, one or two bytes of this,
// can be the beginning of it and stays undecided.
func (m *Matcher) ping(f *sdk.Flow) sdk.Verdict {
	c := f.Cursor()
	if !c.Literal(pingHost) {
		return c.No()
	}
	size := int(c.Uint16())
	version := uint32(c.Byte())
	if c.Short() || !m.holdsVersion(version) {
		return c.No()
	}
	n := int(c.Uint16())
	if size != restSize+2*n || n > maxHost {
		return c.No()
	}
	s := pool.Get().(*scratch)
	defer pool.Put(s)
	if typed, ok := m.pinged(&c, f.Head, n, s); ok && m.holdsIntent(status) {
		return s.tell(f, typed, version, status)
	}
	return c.No()
}

// pinged reads a host of n characters, and the port. ok is false if they are not there
// or cannot match.
func (m *Matcher) pinged(c *sdk.Cursor, head []byte, n int, s *scratch) (typed []byte, ok bool) {
	name := c.Bytes(min(2*n, len(head)-c.Offset()))
	typed, ok = narrow(s.host[:0], name)
	if ok && len(name) < 2*n {
		c.Byte() // lacks: no more than one, as the next may already be wrong
	}
	if !ok || c.Short() || !m.holdsHost(typed) {
		return nil, false
	}
	port := c.Uint32()
	return typed, !c.Short() && port < 1<<16
}

// narrow appends the characters of a host in UTF-16, of which all must be ASCII. The
// first half of a character may be there alone.
func narrow(to, wide []byte) (host []byte, ok bool) {
	for i, b := range wide {
		switch {
		case i%2 == 0 && b != 0:
			return nil, false
		case i%2 == 1 && (b <= ' ' || b >= 0x7f):
			return nil, false
		case i%2 == 1:
			to = append(to, b)
		}
	}
	return to, true
}
