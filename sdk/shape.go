package sdk

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"regexp/syntax"
	"strconv"
	"strings"
	"time"
)

// Shape is what an argument looks like. It decides both what fits (where a list
// of arguments ends) and what is an error.
type Shape uint8

// The shapes. A word with a placeholder ({tls.server_name}) fits Host, Addr, Free
// and Regexp only; {env.NAME} also fits CIDR and is filled in at load.
const (
	Free     Shape = iota // anything
	CIDR                  // 10.0.0.0/8, ::1, private_ranges
	Addr                  // has a ":", a "/" or a "{": an address to listen on or to connect to
	Host                  // a host name, *.example.com; not the unquoted name of a matcher
	Proto                 // an ALPN protocol; not the unquoted name of a matcher
	Int                   // 0 or a positive number
	Float                 // a decimal number
	Duration              // 300ms, 3s, 2m, 1d
	Size                  // 16KiB, 4MB, 512
	Time                  // 15:04, 15:04:05
	Enum                  // one of the argument's words
	Ref                   // @name
	Regexp                // a regular expression (RE2)
	Ident                 // letters a to z, digits and _, a letter first: what captures are called
)

var shapeNames = [...]string{
	"anything", "an address or CIDR range", "an address", "a host name", "a protocol name", "a number",
	"a number", "a duration like 300ms, 3s or 2m", "a size like 16KiB or 4MB", "a time like 15:04",
	"a word", "a @name", "a regular expression", "a name of letters a to z, digits and _",
}

// String says what the shape is, for messages: "a duration like 300ms, 3s or 2m".
func (s Shape) String() string { return shapeNames[s] }

// Fits says why text cannot be this argument, or returns nil.
func (a Arg) Fits(text string) error {
	for _, w := range a.Words {
		if strings.EqualFold(w, text) {
			return nil
		}
	}
	if a.Shape == Enum {
		return fmt.Errorf("must be %s", orList(a.Words))
	}
	return a.Shape.fits(text)
}

func (s Shape) fits(text string) error {
	var err error
	switch s {
	case CIDR:
		_, err = ParsePrefixes(text)
	case Addr:
		err = fitsAddr(text)
	case Host:
		err = fitsHost(text)
	case Proto:
		err = fitsProto(text)
	case Int:
		_, err = ParseInt(text)
	case Float:
		err = fitsFloat(text)
	default:
		err = s.fitsOther(text)
	}
	return err
}

func (s Shape) fitsOther(text string) error {
	var err error
	switch s {
	case Duration:
		_, err = ParseDuration(text)
	case Size:
		_, err = ParseSize(text)
	case Time:
		_, err = ParseTime(text)
	case Ref:
		if len(text) < 2 || text[0] != '@' {
			err = errors.New("must be the name of a matcher set, @name")
		}
	case Regexp:
		err = fitsRegexp(text)
	case Ident:
		err = fitsIdent(text)
	}
	return err
}

func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

func fitsAddr(text string) error {
	if strings.ContainsAny(text, ":/{") {
		return nil
	}
	return errors.New("must be an address: HOST:PORT, :PORT or unix//path")
}

func fitsHost(text string) error {
	if text == "" {
		return errors.New("must be a host name, not empty")
	}
	if strings.Contains(text, "{") {
		return nil
	}
	for _, r := range text {
		if r > 0x7f {
			return errors.New("must be a host name in ASCII: write the xn-- form")
		}
		if !strings.ContainsRune(hostRunes, r) {
			return fmt.Errorf("must be a host name: %q cannot stand in one", r)
		}
	}
	if rest := strings.TrimPrefix(text, "*."); text != "*" && (rest == "" || strings.Contains(rest, "*")) {
		return errors.New("must be a host name: * stands for the whole first label only, *.example.com")
	}
	return nil
}

const hostRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.*"

func fitsProto(text string) error {
	if text == "" || len(text) > 255 {
		return errors.New("must be a protocol name of 1 to 255 bytes")
	}
	return nil
}

func fitsFloat(text string) error {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || f < 0 {
		return errors.New("must be a decimal number, 0 or more")
	}
	return nil
}

func fitsIdent(text string) error {
	if strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || text == "" || text[0] < 'a' || text[0] > 'z' {
		return errors.New("must be a name of letters a to z, digits and _, a letter first")
	}
	return nil
}

func fitsRegexp(text string) error {
	if _, err := syntax.Parse(text, syntax.Perl); err != nil {
		return fmt.Errorf("must be a regular expression (RE2): %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	if p := placeholder(text); p != "" {
		return fmt.Errorf("is a pattern, in which %s stands for itself and not for the fact: compare facts with vars or vars_regexp, or write \\%s for the braces", p, p)
	}
	return nil
}

// placeholder returns the first {NAME.KEY} in a pattern whose brace is not escaped, or
// "". No regular expression means anything by it.
func placeholder(text string) string {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '{':
			name, _, closed := strings.Cut(text[i+1:], "}")
			if closed && isFactName(name) {
				return text[i : i+len(name)+2]
			}
		}
	}
	return ""
}

// isFactName reports whether text reads like tls.server_name.
func isFactName(text string) bool {
	parts := strings.Split(text, ".")
	for _, part := range parts {
		if part == "" || part[0] < 'a' || part[0] > 'z' || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			return false
		}
	}
	return len(parts) > 1
}

// ParseInt reads an argument of shape Int.
func ParseInt(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, errors.New("must be a number from 0 to 2147483647")
	}
	return int(n), nil
}

// ParseDuration reads an argument of shape Duration: as time.ParseDuration, and
// "d" for days of 24 hours. It is never negative.
func ParseDuration(text string) (time.Duration, error) {
	const what = "must be a duration like 300ms, 3s, 2m or 1d"
	rest, days := text, time.Duration(0)
	if n, after, ok := strings.Cut(text, "d"); ok {
		d, err := strconv.ParseUint(n, 10, 16)
		if err != nil {
			return 0, errors.New(what)
		}
		days, rest = time.Duration(d)*24*time.Hour, after
		if rest == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d+days < 0 || rest[0] == '+' || rest[0] == '-' {
		return 0, errors.New(what)
	}
	return d + days, nil
}

// ParseSize reads an argument of shape Size, in bytes: a number with B, KB, MB, GB
// (powers of 1000), KiB, MiB, GiB (powers of 1024) or nothing behind it.
func ParseSize(text string) (int64, error) {
	i := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if i < 0 {
		i = len(text)
	}
	n, err := strconv.ParseInt(text[:i], 10, 64)
	unit := sizeUnit(text[i:])
	if err != nil || unit == 0 || n > math.MaxInt64/unit {
		return 0, errors.New("must be a size like 16KiB, 4MB or 512")
	}
	return n * unit, nil
}

func sizeUnit(name string) int64 {
	switch strings.ToLower(name) {
	case "", "b":
		return 1
	case "kb":
		return 1000
	case "kib":
		return 1 << 10
	case "mb":
		return 1000 * 1000
	case "mib":
		return 1 << 20
	case "gb":
		return 1000 * 1000 * 1000
	case "gib":
		return 1 << 30
	}
	return 0
}

// ParseTime reads an argument of shape Time: the time since midnight.
func ParseTime(text string) (time.Duration, error) {
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Sub(t.Truncate(24 * time.Hour)), nil
		}
	}
	return 0, errors.New("must be a time like 15:04 or 15:04:05")
}

// EnvName returns the name of the environment variable that a word of shape CIDR stands
// for: {env.NAME}, or {l4.env.NAME} as caddy-l4 has it.
func EnvName(text string) (name string, ok bool) {
	inner, opened := strings.CutPrefix(text, "{")
	inner, closed := strings.CutSuffix(inner, "}")
	name, ok = strings.CutPrefix(strings.TrimPrefix(inner, "l4."), "env.")
	return name, opened && closed && ok
}

// ParsePrefixes reads an argument of shape CIDR: a range, a bare address, or
// private_ranges: RFC 1918, loopback and the locally assigned half of RFC 4193, as
// in a Caddyfile. Addresses are unmapped (::ffff:10.0.0.0/104 is 10.0.0.0/8) and
// prefixes masked (10.1.2.3/8 is 10.0.0.0/8). {env.NAME}, which may also be written
// {l4.env.NAME}, gives no prefix here: the loader fills it in before.
func ParsePrefixes(text string) ([]netip.Prefix, error) {
	if text == "private_ranges" {
		return privateRanges(), nil
	}
	if _, ok := EnvName(text); ok {
		return nil, nil
	}
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return nil, errors.New("must be an address or a CIDR range like 10.0.0.0/8")
		}
		a = a.Unmap()
		return []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}, nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, errors.New("must be an address or a CIDR range like 10.0.0.0/8")
	}
	return unmapPrefix(p)
}

func unmapPrefix(p netip.Prefix) ([]netip.Prefix, error) {
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return nil, errors.New("must be a CIDR range of one family: this one holds IPv4 and IPv6")
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return []netip.Prefix{p.Masked()}, nil
}

func privateRanges() []netip.Prefix {
	texts := [...]string{
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fd00::/8", "::1/128",
	}
	prefixes := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		prefixes[i] = netip.MustParsePrefix(t)
	}
	return prefixes
}
