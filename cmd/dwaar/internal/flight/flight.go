// Package flight makes what clients send first: a ClientHello as crypto/tls sends it, a
// request as net/http does, bytes that somebody wrote down, a stream of a packet capture.
//
//	f, err := flight.TLS("app.example.com", []string{"h2", "http/1.1"})
//	fmt.Println(len(f.Head))
package flight

import (
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"dwaar.dev/dwaar/cmd/dwaar/internal/capture"
)

// Flight is what one client sends first, and how it goes on. The zero value is a client
// that says nothing.
type Flight struct {
	Network string                   // "tcp" or "udp"; "": whatever it is sent over
	Client  netip.AddrPort           // who sent it, where a capture says so
	Head    []byte                   // datagrams one after the other
	Bounds  []int                    // where each of them ends; nil for a stream
	TLS     *tls.Config              // of the client's handshake; nil: it asks for what the head asks for
	Inside  func(alpn string) []byte // what the client sends inside TLS, by the protocol agreed on; nil: nothing
}

// MaxBytes is more than any head has.
const MaxBytes = 16 << 20

// Hex reads hexadecimal digits, between which spaces, colons and line ends may stand.
func Hex(text string) (Flight, error) {
	head, err := hex.DecodeString(strings.NewReplacer(" ", "", ":", "", "\n", "", "\r", "", "\t", "").Replace(text))
	if err != nil {
		return Flight{}, fmt.Errorf("not hexadecimal: %w; write 16 03 01", err)
	}
	return Flight{Head: head}, nil
}

// Text reads text in which \r, \n, \t, \0, \\, \" and \xHH stand for bytes.
func Text(text string) (Flight, error) {
	var head []byte
	for rest := text; rest != ""; {
		before, after, escaped := strings.Cut(rest, `\`)
		head = append(head, before...)
		if !escaped {
			break
		}
		b, n, err := escape(after)
		if err != nil {
			return Flight{}, err
		}
		head, rest = append(head, b), after[n:]
	}
	return Flight{Head: head}, nil
}

// escape returns the byte that the beginning of text stands for behind a backslash, and
// how long that beginning is.
func escape(text string) (b byte, n int, err error) {
	if strings.HasPrefix(text, "x") && len(text) >= 3 {
		v, err := strconv.ParseUint(text[1:3], 16, 8)
		if err == nil {
			return byte(v), 3, nil
		}
	}
	for _, e := range []struct {
		name string
		b    byte
	}{{"r", '\r'}, {"n", '\n'}, {"t", '\t'}, {"0", 0}, {`\`, '\\'}, {`"`, '"'}} {
		if strings.HasPrefix(text, e.name) {
			return e.b, 1, nil
		}
	}
	return 0, 0, fmt.Errorf(`\%.1s stands for nothing: write \r, \n, \t, \0, \\, \" or \xHH`, text)
}

// Escape returns the text that [Text] reads as these bytes.
func Escape(head []byte) string {
	var b strings.Builder
	for _, c := range head {
		switch {
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\\' || c == '"':
			b.WriteString(`\` + string(rune(c)))
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Read reads the bytes themselves, or the streams of a capture, of which there are several.
// What is a capture its first bytes say.
func Read(r io.Reader) ([]Flight, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxCapture+1))
	if err != nil {
		return nil, fmt.Errorf("reading the bytes: %w", err)
	}
	if capture.Is(text) {
		return streams(text)
	}
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("reading the bytes: there are more than %d", MaxBytes)
	}
	return []Flight{{Head: text}}, nil
}

// maxCapture is the most that is read of a capture.
const maxCapture = 64 << 20 // bytes

func streams(text []byte) ([]Flight, error) {
	found, err := capture.Flights(strings.NewReader(string(text)))
	if len(found) == 0 {
		if err == nil {
			err = fmt.Errorf("no client says anything in it, over TCP or UDP")
		}
		return nil, fmt.Errorf("reading the capture: %w", err)
	}
	flights := make([]Flight, len(found))
	for i, f := range found {
		flights[i] = Flight{Network: f.Network, Client: f.Client, Head: f.Head, Bounds: f.Bounds}
	}
	return flights, nil
}

// clientPort is the port of a client of whom only the address is given.
const clientPort = 50000

// Address reads the address of a client, with or without a port.
func Address(text string) (netip.AddrPort, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(addr, clientPort), nil
	}
	addr, err := netip.ParseAddrPort(text)
	if err != nil {
		return addr, fmt.Errorf("%s is no address: write 192.0.2.1 or 192.0.2.1:50000", strconv.QuoteToASCII(text))
	}
	return addr, nil
}
