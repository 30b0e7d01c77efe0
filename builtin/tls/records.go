package tls

import (
	"cmp"

	"dwaar.dev/dwaar/builtin/internal/clienthello"
	"dwaar.dev/dwaar/sdk"
)

const (
	change     = 0x14         // change_cipher_spec, the content type of a record that GnuTLS passes over
	alert      = 0x15         // the content type of records that servers pass over if they are warnings
	handshake  = 0x16         // the content type of the records that carry the hello
	closing    = 0            // close_notify, the warning that ends a connection
	headerLen  = 5            // content type, version, length
	maxPassed  = 1<<14 + 2048 // bytes of any record (RFC 5246 §6.2.3): GnuTLS takes five more than the 2¹⁴ of a message
	defaultMax = 16 << 10
)

// state is what the matchers of a connection share: its records and the hello in
// them, as far as they are there.
type state struct {
	verdict sdk.Verdict // of a matcher without options
	hello   clienthello.Hello

	at      int    // how much of the head has been read
	left    int    // how much of the current record lies behind at
	kind    byte   // content type of the current record
	records int    // that carry some of the message, so far
	msg     span   // where the message lies in the head, as long as one record holds it
	joined  []byte // the message, once it lies in several
}

type span struct{ from, to int }

// Reset implements [sdk.Resetter].
func (s *state) Reset() {
	s.hello.Reset()
	s.verdict, s.at, s.left, s.kind, s.records, s.msg, s.joined = 0, 0, 0, 0, 0, span{}, s.joined[:0]
}

// parse returns the connection's state, up to date with its head.
func parse(f *sdk.Flow) *state {
	return sdk.Parse(f, func(f *sdk.Flow, s *state) {
		if s.at == 0 || !s.verdict.Decided() {
			s.verdict = s.read(f.Head, cmp.Or(f.MaxHead, defaultMax))
		}
	})
}

// read goes on reading records until the hello is decided or the head ends.
func (s *state) read(head []byte, limit int) sdk.Verdict {
	if len(head) > 0 && head[0]&oldBit != 0 {
		return oldFormat(head)
	}
	for {
		if v := s.begin(head); v != sdk.Yes {
			return v
		}
		n := min(s.left, len(head)-s.at)
		s.take(head[s.at : s.at+n])
		s.at, s.left = s.at+n, s.left-n
		progress, need := s.hello.Read(s.message(head))
		switch {
		case s.hello.Len()+headerLen > limit:
			return sdk.Unknown // it can never be there as a whole, whatever is in it
		case progress != clienthello.More:
			return verdict(progress)
		case s.left > 0:
			return sdk.Need(s.at + min(need-s.length(), s.left+1))
		}
	}
}

// verdict is what a state of the hello means.
func verdict(progress clienthello.State) sdk.Verdict {
	switch progress {
	case clienthello.Done:
		return sdk.Yes
	case clienthello.Odd:
		return sdk.Unknown
	}
	return sdk.No
}

// begin says Yes inside a record of the hello, to which it goes over all others.
func (s *state) begin(head []byte) sdk.Verdict {
	for s.left == 0 || s.kind != handshake {
		if s.left == 0 {
			if v := s.header(head); v != sdk.Yes {
				return v
			}
		}
		if s.kind != handshake {
			if v := s.passOver(head); v != sdk.Yes {
				return v
			}
		}
	}
	return sdk.Yes
}

// header reads the header of a record. Servers differ in what they pass over: OpenSSL
// takes empty records, crypto/tls any version below 16.0, GnuTLS change_cipher_spec, and
// all of them warnings, before the hello and inside it.
func (s *state) header(head []byte) sdk.Verdict {
	h := head[s.at:min(len(head), s.at+headerLen)]
	if impossible(h) {
		return sdk.No
	}
	if len(h) < headerLen {
		return sdk.Need(len(head) + 1)
	}
	s.kind, s.left = h[0], int(h[3])<<8|int(h[4])
	s.at += headerLen
	if s.kind != handshake || s.left == 0 {
		return sdk.Yes
	}
	if s.records++; s.records == 2 {
		s.joined = append(s.joined, head[s.msg.from:s.msg.to]...)
	}
	return sdk.Yes
}

// impossible reports whether no record begins with h, the first bytes of a header.
func impossible(h []byte) bool {
	var full [headerLen]byte
	n := copy(full[:], h)
	least, most := bounds(full[0])
	length := int(full[3])<<8 | int(full[4])
	switch {
	case n > 0 && most == 0:
		return true
	case n > 1 && full[1] >= 0x10:
		return true
	case length > most:
		return true
	}
	return n == headerLen && length > 0 && length < least
}

// bounds returns how long a record of a kind may be, if it is not empty; most is 0 if
// there may be none.
func bounds(kind byte) (least, most int) {
	switch kind {
	case handshake:
		return 1, maxPassed
	case alert:
		return 2, 2 // level and description (RFC 8446 §6)
	case change:
		return 1, 1 // RFC 8446 §5
	}
	return 0, 0
}

// passOver reads what is in a record that carries nothing of the hello: a warning or
// change_cipher_spec. Any other alert ends the connection.
func (s *state) passOver(head []byte) sdk.Verdict {
	text := head[s.at:min(len(head), s.at+s.left)]
	switch {
	case len(text) > 0 && text[0] != 1: // the level of a warning, and all of change_cipher_spec
		return sdk.No
	case len(text) > 1 && text[1] == closing:
		return sdk.No
	case len(text) < s.left:
		return sdk.Need(len(head) + 1)
	}
	s.at, s.left = s.at+s.left, 0
	return sdk.Yes
}

// take adds the next bytes of the message. They are copied only if it does not lie
// in one piece in the head.
func (s *state) take(b []byte) {
	if s.records > 1 {
		s.joined = append(s.joined, b...)
		return
	}
	if s.msg.from == 0 {
		s.msg = span{s.at, s.at}
	}
	s.msg.to += len(b)
}

// message returns what is there of the handshake message.
func (s *state) message(head []byte) []byte {
	if s.records > 1 {
		return s.joined
	}
	return head[s.msg.from:s.msg.to]
}

func (s *state) length() int {
	if s.records > 1 {
		return len(s.joined)
	}
	return s.msg.to - s.msg.from
}
