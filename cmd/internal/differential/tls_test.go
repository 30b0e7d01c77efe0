package differential

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"slices"
	"testing"

	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/sdk"
)

func tlsSubject() subject {
	return subject{
		name:     "tls",
		matcher:  builtinMatcher("tls"),
		captures: "testdata/flights/tls/*.bin",
		change:   changeTLS,
		option:   serverName,
		refused:  []byte("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
		servers: []server{
			{name: "crypto-tls", start: cryptoTLS, asks: 4_000, seeds: func(name string) bool { return name != "openssl-final-dot" }},
			{name: "openssl", start: openssl, asks: 1_500},
			{name: "gnutls", start: gnutls, asks: 1_500, seeds: func(name string) bool { return name != "openssl-bad-name" }},
		},
	}
}

// serverName makes the matcher of a server name.
func serverName(name, value string) sdk.Matcher {
	m, err := newBuiltin(&sdk.Node{Name: "tls", Block: []sdk.Node{{Name: name, Args: []sdk.Word{{Text: value}}}}})
	if err != nil {
		return nil
	}
	return m
}

// helloAnswered reports whether a handshake message is among the records of an answer.
func helloAnswered(answer []byte) bool {
	for len(answer) >= 5 {
		if answer[0] == typeHandshake {
			return true
		}
		n := 5 + int(binary.BigEndian.Uint16(answer[3:]))
		if n > len(answer) {
			return false
		}
		answer = answer[n:]
	}
	return false
}

func cryptoTLS(t testing.TB) judge {
	var certs []tls.Certificate
	for _, files := range [][2]string{first2(pair(t, ecKey(t))), first2(pair(t, rsaKey(t)))} {
		cert, err := tls.LoadX509KeyPair(files[0], files[1])
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, cert)
	}
	var suites []uint16
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		suites = append(suites, s.ID)
	}
	config := &tls.Config{Certificates: certs, MinVersion: tls.VersionTLS10, CipherSuites: suites}
	return func(_ testing.TB, input []byte) said {
		c, own := newConn(input), config.Clone()
		var s said
		own.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if hello.ServerName != "" {
				s.facts = map[string]string{"sni": hello.ServerName}
			}
			return nil, nil
		}
		_ = tls.Server(c, own).Handshake() // it ends where the input ends
		s.answer = c.written()
		if s.goesOn = helloAnswered(s.answer); !s.goesOn {
			s.facts = nil
		}
		return s
	}
}

func first2(a, b string) [2]string { return [2]string{a, b} }

func tlsProgram(cmd func(addr netip.AddrPort) *exec.Cmd) func(testing.TB) judge {
	return func(t testing.TB) judge {
		addr := program(t, cmd)
		return func(t testing.TB, input []byte) said {
			answer := ask(t, addr, input, helloAnswered)
			return said{goesOn: helloAnswered(answer), answer: answer}
		}
	}
}

func openssl(t testing.TB) judge {
	path := realtest.Look(t, "openssl")
	rsaCert, rsaSecret := pair(t, rsaKey(t))
	ecCert, ecSecret := pair(t, ecKey(t))
	return tlsProgram(func(addr netip.AddrPort) *exec.Cmd {
		return exec.Command(path, "s_server", "-accept", addr.String(), "-www", "-quiet", "-min_protocol", "TLSv1", "-cipher", "ALL:@SECLEVEL=0",
			"-cert", rsaCert, "-key", rsaSecret, "-dcert", ecCert, "-dkey", ecSecret)
	})(t)
}

func gnutls(t testing.TB) judge {
	path := realtest.Look(t, "gnutls-serv")
	rsaCert, rsaSecret := pair(t, rsaKey(t))
	ecCert, ecSecret := pair(t, ecKey(t))
	return tlsProgram(func(addr netip.AddrPort) *exec.Cmd {
		return exec.Command(path, "--quiet", "--http", "--port", fmt.Sprint(addr.Port()), "--priority", "LEGACY:+VERS-TLS-ALL",
			"--x509certfile", rsaCert, "--x509keyfile", rsaSecret, "--x509certfile", ecCert, "--x509keyfile", ecSecret)
	})(t)
}

// The content types of records.
const (
	typeChange    = 20
	typeAlert     = 21
	typeHandshake = 22
	typeData      = 23
)

// hello is a ClientHello in parts, each of which can be changed alone.
type hello struct {
	version                  uint16
	random                   []byte
	session, ciphers, compds []byte
	extensions               []extension
	none                     bool // no extensions at all
}

type extension struct {
	kind uint16
	body []byte
}

// parseHello reads a capture: the message lies in its first record.
func parseHello(capture []byte) hello {
	b := capture[9:]
	take := func(n int) []byte {
		part := slices.Clone(b[:n])
		b = b[n:]
		return part
	}
	number := func(size int) int {
		n := 0
		for _, c := range take(size) {
			n = n<<8 | int(c)
		}
		return n
	}
	h := hello{version: uint16(number(2)), random: take(32)}
	h.session = take(number(1))
	h.ciphers = take(number(2))
	h.compds = take(number(1))
	if len(b) < 2 {
		h.none = true
		return h
	}
	for left := number(2); left > 0; {
		e := extension{kind: uint16(number(2))}
		e.body = take(number(2))
		left -= 4 + len(e.body)
		h.extensions = append(h.extensions, e)
	}
	return h
}

func vector(size int, b []byte) []byte {
	out := make([]byte, size, size+len(b))
	for i, n := size-1, len(b); i >= 0; i, n = i-1, n>>8 {
		out[i] = byte(n)
	}
	return append(out, b...)
}

func (h *hello) message(r *rand.Rand) []byte {
	body := binary.BigEndian.AppendUint16(nil, h.version)
	body = append(body, h.random...)
	body = append(body, vector(1, h.session)...)
	body = append(body, vector(2, h.ciphers)...)
	body = append(body, vector(1, h.compds)...)
	if !h.none {
		var all []byte
		for _, e := range h.extensions {
			all = append(binary.BigEndian.AppendUint16(all, e.kind), vector(2, e.body)...)
		}
		body = append(body, vector(2, all)...)
	}
	if chance(r, 12) {
		body = append(body, make([]byte, 1+r.IntN(5))...)
	}
	return append([]byte{1}, vector(3, body)...)
}

func someBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// alter changes one part of the hello.
func (h *hello) alter(r *rand.Rand) {
	at := 0
	if len(h.extensions) > 0 {
		at = r.IntN(len(h.extensions))
	}
	switch r.IntN(16) {
	case 0:
		h.version = pick(r, 0x0300, 0x0301, 0x0302, 0x0303, 0x0304, 0x0305, 0x03ff, 0x0400, 0x0200, 0x0002, 0x0000, 0xffff, 0xfefd, uint16(r.Uint32()))
	case 1:
		h.session = someBytes(r, pick(r, 0, 1, 31, 32, 33, 64, 255))
	case 2:
		h.ciphers = append(h.ciphers, someBytes(r, pick(r, 1, 2, 3, 200))...)
	case 3:
		h.compds = pick(r, []byte{}, []byte{0}, []byte{1, 0}, []byte{1}, []byte{0, 1, 2}, someBytes(r, 255))
	case 4:
		h.none = !h.none
	case 5, 6:
		if len(h.extensions) > 0 {
			h.extensions = slices.Delete(h.extensions, at, at+1)
		}
	case 7:
		if len(h.extensions) > 0 {
			h.extensions = append(h.extensions, h.extensions[at])
		}
	case 8:
		r.Shuffle(len(h.extensions), func(i, j int) {
			h.extensions[i], h.extensions[j] = h.extensions[j], h.extensions[i]
		})
	case 9:
		e := extension{uint16(pick(r, 0, 10, 13, 16, 43, 51, 21, int(r.Uint32())&0xffff)), someBytes(r, pick(r, 0, 1, 2, 5, 300))}
		if chance(r, 10) {
			e.body = make([]byte, pick(r, 15000, 16384, 20000, 40000))
		}
		h.extensions = slices.Insert(h.extensions, at, e)
	case 10, 11, 12:
		if len(h.extensions) > 0 {
			h.extensions[at].body = scramble(r, h.extensions[at].body)
		}
	case 13:
		h.setName(r)
	case 14:
		h.set(16, pick(r, []byte{}, []byte{0, 0}, []byte{0, 1, 0}, []byte{0, 4, 3, 'a', 'b', 'c'}, []byte{0, 3, 2, 'h', '2', 0}))
	case 15:
		h.set(43, pick(r, []byte{}, []byte{0}, []byte{2, 3, 4}, []byte{3, 3, 4, 3}, []byte{4, 3, 4, 3, 3}, []byte{4, 3, 3, 3, 1}, []byte{2, 3, 4, 0}))
	}
}

// setName puts a name into server_name, or something like one.
func (h *hello) setName(r *rand.Rand) {
	name := pick(r, "localhost", "LOCALHOST", "a.", "a..b", ".a", "", "a b", "192.0.2.1", "[::1]", "a\x00b", "xn--a", "\xe4.example", "a_b", "a*b", "a:443", "a/b")
	one := func(kind byte, name string) []byte { return append([]byte{kind}, vector(2, []byte(name))...) }
	h.set(0, pick(r,
		vector(2, one(0, name)), vector(2, one(0, name)), vector(2, one(0, name)),
		vector(2, append(one(0, name), one(0, "b")...)),
		vector(2, append(one(1, name), one(0, "b")...)),
		vector(2, append(one(0, name), one(1, "b")...)),
		vector(2, append(one(0, ""), one(0, name)...)),
		append(vector(2, one(0, name)), 0),
		vector(2, nil), []byte{}, []byte{0},
	))
}

func (h *hello) set(kind uint16, body []byte) {
	h.none = false
	for i := range h.extensions {
		if h.extensions[i].kind == kind {
			h.extensions[i].body = body
			return
		}
	}
	h.extensions = append([]extension{{kind, body}}, h.extensions...)
}

func record(kind byte, version uint16, body []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind}, version), vector(2, body)...)
}

// changeTLS changes the message, what it is cut into, and what stands around it.
func changeTLS(r *rand.Rand, capture []byte) []byte {
	h := parseHello(capture)
	for range r.IntN(3) {
		h.alter(r)
	}
	msg := h.message(r)
	if chance(r, 4) {
		msg = scramble(r, msg)
	}
	if chance(r, 25) {
		return oldFormat(r, &h)
	}
	version := binary.BigEndian.Uint16(capture[1:])
	if chance(r, 5) {
		version = pick(r, 0x0300, 0x0301, 0x0302, 0x0303, 0x0304, 0x03ff, 0x0200, 0x0400, 0x0000, 0x0002, 0x0fff, 0x1000, uint16(r.Uint32()))
	}
	var out []byte
	if chance(r, 3) {
		out = append(out, oddRecords(r, version)...)
	}
	for len(msg) > 0 {
		n := len(msg)
		if chance(r, 3) {
			n = min(n, pick(r, 1, 2, 3, 4, 5, 40, 100, 1+r.IntN(len(msg))))
		}
		n = min(n, pick(r, 16384, 16384, 16384, 16385, 18432, 18433, 20000))
		if chance(r, 20) {
			version = pick(r, 0x0300, 0x0301, 0x0303, 0x0000, uint16(r.Uint32()))
		}
		out = append(out, record(typeHandshake, version, msg[:n])...)
		if msg = msg[n:]; len(msg) > 0 && chance(r, 6) {
			out = append(out, oddRecords(r, version)...)
		}
	}
	if chance(r, 10) {
		out = scramble(r, out)
	}
	return out
}

// oddRecords are such as no client sends there.
func oddRecords(r *rand.Rand, version uint16) []byte {
	var out []byte
	for range pick(r, 1, 1, 1, 2, 3, 5, 6, 17, 40) {
		level := pick(r, byte(1), 1, 1, 2, 0, byte(r.Uint32()))
		about := pick(r, byte(0), 10, 41, 90, 100, 110, 112, byte(r.Uint32()))
		out = append(out, pick(r,
			record(typeAlert, version, []byte{level, about}), record(typeAlert, version, []byte{1, 110}),
			record(typeAlert, version, []byte{1, 90}), record(typeAlert, version, []byte{1}), record(typeAlert, version, nil),
			record(typeAlert, version, []byte{1, 90, 1, 90}),
			record(typeChange, version, []byte{1}), record(typeChange, version, nil), record(typeChange, version, []byte{2}),
			record(typeHandshake, version, nil), record(typeHandshake, version, []byte{0, 0, 0, 0}),
			record(typeData, version, nil), record(typeData, version, []byte("x")),
			record(24, version, []byte{1, 0, 0}), record(byte(r.Uint32()), version, []byte{1, 0}), record(byte(r.Uint32()), version, nil),
		)...)
	}
	return out
}

// oldFormat writes the hello as SSL 2.0 did, with the version that it offers (RFC 5246,
// appendix E.2).
func oldFormat(r *rand.Rand, h *hello) []byte {
	var ciphers []byte
	for i := 0; i+1 < len(h.ciphers); i += 2 {
		ciphers = append(ciphers, 0, h.ciphers[i], h.ciphers[i+1])
	}
	session := h.session[:min(len(h.session), pick(r, 0, 0, 16, 32))]
	challenge := h.random[:pick(r, 32, 32, 16, 8)]
	body := binary.BigEndian.AppendUint16([]byte{1}, h.version)
	for _, part := range [][]byte{ciphers, session, challenge} {
		body = binary.BigEndian.AppendUint16(body, uint16(len(part)))
	}
	body = slices.Concat(body, ciphers, session, challenge)
	out := append(binary.BigEndian.AppendUint16(nil, 0x8000|uint16(len(body))), body...)
	if chance(r, 4) {
		out = scramble(r, out)
	}
	return out
}
