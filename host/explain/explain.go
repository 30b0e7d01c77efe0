package explain

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/sdk"
)

// What the bytes of a phase are.
const (
	firstBytes  = "the first bytes"
	sameBytes   = "the same bytes"
	restBytes   = "the bytes behind a header"
	insideBytes = "the bytes inside tls"
)

// handling bounds what the handlers of a connection may take, which wait for nobody but
// the client in memory.
const handling = 10 * time.Second

// Input is what a client sends, and from where. The zero value is a client that connects
// from nowhere and says nothing.
type Input struct {
	Network string         // "tcp", "udp"; "": what the listener is
	Remote  netip.AddrPort // the client's address
	At      time.Time      // when it connected; the zero time: now
	Head    []byte         // its first bytes, before it hears anything; datagrams one after the other
	Bounds  []int          // where each datagram ends; nil for streams

	// Client is how the client goes on with a TLS handshake that Head begins; nil: it asks
	// for what the ClientHello in Head asks for.
	Client *tls.Config
	// Inside returns the first bytes that the client sends inside TLS, for the protocol that
	// was agreed on; nil: it says nothing there.
	Inside func(alpn string) []byte

	Cuts   bool                // try every way to cut the bytes in two, and byte by byte
	Logs   *Logs               // collects what plugins log; nil: nobody listens
	Getenv func(string) string // for {env.NAME}; nil: every variable is empty
}

// Connection says what becomes of a connection to a listener of a server. The graph must be
// retained by the caller. Handlers run as they do for a connection, so that the graph is
// to be one that serves nobody.
func Connection(ctx context.Context, s *graph.Server, l *graph.Listener, in Input) *Report {
	ctx, cancel := context.WithTimeout(ctx, handling)
	defer cancel()
	c := &conn{course: &course{in: in, report: new(Report)}, flow: flowOf(s, l, &in), on: firstBytes}
	c.flow.Bind(c)
	defer c.clients.close()
	r := c.report
	r.Listener, r.Network, r.Bytes = l.Name, c.flow.Network, len(c.flow.Head)
	if c.flow.Remote.IsValid() {
		r.Client = c.flow.Remote.String()
	}
	err := s.Routes().Handle(ctx, c, func(context.Context, host.Conn) error { return host.ErrNoRoute })
	r.ends(err)
	r.Facts = maps.Collect(c.facts.All())
	return r
}

// flowOf returns the connection as its matchers see it.
func flowOf(s *graph.Server, l *graph.Listener, in *Input) sdk.Flow {
	f := sdk.Flow{
		Head: in.Head, Bounds: in.Bounds, Network: in.Network, Remote: host.Plain(in.Remote), Local: l.Addr,
		Accepted: in.At, Listener: l.Name, MaxHead: s.Limits.MaxHead,
	}
	if f.Accepted.IsZero() {
		f.Accepted = time.Now()
	}
	if f.Network == "" {
		f.Network = "tcp"
	}
	if l.Network == "unix" {
		f.Network, f.Remote, f.Local = "unix", netip.AddrPort{}, netip.AddrPort{}
	}
	if f.Bounds == nil {
		f.Head = f.Head[:min(len(f.Head), f.MaxHead)]
	}
	return f
}

// ends says what became of the connection.
func (r *Report) ends(err error) {
	var end *host.EndError
	switch {
	case r.routed && err == nil:
		r.End = "it is sent to an upstream"
	case errors.Is(err, host.ErrNoRoute):
		r.End, r.Code = "no route takes the connection: it is closed", host.NoRoute.String()
	case err == nil:
		r.End, r.Code = "the connection is closed", host.Closed.String()
	case errors.As(err, &end) && end.Err == nil:
		r.End, r.Code = fmt.Sprintf("the connection ends: %s by %s", end.Why, end.By), end.Why.String()
	case errors.As(err, &end):
		r.End, r.Code = fmt.Sprintf("the connection is closed: %v", err), end.Why.String()
	default:
		r.End, r.Code = fmt.Sprintf("the connection is closed: %v", err), host.Failed.String()
	}
}
