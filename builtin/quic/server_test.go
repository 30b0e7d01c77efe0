package quic_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	xnet "golang.org/x/net/quic"

	"dwaar.dev/dwaar/sdk"
)

// TestNothingThatAServerGoesOnWithIsRefused sends sessions, right and odd ones, to the
// server of golang.org/x/net/quic, and asks the matcher about those that it answers
// with a ServerHello. A flight that was captured has to be answered.
func TestNothingThatAServerGoesOnWithIsRefused(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	captured := flights(t)["quic-go-classic"]
	if !goesOn(t, server, captured, time.Minute) {
		t.Fatal("the server does not answer the captured flight")
	}
	msg := helloOf(t, captured)
	var sessions [][][]byte
	random := mathrand.New(mathrand.NewPCG(7, 8))
	for range 60 {
		sessions = append(sessions, oddSession(t, msg, random))
	}
	answered := make([]bool, len(sessions))
	var wg sync.WaitGroup
	for i, datagrams := range sessions {
		wg.Go(func() {
			answered[i] = goesOn(t, server, datagrams, 2*time.Second) // no answer proves nothing
		})
	}
	wg.Wait()
	for i, datagrams := range sessions {
		if got := ask(matcher(t), datagrams...); answered[i] && got.Answer.Verdict == sdk.No {
			t.Errorf("session %d: the server goes on, the matcher says %v", i, got)
		}
	}
}

// oddSession scatters a hello and does something to a packet that a server may mind
// or not.
func oddSession(t testing.TB, msg []byte, random *mathrand.Rand) [][]byte {
	dcid := binary.BigEndian.AppendUint64(nil, random.Uint64())
	s := &sender{side: newSide(t, v1, dcid, "client in"), dcid: dcid}
	all := crypto(msg, 0, len(msg))
	p := initial{number: 1, dcid: dcid, frames: all}
	switch random.IntN(10) {
	case 0:
		p.token = []byte("of nobody")
	case 1:
		p.noFixedBit = true
	case 2:
		p.flags = 0x08
	case 3:
		p.frames = slices.Concat(ack, all)
	case 4:
		p.frames = slices.Concat(all, handshake)
	case 5:
		p.frames = slices.Concat(all, closing)
	case 6:
		p.scid = []byte("another") // the transport parameters say that it has none
	case 7:
		p.number = random.Uint32()
	case 8:
		return append([][]byte{nil, padded(s.packet(ping))}, s.scatter(msg, random, ping)...)
	default:
		return s.scatter(msg, random, ping, make([]byte, 5))
	}
	return [][]byte{padded(s.seal(p))}
}

// goesOn reports whether the server answers datagrams with a ServerHello.
func goesOn(t *testing.T, server string, datagrams [][]byte, wait time.Duration) bool {
	conn, err := net.Dial("udp", server)
	if err != nil {
		t.Error(err)
		return false
	}
	defer conn.Close()
	for _, d := range datagrams {
		if _, err := conn.Write(d); err != nil {
			t.Error(err)
		}
	}
	first := datagrams[slices.IndexFunc(datagrams, func(d []byte) bool { return len(d) > 0 })]
	keys := newSide(t, v1, first[6:6+first[5]], "server in")
	_ = conn.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 2048)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return false
		}
		if d := buf[:n]; n > 7 && d[0]&0xf0 == 0xc0 {
			if frames, _ := keys.open(d); holdsCrypto(frames) {
				return true
			}
		}
	}
}

// holdsCrypto reports whether the frames of a server begin with a message, perhaps
// behind an ACK.
func holdsCrypto(frames []byte) bool {
	frames = bytes.TrimLeft(frames, "\x00\x01")
	if len(frames) > 0 && frames[0] == 2 {
		at, ranges := 1, 0
		for i := 0; i < 4+2*ranges; i++ {
			v, n := readVarint(frames[at:])
			if at += n; i == 2 {
				ranges = v
			}
		}
		frames = bytes.TrimLeft(frames[at:], "\x00\x01")
	}
	return len(frames) > 0 && frames[0] == 6
}

func startServer(t *testing.T) (addr string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	e, err := xnet.Listen("udp", "127.0.0.1:0", &xnet.Config{TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"h3"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // the handshakes will never be finished
		_ = e.Close(ctx)
	})
	return e.LocalAddr().String()
}
