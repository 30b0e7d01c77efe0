//go:build ignore

// Sink records what a real client sends before it hears anything: its first
// flight. It listens on a free port of 127.0.0.1, prints the address, and writes
// the first flight of one connection to a file.
//
//	go run sink.go -out http/curl-http1.bin &
//	curl http://127.0.0.1:PORT/
//
// With -udp it records the first datagram.
//
// With -to it passes everything on to a real server, for clients that open the
// connection that matters only after another one works.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync"
	"time"
)

func main() {
	log.SetFlags(0)
	out := flag.String("out", "", "file to write the first flight to")
	nth := flag.Int("conn", 1, "which connection to record, counted from 1")
	to := flag.String("to", "", "address of the real server; none: nobody answers")
	udp := flag.Bool("udp", false, "listen for datagrams and record the first one")
	quiet := flag.Duration("quiet", 500*time.Millisecond, "the flight is over when nothing came for so long")
	flag.Parse()
	if *udp {
		datagram(*out)
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatalf("listening: %v", err)
	}
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(30 * time.Second)) // a client that does not start never comes
	fmt.Println(l.Addr())
	for i := 1; i <= *nth; i++ {
		c, err := l.Accept()
		if err != nil {
			log.Fatalf("accepting: %v", err)
		}
		s := sink{client: c, quiet: *quiet}
		if i < *nth {
			go s.run(*to)
			continue
		}
		s.run(*to)
		write(*out, s.flight)
	}
}

// datagram records the first datagram that anybody sends.
func datagram(out string) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatalf("listening: %v", err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Println(c.LocalAddr())
	buf := make([]byte, 64<<10)
	n, _, err := c.ReadFrom(buf)
	if err != nil {
		log.Fatalf("receiving: %v", err)
	}
	write(out, buf[:n])
}

func write(out string, flight []byte) {
	if err := os.WriteFile(out, flight, 0o644); err != nil {
		log.Fatalf("writing the flight: %v", err)
	}
	log.Printf("%s: %d bytes", out, len(flight))
}

// sink is one connection.
type sink struct {
	client net.Conn
	quiet  time.Duration

	mu     sync.Mutex
	flight []byte
	over   bool // the client has heard something
}

// run reads until the client ends, or is quiet while nobody answers it.
func (s *sink) run(to string) {
	defer s.client.Close()
	var server net.Conn
	if to != "" {
		var err error
		if server, err = net.Dial("tcp", to); err != nil {
			log.Fatalf("connecting to the server: %v", err)
		}
		defer server.Close()
		go s.answer(server)
	}
	buf := make([]byte, 64<<10)
	for {
		if server == nil {
			_ = s.client.SetReadDeadline(time.Now().Add(s.wait()))
		}
		n, err := s.client.Read(buf)
		s.record(buf[:n])
		if server != nil {
			_, _ = server.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// wait is longer before the first byte: clients take their time to start.
func (s *sink) wait() time.Duration {
	if len(s.flight) == 0 {
		return 10 * time.Second
	}
	return s.quiet
}

func (s *sink) record(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.flight = append(s.flight, b...)
	}
}

func (s *sink) answer(server net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if n > 0 {
			s.mu.Lock()
			s.over = true
			s.mu.Unlock()
			_, _ = s.client.Write(buf[:n])
		}
		if err == io.EOF {
			_ = s.client.(*net.TCPConn).CloseWrite()
		}
		if err != nil {
			return
		}
	}
}
