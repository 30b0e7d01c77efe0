package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/hosttest"
)

func TestSeveralDialAddressesAllGetTheBytesAndAnswer(t *testing.T) {
	t.Parallel()
	a, b, c := serve(t, "a"), serve(t, "b"), serve(t, "c")
	h := mustMake(t, "proxy {\nupstream {\ndial "+a.addr+" "+b.addr+"\ndial "+c.addr+"\n}\n}")
	s := hosttest.Serve(t, h, nil)
	// Answers are mixed as they come: of each byte there are three.
	big := strings.Repeat("x", 100_000)
	got := []byte(exchange(t, s.Addr, big))
	slices.Sort(got)
	if want := "abc" + strings.Repeat(big, 3); string(got) != want {
		t.Errorf("got %d bytes, want %d", len(got), len(want))
	}
	if o := s.Outcome(t); o.Code.String() != "client.relay.closed" || o.Up != int64(len(big)) {
		t.Errorf("ended %+v", o)
	}
	if st := h.primaries[0].up.State(); st.Connects != 1 || st.Conns != 0 {
		t.Errorf("%+v", st)
	}
}

func TestIfOneOfSeveralAddressesRefusesTheUpstreamHasFailed(t *testing.T) {
	t.Parallel()
	a, b := serve(t, "a"), serve(t, "b")
	h := mustMake(t, "proxy {\nlb_policy first\nupstream {\ndial "+a.addr+" "+refusing(t)+"\n}\nto "+b.addr+"\n}")
	s := hosttest.Serve(t, h, nil)
	if got := exchange(t, s.Addr, "x"); got != "bx" {
		t.Errorf("got %q", got)
	}
	if st := h.primaries[0].up.State(); st.Failures != 1 || st.Conns != 0 {
		t.Errorf("%+v", st)
	}
}

// pipes returns a fan of n connections and their other ends.
func pipes(t *testing.T, n int) (*fan, []net.Conn) {
	t.Helper()
	var near, far []net.Conn
	for range n {
		a, b := net.Pipe()
		near, far = append(near, a), append(far, b)
	}
	f := newFan(near, func() {})
	t.Cleanup(func() {
		for _, conn := range far {
			_ = conn.Close()
		}
		_ = f.Close()
	})
	return f, far
}

func TestAFanEndsWhenAllHaveEnded(t *testing.T) {
	t.Parallel()
	f, far := pipes(t, 2)
	_ = far[0].Close()
	go func() {
		_, _ = io.WriteString(far[1], "late")
		_ = far[1].Close()
	}()
	got, err := io.ReadAll(iotestOneByte{f})
	if string(got) != "late" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// iotestOneByte reads a byte at a time, so that a piece is taken in several reads.
type iotestOneByte struct{ r io.Reader }

func (o iotestOneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(len(p), 1)]) }

func TestAFanObeysItsReadDeadline(t *testing.T) {
	t.Parallel()
	f, far := pipes(t, 2)
	read := func() (string, error) {
		b := make([]byte, 8)
		n, err := f.Read(b)
		return string(b[:n]), err
	}
	_ = f.SetReadDeadline(time.Unix(1, 0))
	if _, err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past: %v", err)
	}
	_ = f.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("soon: %v", err)
	}
	_ = f.SetDeadline(time.Now().Add(time.Hour))
	_ = f.SetDeadline(time.Time{})
	go func() { _, _ = io.WriteString(far[1], "x") }()
	if got, err := read(); got != "x" || err != nil {
		t.Errorf("none: %q, %v", got, err)
	}
	var woken sync.WaitGroup
	woken.Go(func() {
		if _, err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("woken: %v", err)
		}
	})
	_ = f.SetReadDeadline(time.Now()) // while, or before, it reads
	woken.Wait()
}

func TestAFanBreaksWithOneOfItsConnections(t *testing.T) {
	t.Parallel()
	f, _ := pipes(t, 2)
	_ = f.all[0].Close() // as if the network had done it: its reader gets an error
	if _, err := f.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("read: %v", err)
	}
	if _, err := f.Write([]byte("x")); err == nil {
		t.Error("written")
	}
}

func TestAFanThatNobodyReadsCanBeClosed(t *testing.T) {
	t.Parallel()
	f, far := pipes(t, 3)
	for _, conn := range far {
		go func() { _, _ = io.WriteString(conn, "x") }()
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
	f, far = pipes(t, 1)
	go func() { _, _ = io.WriteString(far[0], "x") }()
	if err := f.Reset(); err != nil {
		t.Error(err)
	}
}
