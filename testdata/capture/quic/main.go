// Quic records what a QUIC client sends before it hears anything: the datagrams of its
// first flight, one file each, PREFIX.1.bin, PREFIX.2.bin and so on. It is a module of
// its own, because nothing but captures needs its client.
//
//	go run . PREFIX COMMAND…                 a command, with $ADDR, $HOST and $PORT
//	go run . -client quic-go PREFIX          quic-go, in this program
//	go run . -client http3 PREFIX            quic-go's client of HTTP/3, in this program
//	go run . -client x-net PREFIX            golang.org/x/net/quic, in this program
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	var c client
	kind := flag.String("client", "", "quic-go, http3 or x-net; none: a command")
	flag.StringVar(&c.name, "name", "app.example.com", "the server name")
	alpn := flag.String("alpn", "h3", "the protocols offered, comma-separated; none: no ALPN")
	flag.BoolVar(&c.v2, "v2", false, "speak QUIC version 2; quic-go only")
	flag.BoolVar(&c.classic, "classic", false, "offer no post-quantum group")
	flag.BoolVar(&c.resume, "resume", false, "connect to a server first, and send 0-RTT data with its ticket and its token; quic-go only")
	flag.Parse()
	c.alpn = strings.FieldsFunc(*alpn, func(r rune) bool { return r == ',' })

	s, err := newSink()
	if err != nil {
		log.Fatalf("listening: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	end := func() {}
	switch *kind {
	case "quic-go":
		err = c.quicGo(ctx, s.addr())
	case "http3":
		err = c.http3(ctx, s.addr())
	case "x-net":
		err = c.xNet(ctx, s.addr())
	default:
		end, err = command(s.addr(), flag.Args()[1:])
	}
	if err != nil {
		log.Fatalf("starting the client: %v", err)
	}
	err = s.record(flag.Arg(0))
	end()
	if err != nil {
		log.Fatalf("recording: %v", err)
	}
}

// client is what the clients in this program are asked for.
type client struct {
	name                string
	alpn                []string
	v2, classic, resume bool
}

func (c *client) config() *tls.Config {
	t := &tls.Config{ServerName: c.name, NextProtos: c.alpn, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
	if c.classic {
		t.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
	}
	return t
}

// command starts a client that is another program; end ends it and what it started.
func command(addr *net.UDPAddr, args []string) (end func(), err error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "ADDR="+addr.String(), "HOST="+addr.IP.String(), fmt.Sprintf("PORT=%d", addr.Port))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	return func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}, err
}
