package http

import (
	"bytes"

	"dwaar.dev/dwaar/sdk"
)

// request is the first request of a connection, as far as its bytes are there.
// All http matchers of a connection share one, and no byte is read twice: fill
// goes on where it stopped. What it holds is a function of the bytes alone.
type request struct {
	stage stage
	at    int // the next byte of the head to look at
	mark  int // where the element being read begins
	need  int // only a head of that many bytes can tell more

	http2   bool
	minor   byte // of HTTP/1.minor
	start   bool // the request line or the preface is complete: this is HTTP
	line    bool // method and target are known
	connect bool // the method is CONNECT: the target is an authority
	scheme  schemeState

	formless bool // the target has no form that is known

	method    span
	path      span // decoded, without dot segments; empty if there is none
	badPath   bool // it cannot be read without guessing
	query     span
	badQuery  bool
	authority span // of an absolute or authority-form target, or :authority
	absolute  bool // the target has an authority, be it empty
	fields    span // header lines
	hosts     int  // Host lines
	hostLine  span // the value of the first

	host    [maxHost]byte // as hostname writes it
	hostLen int           // 0: the request names none
	badHost bool          // it names several, or something that is no host

	frames frames
	own    []byte // HTTP/2: the decoded header; and paths that had to be rewritten
}

// stage says what is known. whole and all behind it are final.
type stage uint8

const (
	atMethod  stage = iota
	atTarget        // the method is known
	atVersion       // the target is known
	atPreface       // of HTTP/2, whose first line looks like one of HTTP/1
	atFields        // HTTP/1: the request line is known
	atFrames        // HTTP/2: the preface is known, and nothing of the request
	whole           // all header fields are known
	bad             // they never will be: what follows breaks the protocol
	odd             // some servers go on with it, and each reads it in its own way
	foreign         // this is not HTTP
)

// A span is a part of the head, or of request.own.
type span struct {
	lo, hi int
	own    bool
}

func (s span) empty() bool { return s.lo == s.hi }

func (r *request) text(head []byte, s span) []byte {
	if s.own {
		return r.own[s.lo:s.hi]
	}
	return head[s.lo:s.hi]
}

// mostKept is how much memory a request keeps for the next connection.
const mostKept = 8 << 10

// Reset implements sdk.Resetter.
func (r *request) Reset() {
	own := r.own[:0]
	if cap(own) > mostKept {
		own = nil
	}
	*r = request{own: own}
}

// fill brings r up to date with the head.
func fill(f *sdk.Flow, r *request) {
	r.need = len(f.Head) + 1
	for r.step(f.Head) {
	}
}

// step reads one element and reports whether it was complete.
func (r *request) step(head []byte) bool {
	before := r.stage
	switch r.stage {
	case atMethod:
		r.readMethod(head)
	case atTarget:
		r.readTarget(head)
	case atVersion:
		r.readVersion(head)
	case atPreface:
		r.readPreface(head)
	case atFields:
		r.readFields(head)
	case atFrames:
		r.readFrames(head)
	}
	return r.stage != before
}

// enter begins the next element at the next byte.
func (r *request) enter(s stage) {
	r.stage = s
	r.mark = r.at
}

// pending is the verdict of a condition on what is not known.
func (r *request) pending() sdk.Verdict {
	switch r.stage {
	case foreign:
		return sdk.No
	case bad, odd:
		return sdk.Unknown
	}
	return sdk.Need(r.need)
}

// methodKnown reports whether the method is known for certain: PRI may turn out to
// be the preface of HTTP/2, in which the method comes later.
func (r *request) methodKnown(head []byte) bool {
	return r.line || r.stage != foreign && !r.http2 && !r.method.empty() &&
		string(r.text(head, r.method)) != preface[:3]
}

// decideHost is called when all header fields are known: the authority of the
// target wins over Host, and a Host that differs makes the request ambiguous
// (RFC 9112 section 3.2, RFC 9113 section 8.3.1).
func (r *request) decideHost(head []byte) {
	line := r.text(head, r.hostLine)
	named := line
	if r.absolute {
		named = r.text(head, r.authority)
	}
	switch {
	case r.badHost: // the target has no form that is known
		return
	case r.hosts > 1:
		r.badHost = true
		return
	case len(named) == 0:
		r.badHost = r.absolute
		return
	}
	var ok bool
	if r.hostLen, ok = hostname(&r.host, named); !ok {
		r.badHost = true
		return
	}
	if r.absolute && r.hosts == 1 {
		var other [maxHost]byte
		n, ok := hostname(&other, line)
		r.badHost = !ok || !bytes.Equal(other[:n], r.host[:r.hostLen])
	}
}
