package tls_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// passed returns a short record.
func passed(kind byte, text string) []byte {
	return append([]byte{kind, 3, 1, 0, byte(len(text))}, text...)
}

func TestRecordsThatServersPassOverHideNoHello(t *testing.T) {
	t.Parallel()
	hello := flight(t, "openssl-tls13")
	want := ask(matcher(t), hello)
	warning, change, empty := passed(0x15, "\x01\x5a"), passed(0x14, "\x01"), passed(0x16, "")
	cut := reframe(hello, 7, 90)
	for what, head := range map[string][]byte{
		"a warning":              slices.Concat(warning, hello),
		"sixteen warnings":       slices.Concat(bytes.Repeat(warning, 16), hello),
		"change_cipher_spec":     slices.Concat(change, hello),
		"empty records":          slices.Concat(empty, passed(0x15, ""), passed(0x14, ""), hello),
		"all of them inside":     slices.Concat(cut[:5+7], warning, empty, change, cut[5+7:]),
		"a version of our own":   slices.Concat([]byte{0x16, 0x0f, 0xff}, hello[3:]),
		"a warning of any other": slices.Concat([]byte{0x15, 0, 0, 0, 2, 1, 0x6e}, hello),
	} {
		if diff := cmp.Diff(want, ask(matcher(t), head)); diff != "" {
			t.Errorf("%s (-the hello alone +got):\n%s", what, diff)
		}
		matchtest.Laws(t, matcher(t, []string{"sni", "www.example.com"}), matchtest.TCP(), head)
	}
}

func TestRecordsThatEndAConnectionAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	for what, head := range map[string]string{
		"a fatal alert":                   "\x15\x03\x01\x00\x02\x02",
		"a close":                         "\x15\x03\x01\x00\x02\x01\x00",
		"an alert of three bytes":         "\x15\x03\x01\x00\x03",
		"an alert of one byte":            "\x15\x03\x01\x00\x01",
		"a long alert":                    "\x15\x03\x01\x01",
		"a long change_cipher_spec":       "\x14\x03\x01\x00\x02",
		"another change":                  "\x14\x03\x01\x00\x01\x02",
		"data":                            "\x17",
		"version 16":                      "\x16\x10",
		"a record too long":               "\x16\x03\x01\x48\x01",
		"HTTP":                            "G",
		"half of SSL 2.0":                 "\x80\x2e\x02",
		"SSL 2.0 that adds up to nothing": "\x80\x2e\x01\x03\x01\x00\x03\x00\x00\x00\x20",
	} {
		if got := ask(matcher(t), []byte(head)); got.Answer.Verdict != sdk.No {
			t.Errorf("%s: %v", what, got)
		}
		if got := ask(matcher(t), []byte(head[:len(head)-1])); got.Answer.Decided() {
			t.Errorf("%s: %v, one byte early", what, got)
		}
	}
}

// OpenSSL and GnuTLS answer such a hello, crypto/tls does not.
func TestAHelloInTheFormatOfSSL2IsUnknown(t *testing.T) {
	t.Parallel()
	const head = "\x80\x1c\x01\x03\x01\x00\x03\x00\x00\x00\x10"
	for _, options := range [][][]string{nil, {{"sni", "a.example"}}, {{"version", "tls1.0"}}} {
		m := matcher(t, options...)
		if got := ask(m, []byte(head)); got.Answer.Verdict != sdk.Unknown {
			t.Errorf("%v: %v", options, got)
		}
		matchtest.Laws(t, m, matchtest.TCP(), []byte(head+strings.Repeat("x", 19)))
	}
}

// A hello that fills a record of the greatest length is seen only with a greater head.
func TestARecordMayHaveSixteenKiB(t *testing.T) {
	t.Parallel()
	hello := flight(t, "openssl-no-sni")
	for size, want := range map[int]sdk.Verdict{1 << 14: sdk.Yes, 1<<14 + 5: sdk.Yes} {
		padding := size - (len(hello) - 5) - 4
		msg := slices.Concat(hello[5:], []byte{0, 21, byte(padding >> 8), byte(padding)}, make([]byte, padding))
		put := func(at, size, n int) {
			for i := size - 1; i >= 0; i, n = i-1, n>>8 {
				msg[at+i] = byte(n)
			}
		}
		at := 4 + 2 + 32
		at += 1 + int(msg[at])
		at += 2 + int(msg[at])<<8 + int(msg[at+1])
		at += 1 + int(msg[at])
		put(1, 3, len(msg)-4)
		put(at, 2, len(msg)-at-2)
		f := matchtest.TCP()
		f.Head, f.MaxHead = append([]byte{0x16, 3, 1, byte(size >> 8), byte(size)}, msg...), 32<<10
		if got := matchtest.Ask(matcher(t), &f); got.Answer.Verdict != want || len(msg) != size {
			t.Errorf("a record of %d bytes: %v, want %v", size, got, want)
		}
	}
}
