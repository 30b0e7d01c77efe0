package openvpn_test

import (
	"bytes"
	"crypto/sha3"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/openvpn"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

const flightDir = "../../testdata/flights/openvpn/"

// flight is what a real client sent.
type flight struct {
	name  string
	bytes []byte
}

func (f flight) isTCP() bool { return strings.HasSuffix(f.name, "-tcp") }

// packet is the flight without the length that precedes it on TCP.
func (f flight) packet() []byte {
	if f.isTCP() {
		return f.bytes[min(2, len(f.bytes)):]
	}
	return f.bytes
}

// timeAt is where the time stands in the packet, or 0.
func (f flight) timeAt() int {
	switch p := f.packet(); {
	case strings.HasPrefix(f.name, "auth"):
		return len(p) - 9
	case strings.HasPrefix(f.name, "crypt"):
		return 13
	}
	return 0
}

// flow is a flow of the moment at which the flight was sent, without bytes.
func (f flight) flow() sdk.Flow {
	flow := matchtest.UDP()
	if f.isTCP() {
		flow = matchtest.TCP()
	}
	if at := f.timeAt(); at > 0 {
		flow.Accepted = time.Unix(int64(binary.BigEndian.Uint32(f.packet()[at:])), 0)
	}
	return flow
}

// with returns the flight with other bytes.
func (f flight) with(change func(b []byte) []byte) flight {
	return flight{f.name, change(append([]byte(nil), f.bytes...))}
}

// at returns the flight as sent at another time, without a matching HMAC.
func (f flight) at(sent time.Time) flight {
	return f.with(func(b []byte) []byte {
		if at := f.timeAt(); at > 0 {
			binary.BigEndian.PutUint32(b[len(b)-len(f.packet())+at:], uint32(sent.Unix()))
		}
		return b
	})
}

func ask(m sdk.Matcher, f flight) string { return askAt(m, f, 0) }

// askAt asks a connection that began so long after the flight was sent.
func askAt(m sdk.Matcher, f flight, later time.Duration) string {
	flow := f.flow()
	flow.Accepted = flow.Accepted.Add(later)
	flow.Head = f.bytes
	if !f.isTCP() {
		flow.Bounds = []int{len(f.bytes)}
	}
	return matchtest.Ask(m, &flow).String()
}

func load(t testing.TB, name string) flight {
	t.Helper()
	b, err := os.ReadFile(flightDir + name + ".bin")
	if err != nil {
		t.Fatal(err)
	}
	return flight{name, b}
}

// flights are all captures.
func flights(t testing.TB) []flight {
	t.Helper()
	files, err := filepath.Glob(flightDir + "*.bin")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captured flights: %v", err)
	}
	var all []flight
	for _, file := range files {
		all = append(all, load(t, strings.TrimSuffix(filepath.Base(file), ".bin")))
	}
	return all
}

func node(lines ...string) *sdk.Node {
	n := &sdk.Node{Name: "openvpn"}
	for i, line := range lines {
		words := strings.Fields(line)
		o := sdk.Node{Name: words[0], Pos: sdk.Pos{Line: i + 1, Col: 1}}
		for j, text := range words[1:] {
			o.Args = append(o.Args, sdk.Word{Text: text, Pos: sdk.Pos{Line: i + 1, Col: j + 2}})
		}
		n.Block = append(n.Block, o)
	}
	return n
}

func build(t testing.TB, lines ...string) sdk.Matcher {
	t.Helper()
	m, err := openvpn.New(node(lines...))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The keys of the captures, and others.
const (
	group        = "group_key_file " + flightDir + "group.key"
	otherGroup   = "group_key_file " + flightDir + "other-group.key"
	server       = "server_key_file " + flightDir + "server.key"
	otherServer  = "server_key_file " + flightDir + "other-server.key"
	client       = "client_key_file " + flightDir + "client.key"
	otherClient  = "client_key_file " + flightDir + "other-client.key"
	metadataKey  = "client_key_file " + flightDir + "metadata-client.key"
	anyTime      = "ignore_timestamp"
	ignoreCrypto = "ignore_crypto"
)

// TestRealClientsAreRecognized has a column for each matcher: y, n and u are yes, no
// and unknown.
func TestRealClientsAreRecognized(t *testing.T) {
	t.Parallel()
	matchers := []sdk.Matcher{
		build(t),
		build(t, "modes plain"), build(t, "modes auth"), build(t, "modes crypt"), build(t, "modes CRYPT2"),
		// With the group key: any digest, one, and the directions.
		build(t, "modes auth", group), build(t, "modes auth", group, "auth_digest SHA-256"),
		build(t, "modes auth", group, "group_key_direction inverse"), build(t, "modes auth", group, "group_key_direction Bidirectional"),
		build(t, "modes crypt", group),
		// With the keys of tls-crypt-v2.
		build(t, "modes crypt2", server), build(t, "modes crypt2", client), build(t, "modes crypt2", client, metadataKey, server),
		// With keys of others.
		build(t, otherGroup, otherServer), build(t, "modes auth crypt", otherGroup), build(t, "modes crypt2", otherClient),
		build(t, "modes crypt2", server, otherClient),
		// Without a digest's name the size of the HMAC may be any.
		build(t, "modes auth", "auth_digest sha1"), build(t, otherGroup, otherServer, ignoreCrypto),
	}
	want := map[string]string{
		"plain-udp":           "yynnn nnnnn nnn ynnn ny",
		"plain-tcp":           "yynnn nnnnn nnn ynnn ny",
		"auth-md5-udp":        "ynynn ynnnn nnn nnnn ny",
		"auth-sha1-udp":       "ynynn ynnnn nnn nnnn yy",
		"auth-ripemd160-udp":  "ynynn nnnnn nnn nnnn yy",
		"auth-sha224-udp":     "ynynn ynnnn nnn nnnn ny",
		"auth-sha512-224-udp": "ynynn ynnnn nnn nnnn ny",
		"auth-sha3-224-udp":   "ynynn ynnnn nnn nnnn ny",
		"auth-sha256-udp":     "ynynn yynnn nnn nnnn ny",
		"auth-sha256-tcp":     "ynynn yynnn nnn nnnn ny",
		"auth-inverse-udp":    "ynynn nnyyn nnn nnnn ny",
		"auth-bidi-udp":       "ynynn nnyyn nnn nnnn ny",
		"auth-sha512-256-udp": "ynynn ynnnn nnn nnnn ny",
		"auth-sha3-256-udp":   "ynynn ynnnn nnn nnnn ny",
		"auth-blake2s256-udp": "ynynn ynnnn nnn nnnn ny",
		"auth-md5-sha1-udp":   "ynynn ynnnn nnn nnnn ny",
		"auth-sha384-udp":     "ynynn ynnnn nnn nnnn ny",
		"auth-sha3-384-udp":   "ynynn ynnnn nnn nnnn ny",
		"auth-sha512-udp":     "ynynn ynnnn nnn nnnn ny",
		"auth-sha3-512-udp":   "ynynn ynnnn nnn nnnn ny",
		"auth-blake2b512-udp": "ynynn ynnnn nnn nnnn ny",
		"crypt-udp":           "ynnyn nnnny nnn nnnn ny",
		"crypt-tcp":           "ynnyn nnnny nnn nnnn ny",
		"crypt2-udp":          "ynnny nnnnn yyy nnnn ny",
		"crypt2-tcp":          "ynnny nnnnn yyy nnnn ny",
		"crypt2-metadata-udp": "ynnny nnnnn yny nnnn ny",
	}
	got := map[string]string{}
	for _, f := range flights(t) {
		var row strings.Builder
		for i, m := range matchers {
			if i == 5 || i == 10 || i == 13 || i == 17 {
				row.WriteByte(' ')
			}
			row.WriteByte(ask(m, f)[0])
		}
		got[f.name] = row.String()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers to captured flights (-want +got):\n%s", diff)
	}
}

func TestTheTimeLiesWithinFifteenSeconds(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for _, name := range []string{"auth-sha256-udp", "auth-sha512-udp", "crypt-tcp", "crypt2-udp"} {
		f := load(t, name)
		for _, lines := range [][]string{nil, {group, server}} {
			m, always := build(t, lines...), build(t, append(lines, anyTime)...)
			for later, want := range map[time.Duration]string{
				0: "yes", 15 * second: "yes", -15 * second: "yes", 15*second + 999*time.Millisecond: "yes",
				16 * second: "no", -16 * second: "no", time.Hour: "no", -24 * time.Hour: "no",
			} {
				if got := askAt(m, f, later); got != want {
					t.Errorf("%s, %v later, %q: %s, want %s", name, later, lines, got, want)
				}
				if got := askAt(always, f, later); got != "yes" {
					t.Errorf("%s, %v later, at any time, %q: %s", name, later, lines, got)
				}
			}
		}
	}
}

// TestAPacketWithAChangedByteIsNotAuthentic changes every byte in every way that
// leaves its size, and then the size.
func TestAPacketWithAChangedByteIsNotAuthentic(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flight string
		m      sdk.Matcher
	}{
		{"auth-sha1-udp", build(t, group, server, anyTime)},
		{"auth-sha256-tcp", build(t, group, server, anyTime)},
		{"auth-blake2b512-udp", build(t, group, server, anyTime)},
		{"crypt-udp", build(t, group, server, anyTime)},
		{"crypt2-udp", build(t, group, server, anyTime)},
		{"crypt2-metadata-udp", build(t, group, server, metadataKey, anyTime)},
	} {
		f := load(t, c.flight)
		start := len(f.bytes) - len(f.packet())
		for i := start; i < len(f.bytes); i++ {
			for bit := range 8 {
				g := f.with(func(b []byte) []byte { b[i] ^= 1 << bit; return b })
				if got := ask(c.m, g); got != "no" {
					t.Errorf("%s with bit %d of byte %d changed: %s", c.flight, bit, i-start, got)
				}
			}
		}
		for name, change := range sizes(f) {
			if got := ask(c.m, f.with(change)); got != "no" {
				t.Errorf("%s, %s: %s", c.flight, name, got)
			}
		}
	}
}

// sizes are changes of a packet's size.
func sizes(f flight) map[string]func([]byte) []byte {
	resize := func(b []byte) []byte {
		if f.isTCP() {
			binary.BigEndian.PutUint16(b, uint16(len(b)-2))
		}
		return b
	}
	return map[string]func([]byte) []byte{
		"a byte less": func(b []byte) []byte { return resize(b[:len(b)-1]) },
		"a byte more": func(b []byte) []byte { return resize(append(b, 0)) },
		"half of it":  func(b []byte) []byte { return resize(b[:len(b)/2]) },
	}
}

func TestAChangedByteInAFixedFieldIsImpossible(t *testing.T) {
	t.Parallel()
	bare := build(t)
	for _, f := range flights(t) {
		p := f.packet()
		start := len(f.bytes) - len(p)
		fixed := []int{0}
		switch {
		case f.timeAt() == 0, strings.HasPrefix(f.name, "auth"): // acks and message id
			for i := len(p) - 5; i < len(p); i++ {
				fixed = append(fixed, i)
			}
		case strings.HasPrefix(f.name, "crypt2"): // the length of the wrapped key
			fixed = append(fixed, len(p)-2, len(p)-1)
		}
		for _, i := range fixed {
			for bit := range 8 {
				g := f.with(func(b []byte) []byte { b[start+i] ^= 1 << bit; return b })
				want := "no"
				// A shorter wrapped key leaves more room for what is encrypted.
				n := int(binary.BigEndian.Uint16(g.packet()[len(p)-2:]))
				if strings.HasPrefix(f.name, "crypt2") && n >= 290 && n <= 1024 && len(p)-n >= 58 && i > 0 {
					want = "unknown"
				}
				if got := ask(bare, g); got != want {
					t.Errorf("%s with bit %d of byte %d changed: %s, want %s", f.name, bit, i, got, want)
				}
			}
		}
	}
}

// TestPacketsAreJudgedAtTheFirstImpossibleByte has a bar before the byte that decides.
func TestPacketsAreJudgedAtTheFirstImpossibleByte(t *testing.T) {
	t.Parallel()
	bare, m := build(t), build(t, "modes plain")
	const id = "\x01\x02\x03\x04\x05\x06\x07\x08"
	for _, c := range []struct {
		m           sdk.Matcher
		bytes, want string
	}{
		{bare, "|\x16\x03\x01", "no"},                                     // TLS
		{bare, "|GET / HTTP/1.1\r\n", "no"},                               // a length of 18,245
		{bare, "\x00|\x00\x00", "no"},                                     // a length of 0
		{bare, "\x00|\x0d\x38", "no"},                                     // a length below any
		{bare, "\x08|\x01\x38", "no"},                                     // a length above any
		{bare, "\x00\x0e|\x39" + id, "no"},                                // another key id
		{bare, "\x00\x0e|\x40" + id, "no"},                                // a server's reset
		{bare, "\x00\x0e|\x20" + id, "no"},                                // P_CONTROL_V1
		{m, "\x01\x61|\x50" + id, "no"},                                   // tls-crypt-v2, which is not asked for
		{bare, "\x00\x0e\x38\x00\x00\x00\x00\x00\x00\x00|\x00\x00", "no"}, // no session
		{bare, "\x00\x0e\x38" + id + "|\x01", "no"},                       // an acknowledgement
		{bare, "\x00\x0e\x38" + id + "\x00\x00\x00\x00|\x01", "no"},
		{bare, "\x00\x0e\x38" + id + "\x00\x00\x00\x00|\x00", "yes"},
		{bare, "\x00\x0e\x08" + id + "\x00\x00\x00\x00|\x00", "yes"},                 // V1
		{m, "\x00\x11|\x38" + id + "\x00\x00\x00\x00\x00", "no"},                     // room for a part of a field
		{m, "\x00\x13\x38" + id + "\x00\x00\x00\x00\x00\x00\x07\x00|\x02\x00", "no"}, // one that is longer than the packet
		{m, "\x00\x14\x38" + id + "\x00\x00\x00\x00\x00\x00\x07\x00|\x02", "unknown"},
		// An HMAC of MD5 (16 bytes); then the replay id is 0, or the time is not now.
		{build(t, "modes auth"), "\x00\x26\x38" + id + "0123456789abcdef\x00\x00\x00|\x00", "no"},
		{build(t, "modes auth"), "\x00\x26\x38" + id + "0123456789abcdef\x00\x00\x00\x01\x00\x00\x00|\x00", "no"},
		{build(t, "modes crypt"), "\x00\x36\x38" + id + "\x00\x00\x00|\x00", "no"},
		{build(t, "modes crypt2"), "\x01\x57|\x50" + id, "no"}, // no room for a client key
	} {
		before, after, _ := strings.Cut(c.bytes, "|")
		for n := range len(before) + len(after) + 1 {
			f := matchtest.TCP()
			f.Head = []byte(before + after)[:n]
			want := c.want
			if n <= len(before) {
				want = "need"
			}
			if got, _, _ := strings.Cut(matchtest.Ask(c.m, &f).String(), " "); got != want {
				t.Errorf("%q: %s, want %s", f.Head, got, want)
			}
		}
	}
}

func TestADigestHasManyNames(t *testing.T) {
	t.Parallel()
	for name, flight := range map[string]string{
		"MD5": "auth-md5-udp", "ssl3-md5": "auth-md5-udp", "SHA-1": "auth-sha1-udp", "sha1": "auth-sha1-udp", "RSA-SHA1": "auth-sha1-udp",
		"SHA2-224": "auth-sha224-udp", "sha256": "auth-sha256-udp", "SHA-384": "auth-sha384-udp", "SHA512": "auth-sha512-udp",
		"SHA-512/224": "auth-sha512-224-udp", "SHA2-512/224": "auth-sha512-224-udp", "sha512-256": "auth-sha512-256-udp",
		"SHA3-224": "auth-sha3-224-udp", "sha3-256": "auth-sha3-256-udp", "SHA3-384": "auth-sha3-384-udp", "SHA3-512": "auth-sha3-512-udp",
		"BLAKE2s256": "auth-blake2s256-udp", "blake2S-256": "auth-blake2s256-udp", "BLAKE2b-512": "auth-blake2b512-udp",
		"MD5+SHA1": "auth-md5-sha1-udp", "md5sha1": "auth-md5-sha1-udp",
	} {
		for _, f := range flights(t) {
			want := "no"
			if f.name == flight || f.name == strings.TrimSuffix(flight, "udp")+"tcp" {
				want = "yes"
			}
			if got := ask(build(t, "modes auth", group, "auth_digest "+name), f); got != want {
				t.Errorf("auth_digest %s on %s: %s, want %s", name, f.name, got, want)
			}
		}
	}
}

// TestSHAKEMakesAnHMAC writes the HMAC as RFC 2104 defines it: no program makes one.
func TestSHAKEMakesAnHMAC(t *testing.T) {
	t.Parallel()
	key := groupKey(t)[192:]
	real := load(t, "auth-sha256-udp").bytes
	header, rest := real[:9], real[9+32:]
	for _, c := range []struct {
		name        string
		block, size int
		sum         func(data []byte, length int) []byte
	}{
		{"SHAKE-128", 168, 32, sha3.SumSHAKE128}, {"shake256", 136, 64, sha3.SumSHAKE256},
	} {
		pad := func(mask byte) []byte {
			p := append(bytes.Clone(key[:c.size]), make([]byte, c.block-c.size)...)
			for i := range p {
				p[i] ^= mask
			}
			return p
		}
		inner := c.sum(slices.Concat(pad(0x36), rest[:8], header, rest[8:]), c.size)
		f := flight{"auth-udp", slices.Concat(header, c.sum(append(pad(0x5c), inner...), c.size), rest)}
		for lines, want := range map[string]string{"auth_digest " + c.name: "yes", "modes auth": "yes", "auth_digest sha256": "no"} {
			if got := ask(build(t, group, lines), f); got != want {
				t.Errorf("%s, %s: %s, want %s", c.name, lines, got, want)
			}
		}
	}
}

// groupKey reads the key of the captures.
func groupKey(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile(flightDir + "group.key")
	if err != nil {
		t.Fatal(err)
	}
	_, digits, _ := strings.Cut(string(text), "V1-----\n")
	digits, _, _ = strings.Cut(digits, "-----END")
	key, err := hex.DecodeString(strings.ReplaceAll(digits, "\n", ""))
	if err != nil || len(key) != 256 {
		t.Fatalf("the key of the captures has %d bytes: %v", len(key), err)
	}
	return key
}

func TestAKeyGivenAsTextIsThatOfTheFile(t *testing.T) {
	t.Parallel()
	m := build(t, "group_key "+hex.EncodeToString(groupKey(t)))
	for _, name := range []string{"auth-sha1-udp", "crypt-tcp"} {
		if got := ask(m, load(t, name)); got != "yes" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestAPipeInThePlaceOfAKeyIsRefused(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := openvpn.New(node("server_key_file " + pipe))
	if err == nil || !strings.HasSuffix(err.Error(), pipe+" is not a file") {
		t.Errorf("%v", err)
	}
}

func forms(t testing.TB) []sdk.Matcher {
	return []sdk.Matcher{
		build(t), build(t, group, server), build(t, group, server, anyTime),
		build(t, "modes plain crypt", group, anyTime), build(t, "modes auth", group, "auth_digest blake2s256", anyTime),
		build(t, "modes crypt2", client, otherClient, anyTime), build(t, ignoreCrypto, anyTime, group),
	}
}

// oddities are packets that no client sends.
func oddities(t testing.TB) []flight {
	var all []flight
	for _, f := range []flight{load(t, "plain-tcp"), load(t, "auth-sha256-tcp"), load(t, "crypt2-tcp")} {
		all = append(all, f,
			f.with(func(b []byte) []byte { return append(b, b...) }),
			f.with(func(b []byte) []byte { b[1] += 8; return append(b, 0, 7, 0, 1, 9, 0, 7, 0) }),
			f.with(func(b []byte) []byte { b[1] += 4; return append(b, 0, 7, 0, 0) }),
			f.with(func(b []byte) []byte { clear(b[3:]); return b }))
	}
	return append(all, flight{"text-tcp", []byte("GET / HTTP/1.1\r\n\r\n")}, flight{"none-tcp", nil})
}

func TestEveryFormObeysTheLaws(t *testing.T) {
	t.Parallel()
	for _, f := range append(flights(t), oddities(t)...) {
		matchtest.Laws(t, forms(t)[0], f.flow(), f.bytes)
		matchtest.Laws(t, forms(t)[6], matchtest.UDP(), f.packet())
	}
	for _, m := range forms(t) {
		for _, name := range []string{"plain-tcp", "auth-md5-udp", "auth-sha256-tcp", "crypt2-tcp"} {
			f := load(t, name)
			matchtest.Laws(t, m, f.flow(), f.bytes)
		}
		matchtest.Datagrams(t, m, load(t, "crypt-udp").flow(),
			[][]byte{load(t, "crypt-udp").bytes, {}, load(t, "plain-udp").bytes}, [][]byte{{}, load(t, "crypt-udp").bytes}, nil)
	}
}

func TestPlantedFaultsAreFound(t *testing.T) {
	t.Parallel()
	f := load(t, "auth-sha256-tcp")
	samples := [][]byte{
		f.bytes, f.with(func(b []byte) []byte { return append(b, "MORE"...) }).bytes,
		f.with(func(b []byte) []byte { b[20] ^= 1; return b }).bytes, []byte("GET / HTTP/1.1\r\n"), oddities(t)[2].bytes,
	}
	for _, mutant := range matchtest.Mutants() {
		m, ok := plant(mutant, build(t, group))
		if ok && matchtest.Check(m, f.flow(), samples...) == nil {
			t.Errorf("%s: not found", mutant.Fault)
		}
	}
}

// plant returns the matcher with a fault, unless the fault is of another kind of
// matcher, or one that Check does not look for.
func plant(mutant matchtest.Mutant, m sdk.Matcher) (faulty sdk.Matcher, ok bool) {
	defer func() { ok = recover() == nil && mutant.Fault != "it reads the clock" }()
	return mutant.Plant(m), true
}

// now is the flight as sent at the moment of matchtest's flows. Without its key that
// cannot be seen.
func now(f flight) []byte { return f.at(matchtest.TCP().Accepted).bytes }

func FuzzStream(f *testing.F) {
	var seeds [][]byte
	for _, flight := range append(flights(f), oddities(f)...) {
		p := flight.packet()
		framed := func(p []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(p))), p...) }
		seeds = append(seeds, framed(p), framed(now(flight)[len(flight.bytes)-len(p):]))
	}
	matchtest.Fuzz(f, seeds, forms(f)...)
}

func FuzzDatagrams(f *testing.F) {
	var sessions [][][]byte
	for _, flight := range flights(f) {
		start := len(flight.bytes) - len(flight.packet())
		sessions = append(sessions, [][]byte{flight.packet()}, [][]byte{now(flight)[start:], flight.packet()})
	}
	matchtest.FuzzDatagrams(f, sessions, forms(f)...)
}

func TestOtherProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/flights/*/*.bin")
	if err != nil || len(files) == 0 {
		t.Fatal("no captured flights", err)
	}
	m := build(t, anyTime)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, suffix := range []string{"-tcp", "-udp"} {
			if got := ask(m, flight{"other" + suffix, b}); got != "no" && filepath.Base(filepath.Dir(file)) != "openvpn" {
				t.Errorf("%s%s: %s", file, suffix, got)
			}
		}
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	for _, f := range flights(t) {
		for _, m := range []sdk.Matcher{
			build(t), build(t, group, client, otherClient, metadataKey, server), build(t, group, otherServer),
		} {
			matchtest.Allocs(t, m, f.flow(), f.bytes)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, c := range []struct {
		name, flight string
		lines        []string
	}{
		{"plain", "plain-udp", []string{group, server}},
		{"auth of any digest", "auth-blake2s256-udp", []string{"modes auth", group}},
		{"auth SHA-256", "auth-sha256-udp", []string{"modes auth", group, "auth_digest SHA256"}},
		{"crypt", "crypt-udp", []string{"modes crypt", group}},
		{"crypt2 of any client", "crypt2-udp", []string{server}},
		{"crypt2 of a known client", "crypt2-udp", []string{client}},
		{"auth by shape", "auth-sha256-udp", nil},
		{"no", "wireguard", nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := flight{"other-udp", []byte{1, 0, 0, 0}}
			if c.name != "no" {
				f = load(b, c.flight)
			}
			m, flow := build(b, c.lines...), f.flow()
			flow.Head, flow.Bounds = f.bytes, []int{len(f.bytes)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Match(&flow); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
