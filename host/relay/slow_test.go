package relay

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// slow takes what it takes when it takes it: n bytes of each write, after a pause, and
// then err.
type slow struct {
	*deaf
	pause time.Duration
	n     int
	err   error
}

func (s slow) Write(b []byte) (int, error) {
	time.Sleep(s.pause)
	if s.err != nil {
		return s.n, s.err
	}
	return len(b), nil
}

// source reads a text once, and is silent afterwards.
type talking struct {
	*deaf
	texts chan string
}

func (k talking) Read(b []byte) (int, error) {
	select {
	case text := <-k.texts:
		return copy(b, text), nil
	case <-k.closed:
		return 0, net.ErrClosed
	}
}

func between(down, up net.Conn, o Options) Result {
	done := make(chan Result, 1)
	o.Done = func(r Result) { done <- r }
	Start(Endpoint{Conn: down}, Endpoint{Conn: up}, o)
	return <-done
}

func says(texts ...string) talking {
	k := talking{newDeaf(), make(chan string, len(texts))}
	for _, text := range texts {
		k.texts <- text
	}
	return k
}

// What an end took of a write that failed was relayed all the same.
func TestPartsOfAWriteThatFailsCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := between(says("twelve bytes"), slow{newDeaf(), 0, 5, io.ErrShortWrite}, Options{})
		if r.Up != 5 || r.Down != 0 || r.By != Up || r.Reason != Broken || !errors.Is(r.Err, io.ErrShortWrite) {
			t.Errorf("%+v", r)
		}
		r = between(slow{newDeaf(), 0, 7, io.ErrShortWrite}, says("twelve bytes"), Options{})
		if r.Up != 0 || r.Down != 7 || r.By != Down || r.Reason != Broken {
			t.Errorf("the other way: %+v", r)
		}
	})
}

// The idle clock runs from the end of a write, not from its begin.
func TestASlowWriteIsNoIdleTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		r := between(says("x"), slow{newDeaf(), 50 * time.Second, 0, nil}, Options{Idle: time.Minute})
		differ(t, "result", Result{Up: 1, Reason: Idle}, r)
		if after := time.Since(begin); after < 110*time.Second || after > 112*time.Second {
			t.Errorf("it ended after %v: 50 s of writing, a minute of silence", after)
		}
	})
}
