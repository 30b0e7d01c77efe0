package wire_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/wire"
)

func TestHeaderIsFoundBehindEveryFlight(t *testing.T) {
	t.Parallel()
	want := wire.Header{Mode: wire.Reply, Close: true, Request: 64, Answer: 1024, Chunk: 16 << 10}
	for _, protocol := range []string{"raw", "tls", "ssh", "http", "postgres"} {
		first, err := wire.Flight(protocol, "host042.example.com")
		if err != nil {
			t.Fatal(err)
		}
		b := want.Append(first)
		for n := range b {
			if _, _, ok, err := wire.Find(b[:n]); ok || err != nil {
				t.Fatalf("%s: %d of %d bytes gave ok %t, error %v", protocol, n, len(b), ok, err)
			}
		}
		got, rest, ok, err := wire.Find(append(b, "rest"...))
		if !ok || err != nil || string(rest) != "rest" {
			t.Errorf("%s: ok %t, rest %q, error %v", protocol, ok, rest, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: header (-want +got):\n%s", protocol, diff)
		}
	}
}

func TestHeaderOutOfRangeIsRefused(t *testing.T) {
	t.Parallel()
	for _, h := range []wire.Header{{}, {Mode: 9}, {Mode: wire.Reply}, {Mode: wire.Reply, Answer: wire.MaxAnswer + 1}} {
		if _, _, ok, err := wire.Find(h.Append(nil)); ok || err == nil {
			t.Errorf("%+v was taken", h)
		}
	}
}

func TestHelloIsOneRecordThatNamesTheServer(t *testing.T) {
	t.Parallel()
	b, err := wire.Flight("tls", "host042.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if b[0] != 22 || int(b[3])<<8|int(b[4]) != len(b)-5 || !bytes.Contains(b, []byte("host042.example.com")) {
		t.Errorf("no client hello for that name: % x…", b[:16])
	}
	if len(b) < 1200 {
		t.Errorf("%d bytes: it holds no post-quantum key share", len(b))
	}
}

func TestFlightsAreThoseThatWereCaptured(t *testing.T) {
	t.Parallel()
	for protocol, sample := range map[string]string{"ssh": "ssh/openssh.bin", "http": "http/curl-http1.bin", "postgres": "postgres/psql-prefer.bin"} {
		got, err := wire.Flight(protocol, "")
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join("../../../../testdata/flights", sample))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-captured +here):\n%s", protocol, diff)
		}
	}
	if _, err := wire.Flight("gopher", ""); err == nil {
		t.Error("there is a first flight of gopher")
	}
}

// Whatever precedes and follows a header, it is found, and not before it is whole.
func FuzzHeaderIsFoundWhereItStands(f *testing.F) {
	f.Add([]byte("SSH-2.0-x\r\n"), []byte("rest"), uint32(64), uint32(64), uint16(20))
	f.Add([]byte("\x00dwaarB"), []byte{}, uint32(0), uint32(2), uint16(9))
	f.Fuzz(func(t *testing.T, before, after []byte, request, answer uint32, cut uint16) {
		want := wire.Header{Mode: wire.Reply, Request: request, Answer: 2 + answer%(wire.MaxAnswer-1)}
		b := slices.Concat(want.Append(slices.Clone(before)), after)
		if _, _, _, err := wire.Find(b[:int(cut)%(len(b)+1)]); err != nil && !bytes.Contains(before, []byte("\x00dwaarB\x01")) {
			t.Fatal(err)
		}
		got, rest, ok, err := wire.Find(b)
		if bytes.Contains(before, []byte("\x00dwaarB\x01")) {
			return // that one counts
		}
		if !ok || err != nil || got != want || !bytes.Equal(rest, after) {
			t.Errorf("%q: header %+v, rest %q, ok %t, error %v", b, got, rest, ok, err)
		}
	})
}
