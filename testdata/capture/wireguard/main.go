// Command wireguard records what a WireGuard peer sends first: wireguard-go, with a
// network device in memory, talks to another one through a relay that writes the
// messages to files.
//
//	go run . DIRECTORY
package main

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"
)

const mtu = 1420

func main() {
	log.SetFlags(0)
	client, server := newKeys(), newKeys()
	relay := listen()
	a := start(client)
	b := start(server)
	port := number(b.device, "listen_port")
	a.configure(fmt.Sprintf("public_key=%s\nallowed_ip=10.0.0.2/32\nendpoint=%s\n", server.public, relay.LocalAddr()))
	b.configure(fmt.Sprintf("public_key=%s\nallowed_ip=10.0.0.1/32\n", client.public))
	r := recorder{dir: os.Args[1], relay: relay, server: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}}

	a.out <- packet(1, 20) // makes a begin a handshake, and is sent behind it
	r.until("initiation.bin", func(m []byte) bool { return m[0] == 1 })
	r.until("transport.bin", func(m []byte) bool { return m[0] == 4 && len(m) > 32 })
	a.out <- packet(1, mtu)
	r.until("transport-mtu.bin", func(m []byte) bool { return m[0] == 4 && len(m) > mtu })

	// A peer that does not answer for a while is sent a keepalive: a gets data and has none.
	b.out <- packet(2, 20)
	r.until("keepalive.bin", func(m []byte) bool { return m[0] == 4 && len(m) == 32 })

	// Under load a answers handshakes with cookies.
	fresh := start(server)
	fresh.configure(fmt.Sprintf("public_key=%s\nallowed_ip=10.0.0.1/32\nendpoint=%s\n", client.public, relay.LocalAddr()))
	fresh.out <- packet(2, 20)
	initiation := r.initiation(number(fresh.device, "listen_port"))
	for range 20000 {
		if _, err := relay.WriteTo(initiation, r.client); err != nil {
			log.Fatalf("sending: %v", err)
		}
	}
	r.until("cookie-reply.bin", func(m []byte) bool { return m[0] == 3 })
}

// keys are a private and a public key in hexadecimal digits.
type keys struct{ private, public string }

func newKeys() keys {
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		log.Fatalf("making a key: %v", err)
	}
	return keys{hex.EncodeToString(k.Bytes()), hex.EncodeToString(k.PublicKey().Bytes())}
}

func listen() net.PacketConn {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		log.Fatalf("listening: %v", err)
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// peer is a wireguard-go device; out is what its network device sends.
type peer struct {
	*memory
	device *device.Device
}

func start(k keys) peer {
	m := &memory{out: make(chan []byte, 8), events: make(chan tun.Event, 1)}
	m.events <- tun.EventUp
	d := device.NewDevice(m, conn.NewStdNetBind(), device.NewLogger(device.LogLevelError, ""))
	p := peer{m, d}
	p.configure("private_key=" + k.private + "\n")
	if err := d.Up(); err != nil {
		log.Fatalf("starting a device: %v", err)
	}
	return p
}

func (p peer) configure(lines string) {
	if err := p.device.IpcSet(lines); err != nil {
		log.Fatalf("configuring a device: %v", err)
	}
}

// number reads a number of a device's configuration.
func number(d *device.Device, name string) int {
	text, err := d.IpcGet()
	if err != nil {
		log.Fatalf("reading the configuration of a device: %v", err)
	}
	for line := range strings.Lines(text) {
		var n int
		if _, err := fmt.Sscanf(line, name+"=%d", &n); err == nil {
			return n
		}
	}
	log.Fatalf("a device has no %s", name)
	return 0
}

// packet is an IPv4 packet of n bytes from 10.0.0.1 to 10.0.0.2, or the other way.
func packet(from byte, n int) []byte {
	p := make([]byte, n)
	p[0], p[8], p[9] = 0x45, 64, 253 // version and header length, TTL, protocol for experiments
	binary.BigEndian.PutUint16(p[2:], uint16(n))
	copy(p[12:], []byte{10, 0, 0, from, 10, 0, 0, 3 - from})
	return p
}

// recorder passes messages on between the peers and writes those of the client.
type recorder struct {
	dir    string
	relay  net.PacketConn
	client net.Addr
	server *net.UDPAddr
}

// until passes messages on until the client sent one that fits, and writes it.
func (r *recorder) until(file string, fits func([]byte) bool) {
	for {
		m, from := r.receive()
		to := r.client
		if from.(*net.UDPAddr).Port != r.server.Port {
			r.client, to = from, r.server
		}
		if to == nil {
			continue
		}
		if _, err := r.relay.WriteTo(m, to); err != nil {
			log.Fatalf("sending: %v", err)
		}
		if to == net.Addr(r.server) && fits(m) {
			path := filepath.Join(r.dir, file)
			if err := os.WriteFile(path, m, 0o644); err != nil {
				log.Fatalf("writing: %v", err)
			}
			log.Printf("%s: %d bytes", path, len(m))
			return
		}
	}
}

// initiation waits for a handshake initiation from a port, which is the server from
// then on.
func (r *recorder) initiation(port int) []byte {
	for {
		m, from := r.receive()
		if from.(*net.UDPAddr).Port == port && m[0] == 1 {
			r.server.Port = port
			return m
		}
	}
}

func (r *recorder) receive() ([]byte, net.Addr) {
	b := make([]byte, 64<<10)
	n, from, err := r.relay.ReadFrom(b)
	if err != nil {
		log.Fatalf("receiving: %v", err)
	}
	return b[:n], from
}

// memory is a network device without a network.
type memory struct {
	out    chan []byte
	events chan tun.Event
}

func (m *memory) File() *os.File           { return nil }
func (m *memory) MTU() (int, error)        { return mtu, nil }
func (m *memory) Name() (string, error)    { return "memory", nil }
func (m *memory) Events() <-chan tun.Event { return m.events }
func (m *memory) BatchSize() int           { return 1 }
func (m *memory) Close() error             { return nil }

func (m *memory) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	sizes[0] = copy(bufs[0][offset:], <-m.out)
	return 1, nil
}

func (m *memory) Write(bufs [][]byte, _ int) (int, error) { return len(bufs), nil }
