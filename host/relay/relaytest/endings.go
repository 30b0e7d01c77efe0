package relaytest

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// What an ending test sends.
const (
	some  = 100_000                // the one who ends it, before that: a Unix socket takes it at once
	flood = int64(4 << 20)         // the other one, meanwhile
	brim  = int64(64 << 20)        // the same where nobody reads: more than all kernel buffers on the way
	quiet = 400 * time.Millisecond // idle limit where the ending is silence

	// quietAfter is the idle limit where bytes come first: a busy machine that lets the
	// peers wait for a moment must not look like a peer that is silent.
	quietAfter = 3 * quiet
	piece      = 16_001 // not a divisor of anything
)

// ending is one row of the table: who ends the connection, how and when.
type ending struct {
	direction
	how  string // FIN, RST, silence
	when string // before, during, after data
}

// endings: {FIN, RST, silence} × {client, server} × {before, during, after} on
// every route.
func endings(t *testing.T, start Start) {
	for _, how := range []string{"FIN", "RST", "silence"} {
		for _, when := range []string{"before", "during", "after"} {
			t.Run(how+" "+when+" data", func(t *testing.T) {
				t.Parallel()
				directions(t, anyWire, func(t *testing.T, d direction) { ending{d, how, when}.run(t, start) })
			})
		}
	}
}

// scene is an ending being played.
type scene struct {
	ending
	link
	ender, other *peer
	mine, theirs stream // what ender, what other sends
	sent         int64  // by ender
	flooded      chan struct{}
}

func (e ending) run(t *testing.T, start Start) {
	var o relay.Options
	if e.how == "silence" {
		o.Idle = quietAfter
		if e.when == "before" {
			o.Idle = quiet
		}
	}
	down, up, ender, other := e.connect(t)
	s := &scene{ending: e, link: begin(start, down, up, o), ender: ender, other: other, mine: 1, theirs: 2}
	s.prepare(t)
	switch e.how {
	case "FIN":
		s.fin(t)
	case "RST":
		s.rst(t)
	case "silence":
		s.silence(t)
	}
	for _, near := range []relay.Endpoint{down, up} {
		closed(t, near.Conn)
	}
}

// closed checks that the relay's connection is closed down to the socket.
func closed(t *testing.T, c net.Conn) {
	t.Helper()
	if c == nil {
		return // it was a bare descriptor
	}
	if w, ok := c.(relay.NetConner); ok {
		c = w.NetConn()
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading from the relay's connection after Done: %v, want it closed", err)
	}
}

// prepare plays what comes before the end.
func (s *scene) prepare(t *testing.T) {
	switch s.when {
	case "during":
		s.flooded = make(chan struct{})
		n := flood
		if s.how == "silence" {
			n = brim
		}
		go func() {
			defer close(s.flooded)
			_, _ = s.theirs.send(s.other, 0, n, piece) // fails when cut off
		}()
		s.speak(t)
	case "after":
		s.speak(t)
		s.hear(t)
		s.other.say(t, s.theirs, 0, some)
		s.ender.expect(t, s.theirs, some)
	}
}

// speak sends what ender has to say.
func (s *scene) speak(t *testing.T) {
	t.Helper()
	s.ender.say(t, s.mine, 0, some)
	s.sent = some
}

// hear receives on the other side what ender said.
func (s *scene) hear(t *testing.T) {
	t.Helper()
	s.other.expect(t, s.mine, s.sent)
}

// fin: the other one sees the end after the last byte, can still send, and
// ends in its turn.
func (s *scene) fin(t *testing.T) {
	s.ender.closeWrite(t)
	if s.when != "after" {
		s.hear(t)
	}
	if err := awaitEnd(s.other); err != io.EOF {
		t.Errorf("the other one reads %v, want EOF", err)
	}
	answered := s.answer(t)
	r := s.result(t)
	if r.Reason != relay.Finished || r.By != s.by || !r.DownFinished || !r.UpFinished || r.Cut {
		t.Errorf("result %+v, want finished by %v", r, s.by)
	}
	if from, to := s.counts(r); from != s.sent || to != answered {
		t.Errorf("counted %d and %d bytes, want %d and %d", from, to, s.sent, answered)
	}
}

// answer lets the other one send after the half-close, and end, and receives
// it. It returns how many bytes that side has sent in all.
func (s *scene) answer(t *testing.T) int64 {
	t.Helper()
	from, to := int64(0), int64(some)
	switch s.when {
	case "during":
		to = flood
	case "after":
		from, to = some, 2*some // the first part was heard before
	}
	go func() {
		if s.flooded != nil {
			<-s.flooded
		} else {
			s.other.say(t, s.theirs, from, to)
		}
		s.other.closeWrite(t)
	}()
	if n, err := s.theirs.receive(s.ender, from, 1<<62); n != to-from || err != io.EOF {
		t.Errorf("after the half-close %d of %d bytes came, then %v", n, to-from, err)
	}
	return to
}

// rst: the other one gets every byte, then an error that is not EOF.
func (s *scene) rst(t *testing.T) {
	s.ender.reset(t)
	if s.when != "after" {
		s.hear(t)
	}
	err := awaitEnd(s.other)
	if !s.from().tcp {
		// Closing a Unix socket is all there is: the relay sees an end in
		// order, and learns more only when it writes.
		_ = s.other.Close()
	}
	r := s.result(t)
	if from, _ := s.counts(r); from != s.sent || r.By != s.by {
		t.Errorf("result %+v, want %d bytes and the end by %v", r, s.sent, s.by)
	}
	if s.from().tcp {
		s.wasReset(t, r, err)
	}
	s.settle()
}

// wasReset checks how a reset was passed on: err is what the other one read.
func (s *scene) wasReset(t *testing.T, r relay.Result, err error) {
	t.Helper()
	if r.Reason != relay.Reset || r.Err == nil || r.Cut {
		t.Errorf("result %+v, want a reset", r)
	}
	told := s.flooded != nil // it may have learned when it wrote
	if err == io.EOF && s.other.isTCP() && !told {
		t.Error("the other one reads EOF, want an error: the stream was cut")
	}
}

// settle waits for the flood to fail.
func (s *scene) settle() {
	if s.flooded != nil {
		<-s.flooded
	}
}

// silence: the idle limit ends it, and both learn of it.
func (s *scene) silence(t *testing.T) {
	if s.when == "during" {
		s.hear(t)
	}
	r := s.result(t)
	if r.Reason != relay.Idle {
		t.Errorf("result %+v, want idle", r)
	}
	if s.when == "during" && (r.By != s.by || !r.Cut) {
		t.Errorf("result %+v, want %v to be named, who does not read", r, s.by)
	}
	if from, _ := s.counts(r); from != s.sent {
		t.Errorf("counted %d bytes from the silent one, want %d", from, s.sent)
	}
	s.settle()
	for _, p := range []*peer{s.other, s.ender} {
		if err := awaitEnd(p); isTimeout(err) {
			t.Error("a peer was not told of the end")
		}
	}
}
