package clienthello

// VersionName returns how the version that [Hello.Version] finds is written, "tls1.3",
// and nothing if it is none that is known. It is valid until another method of h
// returns a name.
func (h *Hello) VersionName(msg []byte) []byte { return h.text(versionName(h.Version(msg))) }

// ECH returns "outer" if the hello carries encrypted_client_hello, and nothing
// otherwise. It is valid until another method of h returns a name.
func (h *Hello) ECH() []byte {
	if !h.HasECH() {
		return nil
	}
	return h.text("outer")
}

// text returns a word as bytes without allocating them.
func (h *Hello) text(word string) []byte { return h.word[:copy(h.word[:], word)] }

// versionName returns how a version is written, "" if it is none that is known.
func versionName(v uint16) string {
	switch v {
	case SSL30:
		return "ssl3.0"
	case TLS10:
		return "tls1.0"
	case TLS11:
		return "tls1.1"
	case TLS12:
		return "tls1.2"
	case TLS13:
		return "tls1.3"
	}
	return ""
}

// VersionNumber returns the version of that name, and 0 if there is none.
func VersionNumber(name string) uint16 {
	for v := uint16(SSL30); v <= TLS13; v++ {
		if versionName(v) == name {
			return v
		}
	}
	return 0
}
