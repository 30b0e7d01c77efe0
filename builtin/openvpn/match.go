package openvpn

import "dwaar.dev/dwaar/sdk"

// modes is a set of ways to protect the control channel.
type modes uint8

const (
	plain modes = 1 << iota
	auth
	crypt
	crypt2
)

const (
	everyMode = plain | auth | crypt | crypt2
	groupMode = auth | crypt // with a key that all clients share
)

func (m modes) has(some modes) bool { return m&some != 0 }

// Matcher matches the first packet of OpenVPN clients. Make one with [New].
type Matcher struct {
	modes   modes
	anyTime bool
	auth    []authenticator
	crypt   *unwrapper           // nil: anything encrypted passes
	server  *unwrapper           // of wrapped client keys; nil: without a server key
	clients map[string]unwrapper // by the wrapped key that the client sends; nil: any client
}

// First implements [sdk.Starter]: what comes first is the length of a packet on a
// stream, the opcode in a datagram.
func (m *Matcher) First() *[4]uint64 {
	set := [4]uint64{1<<(maxPacket>>8+1) - 1}
	for _, b := range []byte{resetV1, resetV2, resetV3} {
		set[b>>6] |= 1 << (b & 63)
	}
	return &set
}

// Match implements [sdk.Matcher].
func (m *Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	p, v := first(f)
	if v != sdk.Yes {
		return v, nil
	}
	if len(p.b) == 0 {
		return p.need(1), nil
	}
	modes := m.modes & p.modes()
	if modes == 0 {
		return sdk.No, nil
	}
	if v := p.session(); v != sdk.Yes {
		return v, nil
	}
	return m.judge(&p, modes, clock{f.Accepted, m.anyTime}), nil
}

// modes returns the modes in which a client's first packet has this first byte, and
// can have this size.
func (p *packet) modes() modes {
	switch first := p.b[0]; {
	case first == resetV3 && p.size >= cryptSize+innerSize+minWrapped:
		return crypt2
	case first != resetV1 && first != resetV2:
		return 0
	case p.size >= cryptSize+innerSize:
		return plain | auth | crypt
	case p.size >= headerSize+minDigest+replaySize+innerSize:
		return plain | auth
	case p.fits(headerSize):
		return plain
	}
	return 0
}

// judge says what holds in one of the modes.
func (m *Matcher) judge(p *packet, modes modes, c clock) sdk.Verdict {
	some := sdk.Answer{Verdict: sdk.No}
	if modes.has(plain) {
		some = some.Or(sdk.Answer{Verdict: p.inner(headerSize)})
	}
	if modes.has(auth) {
		some = some.Or(sdk.Answer{Verdict: m.judgeAuth(p, c)})
	}
	if modes.has(crypt) {
		some = some.Or(sdk.Answer{Verdict: m.judgeCrypt(p, c)})
	}
	if modes.has(crypt2) {
		some = some.Or(sdk.Answer{Verdict: m.judgeCrypt2(p, c)})
	}
	return some.Verdict
}

// judgeAuth reads the packet as one of tls-auth, with one digest after the other.
func (m *Matcher) judgeAuth(p *packet, c clock) sdk.Verdict {
	some := sdk.Answer{Verdict: sdk.No}
	for i := range m.auth {
		some = some.Or(sdk.Answer{Verdict: m.auth[i].judge(p, c)})
		if some.Verdict == sdk.Yes {
			break
		}
	}
	return some.Verdict
}

// judge reads the packet as one of tls-auth with this digest.
func (a *authenticator) judge(p *packet, c clock) sdk.Verdict {
	at := headerSize + a.size
	if !p.fits(at + replaySize) {
		return sdk.No
	}
	if v := p.replay(at, c); v != sdk.Yes {
		return v
	}
	v := p.inner(at + replaySize)
	if a.states == nil || v == sdk.No || !v.Decided() {
		return v
	}
	if there := p.whole(); there != sdk.Yes {
		return there
	}
	if !a.authentic(p.b) {
		return sdk.No
	}
	return v
}

// judgeCrypt reads the packet as one of tls-crypt.
func (m *Matcher) judgeCrypt(p *packet, c clock) sdk.Verdict {
	if !p.fits(cryptSize) {
		return sdk.No
	}
	if v := p.wrapped(c); v != sdk.Yes {
		return v
	}
	if m.crypt == nil {
		return opaque(*p)
	}
	return m.crypt.judge(p.b)
}

// wrapped says Yes if all of a packet is there whose wrapping can be that of
// tls-crypt.
func (p *packet) wrapped(c clock) sdk.Verdict {
	if v := p.replay(headerSize, c); v != sdk.Yes {
		return v
	}
	return p.whole()
}

// opaque judges a wrapped packet by its size alone.
func opaque(p packet) sdk.Verdict {
	switch {
	case !p.fits(cryptSize):
		return sdk.No
	case p.size > cryptSize+innerSize:
		return sdk.Unknown
	}
	return sdk.Yes
}

// judge unwraps a packet and judges what is in it.
func (u unwrapper) judge(b []byte) sdk.Verdict {
	s := wrapStates.Get().(*wrapState)
	defer wrapStates.Put(s)
	return u.judgeIn(s, b)
}

func (u unwrapper) judgeIn(s *wrapState, b []byte) sdk.Verdict {
	const tagAt = headerSize + replaySize
	text, ok := u.unwrap(s, b[:tagAt], b[tagAt:cryptSize], b[cryptSize:])
	if !ok {
		return sdk.No
	}
	inside := packet{b: text, size: len(text)}
	return inside.inner(0)
}

// judgeCrypt2 reads the packet as one of tls-crypt-v2. A client key that is not
// among those given is refused; with a server key, so is one that was not made
// with it.
func (m *Matcher) judgeCrypt2(p *packet, c clock) sdk.Verdict {
	if v := p.wrapped(c); v != sdk.Yes {
		return v
	}
	n := wrappedSize(p.b)
	if n == 0 || p.size-n < cryptSize+innerSize {
		return sdk.No
	}
	b, wrapped := p.b[:p.size-n], p.b[p.size-n:]
	switch {
	case m.clients != nil:
		return m.judgeClient(b, wrapped)
	case m.server != nil:
		return m.judgeStranger(b, wrapped)
	}
	return opaque(packet{b: b, size: len(b)})
}

// judgeClient looks the wrapped key up.
func (m *Matcher) judgeClient(b, wrapped []byte) sdk.Verdict {
	client, ok := m.clients[string(wrapped)]
	if !ok {
		return sdk.No
	}
	return client.judge(b)
}

// judgeStranger unwraps the key with that of the server. This is the one place that
// allocates: the cipher of a key that was not known before, and is authentic.
func (m *Matcher) judgeStranger(b, wrapped []byte) sdk.Verdict {
	s := wrapStates.Get().(*wrapState)
	defer wrapStates.Put(s)
	key, ok := m.server.clientKey(s, wrapped)
	if !ok {
		return sdk.No
	}
	return ofClient(key).judgeIn(s, b)
}
