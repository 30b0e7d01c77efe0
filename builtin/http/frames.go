package http

import "encoding/binary"

// preface is what a client of HTTP/2 sends first (RFC 9113 section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

func (r *request) readPreface(head []byte) {
	for ; r.at < len(head); r.at++ {
		if head[r.at] != preface[r.at] {
			r.stage = odd // PRI * HTTP/2.0 is a request to some
			return
		}
		if r.at == len(preface)-1 {
			r.at++
			*r = request{http2: true, start: true, at: r.at, need: r.need, own: r.own[:0]}
			r.enter(atFrames)
			return
		}
	}
}

// frame is a frame header (RFC 9113 section 4.1).
type frame struct {
	length int
	kind   byte
	flags  byte
	stream uint32
}

const (
	frameHeader = 9
	maxFrame    = 16 << 10 // nobody has allowed the client longer ones
)

// The frame types of RFC 9113 section 6.
const (
	dataFrame byte = iota
	headersFrame
	priorityFrame
	resetFrame
	settingsFrame
	promiseFrame
	pingFrame
	goAwayFrame
	windowFrame
	continuationFrame
)

const (
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

func parseFrame(b []byte) frame {
	return frame{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		kind:   b[3],
		flags:  b[4],
		stream: binary.BigEndian.Uint32(b[5:]) &^ (1 << 31),
	}
}

// frames is how far the frames of a connection were read.
type frames struct {
	settings bool   // the first frame was there
	block    int    // where HEADERS begins; 0: not yet
	stream   uint32 // its stream
}

// readFrames reads frames up to the end of the first header block.
func (r *request) readFrames(head []byte) {
	for {
		if len(head)-r.at < frameHeader {
			r.need = r.at + frameHeader
			return
		}
		fr := parseFrame(head[r.at:])
		if !r.frames.allow(fr) {
			r.stage = bad
			return
		}
		end := r.at + frameHeader + fr.length
		if len(head) < end {
			r.need = end
			return
		}
		if fr.kind == headersFrame {
			r.frames.block, r.frames.stream = r.at, fr.stream
		}
		r.frames.settings = true
		r.at = end
		if (fr.kind == headersFrame || fr.kind == continuationFrame) && fr.flags&flagEndHeaders != 0 {
			r.decodeBlock(head[r.frames.block:end])
			return
		}
	}
}

// allow reports whether a client may send fr before it has begun a stream: SETTINGS
// first, then frames about the connection, then HEADERS, which only CONTINUATION
// may follow (RFC 9113 sections 3.4, 4.3, 5.1). Unknown types are extensions.
func (s *frames) allow(fr frame) bool {
	switch {
	case fr.length > maxFrame:
		return false
	case !s.settings:
		return fr.kind == settingsFrame && fr.flags&flagAck == 0 && fr.sane()
	case s.block > 0:
		return fr.kind == continuationFrame && fr.stream == s.stream
	}
	return fr.sane()
}

// sane checks stream and length of a frame on a connection without streams.
func (fr frame) sane() bool {
	fits := true
	switch fr.kind {
	case headersFrame:
		return fr.stream%2 == 1
	case priorityFrame:
		return fr.stream != 0 && fr.length == 5
	case dataFrame, resetFrame, promiseFrame, continuationFrame:
		return false
	case settingsFrame:
		fits = fr.length%6 == 0
	case pingFrame:
		fits = fr.length == 8
	case goAwayFrame:
		fits = fr.length >= 8
	case windowFrame:
		fits = fr.length == 4
	default:
		return true
	}
	return fits && fr.stream == 0
}

// fragment returns the part of a header block that a frame carries.
func (fr frame) fragment(payload []byte) ([]byte, bool) {
	if fr.kind == continuationFrame {
		return payload, true
	}
	skip, pad := 0, 0
	if fr.flags&flagPadded != 0 {
		if len(payload) == 0 {
			return nil, false
		}
		skip, pad = 1, int(payload[0])
	}
	if fr.flags&flagPriority != 0 {
		skip += 5
	}
	if skip+pad > len(payload) {
		return nil, false
	}
	return payload[skip : len(payload)-pad], true
}
