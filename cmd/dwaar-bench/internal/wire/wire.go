// Package wire is what the load and the upstream of a measurement say to each
// other through the proxy between them: the first bytes of a real client, which the
// proxy's matchers see, and then a header that tells the upstream what to do.
//
//	first, err := wire.Flight("ssh", "")
//	first = wire.Header{Mode: wire.Reply, Answer: 64, Close: true}.Append(first)
//
// The upstream skips whatever precedes the header, so that it needs no server of any
// real protocol, and every reply begins with its port, so that the load knows which
// route was taken.
package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Mode is what the upstream does with a connection.
type Mode byte

// The modes.
const (
	Reply  Mode = 1 + iota // an answer to every request
	Sink                   // take what comes; at the end of the stream say how many bytes it was
	Source                 // send until the client has enough
	Both                   // Sink without the count, and Source, at once
)

// Header is what follows the first flight.
type Header struct {
	Mode    Mode
	Close   bool   // Reply: close after the first answer
	Request uint32 // Reply: bytes of a request; 0: the header is the only one
	Chunk   uint32 // Source, Both: bytes moved at once, at most; 0: as many as the upstream likes
	Answer  uint32 // Reply: bytes of an answer, 2 to MaxAnswer
}

// Len is the length of a header in bytes.
const Len = 24

// MaxAnswer is the longest answer, in bytes.
const MaxAnswer = 64 << 10

// mark begins a header. No first flight holds it.
const mark = "\x00dwaarB\x01"

// ErrHeader is the error of a header that no load would send.
var ErrHeader = errors.New("reading a header: its fields are out of range")

// Append appends the header to b.
func (h Header) Append(b []byte) []byte {
	b = append(b, mark...)
	b = append(b, byte(h.Mode), 0, 0, 0)
	if h.Close {
		b[len(b)-3] = 1
	}
	b = binary.BigEndian.AppendUint32(b, h.Request)
	b = binary.BigEndian.AppendUint32(b, h.Answer)
	return binary.BigEndian.AppendUint32(b, h.Chunk)
}

// Find returns the first header in b and the bytes behind it. ok is false as long as
// there is no whole header.
func Find(b []byte) (h Header, rest []byte, ok bool, err error) {
	_, b, found := bytes.Cut(b, []byte(mark))
	if !found || len(b) < Len-len(mark) {
		return h, nil, false, nil
	}
	h = Header{
		Mode: Mode(b[0]), Close: b[1] == 1,
		Request: binary.BigEndian.Uint32(b[4:]), Answer: binary.BigEndian.Uint32(b[8:]),
		Chunk: binary.BigEndian.Uint32(b[12:]),
	}
	if h.Mode < Reply || h.Mode > Both || h.Mode == Reply && (h.Answer < 2 || h.Answer > MaxAnswer) {
		return h, nil, false, ErrHeader
	}
	return h, b[Len-len(mark):], true, nil
}

// Port returns the port of the upstream that sent an answer; ok is false if it is too
// short to tell.
func Port(answer []byte) (port uint16, ok bool) {
	if len(answer) < 2 {
		return 0, false
	}
	return binary.BigEndian.Uint16(answer), true
}
