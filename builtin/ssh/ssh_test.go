package ssh_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/ssh"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func flight(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "flights", "ssh", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func flights(t testing.TB) [][]byte {
	t.Helper()
	return [][]byte{flight(t, "openssh.bin"), flight(t, "putty.bin"), flight(t, "dropbear.bin"), flight(t, "libssh2.bin")}
}

func matcher(t testing.TB) sdk.Matcher {
	t.Helper()
	m, err := ssh.New(&sdk.Node{Name: "ssh"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRealClientsAreRecognised(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]string{
		"openssh.bin":  "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10",
		"putty.bin":    "SSH-2.0-PuTTY_Release_0.78",
		"dropbear.bin": "SSH-2.0-dropbear_2022.83",
		"libssh2.bin":  "SSH-2.0-libssh2_1.10.0",
	} {
		f := matchtest.TCP()
		f.Head = flight(t, name)
		want := matchtest.Result{Answer: sdk.Answer{Verdict: sdk.Yes}, Facts: map[string]string{"version": version}}
		if diff := cmp.Diff(want, matchtest.Ask(matcher(t), &f)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestLinesAreJudgedAtTheFirstImpossibleByte has a bar before the byte that
// decides. Behind "SSH-" there is always a server that goes on.
func TestLinesAreJudgedAtTheFirstImpossibleByte(t *testing.T) {
	t.Parallel()
	tests := []struct {
		line string
		want sdk.Verdict
	}{
		{"SSH-2.0-Go\r|\n", sdk.Yes},
		{"SSH-1.5-1.2.27|\n", sdk.Yes},
		{"SSH-1.99-OpenSSH_3.0\r|\n", sdk.Yes},
		{"SSH-2.0-JSCH-0.1.54\r|\n", sdk.Yes},
		{"SSH-2.0-x b\xc3\xbccher\t(a - b)\r|\n", sdk.Yes},
		{"SSH-2.0-x \r|\n", sdk.Yes},
		{"S|MTP", sdk.No},
		{"|GET / HTTP/1.1\r\n", sdk.No},
		{"|\x16\x03\x01", sdk.No},
		{"SSH-|x", sdk.Unknown},
		{"SSH-|.0-x\r\n", sdk.Unknown},
		{"SSH-2|-x\r\n", sdk.Unknown},
		{"SSH-2.|-x\r\n", sdk.Unknown},
		{"SSH-2.0|.1-x\r\n", sdk.Unknown},
		{"SSH-2.0-| x\r\n", sdk.Unknown},
		{"SSH-2.0-|\r\n", sdk.Unknown},
		{"SSH-2.0-x\r|x\n", sdk.Unknown},
		{"SSH-2.0-x|\x00\r\n", sdk.Unknown},
		{"SSH-2.0-x|\x7f\r\n", sdk.Unknown},
		{"SSH-2.0-|\x7f\r\n", sdk.Unknown},
		{"SSH-2.0-x|\x80\r\n", sdk.Unknown},
		{"SSH-2.0-x y|\x1b[31m\r\n", sdk.Unknown},
		{"SSH-2.0-" + strings.Repeat("x", 245) + "\r|\n", sdk.Yes},
		{"SSH-2.0-" + strings.Repeat("x", 246) + "|\r\n", sdk.Unknown},
	}
	for _, test := range tests {
		before, after, _ := strings.Cut(test.line, "|")
		line, m := before+after, matcher(t)
		for n := range len(line) + 1 {
			f := matchtest.TCP()
			f.Head = []byte(line[:n])
			want := test.want
			if n <= len(before) {
				want = sdk.Need(n + 1)
			}
			if got := matchtest.Ask(m, &f); got.Answer.Verdict != want {
				t.Errorf("%q: %v, want %v", f.Head, got, want)
			}
		}
	}
}

func TestTheMatcherObeysTheLaws(t *testing.T) {
	t.Parallel()
	heads := append(flights(t),
		[]byte("GET / HTTP/1.1\r\n"), []byte("SSH-2.0-x"), []byte("SSH-2.0-"+strings.Repeat("x", 300)+"\r\n"))
	matchtest.Laws(t, matcher(t), matchtest.TCP(), heads...)
}

func TestAskingAllocatesNothing(t *testing.T) {
	matchtest.Allocs(t, matcher(t), matchtest.TCP(), flights(t)...)
}

func FuzzSSH(f *testing.F) {
	matchtest.Fuzz(f, append(flights(f), []byte("SSH-1.5-x\n"), []byte("SSH-2.0-x y\r\n")), matcher(f))
}

func BenchmarkMatch(b *testing.B) {
	m, f := matcher(b), matchtest.TCP()
	f.Head = flight(b, "openssh.bin")
	b.ReportAllocs()
	for b.Loop() {
		if v, _ := m.Match(&f); v != sdk.Yes {
			b.Fatal(v)
		}
	}
}
