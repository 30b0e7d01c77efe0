package terminate_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
)

// hello returns the first bytes of a client whose hello has that many protocols to offer.
func hello(t *testing.T, k *kit, protocols int) []byte {
	t.Helper()
	here, there := net.Pipe()
	config := k.config("a.example")
	for range protocols {
		config.NextProtos = append(config.NextProtos, strings.Repeat("p", 250))
	}
	go func() { _ = tls.Client(there, config).Handshake() }()
	defer there.Close()
	defer here.Close()
	_ = here.SetDeadline(time.Now().Add(limit))
	var all []byte
	for b := make([]byte, 64<<10); ; {
		n, err := here.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b[:n]...)
		if whole := 4 + int(all[6])<<16 + int(all[7])<<8 + int(all[8]); len(all) >= whole+5*(1+whole>>14) {
			return all
		}
	}
}

func TestAClientThatSendsTooMuchBeforeItsHandshakeIsDoneIsEnded(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	for _, c := range []struct {
		option    string
		protocols int
		code      string
	}{
		{"", 110, "proxy.handling.closed"},    // 27 KiB
		{"", 150, "client.handling.protocol"}, // 37 KiB
		{"max_handshake 8KiB\n", 50, "client.handling.protocol"},
		{"max_handshake 64KiB\n", 200, "proxy.handling.closed"},
		{"client_auth {\nmode request\n}\n", 200, "proxy.handling.closed"},
	} {
		s := k.serve(own+c.option+"}\n}", func(context.Context, host.Conn) error { return nil })
		config := k.config("a.example")
		for range c.protocols {
			config.NextProtos = append(config.NextProtos, strings.Repeat("p", 250))
		}
		_, _ = dial(t, s.Addr, config)
		o := s.Outcome(t)
		if o.Code.String() != c.code {
			t.Errorf("%q, a hello of %d protocols: %v, %v", c.option, c.protocols, o.Code, o.Err)
		}
		if o.Code.Why == host.Protocol && !strings.Contains(o.Err.Error(), "max_handshake allows") {
			t.Errorf("the error does not say what to configure: %v", o.Err)
		}
		if n := s.Held.Load(); n != 0 {
			t.Errorf("%d bytes are charged after the end", n)
		}
	}
}

func TestAHandshakeIsChargedAsLongAsItIsNotDone(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	s := k.serve(own+"}\n}", nil)
	s.Memory.Store(60 << 10)
	silent := raw(t, s.Addr)
	for s.Held.Load() == 0 {
		runtime.Gosched()
	}
	other := raw(t, s.Addr)
	for s.Held.Load() < 32<<10 {
		runtime.Gosched()
	}
	if _, err := talk(t, s.Addr, k.config("a.example")); err == nil {
		t.Error("a third handshake has room in 60 KiB")
	}
	if o := s.Outcome(t); o.Code.String() != "proxy.handling.cap" || !errors.Is(o.Err, host.ErrNoMemory) {
		t.Errorf("it ends with %v, %v", o.Code, o.Err)
	}
	_ = silent.Close()
	s.Outcome(t)
	c, err := dial(t, s.Addr, k.config("a.example"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_ = other.Close()
	s.Outcome(t)
	if n := s.Held.Load(); n != 0 {
		t.Errorf("a connection whose handshake is done is charged %d bytes", n)
	}
	_ = c.Close()
	s.Outcome(t)
}

func TestAHandshakeHoldsNoMoreThanItIsChargedFor(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has memory of its own")
	}
	k := newKit(t) // alone: it measures
	k.pair("a", "a.example")
	first := hello(t, k, 0)
	for name, sent := range map[string][]byte{
		"nothing":                              nil,
		"a record of 16 KiB that is announced": []byte("\x16\x03\x01\x40\x00"),
		"a hello that is answered":             first,
		"30 KiB of a hello":                    hello(t, k, 200)[:30<<10],
	} {
		s := k.serve(own+"}\n}", nil)
		const clients = 300
		before := memory()
		var all []net.Conn
		for range clients {
			c := raw(t, s.Addr)
			if _, err := c.Write(sent); err != nil {
				t.Fatal(err)
			}
			if string(sent) == string(first) {
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			}
			all = append(all, c)
		}
		settled(s)
		each, charged := (memory()-before)/clients, s.Held.Load()/clients
		t.Logf("%s: %d bytes a handshake, charged %d", name, each, charged)
		if each > charged {
			t.Errorf("%s: a handshake holds %d bytes and is charged %d", name, each, charged)
		}
		for _, c := range all {
			_ = c.Close()
			s.Outcome(t)
		}
	}
}

// settled waits until nothing is charged any more to a server's connections.
func settled(s *hosttest.Server) {
	for was, same := s.Held.Load(), 0; same < 100_000; same++ {
		runtime.Gosched()
		if now := s.Held.Load(); now != was {
			was, same = now, 0
		}
	}
}

// memory returns what the heap and the stacks take.
func memory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
