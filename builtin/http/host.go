package http

import "dwaar.dev/dwaar/sdk"

// maxHost is the longest host name: no longer one can be resolved (RFC 1035).
const maxHost = 255

// hostname writes the host of HOST[:PORT] to dst, lower case, without port, final
// dot and brackets, and returns its length. It returns false for what is neither a
// name of letters, digits, "-" and "_" nor an address: how a server reads such a
// thing cannot be known.
func hostname(dst *[maxHost]byte, raw []byte) (n int, ok bool) {
	if len(raw) > 0 && raw[0] == '[' {
		return address(dst, raw[1:])
	}
	label := 0 // length of the label being read
	for i, c := range raw {
		switch {
		case c == ':' && isPort(raw[i+1:]):
			return finish(n, label)
		case n == maxHost:
			return 0, false
		case c == '.' && label > 0:
			label = 0
		case isNameByte(c):
			label++
		default:
			return 0, false
		}
		dst[n] = lower(c)
		n++
	}
	return finish(n, label)
}

func isNameByte(c byte) bool { return isLetter(c) || isDigit(c) || c == '-' || c == '_' }

// finish drops the final dot of a name whose last label has that length.
func finish(n, label int) (int, bool) {
	if label == 0 {
		n-- // there are no two dots in a row
	}
	return max(n, 0), n > 0
}

// address reads the rest of an IPv6 address in brackets.
func address(dst *[maxHost]byte, raw []byte) (n int, ok bool) {
	colons := 0
	for i, c := range raw {
		switch {
		case c == ']':
			rest := raw[i+1:]
			return n, colons > 1 && (len(rest) == 0 || rest[0] == ':' && isPort(rest[1:]))
		case n == maxIPv6:
			return 0, false
		case c == ':':
			colons++
		case unhex(c) > 15 && c != '.':
			return 0, false
		}
		dst[n] = lower(c)
		n++
	}
	return 0, false
}

// maxIPv6 is the length of an IPv6 address that ends like one of IPv4.
const maxIPv6 = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")

func isPort(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
	}
	return len(b) <= len("65535")
}

// selector finds the host, by which one lookup chooses among many routes.
type selector struct{}

// Fact implements sdk.FactSelector.
func (selector) Fact() string { return "host" }

// Key implements sdk.Selector.
func (selector) Key(f *sdk.Flow) ([]byte, sdk.Verdict) {
	r := sdk.Parse(f, fill)
	if v := r.hostKnown(); v != sdk.Yes {
		return nil, v
	}
	return r.host[:r.hostLen], sdk.Yes
}

// hostKnown returns Yes if the request names a host.
func (r *request) hostKnown() sdk.Verdict {
	switch {
	case r.stage != whole:
		return r.pending()
	case r.badHost:
		return sdk.Unknown
	case r.hostLen == 0:
		return sdk.No
	}
	return sdk.Yes
}
