package relaytest

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// urgent: MSG_OOB in both directions loses only the urgent byte itself.
func urgent(t *testing.T, start Start) {
	const n = 100_000
	directions(t, urgentWire, func(t *testing.T, d direction) {
		down, up, sender, receiver := d.connect(t)
		l := begin(start, down, up, relay.Options{})
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			sender.say(t, 3, 0, n)
			// Once: the kernel keeps one urgent byte, and a second one would
			// put the first into the stream.
			sendUrgent(t, sender.socket, '!')
			sender.say(t, 3, n, 4*n)
			sender.closeWrite(t)
		}()
		got, err := stream(3).receive(receiver, 0, 1<<62)
		if got != 4*n || err != io.EOF {
			t.Errorf("received %d of %d bytes, then %v", got, 4*n, err)
		}
		<-sent
		receiver.closeWrite(t)
		if r := l.result(t); r.Reason != relay.Finished || r.Up+r.Down != 4*n {
			t.Errorf("result %+v, want %d bytes and the end in order", r, 4*n)
		}
	})
	t.Run("nothing but urgent data", func(t *testing.T) {
		t.Parallel()
		down, client := dialTCP(t)
		up, server := dialTCP(t)
		l := begin(start, down, up, relay.Options{})
		sendUrgent(t, client.socket, '!')
		client.closeWrite(t)
		if err := awaitEnd(server); err != io.EOF {
			t.Errorf("the server reads %v, want EOF", err)
		}
		server.closeWrite(t)
		if r := l.result(t); r.Reason != relay.Finished || r.Up != 0 {
			t.Errorf("result %+v, want no byte and the end in order", r)
		}
	})
}

// flushes: 300,000 bytes and then a reset; the bytes arrive, then the reset,
// although the receiver begins to read only after it.
func flushes(t *testing.T, start Start) {
	directions(t, resettable, func(t *testing.T, d direction) {
		down, up, sender, receiver := d.connect(t)
		n := int64(300_000)
		if !receiver.isTCP() {
			n = 100_000 // a Unix socket takes 200 KiB, and the sender waits for all of it
		}
		l := begin(start, down, up, relay.Options{})
		sender.say(t, 4, 0, n)
		sender.reset(t)
		receiver.expect(t, 4, n)
		if err := awaitEnd(receiver); receiver.isTCP() && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after the bytes: %v, want a reset", err)
		}
		if r := l.result(t); r.Reason != relay.Reset || r.By != d.by || r.Cut || r.Up+r.Down != n {
			t.Errorf("result %+v, want %d bytes and a reset by %v", r, n, d.by)
		}
	})
	t.Run("seen by a write first", func(t *testing.T) {
		t.Parallel()
		directions(t, resettable, func(t *testing.T, d direction) { writeSees(t, start, d) })
	})
	lingers(t, start)
}

// writeSees resets while the relay cannot write to the receiver, so that it
// learns of the reset when it writes to the sender. The kernel reports a reset
// once: reading then says EOF, and it must not be passed on as one.
func writeSees(t *testing.T, start Start, d direction) {
	down, up, sender, receiver := d.connect(t)
	l := begin(start, down, up, relay.Options{})
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = stream(5).send(sender, 0, 64<<20, 64<<10) // until the reset
	}()
	awaitStall(l)
	sender.abort()
	<-sent
	receiver.say(t, 6, 0, 1)
	awaitStall(l)
	n, err := stream(5).receive(receiver, 0, 1<<62)
	if err == nil || errors.Is(err, errPattern) || (err == io.EOF && receiver.isTCP()) {
		t.Errorf("received %d bytes, then %v, want a reset", n, err)
	}
	r := l.result(t)
	if from, _ := d.counts(r); r.Reason != relay.Reset || r.By != d.by || r.Cut || from != n {
		t.Errorf("result %+v, want a reset by %v after %d bytes", r, d.by, n)
	}
}

// lingers: the wait for a receiver that does not read has an end.
func lingers(t *testing.T, start Start) {
	t.Run("a receiver that does not read is reset after linger", func(t *testing.T) {
		t.Parallel()
		down, client := dialTCP(t)
		up, server := dialTCP(t)
		l := begin(start, down, up, relay.Options{Linger: 50 * time.Millisecond})
		client.say(t, 5, 0, unread)
		client.reset(t)
		r := l.result(t)
		if r.Reason != relay.Reset || r.By != relay.Down || !r.Cut || r.Up != unread {
			t.Errorf("result %+v, want a reset by the client that cuts the server", r)
		}
		_ = server.Close()
	})
	t.Run("a kill cuts the wait short", func(t *testing.T) {
		t.Parallel()
		down, client := dialTCP(t)
		up, server := dialTCP(t)
		l := begin(start, down, up, relay.Options{Linger: time.Hour})
		client.say(t, 5, 0, unread)
		client.reset(t)
		awaitStall(l)
		l.Kill(relay.Drained)
		if r := l.result(t); r.By == relay.Up || !r.Cut {
			t.Errorf("result %+v, want the server cut", r)
		}
		_ = server.Close()
	})
}

// unread is more than a receive window takes that nobody reads from (64 KiB at
// first) and less than the send buffer behind it: the relay can write it all,
// and it is never acknowledged.
const unread = 2 << 20

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
	for _, then := range []string{"goes on", "has finished", "was reset"} {
		t.Run("a sender that "+then, func(t *testing.T) {
			t.Parallel()
			directions(t, anyWire, func(t *testing.T, d direction) { head(t, start, d, then) })
		})
	}
}

func head(t *testing.T, start Start, d direction, then string) {
	const n, m = 70_000, 30_000 // the head, larger than one read; what follows it
	down, up, sender, receiver := d.connect(t)
	mine, other := &down, &up
	if d.by == relay.Up {
		mine, other = other, mine
	}
	mine.Head, other.Head = stream(6).bytes(n), stream(7).bytes(n)
	sender.say(t, 6, n, n+m)
	switch then {
	case "has finished":
		sender.closeWrite(t)
	case "was reset":
		sender.reset(t)
	}
	l := begin(start, down, up, relay.Options{})
	receiver.expect(t, 6, n+m)
	_ = receiver.Conn.(relay.CloseWriter).CloseWrite() // fails after a reset
	if then != "was reset" {
		sender.expect(t, 7, n)
	}
	_ = sender.Close()
	if from, _ := d.counts(l.result(t)); from != n+m {
		t.Errorf("counted %d bytes, want %d", from, n+m)
	}
}
