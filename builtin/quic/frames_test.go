package quic_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// sender sends a client's Initial packets.
type sender struct {
	*side
	dcid, scid []byte
	number     uint32
}

func newSender(t testing.TB, version uint32) *sender {
	dcid := []byte("12345678")
	return &sender{side: newSide(t, version, dcid, "client in"), dcid: dcid, scid: []byte("me")}
}

// packet seals frames with the next number.
func (s *sender) packet(frames ...[]byte) []byte {
	s.number++
	return s.seal(initial{number: s.number - 1, dcid: s.dcid, scid: s.scid, frames: bytes.Join(frames, nil)})
}

// datagram makes one of the least size of a packet with frames.
func (s *sender) datagram(frames ...[]byte) []byte {
	size := len(bytes.Join(frames, nil))
	return s.packet(append(frames, make([]byte, max(0, 1200-size)))...)
}

// padded adds bytes behind the packets until a datagram has the least size.
func padded(d []byte) []byte { return append(d, make([]byte, max(0, 1200-len(d)))...) }

var (
	ping      = []byte{1}
	ack       = []byte{2, 5, 0, 1, 0, 2, 1}
	ackECN    = []byte{3, 5, 0, 0, 0, 1, 2, 3}
	closing   = []byte{0x1c, 0, 0, 0}
	handshake = []byte{0x1e}
)

func TestTheWayAHelloIsCutDoesNotChangeWhatIsFound(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"chromium", "quic-go-classic", "ngtcp2-draft29"} {
		msg := helloOf(t, flights(t)[name])
		m := matcher(t, line("ja4"))
		want := ask(m, flights(t)[name]...)
		for range 300 {
			s := newSender(t, map[string]uint32{"v1": v1, "draft-29": draft29}[want.Facts["version"]])
			got := ask(m, s.scatter(msg, random, ping, ack, ackECN, make([]byte, 5))...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s (-captured +cut anew):\n%s", name, diff)
			}
		}
	}
}

// scatter cuts a message at random, into frames that overlap, come twice and in any
// order, between other frames, in several packets and datagrams.
func (s *sender) scatter(msg []byte, random *rand.Rand, others ...[]byte) [][]byte {
	var frames [][]byte
	for from := 0; from < len(msg); {
		to := min(len(msg), from+1+random.IntN(400))
		begin := max(0, from-random.IntN(20))
		frames = append(frames, crypto(msg, begin, to))
		if random.IntN(5) == 0 {
			frames = append(frames, crypto(msg, from, to), crypto(msg, from, from))
		}
		from = to
	}
	random.Shuffle(len(frames), func(i, j int) { frames[i], frames[j] = frames[j], frames[i] })
	var datagrams [][]byte
	var d []byte
	for i, f := range frames {
		d = append(d, s.packet(others[random.IntN(len(others))], f, others[random.IntN(len(others))])...)
		if i == len(frames)-1 || random.IntN(2) == 0 {
			datagrams = append(datagrams, padded(d))
			d = nil
		}
	}
	return datagrams
}

func TestWhatBreaksTheProtocolIsRefused(t *testing.T) {
	t.Parallel()
	msg := helloOf(t, flights(t)["quic-go-classic"])
	all := crypto(msg, 0, len(msg))
	other := bytes.Clone(msg)
	other[100]++
	tests := []struct {
		what string
		want sdk.Verdict
		make func(s *sender) [][]byte
	}{
		{"a hello", sdk.Yes, func(s *sender) [][]byte { return [][]byte{s.datagram(all)} }},
		{"a packet without frames", sdk.No, func(s *sender) [][]byte { return [][]byte{padded(s.packet())} }},
		{"a frame for later packets", sdk.No, func(s *sender) [][]byte { return [][]byte{s.datagram(handshake, all)} }},
		{"the same behind the hello", sdk.No, func(s *sender) [][]byte { return [][]byte{s.datagram(all, handshake)} }},
		{"an end of the connection", sdk.No, func(s *sender) [][]byte { return [][]byte{s.datagram(crypto(msg, 0, len(msg)-1), closing)} }},
		{"half a frame", sdk.No, func(s *sender) [][]byte { return [][]byte{padded(s.packet(make([]byte, 10), all[:len(all)-1]))} }},
		{"half an ACK", sdk.No, func(s *sender) [][]byte { return [][]byte{padded(s.packet(make([]byte, 30), ack[:6]))} }},
		{"more ranges than there are", sdk.No, func(s *sender) [][]byte {
			return [][]byte{padded(s.packet(make([]byte, 30), []byte{2, 5, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}))}
		}},
		{"an offset that no stream has", sdk.Unknown, func(s *sender) [][]byte {
			return [][]byte{s.datagram([]byte{6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1})}
		}},
		{"a message that is no hello", sdk.No, func(s *sender) [][]byte {
			return [][]byte{s.datagram(crypto([]byte{2, 0, 0, 50}, 0, 4))}
		}},
		{"a hello longer than a head", sdk.Unknown, func(s *sender) [][]byte {
			return [][]byte{s.datagram(crypto([]byte{1, 0, 0x80, 0}, 0, 4))}
		}},
		{"reserved bits", sdk.No, func(s *sender) [][]byte {
			return [][]byte{padded(s.seal(initial{flags: 0x04, dcid: s.dcid, scid: s.scid, frames: all}))}
		}},
		{"another byte in the same place", sdk.Unknown, func(s *sender) [][]byte {
			return [][]byte{s.datagram(crypto(msg, 50, 150), crypto(other, 90, len(msg)), crypto(msg, 0, 60))}
		}},
		{"another byte where the hello is whole", sdk.Unknown, func(s *sender) [][]byte {
			return [][]byte{s.datagram(crypto(msg, 0, 150), crypto(other, 90, len(msg)))}
		}},
		{"a connection ID of 7 bytes", sdk.No, func(s *sender) [][]byte {
			short := newSide(t, v1, s.dcid[:7], "client in")
			return [][]byte{padded(short.seal(initial{dcid: s.dcid[:7], frames: all}))}
		}},
		{"the same behind a token", sdk.Yes, func(s *sender) [][]byte {
			short := newSide(t, v1, s.dcid[:7], "client in")
			return [][]byte{padded(short.seal(initial{dcid: s.dcid[:7], token: []byte("token"), frames: all}))}
		}},
		{"no fixed bit", sdk.No, func(s *sender) [][]byte {
			return [][]byte{padded(s.seal(initial{noFixedBit: true, dcid: s.dcid, frames: all}))}
		}},
		{"no fixed bit behind a token", sdk.Yes, func(s *sender) [][]byte {
			return [][]byte{padded(s.seal(initial{noFixedBit: true, dcid: s.dcid, token: []byte("token"), frames: all}))}
		}},
		{"1,199 bytes", sdk.No, func(s *sender) [][]byte { return [][]byte{padded(s.packet(all))[:1199]} }},
		{"a Handshake packet first", sdk.No, func(s *sender) [][]byte {
			return [][]byte{padded(s.seal(initial{zeroRTT: true, flags: 0x20, dcid: s.dcid, frames: all})), s.datagram(all)}
		}},
	}
	for _, test := range tests {
		datagrams := test.make(newSender(t, v1))
		if got := ask(matcher(t), datagrams...); got.Answer.Verdict != test.want {
			t.Errorf("%s: %v, want %v", test.what, got, test.want)
		}
		if err := matchtest.CheckDatagrams(matcher(t), matchtest.UDP(), datagrams); err != nil {
			t.Errorf("%s: %v", test.what, err)
		}
	}
}

// TestWhatServersDropIsDropped sends the end of a hello after what a server drops: if it
// counted, it would complete another hello, or spoil this one.
func TestWhatServersDropIsDropped(t *testing.T) {
	t.Parallel()
	msg := helloOf(t, flights(t)["quic-go-classic"])
	wrong := bytes.Clone(msg)
	wrong[len(wrong)-1]++
	half := len(msg) / 2
	tests := map[string]func(s *sender) []byte{
		"a packet number that was there": func(s *sender) []byte {
			s.number--
			return s.datagram(crypto(wrong, half, len(msg)))
		},
		"another source": func(s *sender) []byte {
			return padded(s.seal(initial{number: 7, dcid: s.dcid, scid: []byte("you"), frames: crypto(wrong, half, len(msg))}))
		},
		"another connection": func(s *sender) []byte {
			o := newSide(t, v1, []byte("87654321"), "client in")
			return padded(o.seal(initial{number: 7, dcid: []byte("87654321"), scid: s.scid, frames: crypto(wrong, half, len(msg))}))
		},
		"another connection in the same datagram": func(s *sender) []byte {
			o := newSide(t, v1, []byte("87654321"), "client in")
			return padded(append(s.packet(ping), o.seal(initial{number: 7, dcid: []byte("87654321"), scid: s.scid, frames: handshake})...))
		},
		"another version": func(s *sender) []byte {
			o := newSide(t, v2, s.dcid, "client in")
			return padded(o.seal(initial{number: 7, dcid: s.dcid, scid: s.scid, frames: crypto(wrong, half, len(msg))}))
		},
		"a datagram that is too short": func(s *sender) []byte { return s.packet(crypto(wrong, half, len(msg))) },
		"a broken packet": func(s *sender) []byte {
			d := s.datagram(crypto(wrong, half, len(msg)))
			d[500]++
			return d
		},
		"bytes at random": func(*sender) []byte { return bytes.Repeat([]byte{0xee}, 1300) },
		"an empty one":    func(*sender) []byte { return nil },
	}
	for what, dropped := range tests {
		s := newSender(t, v1)
		datagrams := [][]byte{s.datagram(crypto(msg, 0, half)), dropped(s)}
		s.number = 100
		if got := ask(matcher(t), datagrams...); got.Answer.Decided() {
			t.Errorf("%s decides: %v", what, got)
		}
		datagrams = append(datagrams, s.datagram(crypto(msg, half, len(msg))))
		if got := ask(matcher(t), datagrams...); got.Answer.Verdict != sdk.Yes {
			t.Errorf("%s counts: %v", what, got)
		}
	}
}

func TestEarlyDataMayComeFirst(t *testing.T) {
	t.Parallel()
	s := newSender(t, v2)
	msg := helloOf(t, flights(t)["quic-go-v2"])
	early := s.seal(initial{zeroRTT: true, dcid: s.dcid, frames: make([]byte, 30)})
	if got := ask(matcher(t), early); got.Answer.Decided() {
		t.Errorf("0-RTT alone: %v", got)
	}
	for _, datagrams := range [][][]byte{
		{early, s.datagram(crypto(msg, 0, 900)), early, s.datagram(crypto(msg, 900, len(msg)))},
		{append(early, s.datagram(crypto(msg, 0, len(msg)))...)},
	} {
		if got := ask(matcher(t), datagrams...); got.Answer.Verdict != sdk.Yes {
			t.Errorf("0-RTT before the hello: %v", got)
		}
	}
}

func TestAnotherVersionIsLeftToTheServer(t *testing.T) {
	t.Parallel()
	real := flights(t)["ngtcp2-reserved"][0]
	change := func(at int, b byte) []byte {
		d := bytes.Clone(real)
		d[at] = b
		return d
	}
	tests := []struct {
		what string
		d    []byte
		want sdk.Verdict
	}{
		{"as captured", real, sdk.Yes},
		{"no long header", change(0, real[0]&0x7f), sdk.No},
		{"no fixed bit", change(0, real[0]&^0x40), sdk.No},
		{"too short", real[:1199], sdk.No},
		{"version 0", slices.Concat(real[:1], make([]byte, 4), real[5:]), sdk.No},
		{"a long connection ID", change(5, 21), sdk.Unknown},
		{"a connection ID longer than the datagram", slices.Concat(real[:5], []byte{255}, bytes.Repeat([]byte{255}, 400)), sdk.No},
	}
	for _, test := range tests {
		if got := ask(matcher(t), test.d); got.Answer.Verdict != test.want {
			t.Errorf("%s: %v, want %v", test.what, got, test.want)
		}
	}
}

// TestMatchingAllocatesThreeTimes: two key schedules of AES and the tables of GCM, for
// however many matchers; nothing for what is refused before there are keys.
func TestMatchingAllocatesThreeTimes(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	ms := []sdk.Matcher{
		matcher(t), matcher(t, line("sni", "*.example.com")),
		matcher(t, line("sni_regexp", `\.example\.com$`), line("alpn", "h3"), line("version", "tls1.3"), line("ja4")),
	}
	for name, want := range map[string]float64{"quic-go": 3, "chromium": 3, "quic-go-resume": 3, "ngtcp2-reserved": 0} {
		whole, f := session(flights(t)[name]...), matchtest.UDP()
		got := testing.AllocsPerRun(50, func() {
			f.Rehead(nil)
			for n, end := range whole.Bounds {
				f.Head, f.Bounds = whole.Head[:end], whole.Bounds[:n+1]
				for _, m := range ms {
					if _, err := m.Match(&f); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
		if got != want {
			t.Errorf("%s: %v allocations, want %v", name, got, want)
		}
	}
}

func FuzzQUIC(f *testing.F) {
	var sessions [][][]byte
	for _, name := range []string{"chromium", "chromium-v2", "quic-go-resume", "ngtcp2-draft29", "ngtcp2-reserved"} {
		sessions = append(sessions, flights(f)[name])
	}
	matchtest.FuzzDatagrams(f, sessions,
		matcher(f),
		matcher(f, line("sni", "*.example.com", "localhost")),
		matcher(f, line("sni_regexp", `^[a-z]+\.example\.com$`), line("alpn", "h3"), line("version", "tls1.3"), line("ja4")),
	)
}

// FuzzFrames looks behind the encryption: the fuzzer writes what packets carry, and
// says where one ends and where a datagram does.
func FuzzFrames(f *testing.F) {
	msg := helloOf(f, flights(f)["quic-go-classic"])
	f.Add(crypto(msg, 0, len(msg)), []byte{})
	f.Add(slices.Concat(crypto(msg, 200, len(msg)), ping, crypto(msg, 0, 210)), []byte{100, 0, 200})
	f.Add(slices.Concat(ack, make([]byte, 40), crypto(msg, 0, 40), closing), []byte{7, 255})
	m := matcher(f, line("sni_regexp", `^[a-z]+\.example\.com$`), line("ja4"))
	f.Fuzz(func(t *testing.T, frames, sizes []byte) {
		s := newSender(t, v1)
		var datagrams [][]byte
		var d []byte
		for len(frames) > 0 && len(datagrams) < 8 {
			n := len(frames)
			if len(sizes) > 0 {
				n, sizes = min(n, 4*int(sizes[0])), sizes[1:]
			}
			if d = append(d, s.packet(frames[:n])...); n%8 != 0 || n == len(frames) {
				datagrams, d = append(datagrams, padded(d)), nil
			}
			frames = frames[n:]
		}
		if err := matchtest.CheckDatagrams(m, matchtest.UDP(), datagrams); err != nil {
			t.Fatal(err)
		}
	})
}
