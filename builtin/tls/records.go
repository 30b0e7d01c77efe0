package tls

import (
	"cmp"

	"dwaar.dev/dwaar/builtin/internal/clienthello"
	"dwaar.dev/dwaar/sdk"
)

const (
	handshake  = 0x16    // the content type of the first record, and of all that carry the hello
	headerLen  = 5       // content type, version, length
	maxRecord  = 1 << 14 // RFC 8446 §5.1
	defaultMax = 16 << 10
)

// state is what the matchers of a connection share: its records and the hello in
// them, as far as they are there.
type state struct {
	verdict sdk.Verdict // of a matcher without options
	hello   clienthello.Hello

	at      int    // how much of the head has been read
	left    int    // how much of the current record lies behind at
	records int    // headers read
	msg     span   // where the message lies in the head, as long as one record holds it
	joined  []byte // the message, once it lies in several
}

type span struct{ from, to int }

// Reset implements [sdk.Resetter].
func (s *state) Reset() {
	s.hello.Reset()
	s.verdict, s.at, s.left, s.records, s.msg, s.joined = 0, 0, 0, 0, span{}, s.joined[:0]
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
	for {
		if s.left == 0 {
			if v := s.header(head); v != sdk.Yes {
				return v
			}
		}
		n := min(s.left, len(head)-s.at)
		s.take(head[s.at : s.at+n])
		s.at, s.left = s.at+n, s.left-n
		progress, need := s.hello.Read(s.message(head))
		switch {
		case s.hello.Len()+headerLen > limit:
			return sdk.Unknown // it can never be there as a whole, whatever is in it
		case progress == clienthello.Done:
			return sdk.Yes
		case progress == clienthello.Bad:
			return sdk.No
		case s.left > 0:
			return sdk.Need(s.at + min(need-s.length(), s.left+1))
		}
	}
}

// header reads the header of a record. An empty one must not be sent (RFC 8446
// §5.1), nor anything else between those that carry the hello. Of the version only
// the first byte is fixed: the other is to be ignored, and old stacks put anything
// there.
func (s *state) header(head []byte) sdk.Verdict {
	h := head[s.at:min(len(head), s.at+headerLen)]
	for i, b := range h {
		if impossible(i, b) {
			return sdk.No
		}
	}
	if len(h) < headerLen {
		return sdk.Need(len(head) + 1)
	}
	if s.left = int(h[3])<<8 | int(h[4]); s.left == 0 || s.left > maxRecord {
		return sdk.No
	}
	s.at += headerLen
	if s.records++; s.records == 2 {
		s.joined = append(s.joined, head[s.msg.from:s.msg.to]...)
	}
	return sdk.Yes
}

// impossible says whether b cannot be byte i of a record's header.
func impossible(i int, b byte) bool {
	switch i {
	case 0:
		return b != handshake
	case 1:
		return b != 3
	case 3:
		return b > maxRecord>>8
	}
	return false
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
