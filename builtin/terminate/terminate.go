// Package terminate holds the handler tls, which terminates TLS: it answers the
// handshake with the certificate for the name the client asks for, and hands the
// bytes inside to the next handler.
//
//	{
//		certificate app.example.com /etc/ssl/app.crt /etc/ssl/app.key
//	}
//
//	layer4 {
//		:443 {
//			@app tls sni app.example.com
//			route @app {
//				tls
//				proxy 127.0.0.1:3000
//			}
//		}
//	}
//
// # What a handshake can use up
//
// A client that is slow costs a goroutine and a socket until the handshake's
// deadline, never a turn: turns are for computing, there are four for each
// processor, and a handshake gives its own back whenever it waits for the client.
// So many clients that say nothing keep nobody out, and many that say something
// leave processors to the connections that already stand.
//
// What an unfinished handshake holds in memory is charged to the client
// ([host.Conn].Charge): 16 KiB for a silent one, 36 KiB after the first byte, and more for
// one that announces or sends much, of which max_handshake is the bound. Where
// client_memory is used up, the clients that hold most give way.
//
// # Certificates
//
// They are read when the configuration is built, kept by package
// internal/keys, which follows the files, or made by internal/devca while none is
// configured. Nothing a connection does changes a tls.Config.
package terminate

import (
	"context"
	"crypto/tls"
	"runtime"
	"slices"
	"time"

	"dwaar.dev/dwaar/builtin/terminate/internal/keys"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// New makes the handler from its directive. Certificates and trust pools are read;
// the internal CA, if it is used and does not exist, is made when the configuration
// is loaded.
func New(b host.Builder, n *sdk.Node) (host.Handler, error) {
	var errs sdk.Errors
	supply(b)
	s := &settings{spoken: spoken{b: b}, timeout: defaultTimeout}
	errs.Add(n.Pos, sdk.Apply(s, n.Block, handlerTable()))
	s.warn(n)
	keeper, err := newKeeper(b, n, s)
	errs.Add(n.Pos, err)
	shared, err := sharedTickets(b)
	errs.Add(n.Pos, err)
	turns, err := sharedTurns(b)
	errs.Add(n.Pos, err)
	if err := errs.Err(); err != nil {
		return nil, err
	}
	h := &Handler{timeout: s.timeout, most: s.most(), policies: s.build(), turns: turns, refusal: refusal()}
	for _, p := range h.policies {
		p.keeper, p.tickets = keeper, shared
	}
	h.config = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: h.choose}
	return h, nil
}

// build returns the policies, each with what it leaves to the block around it; without
// any, that block is one.
func (s *settings) build() []*policy {
	if s.policies == nil {
		return []*policy{{options: s.options}}
	}
	all := make([]*policy, len(s.policies))
	for i, p := range s.policies {
		p.policy.options = p.options.over(s.options)
		all[i] = p.policy
	}
	return all
}

// turnsPerProcessor is more than one, as a turn is also held for a moment while the
// kernel is asked; more would only make all handshakes slower.
const turnsPerProcessor = 4

// sharedTurns returns the turns of all tls handlers of the process.
func sharedTurns(b host.Builder) (turns, error) {
	return host.Share(b, "tls turns", func() (turns, error) {
		return make(turns, turnsPerProcessor*runtime.GOMAXPROCS(0)), nil
	})
}

// Handler terminates TLS. It is not changed by connections.
type Handler struct {
	timeout  time.Duration
	most     int       // bytes that a client may send before its handshake is done
	policies []*policy // the first that matches counts; at least one
	turns    turns
	config   *tls.Config // asks choose
	refusal  *tls.Config
}

var _ host.Offerer = (*Handler)(nil)

// Offers reports whether a client can agree with the handler on that application
// protocol: what it then carries is matched by the rules of that protocol.
func (h *Handler) Offers(protocol string) bool {
	return slices.ContainsFunc(h.policies, func(p *policy) bool { return slices.Contains(p.alpn, protocol) })
}

// Handle makes the handshake and hands on what it carries. What the handlers behind
// do not give away is closed with close_notify if they ended in order, so that the
// client can tell a whole answer from a part of one.
func (h *Handler) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	g := &gate{Conn: c.Net(), turns: h.turns, account: account{charge: c.Charge, most: h.most}, local: c.Flow().Local.Addr()}
	conn := tls.Server(g, h.config)
	if err := h.handshake(ctx, conn, g); err != nil {
		return err
	}
	inner := c.Wrap(conn)
	tell(inner, conn.ConnectionState())
	err := next(ctx, inner)
	if !inner.Given() && orderly(err) {
		_ = conn.CloseWrite() // close_notify, which has a deadline of its own; whoever is gone does not hear it
	}
	return err
}

// handshake returns when the bytes inside can be read, or why that will never be.
func (h *Handler) handshake(ctx context.Context, conn *tls.Conn, g *gate) error {
	deadline := time.Now().Add(h.timeout)
	if err := g.SetDeadline(deadline); err != nil {
		return explain(err, g, h.timeout)
	}
	ctx, cancel := context.WithDeadlineCause(ctx, deadline, errNoTurn)
	defer cancel()
	err := g.begin(ctx)
	if err == nil {
		err = conn.Handshake()
	}
	g.end()
	if err != nil {
		linger(g.Conn, err)
		return explain(err, g, h.timeout)
	}
	return g.SetDeadline(time.Time{})
}

// choose is for tls.Config.GetConfigForClient.
func (h *Handler) choose(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if g, ok := hello.Conn.(*gate); ok {
		g.greeted = true
	}
	name := keys.Fold(hello.ServerName)
	for _, p := range h.policies {
		if !p.matches(name) {
			continue
		}
		if p.drop {
			break
		}
		return p.config(), nil
	}
	return h.refusal, nil
}
