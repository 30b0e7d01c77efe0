package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	xnet "golang.org/x/net/quic"
)

// xNet dials with golang.org/x/net/quic.
func (c *client) xNet(ctx context.Context, addr *net.UDPAddr) error {
	e, err := xnet.Listen("udp", "127.0.0.1:0", nil)
	if err != nil {
		return err
	}
	go func() { _, _ = e.Dial(ctx, "udp", addr.String(), &xnet.Config{TLSConfig: c.config()}) }()
	return nil
}

// quicGo dials with quic-go.
func (c *client) quicGo(ctx context.Context, addr *net.UDPAddr) error {
	q := &quic.Config{Versions: []quic.Version{quic.Version1}}
	if c.v2 {
		q.Versions = []quic.Version{quic.Version2}
	}
	t := c.config()
	if c.resume {
		t.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		q.TokenStore = quic.NewLRUTokenStore(1, 1)
		if err := visit(ctx, t, q); err != nil {
			return fmt.Errorf("visiting a server first: %w", err)
		}
	}
	go func() {
		conn, err := quic.DialAddrEarly(ctx, addr.String(), t, q)
		if err != nil {
			return
		}
		if s, err := conn.OpenStream(); err == nil {
			_, _ = s.Write([]byte("early data"))
		}
	}()
	return nil
}

// http3 asks for a page with quic-go's HTTP/3 client.
func (c *client) http3(ctx context.Context, addr *net.UDPAddr) error {
	t := &http3.Transport{TLSClientConfig: c.config(), QUICConfig: &quic.Config{Versions: []quic.Version{quic.Version1}}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+addr.String()+"/", http.NoBody)
	if err != nil {
		return err
	}
	go func() {
		if answer, err := t.RoundTrip(r); err == nil {
			answer.Body.Close()
		}
	}()
	return nil
}

// visit connects to a server of its own until the client has a ticket and a token.
func visit(ctx context.Context, t *tls.Config, q *quic.Config) error {
	cert, err := certificate()
	if err != nil {
		return err
	}
	l, err := quic.ListenAddr("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: t.NextProtos}, &quic.Config{Allow0RTT: true})
	if err != nil {
		return err
	}
	defer l.Close()
	conn, err := quic.DialAddr(ctx, l.Addr().String(), t, q)
	if err != nil {
		return err
	}
	time.Sleep(500 * time.Millisecond) // ticket and token come after the handshake
	return conn.CloseWithError(0, "")
}

func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
