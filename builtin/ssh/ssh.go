// Package ssh matches connections of SSH clients by their identification line
// (RFC 4253 §4.2):
//
//	SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3␍␊
//
// The line has at most 255 bytes; CR before LF may be missing, as in what old clients
// send (§5.1). The version of the protocol is two numbers, that of the software is
// printable and may hold a "-", which the RFC forbids and clients send
// ("JSCH-0.1.54"); comments may hold anything but control characters.
//
// What begins with "SSH-" and breaks these rules is Unknown: OpenSSH takes lines of
// 8,192 bytes, signs before the numbers and control characters, golang.org/x/crypto/ssh
// takes anything. What begins otherwise is No, although x/crypto/ssh passes over lines
// before the identification, which only servers may send (§4.2): there any bytes can
// begin a connection, and `not ssh` in front of such a server guards nothing.
//
// Yes comes at the end of the line, not at "SSH-": a verdict is final together with
// its facts, and the fact is the line. That costs no real client anything, because
// all of them send the line at once. A program that sends "SSH-2.0-x" without an end
// and waits is not an SSH client; nor does a client that waits for the server's line
// first (ssh-keyscan does) match: give it a route that takes silent connections.
//
// Facts: version, the line without its end.
package ssh

import "dwaar.dev/dwaar/sdk"

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name:  "ssh",
		Doc:   "The identification line of an SSH client",
		Facts: []sdk.Fact{{Key: "version", Doc: "the line without its end: SSH-2.0-OpenSSH_9.2p1"}},
	}
}

// New makes a matcher from a node that [Spec] accepts. It never fails.
func New(*sdk.Node) (sdk.Matcher, error) { return Matcher{}, nil }

// Matcher matches SSH clients. It has no options.
type Matcher struct{}

// First implements [sdk.Starter].
func (Matcher) First() *[4]uint64 { return &[4]uint64{'S' >> 6: 1 << ('S' & 63)} }

const (
	magic   = "SSH-"
	maxLine = 255 // with its end
)

// Match implements [sdk.Matcher].
func (Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	next := inMagic
	line := f.Head[:min(len(f.Head), maxLine)]
	for i, b := range line {
		switch next = next.after(i, b); next {
		case impossible:
			return sdk.No, nil
		case odd:
			return sdk.Unknown, nil
		}
		if next == complete {
			end := i
			if line[end-1] == '\r' {
				end--
			}
			f.Set("version", line[:end])
			return sdk.Yes, nil
		}
	}
	if len(line) == maxLine {
		return sdk.Unknown, nil
	}
	return sdk.Need(len(f.Head) + 1), nil
}

// part is where in the line a byte stands.
type part uint8

const (
	inMagic   part = iota
	major          // the first digit
	majorRest      // more of them, or the dot
	minor
	minorRest
	software // the first byte
	softwareRest
	comments
	ended // behind CR
	complete
	odd // the rest is not read: servers differ in what they take
	impossible
)

// after returns the part that follows when the byte at position i of the line is b.
func (p part) after(i int, b byte) part {
	switch p {
	case inMagic:
		return p.inMagic(i, b)
	case major, majorRest, minor, minorRest:
		return p.inNumber(b)
	case software, softwareRest, comments:
		return p.inText(b)
	}
	if b == '\n' {
		return complete
	}
	return odd
}

func (p part) inMagic(i int, b byte) part {
	switch {
	case b != magic[i]:
		return impossible
	case i == len(magic)-1:
		return major
	}
	return p
}

func (p part) inNumber(b byte) part {
	digit := b >= '0' && b <= '9'
	switch p {
	case major, minor:
		if digit {
			return p + 1
		}
	case majorRest, minorRest:
		if digit {
			return p
		}
		if p == majorRest && b == '.' || p == minorRest && b == '-' {
			return p + 1
		}
	}
	return odd
}

func (p part) inText(b byte) part {
	switch {
	case p == software:
		return first(b)
	case b == '\r':
		return ended
	case b == '\n':
		return complete
	case b == ' ':
		return comments
	case isGraphic(b), p == comments && (b >= 0x80 || b == '\t'):
		return p
	}
	return odd
}

// first is the part behind the first byte of the software's version.
func first(b byte) part {
	if isGraphic(b) {
		return softwareRest
	}
	return odd
}

func isGraphic(b byte) bool { return b > ' ' && b < 0x7f }
