package relaytest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// What an ending test sends.
const (
	some  = 200_000                // the one who ends it, before that
	flood = int64(4 << 20)         // the other one, meanwhile: more than the kernel holds
	quiet = 400 * time.Millisecond // idle limit where the ending is silence
	piece = 16_001                 // not a divisor of anything
)

// ending is one row of the table: who ends the connection, how and when.
type ending struct {
	how  string // FIN, RST, silence
	by   relay.Side
	when string // before, during, after data
	way  route
}

// endings: {FIN, RST, silence} × {client, server} × {before, during, after} on
// every route.
func endings(t *testing.T, start Start) {
	for _, way := range routes(t) {
		for _, how := range []string{"FIN", "RST", "silence"} {
			for _, by := range []relay.Side{relay.Down, relay.Up} {
				for _, when := range []string{"before", "during", "after"} {
					e := ending{how, by, when, way}
					t.Run(fmt.Sprintf("%s, %s by %v %s data", way.name, how, by, when), func(t *testing.T) {
						t.Parallel()
						e.run(t, start)
					})
				}
			}
		}
	}
}

// scene is an ending being played.
type scene struct {
	ending
	link
	ender, other *peer
	enderTCP     bool
	mine, theirs stream // what ender, what other sends
	sent         int64  // by ender
	flooded      chan int64
	near         [2]net.Conn
}

func (e ending) run(t *testing.T, start Start) {
	down, up, client, server := e.way.connect(t)
	var o relay.Options
	if e.how == "silence" {
		o.Idle = quiet
	}
	s := &scene{
		ending: e, link: begin(start, down, up, o),
		ender: client, other: server, enderTCP: e.way.down.tcp,
		mine: 1, theirs: 2, near: [2]net.Conn{down.Conn, up.Conn},
	}
	if e.by == relay.Up {
		s.ender, s.other, s.enderTCP = server, client, e.way.up.tcp
	}
	s.prepare(t)
	switch e.how {
	case "FIN":
		s.fin(t)
	case "RST":
		s.rst(t)
	case "silence":
		s.silence(t)
	}
	for _, c := range s.near {
		if c == nil {
			continue
		}
		if w, ok := c.(relay.NetConner); ok {
			c = w.NetConn()
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("reading from the relay's connection after Done: %v, want it closed", err)
		}
	}
}

// prepare plays what comes before the end.
func (s *scene) prepare(t *testing.T) {
	switch s.when {
	case "during":
		s.flooded = make(chan int64, 1)
		go func() {
			n, _ := s.theirs.send(s.other, 0, flood, piece) // fails when cut off
			s.flooded <- n
		}()
		s.speak(t)
	case "after":
		s.speak(t)
		s.hear(t)
		if _, err := s.theirs.send(s.other, 0, some, piece); err != nil {
			t.Fatalf("answering: %v", err)
		}
		if _, err := s.theirs.receive(s.ender, 0, some); err != nil {
			t.Fatalf("hearing the answer: %v", err)
		}
	}
}

// speak sends what ender has to say.
func (s *scene) speak(t *testing.T) {
	t.Helper()
	n, err := s.mine.send(s.ender, 0, some, piece)
	if s.sent = n; err != nil {
		t.Fatalf("sending: %v", err)
	}
}

// hear receives on the other side what ender said.
func (s *scene) hear(t *testing.T) {
	t.Helper()
	if n, err := s.mine.receive(s.other, 0, s.sent); err != nil {
		t.Fatalf("receiving: %d of %d bytes, then %v", n, s.sent, err)
	}
}

// said returns how many bytes went from ender and to it.
func (s *scene) said(r relay.Result) (from, to int64) {
	if s.by == relay.Down {
		return r.Up, r.Down
	}
	return r.Down, r.Up
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
	var answered int64
	switch s.when {
	case "before":
		go func() {
			_, _ = s.theirs.send(s.other, 0, some, piece)
			s.other.closeWrite(t)
		}()
		answered = s.hearAll(t, 0)
	case "during":
		done := make(chan struct{})
		go func() { defer close(done); answered = s.hearAll(t, 0) }()
		if n := <-s.flooded; n != flood {
			t.Errorf("after the half-close %d of %d bytes could be sent", n, flood)
		}
		s.other.closeWrite(t)
		<-done
	case "after":
		n, err := s.theirs.send(s.other, some, 2*some, piece)
		if err != nil {
			t.Errorf("sending after the half-close: %v", err)
		}
		s.other.closeWrite(t)
		answered = some + s.hearAll(t, some)
		if answered != some+n {
			t.Errorf("after the half-close %d bytes arrived of %d", answered-some, n)
		}
	}
	r := s.result(t)
	if r.Reason != relay.Finished || r.By != s.by || !r.DownFinished || !r.UpFinished || r.Cut {
		t.Errorf("result %+v, want finished by %v", r, s.by)
	}
	if from, to := s.said(r); from != s.sent || to != answered {
		t.Errorf("counted %d and %d bytes, want %d and %d", from, to, s.sent, answered)
	}
}

// hearAll receives at ender until the end of the stream.
func (s *scene) hearAll(t *testing.T, from int64) int64 {
	t.Helper()
	n, err := s.theirs.receive(s.ender, from, 1<<62)
	if err != io.EOF {
		t.Errorf("hearing the rest: %d bytes, then %v, want EOF", n, err)
	}
	return n
}

// rst: the other one gets every byte, then an error that is not EOF.
func (s *scene) rst(t *testing.T) {
	s.ender.reset(t)
	if s.when != "after" {
		s.hear(t)
	}
	if !s.enderTCP {
		// Closing a Unix socket is all there is: the relay may see an end in
		// order, and learns more when it writes.
		_ = awaitEnd(s.other)
		_ = s.other.Close()
		r := s.result(t)
		if from, _ := s.said(r); r.By != s.by || from != s.sent {
			t.Errorf("result %+v, want %d bytes and the end by %v", r, s.sent, s.by)
		}
		s.settle()
		return
	}
	err := awaitEnd(s.other)
	_, otherTCP := s.other.socket.(*net.TCPConn)
	if err == io.EOF && otherTCP && s.flooded == nil { // a flooding one is told when it writes
		t.Error("the other one reads EOF, want an error: the stream was cut")
	}
	r := s.result(t)
	if r.Reason != relay.Reset || r.By != s.by || r.Err == nil || r.Cut {
		t.Errorf("result %+v, want a reset by %v", r, s.by)
	}
	if from, _ := s.said(r); from != s.sent {
		t.Errorf("counted %d bytes from the one who reset, want %d", from, s.sent)
	}
	s.settle()
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
	if from, _ := s.said(r); from != s.sent {
		t.Errorf("counted %d bytes from the silent one, want %d", from, s.sent)
	}
	s.settle()
	for _, p := range []*peer{s.other, s.ender} {
		if err := awaitEnd(p); isTimeout(err) {
			t.Error("a peer was not told of the end")
		}
	}
}
