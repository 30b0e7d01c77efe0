package clienthello

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// message returns the handshake message of a captured hello.
func message(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "flights", "tls", name+".bin"))
	if err != nil {
		t.Fatal(err)
	}
	return b[5:]
}

// read gives msg to a new Hello byte by byte and returns how it ends, and after
// how many bytes.
func read(msg []byte) (h *Hello, s State, n int) {
	h = &Hello{}
	for n = 0; n <= len(msg); n++ {
		if s, _ = h.Read(msg[:n]); s != More {
			return h, s, n
		}
	}
	return h, s, len(msg)
}

// extend returns msg with more extensions behind its own, all lengths mended.
func extend(msg []byte, extensions ...[]byte) []byte {
	out := append([]byte(nil), msg...)
	at := extensionsAt(msg)
	for _, e := range extensions {
		out = append(out, e...)
	}
	binary.BigEndian.PutUint16(out[at:], uint16(len(out)-at-2))
	binary.BigEndian.PutUint16(out[2:], uint16(len(out)-4))
	return out
}

// extensionsAt finds where the length of all extensions stands.
func extensionsAt(msg []byte) int {
	at := 4 + 2 + 32
	at += 1 + int(msg[at])
	at += 2 + int(binary.BigEndian.Uint16(msg[at:]))
	return at + 1 + int(msg[at])
}

// ext makes an extension.
func ext(kind uint16, body ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return append(b, body...)
}

func TestAHelloIsDoneAtItsLastByte(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"chromium", "go-ech", "openssl-tls12", "gnutls-no-extensions", "openssl-no-sni"} {
		msg := message(t, name)
		h, s, n := read(append(append([]byte(nil), msg...), "and more"...))
		if s != Done || n != len(msg) || h.Len() != len(msg) {
			t.Errorf("%s: state %d after %d bytes, want %d after %d", name, s, n, Done, len(msg))
		}
	}
}

func TestBytesThatCannotDecideAreAskedForAtOnce(t *testing.T) {
	t.Parallel()
	msg := message(t, "go-post-quantum")
	asked := 0
	var h Hello
	for n := 0; ; asked++ {
		s, need := h.Read(msg[:n])
		if s == Done {
			break
		}
		if s == Bad || need <= n {
			t.Fatalf("state %d, need %d of %d", s, need, n)
		}
		n = need
	}
	if asked > len(msg)/4 {
		t.Errorf("asked %d times for %d bytes", asked, len(msg))
	}
}

// TestImpossibleBytesAreFoundAtOnce changes one thing in a real hello, or adds an
// extension to it, and says which byte shows it.
func TestImpossibleBytesAreFoundAtOnce(t *testing.T) {
	t.Parallel()
	msg := message(t, "openssl-no-sni") // a session id of 32 bytes, no server name, no ALPN
	set := func(at int, b ...byte) []byte {
		out := append([]byte(nil), msg...)
		copy(out[at:], b)
		return out
	}
	session := 4 + 2 + 32
	ciphers := session + 33
	compression := ciphers + 2 + int(binary.BigEndian.Uint16(msg[ciphers:]))
	exts := extensionsAt(msg)
	end := len(msg)
	tests := map[string]struct {
		msg []byte
		at  int // the byte that cannot be
	}{
		"another handshake message":        {set(0, 2), 0},
		"longer than any hello":            {set(1, 3), 1},
		"shorter than any hello":           {set(1, 0, 0, 40), 3},
		"no cipher suites":                 {set(ciphers, 0, 0), ciphers + 1},
		"an odd length of cipher suites":   {set(ciphers, 0, 3), ciphers + 1},
		"cipher suites up to the end":      {set(ciphers, 0xff, 0xff), ciphers},
		"no compression":                   {set(compression, 0), compression},
		"not null among the methods":       {set(compression+1, 1), compression + 1},
		"extensions longer than the hello": {set(exts, 0xff), exts},
		"extensions shorter":               {set(exts+1, msg[exts+1]-1), exts + 1},
		"an extension beyond the end":      {set(exts+4, 0xff), exts + 4},
		"half an extension":                {extend(msg, []byte{0xab, 0xcd, 0}), end - 38 - 1}, // the length of the key share leaves 3 bytes
	}
	for name, test := range tests {
		if _, s, n := read(test.msg); s != Bad || n != test.at+1 {
			t.Errorf("%s: state %d after %d bytes, want %d after %d", name, s, n, Bad, test.at+1)
		}
	}
}

// TestWhatOnlySomeServersTakeIsOddAtOnce does the same with extensions.
func TestWhatOnlySomeServersTakeIsOddAtOnce(t *testing.T) {
	t.Parallel()
	msg := message(t, "openssl-no-sni")
	end := len(msg)
	tests := map[string]struct {
		msg []byte
		at  int // the byte that shows it
	}{
		"an extension twice":               {extend(msg, ext(0xabcd), ext(0xabcd)), end + 4 + 3},
		"a pre-shared key before others":   {extend(msg, ext(41), ext(0xabcd)), end + 3},
		"an empty server name list":        {extend(msg, ext(0, 0, 0)), end + 3},
		"a list longer than the extension": {extend(msg, ext(0, 0, 9, 0, 0, 1, 'a')), end + 4 + 1},
		"half an entry in the list":        {extend(msg, ext(0, 0, 4, 1, 0, 0, 9)), end + 4 + 4},
		"a host name of no bytes":          {extend(msg, ext(0, 0, 4, 0, 0, 0, 9)), end + 4 + 4},
		"a server name too long":           {extend(msg, ext(0, 0, 4, 0, 0, 2, 'a')), end + 4 + 4},
		"two host names":                   {extend(msg, ext(0, 0, 8, 0, 0, 1, 'a', 0, 0, 1, 'b')), end + 4 + 6},
		"an empty list of protocols":       {extend(msg, ext(16, 0, 0)), end + 3},
		"a protocol without name":          {extend(msg, ext(16, 0, 2, 0, 'h')), end + 4 + 2},
		"a protocol too long":              {extend(msg, ext(16, 0, 2, 2, 'h')), end + 4 + 2},
	}
	for name, test := range tests {
		if _, s, n := read(test.msg); s != Odd || n != test.at+1 {
			t.Errorf("%s: state %d after %d bytes, want %d after %d", name, s, n, Odd, test.at+1)
		}
	}
}

// crypto/tls takes any legacy version, and a session of any length.
func TestVersionAndSessionMayBeAnything(t *testing.T) {
	t.Parallel()
	msg := message(t, "openssl-no-sni")
	const session = 4 + 2 + 32
	long := slices.Concat(msg[:session], []byte{255}, make([]byte, 255), msg[session+1+int(msg[session]):])
	binary.BigEndian.PutUint16(long[2:], uint16(len(long)-4))
	copy(long[4:], "\x00\x00")
	if _, s, n := read(long); s != Done || n != len(long) {
		t.Errorf("state %d after %d of %d bytes, want %d", s, n, len(long), Done)
	}
}

func TestServerNamesAreHostNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		name string
		err  error
	}{
		"A.Example":  {"a.example", nil},
		"a_b-c.9.":   {"a_b-c.9", nil},
		".":          {"", ErrBadName},
		".a":         {"", ErrBadName},
		"a..b":       {"", ErrBadName},
		"a b":        {"", ErrBadName},
		"a\x00b":     {"", ErrBadName},
		"b\xfccher":  {"", ErrBadName},
		"[::1]":      {"", ErrBadName},
		"192.0.2.1.": {"192.0.2.1", nil},
	} {
		body := append([]byte{0, byte(3 + len(name)), 0, 0, byte(len(name))}, name...)
		h, s, _ := read(extend(message(t, "openssl-no-sni"), ext(0, body...)))
		got, err := h.ServerName()
		if s != Done || string(got) != want.name || err != want.err {
			t.Errorf("%q: state %d, %q, %v, want %q, %v", name, s, got, err, want.name, want.err)
		}
	}
	h, _, _ := read(message(t, "openssl-no-sni"))
	if _, err := h.ServerName(); err != ErrNoName {
		t.Errorf("no server name: %v", err)
	}
	h, s, _ := read(extend(message(t, "openssl-no-sni"), ext(0, 0, 4, 7, 0, 1, 'x')))
	if _, err := h.ServerName(); s != Done || err != ErrBadName {
		t.Errorf("a name of an unknown type: state %d, %v, want %v", s, err, ErrBadName)
	}
}

func TestManyExtensionsAreKeptApart(t *testing.T) {
	t.Parallel()
	var many [][]byte
	for kind := range uint16(300) {
		many = append(many, ext(0x1000+kind))
	}
	msg := message(t, "openssl-no-sni")
	h, s, _ := read(extend(msg, many...))
	if s != Done {
		t.Fatalf("300 extensions: state %d", s)
	}
	for _, again := range []int{0, 31, 32, 299} {
		h.Reset()
		if s, _ := h.Read(extend(msg, append(many, many[again])...)); s != Odd {
			t.Errorf("extension %d twice: state %d", again, s)
		}
	}
	h.Reset()
	if s, _ := h.Read(extend(msg, many[299], many[0])); s != Done {
		t.Errorf("another hello, the same memory: state %d", s)
	}
}

// The lists and hashes are those with which FoxIO explains the format.
func TestFingerprintsHashAsPublished(t *testing.T) {
	t.Parallel()
	suites := []uint16{
		0x002f, 0x0035, 0x009c, 0x009d, 0x1301, 0x1302, 0x1303, 0xc013, 0xc014, 0xc02b, 0xc02c, 0xc02f, 0xc030,
		0xcca8, 0xcca9,
	}
	kinds := []uint16{
		0x0005, 0x000a, 0x000b, 0x000d, 0x0012, 0x0015, 0x0017, 0x001b, 0x0023, 0x002b, 0x002d, 0x0033, 0x4469, 0xff01,
	}
	schemes := []uint16{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601}
	var b, c [12]byte
	digest(&b, appendHex(nil, suites))
	digest(&c, appendHex(append(appendHex(nil, kinds), '_'), schemes))
	if got, want := string(b[:])+"_"+string(c[:]), "8daaf6152771_e5627efa2ab1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFingerprintsOfRealClients(t *testing.T) {
	t.Parallel()
	// chromium's is the one that FoxIO publishes for Chromium 152, which has GREASE
	// among its signature algorithms; the others were computed from the same files
	// by a second implementation.
	got := map[string]string{}
	for _, name := range []string{"chromium", "curl-h2", "gnutls-no-extensions", "openssl-no-sni", "openssl-tls10"} {
		msg := message(t, name)
		h, _, _ := read(msg)
		got[name] = string(h.JA4(msg, 't'))
	}
	want := map[string]string{
		"chromium":             "t13d1517h2_8daaf6152771_cb7bf5808d99",
		"curl-h2":              "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6",
		"gnutls-no-extensions": "t10i080000_051fb07a0855_000000000000",
		"openssl-no-sni":       "t13i310900_e8f1e7e78f70_1f22a2ca17c4",
		"openssl-tls10":        "t10d090600_c491f621fb4c_195413a0cc0f",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fingerprints (-want +got):\n%s", diff)
	}
}

func TestTheFirstProtocolStandsInTheFingerprint(t *testing.T) {
	t.Parallel()
	for proto, want := range map[string]string{"h2": "h2", "http/1.1": "h1", "x": "xx", "\xab": "ab", "\x0a\x1b": "0b", "h-": "6d", "": "00"} {
		msg := message(t, "openssl-no-sni")
		if proto != "" {
			msg = extend(msg, ext(16, append([]byte{0, byte(len(proto) + 1), byte(len(proto))}, proto...)...))
		}
		h, _, _ := read(msg)
		if got := string(h.JA4(msg, 'q')); got[0] != 'q' || got[8:10] != want {
			t.Errorf("%q gives %s, want %s", proto, got, want)
		}
	}
}
