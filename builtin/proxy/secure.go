package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"time"

	"dwaar.dev/dwaar/host"
)

// secured is TLS towards an upstream.
type secured struct {
	config  *tls.Config    // never changed: connections use copies
	name    *host.Template // tls_server_name; nil: the host that is connected to
	timeout time.Duration
	except  []uint16 // ports without TLS
}

// covers reports whether connections to p use TLS. A nil secured covers nothing.
func (s *secured) covers(p place) bool {
	return s != nil && (p.network != "tcp" || !slices.Contains(s.except, p.addr.Port()))
}

// handshake returns TLS on conn, whose server has proved to be the one of
// tls_server_name or of the configured host.
func (s *secured) handshake(ctx context.Context, c host.View, conn net.Conn, p place) (net.Conn, error) {
	config := s.config.Clone()
	config.ServerName = p.host
	if s.name != nil {
		name, err := s.serverName(c)
		if err != nil {
			_ = conn.Close()
			return nil, err
		}
		config.ServerName = name
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("handshake with the upstream: %w", err)
	}
	return secure, nil
}

func (s *secured) serverName(c host.View) (string, error) {
	if name, ok := s.name.Literal(); ok {
		return name, nil
	}
	name, err := s.name.Expand(c.Get)
	if err == nil && !isName(name) {
		err = fmt.Errorf("%q is no host name", name)
	}
	if err != nil {
		return "", fmt.Errorf("filling in tls_server_name: %w", err)
	}
	return name, nil
}
