package main

import (
	"bytes"
	"strconv"
	"sync"

	"dwaar.dev/dwaar/sdk"
)

const (
	minPacket = 7       // bytes of a handshake whose host has one
	maxPacket = 8 << 10 // with what a BungeeCord writes behind the host
	maxHost   = 255     // characters
)

// intents are what the client wants next, by their numbers.
var intents = [...]string{status: "status", 2: "login", 3: "transfer"}

const status = 1

// toolVersion is what tools send that only ask for the version: -1.
const toolVersion = 1<<32 - 1

// Match implements [sdk.Matcher].
func (m *Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	if len(f.Head) > 0 && f.Head[0] == pingStart {
		return m.ping(f), nil
	}
	return m.handshake(f), nil
}

// handshake reads the first packet of clients from 1.7 on: length, packet 0, protocol
// version, host, port, and what they want. All lengths must agree.
func (m *Matcher) handshake(f *sdk.Flow) sdk.Verdict {
	c := f.Cursor()
	size := c.Varint()
	if size < minPacket || size > maxPacket {
		return c.No()
	}
	end := c.Offset() + int(size)
	if c.Varint() != 0 {
		return c.No()
	}
	version, ok := m.version(&c, f.Head)
	if !ok {
		return c.No()
	}
	typed, ok := m.address(&c, f.Head, end)
	if !ok {
		return c.No()
	}
	c.Skip(2) // the port
	intent := c.Byte()
	if !m.holdsIntent(intent) {
		return c.No()
	}
	s := pool.Get().(*scratch)
	defer pool.Put(s)
	return s.tell(f, typed, version, intent)
}

// version reads the protocol version, a number of 32 bits with a sign of which only
// that of tools is negative. ok is false if it is not there or cannot match.
func (m *Matcher) version(c *sdk.Cursor, head []byte) (v uint32, ok bool) {
	start := c.Offset()
	v = c.Varint()
	switch {
	case c.Short():
		return 0, false
	case v == toolVersion: // or a number that does not end
		ok = string(head[start:c.Offset()]) == "\xff\xff\xff\xff\x0f"
	default:
		ok = v < 1<<31
	}
	return v, ok && m.holdsVersion(v)
}

// address reads the host, which ends three bytes before the packet does. ok is false
// if it is not there or cannot match.
func (m *Matcher) address(c *sdk.Cursor, head []byte, end int) (typed []byte, ok bool) {
	n := int(c.Varint())
	if n < 1 || c.Offset()+n+3 != end {
		return nil, false
	}
	name := c.Bytes(min(n, len(head)-c.Offset()))
	typed, ok = hostName(name)
	if ok && len(name) < n {
		c.Byte() // lacks: no more than one, as the next may already be wrong
	}
	return typed, ok && !c.Short() && m.holdsHost(typed)
}

// hostName returns the host that the player typed. What a Forge client or a BungeeCord
// adds stands behind a NUL and is not looked at. ok is false if this, or what is there
// of it, is no host.
func hostName(address []byte) (typed []byte, ok bool) {
	typed, _, _ = bytes.Cut(address, []byte{0})
	if len(address) > 0 && len(typed) == 0 || len(typed) > maxHost {
		return nil, false
	}
	for _, b := range typed {
		if b <= ' ' || b == 0x7f {
			return nil, false
		}
	}
	return typed, true
}

// scratch is where facts are written before the flow copies them.
type scratch struct {
	host [maxHost]byte
	word [len("2147483647")]byte
}

// pool lends scratches to matchers on several goroutines. New leaves one in it: a
// module finds that in every evaluation, so that none allocates.
var pool = sync.Pool{New: func() any { return new(scratch) }}

// tell sets the facts and says Yes. typed may be in s.
func (s *scratch) tell(f *sdk.Flow, typed []byte, version uint32, intent byte) sdk.Verdict {
	if host := lower(s.host[:0], bytes.TrimSuffix(typed, []byte{'.'})); len(host) > 0 {
		f.Set("host", host)
	}
	if version != toolVersion {
		f.Set("version", strconv.AppendUint(s.word[:0], uint64(version), 10))
	}
	f.Set("intent", append(s.word[:0], intents[intent]...))
	return sdk.Yes
}

// lower appends a host name in lower case.
func lower(to, name []byte) []byte {
	for _, b := range name {
		to = append(to, fold(b))
	}
	return to
}

func fold(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}

func (m *Matcher) holdsVersion(v uint32) bool {
	for _, r := range m.versions {
		if r.from <= v && v <= r.to {
			return true
		}
	}
	return len(m.versions) == 0
}

// holdsIntent reports whether a number is that of an intent, and of a right one.
func (m *Matcher) holdsIntent(intent byte) bool {
	if intent == 0 || int(intent) >= len(intents) {
		return false
	}
	for _, i := range m.intents {
		if i == intents[intent] {
			return true
		}
	}
	return len(m.intents) == 0
}

func (m *Matcher) holdsHost(typed []byte) bool {
	typed = bytes.TrimSuffix(typed, []byte{'.'})
	for _, name := range m.hosts {
		if isHost(name, typed) {
			return true
		}
	}
	return len(m.hosts) == 0
}

// isHost reports whether what was typed is a name, in any case. A name that begins with
// "*." stands for exactly one label in its place.
func isHost(name string, typed []byte) bool {
	if name[0] == '*' {
		label := bytes.IndexByte(typed, '.')
		if label <= 0 {
			return false
		}
		name, typed = name[1:], typed[label:]
	}
	if len(name) != len(typed) {
		return false
	}
	for i, b := range typed {
		if fold(b) != name[i] {
			return false
		}
	}
	return true
}
