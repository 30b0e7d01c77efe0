package openvpn

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"dwaar.dev/dwaar/sdk"
)

// secret is a key as it was written, or as its file was.
type secret struct {
	bytes []byte
	pos   sdk.Pos
	name  string // of the option
}

func (s secret) given() bool { return s.bytes != nil }

// coding is how a key is written, and what there is to say about one that is not.
type coding struct {
	decode func(text string) ([]byte, error)
	fits   func(key []byte) bool
	kind   string
	want   string
}

func groupCoding() coding {
	return coding{
		hex.DecodeString, func(key []byte) bool { return len(key) == groupKeySize },
		"group key", "the 512 hexadecimal digits that openvpn --genkey tls-auth makes",
	}
}

func serverCoding() coding {
	return coding{
		base64.StdEncoding.DecodeString, func(key []byte) bool { return len(key) == serverKeySize },
		"tls-crypt-v2 server key", "the 172 base64 characters that openvpn --genkey tls-crypt-v2-server makes",
	}
}

func clientCoding() coding {
	return coding{
		base64.StdEncoding.DecodeString, isClientKey,
		"tls-crypt-v2 client key", "the base64 characters that openvpn --genkey tls-crypt-v2-client makes",
	}
}

// isClientKey reports whether key is a client's key with its wrapped form behind,
// and nothing else.
func isClientKey(key []byte) bool {
	n := len(key) - clientKeySize
	return n >= minWrapped && n <= maxWrapped && int(binary.BigEndian.Uint16(key[len(key)-wrappedLenSize:])) == n
}

// text reads the key that an option holds.
func (c coding) text(n *sdk.Node) (secret, error) {
	return c.parse(n, n.Args[0].Text)
}

// file reads the key in the file that an option names.
func (c coding) file(n *sdk.Node) (secret, error) {
	text, err := readFile(n.Args[0].Text)
	if err != nil {
		return secret{}, sdk.Errorf(n.Args[0].Pos, "%s: %v", n.Name, err)
	}
	return c.parse(n, withoutFrame(text))
}

func (c coding) parse(n *sdk.Node, text string) (secret, error) {
	key, err := c.decode(text)
	if err != nil || !c.fits(key) {
		return secret{}, sdk.Errorf(n.Args[0].Pos, "%s holds no %s: write %s", n.Name, c.kind, c.want)
	}
	return secret{key, n.Args[0].Pos, n.Name}, nil
}

// maxFile is more than any key file: comments included, OpenVPN's have 2 KiB.
const maxFile = 64 << 10

// readFile reads a small regular file. It waits for nobody: a pipe in its place is
// opened without a writer, and refused.
func readFile(name string) (string, error) {
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a file", name)
	}
	b, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = errors.New(name + " is longer than a key")
	}
	return string(b), err
}

// withoutFrame returns the lines of a key file that are part of the key, joined:
// not comments, nor the lines that say where it begins and ends.
func withoutFrame(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.ContainsRune("#;-", rune(line[0])) {
			b.WriteString(line)
		}
	}
	return b.String()
}
