// Package proxyprotocol holds the handler proxy_protocol, which takes a header of the PROXY
// protocol off a connection, version 1 or 2, as a load balancer in front sends it. What
// follows sees the bytes behind the header, and the addresses that the header names.
//
//	:443 {
//		route {
//			proxy_protocol {
//				allow 10.0.0.0/8
//			}
//		}
//		@app tls sni app.example.com
//		route @app {
//			proxy 10.0.1.10:443
//		}
//	}
//
// The header is read as it comes, in an event loop: the handler needs no goroutine.
package proxyprotocol

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// name is the directive, and the first part of the names of its facts.
const name = "proxy_protocol"

// defaultTimeout is how long a client may take for its header. A sender writes it at once.
const defaultTimeout = 5 * time.Second

// Policy says what becomes of a client's header, or of the lack of one.
type Policy string

// The policies, as they are written.
const (
	Ignore  Policy = "IGNORE"  // a header is taken off and not believed
	Use     Policy = "USE"     // a header is believed; a client may as well send none
	Reject  Policy = "REJECT"  // a client that sends a header is turned away
	Require Policy = "REQUIRE" // a header is believed, and a client without one turned away
	Skip    Policy = "SKIP"    // the client is not asked: what it sends goes on as it is
)

// policies are the words of fallback_policy.
func policies() []string {
	return []string{string(Ignore), string(Use), string(Reject), string(Require), string(Skip)}
}

// settings is the block as it is written.
type settings struct {
	allow, deny []netip.Prefix
	fallback    Policy // "": not written
	timeout     time.Duration
}

// options are what stands in the block.
func options() []sdk.Option[settings] {
	ranges := []sdk.Arg{sdk.Some("CIDR", sdk.CIDR)}
	return []sdk.Option[settings]{
		sdk.Line(sdk.Spec{
			Name: "allow", Many: true, Args: ranges,
			Doc: "Peers whose headers are believed; they may as well send none",
		}, sdk.AddPrefixes(func(s *settings) *[]netip.Prefix { return &s.allow })),
		sdk.Line(sdk.Spec{
			Name: "deny", Many: true, Args: ranges,
			Doc: "Peers that are turned away if they send a header; they count before those of allow",
		}, sdk.AddPrefixes(func(s *settings) *[]netip.Prefix { return &s.deny })),
		sdk.Line(sdk.Spec{
			Name:    "fallback_policy",
			Doc:     "For all other peers: IGNORE takes a header off and does not believe it, USE believes it, REJECT turns away who sends one, REQUIRE who sends none, SKIP leaves the bytes as they are",
			Args:    []sdk.Arg{sdk.Choice("POLICY", policies()...)},
			Default: "IGNORE; without allow and deny USE",
		}, setPolicy),
		sdk.Line(sdk.Spec{
			Name: "timeout", Default: "5s",
			Doc:  "How long a client may take for its header, from when the handler is reached",
			Args: []sdk.Arg{sdk.One("D", sdk.Duration)},
		}, sdk.SetDuration(func(s *settings) *time.Duration { return &s.timeout })),
	}
}

func setPolicy(s *settings, n *sdk.Node) error {
	for _, p := range policies() {
		if strings.EqualFold(p, n.Args[0].Text) {
			s.fallback = Policy(p)
		}
	}
	return nil
}

// Spec describes the handler.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name:  name,
		Doc:   "Takes a PROXY protocol header off the connection; what follows sees the addresses in it",
		Block: &sdk.Block{Options: sdk.Specs(options())},
		Facts: facts(),
	}
}

// New makes the handler from its directive.
func New(b host.Builder, n *sdk.Node) (host.Handler, error) {
	s := settings{timeout: defaultTimeout}
	if err := sdk.Apply(&s, n.Block, options()); err != nil {
		return nil, err
	}
	bare := s.allow == nil && s.deny == nil
	switch {
	case s.fallback == "" && bare:
		s.fallback = Use
	case s.fallback == "":
		s.fallback = Ignore
	}
	h := &Handler{allow: s.allow, deny: s.deny, fallback: s.fallback, timeout: s.timeout}
	if s.allow == nil && !h.Believes() {
		b.Warnf(n.Pos, "%s believes nobody: name the load balancer in front with allow CIDR", name)
	}
	for kind := customFacts; kind <= lastType; kind++ {
		b.Supplies(name + "." + hexKey(byte(kind)))
	}
	return h, nil
}

// Handler takes headers off connections. It is not changed by them.
type Handler struct {
	allow, deny []netip.Prefix
	fallback    Policy
	timeout     time.Duration
}

var (
	_ host.Stepper = (*Handler)(nil)
	_ host.Renamer = (*Handler)(nil)
)

// Believes reports whether a header of a peer that no option names is believed.
func (h *Handler) Believes() bool { return h.fallback == Use || h.fallback == Require }

// policy returns the policy for a peer. Clients of Unix sockets have no address, and are
// believed, as whoever may open the socket is: the file's mode says who that is.
func (h *Handler) policy(peer netip.Addr) Policy {
	within := func(p netip.Prefix) bool { return p.Contains(peer) }
	switch {
	case !peer.IsValid(), !slices.ContainsFunc(h.deny, within) && slices.ContainsFunc(h.allow, within):
		if h.fallback == Require {
			return Require
		}
		return Use
	case slices.ContainsFunc(h.deny, within):
		return Reject
	}
	return h.fallback
}
