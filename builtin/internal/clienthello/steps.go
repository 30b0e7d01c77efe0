package clienthello

// step is a part of the message that is read at once: when not all of it is
// there, it is read again from its first byte. All are short, but for strings
// that nothing is done with before they are complete.
type step uint8

const (
	readHeader step = iota
	readVersion
	readSession
	readCiphers
	readCompression
	readExtensions
	readExtension
	readBody  // of the extension whose type was read last
	readName  // one entry of server_name
	readOffer // one protocol of the ALPN list
	skipRest  // of the extension
)

// advance reads one step. It returns false when it cannot: r says why.
func (h *Hello) advance(r *reader) bool {
	switch h.step {
	case readHeader, readVersion, readSession, readCiphers, readCompression:
		return h.advanceFixed(r)
	case readExtensions:
		return h.extensions(r)
	case readExtension:
		return h.extension(r)
	case readBody:
		return h.body(r)
	case readName:
		return h.serverName(r)
	case readOffer:
		return h.offer(r)
	}
	ok := r.skip(h.ext - r.at)
	h.then(ok, readExtension)
	return ok
}

func (h *Hello) advanceFixed(r *reader) bool {
	switch h.step {
	case readHeader:
		return h.header(r)
	case readVersion:
		return h.version(r)
	case readSession:
		return h.session(r)
	case readCiphers:
		return h.cipherSuites(r)
	}
	return h.compression(r)
}

// then makes next the next step if this one was read.
func (h *Hello) then(ok bool, next step) bool {
	if ok {
		h.step = next
	}
	return ok
}

func (h *Hello) header(r *reader) bool {
	if _, ok := r.number(1, typeClient, typeClient); !ok {
		return false
	}
	n, ok := r.number(3, minBody, maxBody)
	if ok {
		h.total = headerLen + n
		r.limit = h.total
		r.msg = r.msg[:min(len(r.msg), h.total)]
	}
	return h.then(ok, readVersion)
}

// version reads legacy_version, which may be anything for a server that finds the
// version in supported_versions, or that takes one above its own, and the random bytes.
func (h *Hello) version(r *reader) bool {
	v, ok := r.number(2, 0, 0xffff)
	if !ok {
		return false
	}
	h.legacy = uint16(v)
	return h.then(r.skip(32), readSession)
}

// session reads legacy_session_id, of which crypto/tls takes more than the 32 bytes that
// there may be (RFC 8446 §4.1.2).
func (h *Hello) session(r *reader) bool {
	const behind = 2 + 2 + 2 // one cipher suite and null compression
	n, ok := r.number(1, 0, min(255, r.limit-r.at-1-behind))
	return h.then(ok && r.skip(n), readCiphers)
}

func (h *Hello) cipherSuites(r *reader) bool {
	n, ok := r.number(2, 2, r.limit-r.at-2-2)
	if !ok || !r.check(n%2 == 0) {
		return false
	}
	h.ciphers = span{r.at, r.at + n}
	return h.then(r.skip(n), readCompression)
}

// compression reads the methods, among which must be null (RFC 5246 §7.4.1.2).
// What follows must be nothing, or extensions.
func (h *Hello) compression(r *reader) bool {
	n, ok := r.number(1, 1, r.limit-r.at-1)
	if !ok {
		return false
	}
	if rest := r.limit - r.at - n; !r.check(rest == 0 || rest >= 2) {
		return false
	}
	methods, ok := r.all(n)
	if !ok || !r.check(contains(methods, 0)) {
		return false
	}
	return h.then(true, readExtensions)
}

func contains(b []byte, c byte) bool {
	for _, x := range b {
		if x == c {
			return true
		}
	}
	return false
}
