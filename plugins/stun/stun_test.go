package stun_test

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/plugins/internal/plugintest"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func load(t testing.TB) *plugintest.Plugin {
	t.Helper()
	return plugintest.Load(t, "stun", "stun.wasm")
}

// samples returns those of streams and those that are a datagram each.
func samples(t testing.TB) (streams, datagrams []plugintest.Sample) {
	t.Helper()
	for _, s := range plugintest.Samples(t, "testdata/samples") {
		if strings.HasPrefix(s.Name, "udp-") {
			datagrams = append(datagrams, s)
			continue
		}
		streams = append(streams, s)
	}
	return streams, datagrams
}

// framed puts the length of RFC 4571 §2 before a message.
func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}

func ask(m sdk.Matcher, f sdk.Flow, datagrams ...[]byte) string {
	for _, d := range datagrams {
		f.Head = append(f.Head, d...)
		if f.Network == "udp" {
			f.Bounds = append(f.Bounds, len(f.Head))
		}
	}
	return matchtest.Ask(m, &f).String()
}

// A message says the same on a stream, in a datagram and behind its length.
func TestRealClientsAreRecognised(t *testing.T) {
	t.Parallel()
	p := load(t)
	matchers := p.Matchers(t,
		"stun", "stun method binding refresh", "stun class indication", "stun username alice realm example.org example.com",
		"stun method allocate class request",
	)
	streams, datagrams := samples(t)
	all := append(streams, datagrams...)
	plugintest.Golden(t, all, matchers)
	for line, m := range matchers {
		for _, s := range all {
			message := s.Head
			if strings.HasPrefix(s.Name, "framed-") {
				message = message[2:]
			}
			want := ask(m, matchtest.TCP(), s.Head)
			if diff := cmp.Diff(want, ask(m, matchtest.UDP(), message)); diff != "" {
				t.Errorf("%s of %s as a datagram (-stream +datagram):\n%s", line, s.Name, diff)
			}
			if diff := cmp.Diff(want, ask(m, matchtest.TCP(), framed(message))); diff != "" {
				t.Errorf("%s of %s behind its length (-without +with):\n%s", line, s.Name, diff)
			}
		}
	}
}

const (
	cookie = "\x21\x12\xa4\x42"
	id     = "transaction."
)

// sealed adds FINGERPRINT to a message whose length counts it already.
func sealed(message string) string {
	sum := crc32.ChecksumIEEE([]byte(message)) ^ 0x5354554e
	return message + "\x80\x28\x00\x04" + string(binary.BigEndian.AppendUint32(nil, sum))
}

// The bar stands before the byte that decides.
func TestMessagesAreJudgedAtTheFirstImpossibleByte(t *testing.T) {
	t.Parallel()
	m := load(t).Matcher(t, "stun")
	user := "\x00\x06\x00\x05alice\x00\x00\x00"
	full := sealed("\x00\x01\x00\x14" + cookie + id + user)
	for _, text := range []string{
		"\x00\x01\x00\x00" + cookie + id[:11] + "|" + id[11:],
		"\x00\x14\x00\x01\x00\x00" + cookie + id[:11] + "|" + id[11:] + "rest",
		full[:len(full)-1] + "|" + full[len(full)-1:] + "rest",
		"\x00\x16\x00\x08" + cookie + id + "\x00\x13\x00\x01x\x00\x00|\x00",
	} {
		plugintest.Decides(t, m, text, sdk.Yes)
	}
	long := strings.Repeat("x", 512)
	for _, text := range []string{
		"\x16\x03\x01|\x02", "|GET", "*1\r|\n", "|\x40\x00", "|\x11\x00",
		"\x00\x01|\x11", "\x00\x01\x00|\x02", "\x00\x01\x10|\x04", "\x00\x01\x00\x00|\x22", "\x00\x01\x00\x00\x21\x12\xa4|\x43",
		"\x00\x14|\x40", "\x00\x14\x00\x01|\x01", "\x00\x14\x00\x01\x00|\x04", "\x00\x14\x00\x01\x00\x00|\x22",
		"\x01|\x01", // an answer
	} {
		plugintest.Decides(t, m, text, sdk.No)
	}
	for _, text := range []string{ // servers look at methods and attributes less strictly
		"\x00\x02\x00\x00\x21\x12\xa4|\x42", "\x20\x03\x00\x00\x21\x12\xa4|\x42",
		"\x00\x01\x00\x04" + cookie + id + "\x00\x06\x00|\x05",                  // longer than the message
		full[:len(full)-1] + "|" + "x",                                          // another checksum
		sealed("\x00\x01\x00\x1c" + cookie + id + user)[:36] + "|",              // not the last attribute
		"\x00\x01\x02\x04" + cookie + id + "\x00\x06\x02\x00" + long[1:] + "|x", // a name of 512 bytes
		"\x00\x01\x00\x08" + cookie + id + "\x00\x08\x00\x04xxx|x",              // MESSAGE-INTEGRITY has 20
	} {
		if before, ok := strings.CutSuffix(text, "|"); ok {
			text = before[:len(before)-1] + "|" + before[len(before)-1:]
		}
		plugintest.Decides(t, m, text, sdk.Unknown)
	}
}

func TestOnlyTheFirstDatagramCounts(t *testing.T) {
	t.Parallel()
	m := load(t).Matcher(t, "stun")
	binding, err := os.ReadFile("testdata/samples/udp-binding.bin")
	if err != nil {
		t.Fatal(err)
	}
	other := []byte("other")
	for want, session := range map[string][][]byte{
		"need 1":                               nil,
		`yes class="request" method="binding"`: {binding, other},
		"no":                                   {other, binding},
		"no ":                                  {{}, binding},
		"no  ":                                 {append(binding[:len(binding):len(binding)], 0)},
		"no   ":                                {binding[:19], binding[19:]},
		"no    ":                               {framed(binding)},
	} {
		if diff := cmp.Diff(strings.TrimSpace(want), ask(m, matchtest.UDP(), session...)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", session, diff)
		}
	}
}

// What stands behind MESSAGE-INTEGRITY was added by somebody else (RFC 8489 §14.5).
func TestAttributesBehindTheSealDoNotCount(t *testing.T) {
	t.Parallel()
	m := load(t).Matcher(t, "stun")
	user := "\x00\x06\x00\x04eve1"
	seal := "\x00\x08\x00\x14" + strings.Repeat("s", 20)
	head := "\x00\x03\x00\x28" + cookie + id + user + seal + "\x00\x06\x00\x04bob2"
	if diff := cmp.Diff(`yes class="request" method="allocate" username="eve1"`, ask(m, matchtest.TCP(), []byte(head))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	head = "\x00\x03\x00\x20" + cookie + id + seal + user
	if diff := cmp.Diff(`yes class="request" method="allocate"`, ask(m, matchtest.TCP(), []byte(head))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWrongArgumentsAreRefusedWhereTheyStand(t *testing.T) {
	t.Parallel()
	p := load(t)
	p.AllRefused(t, map[string]string{
		"stun turn":                          "4:6: stun: is no option: write method, class, username or realm",
		"stun method":                        "4:6: stun: needs a value",
		"stun method data":                   "4:13: stun: is no method of a client: write binding, allocate, refresh, send, create_permission, channel_bind, connect or connection_bind",
		"stun class success":                 "4:12: stun: is no class of a client: write request or indication",
		`stun {` + "\n" + `realm ""` + "\n}": "5:7: stun: is empty: write what the client calls itself",
	})
}

// heads are samples on streams, some of them behind their length.
func heads(t testing.TB) (heads [][]byte, sessions [][][]byte) {
	t.Helper()
	streams, datagrams := samples(t)
	for i, s := range append(streams, datagrams...) {
		if heads = append(heads, s.Head); i%3 == 0 && !strings.HasPrefix(s.Name, "framed-") {
			heads = append(heads, framed(s.Head))
		}
	}
	for i, s := range datagrams {
		sessions = append(sessions, [][]byte{s.Head, datagrams[(i+1)%len(datagrams)].Head})
	}
	return heads, append(sessions, [][]byte{{}, datagrams[0].Head}, [][]byte{streams[0].Head[:30], streams[0].Head[30:]})
}

func TestTheMatcherObeysTheLaws(t *testing.T) {
	t.Parallel()
	p := load(t)
	streams, sessions := heads(t)
	for _, line := range []string{"stun", "stun method allocate username alice"} {
		matchtest.Laws(t, p.Matcher(t, line), matchtest.TCP(), streams...)
		matchtest.Datagrams(t, p.Matcher(t, line), matchtest.UDP(), sessions...)
	}
}

// Not in parallel: it counts what the process allocates.
func TestTheModuleMakesTheHostAllocateNothing(t *testing.T) {
	m := load(t).Matcher(t, "stun")
	streams, datagrams := samples(t)
	matchtest.Allocs(t, m, matchtest.TCP(), plugintest.Heads(streams)...)
	matchtest.Allocs(t, m, matchtest.UDP(), plugintest.Heads(datagrams)...)
}

func TestClientsOfOtherProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	plugintest.NoOther(t, load(t).Matcher(t, "stun"), "stun", matchtest.TCP(), matchtest.UDP())
}

func FuzzStreams(f *testing.F) {
	streams, _ := heads(f)
	matchtest.Fuzz(f, streams, load(f).Matcher(f, "stun"))
}

func FuzzDatagrams(f *testing.F) {
	_, sessions := heads(f)
	matchtest.FuzzDatagrams(f, sessions, load(f).Matcher(f, "stun"))
}
