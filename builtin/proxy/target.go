package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// place is where one attempt goes.
type place struct {
	network string         // "tcp" or "unix"
	addr    netip.AddrPort // tcp
	local   netip.AddrPort // where it comes from; without an address or a port the kernel chooses that
	path    string         // unix
	host    string         // the name or address that was asked for: whom a certificate must be for
	more    bool           // should it fail, there is another address
}

// target is one address as configured. find says where the next attempt goes;
// host.ErrBlocks if it would have to wait for that and must not.
type target interface {
	find(ctx context.Context, c host.View, a *upstream.Attempts, wait bool) (place, error)
}

// errClient marks errors that come of what a client chose: they say nothing of an
// upstream.
var errClient = errors.New("the client's choice")

// clientError is an error with that mark.
type clientError struct{ error }

func (e clientError) Unwrap() error { return e.error }

// Is makes errors.Is find the mark.
func (clientError) Is(target error) bool { return target == errClient }

func clientErrorf(format string, args ...any) error {
	return clientError{fmt.Errorf(format, args...)}
}

// fixed is an address that needs no looking up.
type fixed struct{ place }

func (f *fixed) find(context.Context, host.View, *upstream.Attempts, bool) (place, error) {
	return f.place, nil
}

// address is a word of the configuration taken apart.
type address struct {
	word       sdk.Word
	path       string // unix
	host, port string
	family     preference // of tcp4/ and tcp6/
}

// parseAddress takes an upstream's address apart: HOST:PORT, tcp/HOST:PORT,
// unix//path. In HOST and PORT there may be placeholders.
func parseAddress(w sdk.Word) (address, error) {
	a := address{word: w}
	rest := w.Text
	if network, after, ok := strings.Cut(rest, "/"); ok {
		rest = after
		switch network {
		case "tcp":
		case "tcp4":
			a.family = v4Only
		case "tcp6":
			a.family = v6Only
		case "unix":
			a.path = after
		case "udp", "udp4", "udp6":
			return a, sdk.Errorf(w.Pos, "%q: UDP is not in this version: write an address for TCP", w.Text)
		default:
			return a, sdk.Errorf(w.Pos, "%q: %q is no network: write HOST:PORT, tcp/HOST:PORT or unix//path", w.Text, network)
		}
		if network == "unix" {
			return a, a.checkPath()
		}
	}
	return a, a.split(rest)
}

func (a *address) checkPath() error {
	switch {
	case a.path == "":
		return sdk.Errorf(a.word.Pos, "%q has no path: write unix//run/app.sock", a.word.Text)
	case strings.ContainsAny(a.path, "{}"):
		return sdk.Errorf(a.word.Pos, "%q has a placeholder in a path: clients choose among addresses, not among files", a.word.Text)
	case len(a.path) > maxPath:
		return sdk.Errorf(a.word.Pos, "%q is longer than the %d bytes a socket's path can have", a.word.Text, maxPath)
	}
	return nil
}

// maxPath is sun_path of unix(7) without its final zero.
const maxPath = 107

// split cuts HOST:PORT at the last colon outside of braces and brackets. A single
// placeholder stands for both.
func (a *address) split(text string) error {
	if strings.HasPrefix(text, "{") && strings.IndexByte(text, '}') == len(text)-1 {
		a.host = text
		return nil
	}
	if strings.Count(text, "[") != strings.Count(text, "]") {
		return sdk.Errorf(a.word.Pos, "%q has a bracket without its partner: write IPv6 addresses as [2001:db8::1]:443", a.word.Text)
	}
	at := lastColon(text)
	if at < 0 {
		return sdk.Errorf(a.word.Pos, "%q has no port: write %s:443", a.word.Text, a.word.Text)
	}
	a.host, a.port = text[:at], text[at+1:]
	if strings.HasPrefix(a.host, "[") && strings.HasSuffix(a.host, "]") {
		a.host = a.host[1 : len(a.host)-1]
	} else if strings.Contains(a.host, ":") && !strings.Contains(a.host, "{") {
		return sdk.Errorf(a.word.Pos, "%q is ambiguous: write IPv6 addresses in brackets, [2001:db8::1]:443", a.word.Text)
	}
	if a.host == "" {
		a.host = "localhost" // as dialing ":80" does everywhere in Go
	}
	return a.check()
}

// lastColon finds the last colon that stands in neither a placeholder nor brackets.
func lastColon(text string) int {
	at, depth := -1, 0
	for i := range len(text) {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ':':
			if depth == 0 {
				at = i
			}
		}
	}
	return at
}

// check looks at the parts that have no placeholder.
func (a *address) check() error {
	if !strings.Contains(a.port, "{") {
		if _, err := parsePort(a.port); err != nil {
			return sdk.Errorf(a.word.Pos, "%q: the port must be a number from 1 to 65535", a.word.Text)
		}
	}
	if strings.Contains(a.host, "{") {
		return nil
	}
	if ip, err := netip.ParseAddr(a.host); err == nil {
		if !a.family.takes(ip.Unmap()) {
			return sdk.Errorf(a.word.Pos, "%q: the address is of the other family", a.word.Text)
		}
		return nil
	}
	if !isName(a.host) {
		return sdk.Errorf(a.word.Pos, "%q: %q is neither a host name nor an address", a.word.Text, a.host)
	}
	return nil
}

func (a *address) chosen() bool { return strings.Contains(a.host+a.port, "{") }

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err == nil && n == 0 {
		err = strconv.ErrRange
	}
	return uint16(n), err
}

// isName reports whether text is made of DNS labels: RFC 1035, section 2.3.1, and the
// underscores of RFC 8552. A final dot is none of them.
func isName(text string) bool {
	if text == "" || len(text) > 253 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

func isLabel(label string) bool {
	n := len(label)
	if n == 0 || n > 63 || label[0] == '-' || label[n-1] == '-' {
		return false
	}
	for i := range n {
		switch b := label[i]; {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '-', b == '_':
		default:
			return false
		}
	}
	return true
}
