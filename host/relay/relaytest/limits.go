package relaytest

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// urgent: MSG_OOB in both directions loses only the urgent byte itself.
func urgent(t *testing.T, start Start) {
	const n = 100_000
	for _, way := range routes(t) {
		for _, by := range []relay.Side{relay.Down, relay.Up} {
			down, up := way.down.name, way.up.name
			if down != "tcp" || (by == relay.Up && up != "tcp") {
				continue
			}
			t.Run(way.name+" by "+by.String(), func(t *testing.T) {
				t.Parallel()
				d, u, sender, receiver := way.connect(t)
				l := begin(start, d, u, relay.Options{})
				if by == relay.Up {
					sender, receiver = receiver, sender
				}
				go func() {
					defer sender.closeWrite(t)
					for from := int64(0); from < 4*n; from += n {
						if _, err := stream(3).send(sender, from, from+n, piece); err != nil {
							t.Errorf("sending: %v", err)
							return
						}
						// The kernel keeps one urgent byte: a second one would
						// put the first into the stream.
						if from == n {
							sendUrgent(t, sender.socket, '!')
						}
					}
				}()
				got, err := stream(3).receive(receiver, 0, 1<<62)
				if got != 4*n || err != io.EOF {
					t.Errorf("received %d of %d bytes, then %v", got, 4*n, err)
				}
				receiver.closeWrite(t)
				if r := l.result(t); r.Reason != relay.Finished || max(r.Up, r.Down) != 4*n {
					t.Errorf("result %+v, want %d bytes and the end in order", r, 4*n)
				}
			})
		}
	}
}

// flushes: 300,000 bytes and then a reset; the bytes arrive, then the reset,
// although the receiver starts late and is slow.
func flushes(t *testing.T, start Start) {
	const n = 300_000
	for _, way := range routes(t) {
		for _, by := range []relay.Side{relay.Down, relay.Up} {
			if (by == relay.Down && !way.down.tcp) || (by == relay.Up && !way.up.tcp) {
				continue // it cannot be reset
			}
			t.Run(way.name+" by "+by.String(), func(t *testing.T) {
				t.Parallel()
				down, up, sender, receiver := way.connect(t)
				l := begin(start, down, up, relay.Options{})
				if by == relay.Up {
					sender, receiver = receiver, sender
				}
				if _, err := stream(4).send(sender, 0, n, piece); err != nil {
					t.Fatalf("sending: %v", err)
				}
				sender.reset(t)
				got, err := stream(4).receive(receiver, 0, n)
				if got != n || err != nil {
					t.Fatalf("received %d of %d bytes, then %v", got, n, err)
				}
				err = awaitEnd(receiver)
				if _, tcp := receiver.socket.(*net.TCPConn); tcp && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("after the bytes: %v, want a reset", err)
				}
				if r := l.result(t); r.Reason != relay.Reset || r.By != by || r.Cut || r.Up+r.Down != n {
					t.Errorf("result %+v, want %d bytes and a reset by %v", r, n, by)
				}
			})
		}
	}
	t.Run("the receiver never reads: reset after linger", func(t *testing.T) {
		t.Parallel()
		down, client := dialTCP(t)
		up, server := dialTCP(t)
		l := begin(start, down, up, relay.Options{Linger: 50 * time.Millisecond})
		stuck := make(chan struct{})
		go func() {
			defer close(stuck)
			_, _ = stream(5).send(client, 0, 64<<20, 64<<10) // ends with the reset
		}()
		awaitStall(l)
		client.abort()
		<-stuck
		// The relay sits in a write: it may see the reset late, but a server
		// that begins to read wakes it, and from then on linger counts.
		drained := make(chan error, 1)
		go func() { drained <- awaitEnd(server) }()
		if r := l.result(t); r.Reason != relay.Reset || r.By != relay.Down {
			t.Errorf("result %+v, want a reset by the client", r)
		}
		<-drained
	})
}

// awaitStall waits until no byte has moved for a while.
func awaitStall(l link) {
	for last, same := int64(-1), 0; same < 20; {
		up, down := l.Counts()
		if up+down == last {
			same++
		} else {
			last, same = up+down, 0
		}
		time.Sleep(5 * time.Millisecond) // standing still announces nothing
	}
}

// heads: the head of each side arrives first and once, also when that side has
// finished or was reset before.
func heads(t *testing.T, start Start) {
	const n, m = 70_000, 30_000 // larger than one read; what follows it
	ends := map[string]func(*testing.T, *peer){
		"and goes on":        func(*testing.T, *peer) {},
		"and has finished":   func(t *testing.T, p *peer) { p.closeWrite(t) },
		"and has been reset": func(t *testing.T, p *peer) { p.reset(t) },
	}
	for _, way := range routes(t) {
		for name, end := range ends {
			for _, by := range []relay.Side{relay.Down, relay.Up} {
				t.Run(way.name+", "+by.String()+" has sent "+name, func(t *testing.T) {
					t.Parallel()
					down, up, client, server := way.connect(t)
					sender, receiver := client, server
					if by == relay.Up {
						sender, receiver = server, client
						up.Head, down.Head = stream(6).bytes(n), stream(7).bytes(n)
					} else {
						down.Head, up.Head = stream(6).bytes(n), stream(7).bytes(n)
					}
					if _, err := stream(6).send(sender, n, n+m, piece); err != nil {
						t.Fatalf("sending: %v", err)
					}
					end(t, sender)
					l := begin(start, down, up, relay.Options{})
					if got, err := stream(6).receive(receiver, 0, n+m); got != n+m || err != nil {
						t.Fatalf("received %d of %d bytes, then %v", got, n+m, err)
					}
					_ = receiver.Conn.(relay.CloseWriter).CloseWrite() // fails after a reset
					if name != "and has been reset" {
						if got, err := stream(7).receive(sender, 0, n); got != n || err != nil {
							t.Errorf("the other head: %d of %d bytes, then %v", got, n, err)
						}
					}
					_ = sender.Close()
					r := l.result(t)
					if sent := map[relay.Side]int64{relay.Down: r.Up, relay.Up: r.Down}[by]; sent != n+m {
						t.Errorf("counted %d bytes, want %d", sent, n+m)
					}
				})
			}
		}
	}
}

// limits: each limit ends a link, is named, and both peers learn of it.
func limits(t *testing.T, start Start) {
	const short, never = 100 * time.Millisecond, time.Hour
	tests := map[string]struct {
		o      relay.Options
		finish relay.Side // who finishes first
		want   relay.Reason
		by     relay.Side
	}{
		"idle":                          {relay.Options{Idle: short, HalfClose: never, Lifetime: never}, relay.Self, relay.Idle, relay.Self},
		"half-close after the client":   {relay.Options{Idle: never, HalfClose: short}, relay.Down, relay.HalfClosed, relay.Up},
		"half-close after the upstream": {relay.Options{HalfClose: short}, relay.Up, relay.HalfClosed, relay.Down},
		"idle while half-closed":        {relay.Options{Idle: short, HalfClose: never}, relay.Down, relay.Idle, relay.Self},
		"lifetime":                      {relay.Options{Idle: never, HalfClose: never, Lifetime: short}, relay.Self, relay.Expired, relay.Self},
	}
	for _, way := range routes(t) {
		for name, test := range tests {
			t.Run(way.name+", "+name, func(t *testing.T) {
				t.Parallel()
				down, up, client, server := way.connect(t)
				l := begin(start, down, up, test.o)
				switch test.finish {
				case relay.Down:
					client.closeWrite(t)
				case relay.Up:
					server.closeWrite(t)
				}
				r := l.result(t)
				if r.Reason != test.want || r.By != test.by || r.Err != nil || r.Cut {
					t.Errorf("result %+v, want %v by %v", r, test.want, test.by)
				}
				for _, p := range []*peer{client, server} {
					if err := awaitEnd(p); isTimeout(err) {
						t.Error("a peer was not told of the end")
					}
				}
			})
		}
	}
}
