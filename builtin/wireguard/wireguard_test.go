package wireguard_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/wireguard"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func flight(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../testdata/flights/wireguard", name+".bin"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func names() []string {
	return []string{"initiation", "cookie-reply", "keepalive", "transport", "transport-mtu"}
}

func flights(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for _, name := range names() {
		all = append(all, flight(t, name))
	}
	return all
}

func build(t testing.TB, zero ...string) sdk.Matcher {
	t.Helper()
	n := &sdk.Node{Name: "wireguard"}
	for _, text := range zero {
		n.Args = append(n.Args, sdk.Word{Text: text, Pos: sdk.Pos{Line: 1, Col: 11}})
	}
	m, err := wireguard.New(n)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// ask asks about a session of datagrams.
func ask(m sdk.Matcher, datagrams ...[]byte) string {
	f := matchtest.UDP()
	f.Bounds = []int{}
	for _, d := range datagrams {
		f.Head = append(f.Head, d...)
		f.Bounds = append(f.Bounds, len(f.Head))
	}
	return matchtest.Ask(m, &f).String()
}

// obfuscated returns a message with other reserved bytes: 77 FF behind 00, as a fork
// would send it with the number 0xFF770000.
func obfuscated(b []byte) []byte {
	b = slices.Clone(b)
	b[2], b[3] = 0x77, 0xff
	return b
}

func TestRealPeersAreRecognized(t *testing.T) {
	t.Parallel()
	got := map[string][4]string{}
	want := map[string][4]string{}
	for _, name := range names() {
		b := flight(t, name)
		odd := build(t, "4285988864")
		got[name] = [4]string{ask(build(t), b), ask(build(t), obfuscated(b)), ask(odd, b), ask(odd, obfuscated(b))}
		want[name] = [4]string{"yes", "no", "no", "yes"}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers to captured messages (-want +got):\n%s", diff)
	}
}

func TestTheFirstDatagramDecides(t *testing.T) {
	t.Parallel()
	hello, other := flight(t, "initiation"), []byte("hello")
	for _, c := range []struct {
		datagrams [][]byte
		want      string
	}{
		{nil, "need 1"},
		{[][]byte{{}}, "no"},
		{[][]byte{{}, hello}, "no"},
		{[][]byte{hello, other}, "yes"},
		{[][]byte{other, hello}, "no"},
		{[][]byte{hello[:74], hello[74:]}, "no"},
	} {
		if got := ask(build(t), c.datagrams...); got != c.want {
			t.Errorf("%d datagrams: %s, want %s", len(c.datagrams), got, c.want)
		}
	}
	f := matchtest.TCP()
	for f.Head = hello; ; f.Head = nil {
		if got := matchtest.Ask(build(t), &f).String(); got != "no" {
			t.Errorf("%d bytes of a stream: %s", len(f.Head), got)
		}
		if f.Head == nil {
			break
		}
	}
}

func TestAMessageHasTheSizeOfItsType(t *testing.T) {
	t.Parallel()
	m := build(t)
	message := func(kind byte, size int) []byte { return append([]byte{kind}, make([]byte, size)...)[:size] }
	for kind, fits := range map[byte]func(size int) bool{
		0: func(int) bool { return false },
		1: func(size int) bool { return size == 148 },
		2: func(int) bool { return false }, // a response, which servers send
		3: func(size int) bool { return size == 64 },
		4: func(size int) bool { return size >= 32 },
		5: func(int) bool { return false },
	} {
		for size := 1; size < 1600; size++ {
			want := "no"
			if fits(size) {
				want = "yes"
			}
			if got := ask(m, message(kind, size)); got != want {
				t.Errorf("type %d, %d bytes: %s, want %s", kind, size, got, want)
			}
		}
	}
}

func TestAChangedByteInAFixedFieldIsImpossible(t *testing.T) {
	t.Parallel()
	for _, b := range flights(t) {
		for i := range 4 {
			for bit := range 8 {
				changed := slices.Clone(b)
				changed[i] ^= 1 << bit
				if got := ask(build(t), changed); got != "no" {
					t.Errorf("% x…, %d bytes: %s", changed[:4], len(b), got)
				}
			}
		}
	}
	b := flight(t, "keepalive")
	for counter, want := range map[uint64]string{0: "yes", 1<<64 - 1<<13 - 2: "yes", 1<<64 - 1<<13 - 1: "no", 1<<64 - 1: "no"} {
		binary.LittleEndian.PutUint64(b[8:], counter)
		if got := ask(build(t), b); got != want {
			t.Errorf("counter %d: %s, want %s", counter, got, want)
		}
	}
}

func oddities(t testing.TB) [][]byte {
	hello := flight(t, "initiation")
	return [][]byte{nil, {1}, hello[:147], append(slices.Clone(hello), 0), obfuscated(hello), obfuscated(flight(t, "keepalive"))}
}

func forms(t testing.TB) []sdk.Matcher { return []sdk.Matcher{build(t), build(t, "4285988864")} }

func TestEveryFormObeysTheLaws(t *testing.T) {
	t.Parallel()
	for _, m := range forms(t) {
		heads := append(flights(t), oddities(t)...)
		matchtest.Laws(t, m, matchtest.UDP(), heads...)
		matchtest.Laws(t, m, matchtest.TCP(), heads...)
		matchtest.Datagrams(t, m, matchtest.UDP(), heads[:3], [][]byte{{}, heads[0]}, nil)
	}
}

// TestPlantedFaultsAreFound leaves out the faults of Keyed matchers and of the clock,
// and those that show where a stream is cut: here any number asks for another datagram,
// and the first one is whole.
func TestPlantedFaultsAreFound(t *testing.T) {
	t.Parallel()
	invisible := []string{
		"it reads the clock", "it asks for one byte too many", "it asks for the greatest number there is",
		"it says No to a head without bytes", "it says Unknown when the bytes run out", "it returns an error where it needs more bytes",
		"it says Yes one byte early", "it asks for as many bytes as there are", "it says Unknown instead of No at the end",
		"it takes bytes behind the hello for a fault", "it swaps Yes and No at the end of a hello that it waited for",
	}
	sessions := [][][]byte{
		{flight(t, "initiation"), []byte("MORE")},
		{flight(t, "keepalive")},
		{flight(t, "initiation")[:100], flight(t, "initiation")},
		{[]byte("GET / HTTP/1.1")},
		{{}},
	}
	for _, mutant := range matchtest.Mutants() {
		m, ok := plant(mutant, build(t))
		if ok && matchtest.CheckDatagrams(m, matchtest.UDP(), sessions...) == nil && !slices.Contains(invisible, mutant.Fault) {
			t.Errorf("%s: not found", mutant.Fault)
		}
	}
}

func plant(mutant matchtest.Mutant, m sdk.Matcher) (faulty sdk.Matcher, ok bool) {
	defer func() { ok = recover() == nil }()
	return mutant.Plant(m), true
}

func FuzzWireGuard(f *testing.F) {
	sessions := [][][]byte{flights(f), nil}
	for _, b := range append(flights(f), oddities(f)...) {
		sessions = append(sessions, [][]byte{b})
	}
	matchtest.FuzzDatagrams(f, sessions, forms(f)...)
}

func TestOtherProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/flights/*/*.bin")
	if err != nil || len(files) == 0 {
		t.Fatal("no captured flights", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := ask(build(t), b); got != "no" && !strings.Contains(file, "/wireguard/") {
			t.Errorf("%s: %s", file, got)
		}
	}
}

func TestWrongReservedBytesSayWhatToWrite(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "x", "-256", "1", "4285988865", "4294967296", "256.5", "1e9", "0x100"} {
		_, err := wireguard.New(&sdk.Node{Name: "wireguard", Args: []sdk.Word{{Text: text, Pos: sdk.Pos{Line: 3, Col: 5}}}})
		want := "3:5: wireguard " + text + ": the reserved bytes are a number of 32 bits whose lowest byte is the type's: write a multiple of 256, like 4285988864 for 00 77 FF"
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	for _, m := range forms(t) {
		matchtest.Allocs(t, m, matchtest.UDP(), flights(t)...)
	}
}

func BenchmarkMatch(b *testing.B) {
	m, f := build(b), matchtest.UDP()
	f.Head = flight(b, "initiation")
	f.Bounds = []int{len(f.Head)}
	b.ReportAllocs()
	for b.Loop() {
		if v, _ := m.Match(&f); v != sdk.Yes {
			b.Fatal(v)
		}
	}
}
