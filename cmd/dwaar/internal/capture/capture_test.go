package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// show prints flights without the ports that the kernel chose.
func show(t *testing.T, b []byte) []string {
	t.Helper()
	flights, err := Flights(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range flights {
		lines = append(lines, fmt.Sprintf("%s %v to %v: %q %v", f.Network, f.Client.Addr(), f.Server, f.Head, f.Bounds))
	}
	return lines
}

func TestFlightsAreWhatClientsSaidFirst(t *testing.T) {
	t.Parallel()
	want := []string{
		`tcp 127.0.0.1 to 127.0.0.1:4001: "HELLO world\n" []`,
		`tcp ::1 to [::1]:4002: "HELLO six\n" []`,
		`udp 127.0.0.1 to 127.0.0.1:4003: "onetwo!" [3 7]`,
	}
	for _, name := range []string{"loopback.pcap", "cooked.pcap", "cooked2.pcap", "loopback.pcapng"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(want, show(t, read(t, name))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A capture of a machine of the other byte order is the same with its numbers turned.
func TestTheOrderOfBytesIsThatOfTheMachineThatCaptured(t *testing.T) {
	t.Parallel()
	b := read(t, "loopback.pcap")
	turn := func(b []byte, sizes ...int) {
		for _, n := range sizes {
			for i := range n / 2 {
				b[i], b[n-1-i] = b[n-1-i], b[i]
			}
			b = b[n:]
		}
	}
	turned := bytes.Clone(b)
	turn(turned, 4, 2, 2, 4, 4, 4, 4)
	for at := 24; at < len(b); at += 16 + int(binary.LittleEndian.Uint32(b[at+8:])) {
		turn(turned[at:], 4, 4, 4, 4)
	}
	if diff := cmp.Diff(show(t, b), show(t, turned)); diff != "" {
		t.Errorf("(-little +big):\n%s", diff)
	}
}

func TestACaptureThatBreaksOffIsReadAsFarAsItGoes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"loopback.pcap", "loopback.pcapng"} {
		b := read(t, name)
		for n := 4; n < len(b); n++ {
			if _, err := Flights(bytes.NewReader(b[:n])); err != nil {
				t.Fatalf("the first %d bytes of %s: %v", n, name, err)
			}
		}
	}
}

func TestOtherFilesAreNoCaptures(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\x0a\x0d", "HELLO world\n", "\x0a\x0d\x0d\x0a\x1c\x00\x00\x00nope"} {
		if _, err := Flights(bytes.NewReader([]byte(text))); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// segments cuts a text into segments of a connection whose numbers begin near their end.
func segments(r *rand.Rand, text string) []segment {
	const first = 1<<32 - 5
	var all []segment
	for at := 0; at < len(text); {
		n := 1 + r.IntN(min(4, len(text)-at))
		all = append(all, segment{seq: uint32((first + at) % (1 << 32)), payload: []byte(text[at:][:n])})
		at += n
	}
	return all
}

func TestSegmentsInAnyOrderAndMoreThanOnceGiveTheSameFlight(t *testing.T) {
	t.Parallel()
	const text = "HELLO to everybody in the world\n"
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		all := append(segments(r, text), segments(r, text)...) // cut in two ways
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		c := &collector{open: map[pair]*stream{}}
		c.segment(&segment{syn: true, seq: 1<<32 - 6})
		for i := range all {
			c.segment(&all[i])
		}
		if got := string(c.order[0].flight.Head); got != text || len(c.order) != 1 {
			t.Fatalf("%d connections, %q", len(c.order), got)
		}
	}
}

func FuzzCapturesAreReadWithinBounds(f *testing.F) {
	for _, name := range []string{"loopback.pcap", "cooked2.pcap", "loopback.pcapng"} {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, err := Flights(bytes.NewReader(b))
		pieces, err2 := Flights(iotest.OneByteReader(bytes.NewReader(b)))
		if diff := cmp.Diff(fmt.Sprint(whole, err), fmt.Sprint(pieces, err2)); diff != "" {
			t.Errorf("at once and byte by byte:\n%s", diff)
		}
		if len(whole) > maxFlights {
			t.Errorf("%d flights", len(whole))
		}
		for _, fl := range whole {
			if len(fl.Head) > maxHead || len(fl.Bounds) > maxDatagrams || fl.Network == "udp" && fl.Bounds[len(fl.Bounds)-1] != len(fl.Head) {
				t.Errorf("%s: %d bytes, %v", fl.Network, len(fl.Head), fl.Bounds)
			}
		}
	})
}
