package main

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/plugins/internal/plugintest"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// root is the top of the repository seen from this directory.
const root = "../.."

// lines are configurations that the laws hold for.
func lines() []string {
	return []string{
		"minecraft",
		"minecraft host play.example.com",
		"minecraft host *.mc.example.com localhost version 0-1000",
		"minecraft version 47",
		"minecraft intent login",
	}
}

func native(t testing.TB, line string) sdk.Matcher {
	t.Helper()
	m, err := New(plugintest.Node(t, line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return m
}

func samples(t testing.TB) []plugintest.Sample {
	t.Helper()
	return plugintest.Samples(t, "testdata/samples")
}

func TestRealClientsGetTheGoldenVerdicts(t *testing.T) {
	t.Parallel()
	matchers := map[string]sdk.Matcher{}
	for _, line := range lines() {
		matchers[line] = native(t, line)
	}
	plugintest.Golden(t, samples(t), matchers)
}

func TestOtherProtocolsAreNot(t *testing.T) {
	t.Parallel()
	m := native(t, "minecraft")
	for _, s := range plugintest.Others(t, root, "minecraft") {
		f := matchtest.TCP()
		f.Head = s.Head
		if v, err := m.Match(&f); v != sdk.No || err != nil {
			t.Errorf("%s: %v, %v", s.Name, v, err)
		}
	}
}

func TestTheMatcherObeysTheLaws(t *testing.T) {
	t.Parallel()
	for _, line := range lines() {
		matchtest.Laws(t, native(t, line), matchtest.TCP(), plugintest.Heads(samples(t))...)
	}
}

// Not in parallel: it counts what the process allocates.
func TestTheMatcherAllocatesNothing(t *testing.T) {
	for _, line := range lines() {
		matchtest.Allocs(t, native(t, line), matchtest.TCP(), plugintest.Heads(samples(t))...)
	}
}

// Law 7. The module is big: it is compiled once for all that is asked of it.
func TestTheModule(t *testing.T) {
	t.Parallel()
	p := plugintest.Load(t, "minecraft", plugintest.Build(t))
	heads := plugintest.Heads(samples(t))
	others := plugintest.Heads(plugintest.Others(t, root))
	t.Run("agrees with the native matcher", func(t *testing.T) {
		t.Parallel()
		for _, line := range lines() {
			plugintest.Agree(t, native(t, line), p.Matcher(t, line), slices.Concat(heads, others)...)
		}
	})
	t.Run("obeys the laws", func(t *testing.T) {
		t.Parallel()
		some := lines()
		if raceDetector {
			some = some[1:2]
		}
		for _, line := range some {
			matchtest.Laws(t, p.Matcher(t, line), matchtest.TCP(), heads...)
		}
	})
	t.Run("says where a configuration is wrong", func(t *testing.T) {
		t.Parallel()
		for line, want := range map[string]string{
			"minecraft play.example.com":           "4:11: minecraft: is no option: write host, version or intent",
			"minecraft host version 47":            "4:11: minecraft: needs a value",
			"minecraft host a.org b*":              "4:22: minecraft: is no host name: write play.example.com, or *.example.com for any first label",
			"minecraft version 1.21":               "4:19: minecraft: is no protocol version: write a number like 47, or a range like 760-767",
			"minecraft {\n\tversion 9-8\n}":        "5:10: minecraft: is no protocol version: write a number like 47, or a range like 760-767",
			"minecraft {\n\tintent play\n\tx 1\n}": "5:9: minecraft: is no intent: write status, login or transfer\nDwaarfile:6:2: minecraft: is no option: write host, version or intent",
		} {
			if diff := cmp.Diff("Dwaarfile:"+want, p.Refused(t, line)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", line, diff)
			}
		}
	})
	t.Run("does not run out of anything", func(t *testing.T) {
		t.Parallel()
		m := p.Matcher(t, "minecraft host *.mc.example.com play.example.com")
		rounds := 1_000_000
		if testing.Short() || raceDetector {
			rounds = 20_000
		}
		head := samples(t)[slices.IndexFunc(samples(t), func(s plugintest.Sample) bool { return s.Name == "login-1.21" })].Head
		f := matchtest.TCP()
		for i := range rounds {
			f.Rehead(head)
			if v, err := m.Match(&f); err != nil || v != sdk.Yes {
				t.Fatalf("evaluation %d: %v, %v", i, v, err)
			}
		}
	})
}

// handshake writes a packet as the protocol's description has it.
func handshake(version, host, rest string) string {
	body := "\x00" + version + string(rune(len(host))) + host + rest
	return string(rune(len(body))) + body
}

// ping writes the ping of 1.6 as the protocol's description has it.
func ping(version byte, host string) string {
	wide := func(s string) string {
		var b strings.Builder
		for _, u := range utf16.Encode([]rune(s)) {
			b.WriteByte(byte(u >> 8))
			b.WriteByte(byte(u))
		}
		return b.String()
	}
	return "\xfe\x01\xfa\x00\x0b" + wide("MC|PingHost") + "\x00" + string(rune(7+2*len(host))) + string([]byte{version}) +
		"\x00" + string(rune(len(host))) + wide(host) + "\x00\x00\x63\xdd"
}

func TestVerdictsComeAtTheByteThatDecides(t *testing.T) {
	t.Parallel()
	const any, play, old = "minecraft", "minecraft host play.example.com", "minecraft version 47"
	for _, tt := range []struct{ line, head, want string }{
		{any, "", "need 1"},
		{any, "\x06", "no"},                                 // too short for a handshake
		{any, "\xff\xff\x01", "no"},                         // too long
		{any, "\x10\x01", "no"},                             // another packet
		{any, "\x80\x80\x80\x80\x80", "no"},                 // a length that does not end
		{old, "\x10\x00\x2f", "need 4"},                     //
		{old, "\x10\x00\x30", "no"},                         // the version decides
		{any, "\x10\x00\x2f\x09", "no"},                     // the host would end behind the packet
		{any, "\x10\x00\x2f\x0a", "need 5"},                 //
		{any, "\x10\x00\x2f\x0a\x00", "no"},                 // no host before the NUL
		{any, "\x10\x00\x2f\x0alo\x07", "no"},               // not in a host
		{any, handshake("\x2f", "a", "\x63\xdd\x04"), "no"}, // no such intent
		{any, handshake("\x2f", "a", "\x63\xdd\x03"), `yes host="a" intent="transfer" version="47"`},
		{any, handshake("\xff\xff\xff\xff\x0f", "A.b.", "\x63\xdd\x01"), `yes host="a.b" intent="status"`},
		{any, handshake("\xff\xff\xff\xff\x1f", "a", "\x63\xdd\x01"), "no"}, // more than 32 bits
		{any, handshake("\xfe\xff\xff\xff\x0f", "a", "\x63\xdd\x01"), "no"}, // -2
		{play, handshake("\x2f", "PLAY.example.com", "\x63\xdd\x02"), `yes host="play.example.com" intent="login" version="47"`},
		{play, handshake("\x2f", "play.example.com\x00FML3\x00", "\x63\xdd\x02"), `yes host="play.example.com" intent="login" version="47"`},
		{play, handshake("\x2f", "play.example.org", ""), "no"},
		{"minecraft host *.example.com", handshake("\x2f", "a.b.example.com", ""), "no"},
		{"minecraft host *.example.com", handshake("\x2f", "example.com", ""), "no"},
		{any, ping(74, "Play.example.com"), `yes host="play.example.com" intent="status" version="74"`},
		{play, ping(74, "play.example.com"), `yes host="play.example.com" intent="status" version="74"`},
		{play, ping(74, ""), "no"},
		{any, ping(74, "caf\u00e9"), "no"}, // host names are ASCII
		{"minecraft intent login", ping(74, "a"), "no"},
		{any, "\xfe\x01\xfa\x00\x0c", "no"},
	} {
		f := matchtest.TCP()
		f.Head = []byte(tt.head)
		if got := matchtest.Ask(native(t, tt.line), &f).String(); got != tt.want {
			t.Errorf("%s: %q: %s, want %s", tt.line, tt.head, got, tt.want)
		}
	}
}

func FuzzMinecraft(f *testing.F) {
	var ms []sdk.Matcher
	for _, line := range lines() {
		ms = append(ms, native(f, line))
	}
	heads := plugintest.Heads(samples(f))
	matchtest.Fuzz(f, append(heads, []byte(ping(74, "play.example.com"))), ms...)
}

// FuzzModule holds the module against the native matcher, on heads that nobody sent.
func FuzzModule(f *testing.F) {
	if raceDetector {
		f.Skip("TestTheModule asks about the same seeds, and the module takes long to load")
	}
	p := plugintest.Load(f, "minecraft", plugintest.Build(f))
	var natives, guests []sdk.Matcher
	for _, line := range lines() {
		natives, guests = append(natives, native(f, line)), append(guests, p.Matcher(f, line))
	}
	for _, s := range samples(f) {
		f.Add(s.Head)
	}
	f.Add([]byte(ping(74, "play.example.com")))
	f.Fuzz(func(t *testing.T, head []byte) {
		if len(head) > 1<<10 {
			return
		}
		for i := range natives {
			plugintest.Agree(t, natives[i], guests[i], head)
		}
	})
}

func BenchmarkModule(b *testing.B) {
	p := plugintest.Load(b, "minecraft", plugintest.Build(b))
	for _, line := range lines() {
		guest, other := p.Matcher(b, line), native(b, line)
		for _, s := range samples(b) {
			if !strings.HasPrefix(s.Name, "login-1") {
				continue
			}
			for name, m := range map[string]sdk.Matcher{"module": guest, "native": other} {
				b.Run(line+"/"+s.Name+"/"+name, func(b *testing.B) {
					b.ReportAllocs()
					f := matchtest.TCP()
					for b.Loop() {
						f.Rehead(s.Head)
						if _, err := m.Match(&f); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
