package differential

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"dwaar.dev/dwaar/host/realtest"
)

func sshSubject() subject {
	return subject{
		name:     "ssh",
		matcher:  builtinMatcher("ssh"),
		captures: "testdata/flights/ssh/*.bin",
		change:   changeSSH,
		refused:  []byte(strings.Repeat("GET / HTTP/1.1", 30)),
		servers: []server{
			{name: "sshd", start: sshd, asks: 60},
			{name: "x-crypto-ssh", start: xcryptoSSH, asks: 10_000, passes: linesBefore},
		},
	}
}

// linesBefore names what begins with another line than the identification: x/crypto/ssh
// passes over such lines, whichever side it is, though only servers may send them
// (RFC 4253 §4.2).
func linesBefore(input []byte) bool { return !bytes.HasPrefix(input, []byte("SSH-")) }

func sshd(t testing.TB) judge {
	s := realtest.StartSSHD(t)
	return func(t testing.TB, input []byte) said {
		enough := func(answer []byte) bool { return keysOffered(answer) }
		answer := ask(t, s.Addr, input, enough)
		return said{goesOn: keysOffered(answer), answer: answer}
	}
}

// keysOffered reports whether KEXINIT (RFC 4253 §7.1) follows a server's own line.
func keysOffered(answer []byte) bool {
	_, packet, ok := bytes.Cut(answer, []byte("\r\n"))
	return ok && len(packet) > 5 && packet[5] == 20
}

// xcryptoSSH is the server of golang.org/x/crypto/ssh. It reads the identification byte
// by byte, and packets through a buffer: with the first longer read it has gone on.
func xcryptoSSH(t testing.TB) judge {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(signer)
	return func(_ testing.TB, input []byte) said {
		c, wentOn := newConn(input), false
		c.reading = func(size int) { wentOn = wentOn || size > 1 }
		_, _, _, err := ssh.NewServerConn(c, config)
		answer := c.written()
		if err != nil {
			answer = append(answer, err.Error()...)
		}
		return said{goesOn: wentOn, answer: answer}
	}
}

// changeSSH writes an odd identification before the rest of a capture.
func changeSSH(r *mathrand.Rand, capture []byte) []byte {
	line, rest, _ := bytes.Cut(capture, []byte("\n"))
	input := capture
	if !chance(r, 4) {
		input = append(oddIdentification(r, strings.TrimRight(string(line), "\r")), rest...)
	}
	if chance(r, 3) {
		input = scramble(r, input)
	}
	return input
}

func oddIdentification(r *mathrand.Rand, line string) []byte {
	often := func(usual string, odd ...string) string {
		if !chance(r, 3) {
			return usual
		}
		return odd[r.IntN(len(odd))]
	}
	before := often("", "", "", "hello\r\n", "\r\n", "\n", "x\ny\n", "GET / HTTP/1.1\r\n\r\n", strings.Repeat("a", 300)+"\n", " ")
	magic := often("SSH-", "ssh-", "SSH", "SSH--", "SSH ", "XSSH-")
	version := often("2.0", "1.99", "1.5", "2.1", "2.0000", " 2.0", "+2.0", "-2.0", "2. 0", "02.00", "4294967298.0", "2", "2.", ".0", "3.0", "0.0", "", "2.0.0", "1.98", "a.b")
	_, software, _ := strings.Cut(strings.TrimPrefix(line, "SSH-"), "-")
	soft := often("-"+software, "-x", "-", "", " x", "--", "- ", "-a b c", "-\x7f", "-\x01", "-\x00", "-é", "-\xff", "-\t", "-a\rb", "-"+strings.Repeat("x", pick(r, 200, 244, 245, 246, 247, 248, 300, 8180, 8185, 8192, 8300)), "-x "+strings.Repeat("y ", 200))
	end := often("\r\n", "\n", "\r\r\n", "\r", "", "\n\r", " \r\n", "\x00\r\n")
	return join(before, magic, version, soft, end)
}
