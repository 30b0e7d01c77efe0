package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

// sink is a socket that answers nothing.
type sink struct{ conn *net.UDPConn }

// quiet ends a flight. It is shorter than the time after which any client sends its
// first datagrams again.
const quiet = 80 * time.Millisecond

func newSink() (*sink, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	return &sink{conn}, nil
}

func (s *sink) addr() *net.UDPAddr { return s.conn.LocalAddr().(*net.UDPAddr) }

// record writes the datagrams of the first client that sends one.
func (s *sink) record(prefix string) error {
	defer s.conn.Close()
	buf := make([]byte, 64<<10)
	var first net.Addr
	wait := 30 * time.Second // clients take their time to start
	for n := 1; ; {
		_ = s.conn.SetReadDeadline(time.Now().Add(wait))
		size, from, err := s.conn.ReadFromUDP(buf)
		switch {
		case err != nil && first != nil:
			return nil
		case err != nil:
			return err
		case first != nil && from.String() != first.String():
			continue
		}
		first, wait = from, quiet
		file := fmt.Sprintf("%s.%d.bin", prefix, n)
		if err := os.WriteFile(file, buf[:size], 0o644); err != nil {
			return err
		}
		fmt.Printf("%s: %d bytes\n", file, size)
		n++
	}
}
