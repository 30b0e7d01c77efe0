package engine_test

import (
	"net"
	"sync"
	"testing"
	"time"
)

func TestConnectionsBeyondTheCapAreClosedAndCounted(t *testing.T) {
	f := start(t, nil)
	f.load(serve("max_connections 3", "route {", "echo", "}"))
	var in []*client
	for range 3 {
		c := f.dial()
		c.says("x", "x")
		in = append(in, c)
	}
	for range 5 {
		f.dial().isEnded()
	}
	f.ended("proxy.accept.cap", 5)
	if n := f.Stats().Refused["max_connections"]; n != 5 {
		t.Errorf("%d refused, want 5", n)
	}
	const msg = "connections are refused: max_connections is reached"
	if lines := f.lines(msg); len(lines) != 1 {
		t.Errorf("the log tells %d times", len(lines))
	}
	f.load(serve("max_connections 3", "route {", "echo", "}")) // what is in still counts
	f.dial().isEnded()
	in[0].Close()
	f.active(2)
	f.dial().says("room again", "room again")
}

func TestOneAddressHasItsOwnCap(t *testing.T) {
	f := start(t, nil)
	f.load(serve("max_connections_per_ip 2", "route {", "echo", "}"))
	first, second := f.dial(), f.dial()
	first.says("x", "x")
	second.says("x", "x")
	f.dial().isEnded()
	f.dialFrom("127.0.0.2").says("another address", "another address")
	if n := f.Stats().Refused["max_connections_per_ip"]; n != 1 {
		t.Errorf("%d refused, want 1", n)
	}
	first.Close()
	second.Close()
	f.active(1)
	f.dial().says("room again", "room again")
	f.dial().says("room again", "room again")
	f.dial().isEnded()
}

// dialFrom connects from another address of this machine.
func (f *fixture) dialFrom(ip string) *client {
	f.t.Helper()
	addr, _ := f.Addr(anyPort)
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: limit}
	c, err := d.DialContext(f.t.Context(), "tcp", addr.String())
	if err != nil {
		f.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(limit))
	f.t.Cleanup(func() { c.Close() })
	return &client{c, f.t}
}

func TestTheOldestUndecidedConnectionOfTheBusiestAddressGivesWay(t *testing.T) {
	f := start(t, nil)
	f.load(serve("matching_timeout 1m", "max_matching 3", "@a first aaa", "route @a {", "echo", "}"))
	lone := f.dialFrom("127.0.0.2")
	f.active(1)
	first := f.dialFrom("127.0.0.3")
	f.active(2)
	f.dialFrom("127.0.0.3")
	f.active(3)
	f.dialFrom("127.0.0.3")
	first.isEnded()
	f.ended("proxy.matching.evicted", 1)
	if n := f.Stats().Evicted["max_matching"]; n != 1 {
		t.Errorf("%d evicted, want 1", n)
	}
	lone.says("aaa", "aaa")
}

func TestTenThousandSlowClientsDoNotKeepOutAGoodOne(t *testing.T) {
	clients := 10_000
	switch {
	case raceEnabled:
		clients = 4000
	case testing.Short():
		clients = 1000
	}
	f := start(t, nil)
	f.load(serve("matching_timeout 10m", "max_matching 500", "@a first aaa", "route @a {", "echo", "}"))
	patient := f.dialFrom("127.0.0.2") // undecided all the time
	f.active(1)
	var slow sync.WaitGroup
	addr, _ := f.Addr(anyPort)
	all := make([]net.Conn, clients)
	for part := range 4 {
		slow.Go(func() {
			for i := part; i < clients; i += 4 {
				c, err := net.DialTimeout("tcp", addr.String(), limit)
				if err != nil {
					t.Errorf("slow client %d: %v", i, err)
					return
				}
				all[i] = c
				c.Write([]byte("a")) // may be evicted already
			}
		})
	}
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for range 50 {
		c := f.dialFrom("127.0.0.2")
		c.says("aaa", "aaa")
		c.Close()
	}
	slow.Wait()
	f.dial().says("aaa", "aaa") // from the slow ones' own address
	patient.says("aaa", "aaa")
	if s := f.Stats(); s.Evicted["max_matching"] < uint64(clients)-600 {
		t.Errorf("%d evicted of %d", s.Evicted["max_matching"], clients)
	}
}
