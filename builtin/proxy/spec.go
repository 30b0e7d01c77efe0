package proxy

import (
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// The options of TLS to an upstream: the one that asks for it, and what the names of the
// others begin with. Each of these asks for it as well.
const (
	tlsName   = "tls"
	tlsPrefix = "tls_"
)

// Spec describes the directive.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name:  "proxy",
		Doc:   "Relays the connection to one of several upstreams",
		Args:  []sdk.Arg{sdk.List("ADDR", sdk.Addr)},
		Block: &sdk.Block{Options: sdk.Specs(options())},
		Ends:  true,
	}
}

// options are the lines of the directive's block.
func options() []sdk.Option[settings] {
	all := []sdk.Option[settings]{
		sdk.Line(sdk.Spec{
			Name: "to", Aliases: []string{"upstreams"}, Many: true, Doc: "Upstreams, one for each address",
			Args: []sdk.Arg{sdk.Some("ADDR", sdk.Addr)},
		}, (*settings).setTo),
		sdk.Line(sdk.Spec{
			Name: "upstream", Many: true, Doc: "An upstream with options of its own",
			Args:  []sdk.Arg{sdk.List("ADDR", sdk.Addr)},
			Block: &sdk.Block{Options: sdk.Specs(upstreamOptions())},
		}, (*settings).setUpstream),
		sdk.Line(sdk.Spec{
			Name: "proxy_protocol", Doc: "Sends a PROXY header first, which tells the client's address",
			Args: []sdk.Arg{sdk.Choice("VERSION", "v1", "v2")},
		}, (*settings).setHeader),
		sdk.Line(sdk.Spec{
			Name: "allow", Many: true, Doc: "Where clients may have us connect, for addresses with placeholders",
			Args: []sdk.Arg{sdk.Some("CIDR|NAME", sdk.Free)},
		}, (*settings).setAllow),
	}
	all = append(all, balanceOptions()...)
	all = append(all, passiveOptions()...)
	all = append(all, checkOptions()...)
	return append(all, limitOptions()...)
}

func balanceOptions() []sdk.Option[settings] {
	return []sdk.Option[settings]{
		sdk.Line(sdk.Spec{
			Name: "lb_policy", Doc: "How an upstream is chosen among those that are fit", Default: "round_robin",
			Args: []sdk.Arg{sdk.Choice("POLICY", policyNames()...), sdk.Maybe("N", sdk.Int)},
		}, (*settings).setPolicy),
		sdk.Line(sdk.Spec{
			Name: "lb_try_duration", Doc: "How long an upstream is looked for; 0: each is tried once", Default: "0s",
			Args: []sdk.Arg{sdk.One("DURATION", sdk.Duration)},
		}, duration(func(s *settings) *limit { return &s.tryFor })),
		sdk.Line(sdk.Spec{
			Name: "lb_try_interval", Doc: "The pause before all upstreams are tried again", Default: "250ms",
			Args: []sdk.Arg{sdk.One("DURATION", sdk.Duration)},
		}, positive(func(s *settings) *limit { return &s.tryEvery })),
	}
}

func passiveOptions() []sdk.Option[settings] {
	return []sdk.Option[settings]{
		sdk.Line(sdk.Spec{
			Name: "max_fails", Doc: "So many failed connects in a row take an upstream out", Default: "3",
			Args: []sdk.Arg{sdk.OrOff(sdk.One("N", sdk.Int))},
		}, (*settings).setMaxFails),
		sdk.Line(sdk.Spec{
			Name: "fail_duration", Doc: "How long it is out before one connection at a time tries it", Default: "10s",
			Args: []sdk.Arg{sdk.OrOff(sdk.One("DURATION", sdk.Duration))},
		}, duration(func(s *settings) *limit { return &s.failFor })),
		sdk.Line(sdk.Spec{
			Name: "unhealthy_connection_count", Doc: "An upstream with so many open connections gets no more",
			Args: []sdk.Arg{sdk.One("N", sdk.Int)},
		}, count(func(s *settings) *int { return &s.crowded })),
	}
}

func checkOptions() []sdk.Option[settings] {
	return []sdk.Option[settings]{
		sdk.Line(sdk.Spec{
			Name: "health_interval", Doc: "Checks every upstream so often", Default: "30s if another health_ option asks for checks",
			Args: []sdk.Arg{sdk.One("DURATION", sdk.Duration)},
		}, positive(func(s *settings) *limit { return &s.check.every })),
		sdk.Line(sdk.Spec{
			Name: "health_timeout", Doc: "The limit of a check, and of connects without connect_timeout", Default: "10s for connects, at most 5s for checks",
			Args: []sdk.Arg{sdk.One("DURATION", sdk.Duration)},
		}, positive(func(s *settings) *limit { return &s.healthTimeout })),
		sdk.Line(sdk.Spec{
			Name: "health_port", Doc: "Checks another port; connections keep theirs",
			Args: []sdk.Arg{sdk.One("PORT", sdk.Int)},
		}, (*settings).setHealthPort),
		sdk.Line(sdk.Spec{
			Name: "health_uri", Doc: "Checks with an HTTP GET that must be answered by 2xx or 3xx",
			Args: []sdk.Arg{sdk.One("PATH", sdk.Free)},
		}, (*settings).setHealthURI),
		sdk.Line(sdk.Spec{
			Name: "health_tls", Doc: "Checks by TLS what connections reach without; those with TLS use their own options",
			Block: &sdk.Block{Options: sdk.Specs(checkTLSOptions())},
		}, (*settings).setHealthTLS),
		sdk.Line(sdk.Spec{
			Name: "health_fall", Doc: "So many failed checks in a row make an upstream unhealthy", Default: "1",
			Args: []sdk.Arg{sdk.One("N", sdk.Int)},
		}, count(func(s *settings) *int { return &s.check.fall })),
		sdk.Line(sdk.Spec{
			Name: "health_rise", Doc: "So many good checks in a row make it healthy", Default: "1",
			Args: []sdk.Arg{sdk.One("N", sdk.Int)},
		}, count(func(s *settings) *int { return &s.check.rise })),
		sdk.Line(sdk.Spec{
			Name: "close_if_unhealthy", Doc: "Ends the connections of an upstream that its checks find unhealthy",
		}, func(s *settings, _ *sdk.Node) error { s.check.close = true; return nil }),
	}
}

func limitOptions() []sdk.Option[settings] {
	return []sdk.Option[settings]{
		sdk.Line(sdk.Spec{
			Name: "connect_timeout", Doc: "How long one attempt to connect may take", Default: "health_timeout, else 10s",
			Args: []sdk.Arg{sdk.One("DURATION", sdk.Duration)},
		}, positive(func(s *settings) *limit { return &s.connect })),
		sdk.Line(sdk.Spec{
			Name: "idle_timeout", Doc: "Ends a connection without a byte either way", Default: "1h",
			Args: []sdk.Arg{sdk.OrOff(sdk.One("DURATION", sdk.Duration))},
		}, positive(func(s *settings) *limit { return &s.idle })),
		sdk.Line(sdk.Spec{
			Name: "half_close_timeout", Doc: "The same once one side has finished", Default: "1m",
			Args: []sdk.Arg{sdk.OrOff(sdk.One("DURATION", sdk.Duration))},
		}, positive(func(s *settings) *limit { return &s.halfClose })),
		sdk.Line(sdk.Spec{
			Name: "max_lifetime", Doc: "Ends a connection so long after it was proxied", Default: "off",
			Args: []sdk.Arg{sdk.OrOff(sdk.One("DURATION", sdk.Duration))},
		}, positive(func(s *settings) *limit { return &s.lifetime })),
	}
}

// upstreamOptions are the lines of an upstream's block.
func upstreamOptions() []sdk.Option[entry] {
	all := []sdk.Option[entry]{
		sdk.Line(sdk.Spec{
			Name: "dial", Many: true, Doc: "One upstream of several addresses: each gets all the client's bytes",
			Args: []sdk.Arg{sdk.Some("ADDR", sdk.Addr)},
		}, func(u *entry, n *sdk.Node) error { u.dial = append(u.dial, n.Args...); return nil }),
		sdk.Line(sdk.Spec{
			Name: "max_connections", Doc: "So many open connections at most",
			Args: []sdk.Arg{sdk.One("N", sdk.Int)},
		}, count(func(u *entry) *int { return &u.max })),
		sdk.Line(sdk.Spec{
			Name: "weight", Doc: "Its share under weighted_round_robin, from 1 to 256", Default: "1",
			Args: []sdk.Arg{sdk.One("N", sdk.Int)},
		}, (*entry).setWeight),
		sdk.Line(sdk.Spec{Name: "backup", Doc: "Gets connections while no other upstream takes any"}, func(u *entry, _ *sdk.Node) error {
			u.backup = true
			return nil
		}),
		sdk.Line(sdk.Spec{
			Name: "local_addr", Many: true, Doc: "The local address to connect from, one for each family, and the local port if one is given",
			Args: []sdk.Arg{sdk.Some("IP[:PORT]", sdk.Free)},
		}, (*entry).setLocal),
		sdk.Line(sdk.Spec{
			Name: "resolver_preference", Doc: "Which addresses of a host name are used, or used first",
			Args: []sdk.Arg{sdk.Choice("FAMILY", preferenceNames()...)},
		}, (*entry).setPreference),
	}
	return append(all, tlsOptions()...)
}

func tlsOptions() []sdk.Option[entry] {
	all := []sdk.Option[entry]{
		sdk.Line(sdk.Spec{Name: tlsName, Doc: "Speaks TLS to the upstream, as any option whose name begins with tls_ does"}, func(u *entry, _ *sdk.Node) error {
			u.tls.on = true
			return nil
		}),
		sdk.Line(sdk.Spec{
			Name: "tls_server_name", Doc: "The name to ask for and to find in the certificate", Default: "the host that is connected to",
			Args: []sdk.Arg{sdk.One("NAME", sdk.Host)},
		}, (*entry).setServerName),
		sdk.Line(sdk.Spec{
			Name: "tls_insecure_skip_verify", Doc: "Takes any certificate: anybody in between can read and change what is sent",
		}, func(u *entry, _ *sdk.Node) error { u.tls.config.InsecureSkipVerify = true; return nil }),
		sdk.Line(sdk.Spec{
			Name: "tls_client_auth", Doc: "The certificate we show, and its key, in PEM files",
			Args: []sdk.Arg{sdk.One("CERT", sdk.Free), sdk.One("KEY", sdk.Free)},
		}, (*entry).setClientAuth),
		sdk.Line(sdk.Spec{
			Name: "tls_trust_pool", Doc: "PEM files of the authorities to trust in place of the system's",
			Args: []sdk.Arg{sdk.Some("FILE", sdk.Free)},
		}, (*entry).setTrustPool),
		sdk.Line(sdk.Spec{
			Name: "tls_timeout", Doc: "How long the handshake may take", Default: "10s",
			Args: []sdk.Arg{sdk.One("DURATION", sdk.Duration)},
		}, positive(func(u *entry) *limit { return &u.tls.timeout })),
		sdk.Line(sdk.Spec{
			Name: "tls_curves", Many: true, Doc: "The key exchanges to offer", Default: "those of Go's crypto/tls",
			Args: []sdk.Arg{some("CURVE", curveNames()...)},
		}, (*entry).setCurves),
		sdk.Line(sdk.Spec{
			Name: "tls_except_ports", Many: true, Doc: "Ports without TLS",
			Args: []sdk.Arg{sdk.Some("PORT", sdk.Int)},
		}, (*entry).setExcept),
		sdk.Line(sdk.Spec{
			Name: "tls_renegotiation", Doc: "Whether the upstream may renegotiate", Default: "never",
			Args: []sdk.Arg{sdk.Choice("HOW", "never", "once", "freely")},
		}, (*entry).setRenegotiation),
	}
	for i := range all {
		if strings.HasPrefix(all[i].Spec.Name, tlsPrefix) {
			all[i].Spec.Implies = tlsName
		}
	}
	return all
}

// checkTLSOptions are the lines of the block of health_tls: what tlsOptions has for the
// connections of one port.
func checkTLSOptions() []sdk.Option[entry] {
	var some []sdk.Option[entry]
	for _, o := range tlsOptions() {
		if o.Spec.Implies = ""; o.Spec.Name != tlsName && o.Spec.Name != "tls_except_ports" {
			some = append(some, o)
		}
	}
	return some
}

func some(name string, words ...string) sdk.Arg {
	return sdk.Arg{Name: name, Shape: sdk.Enum, Words: words, Min: 1, Max: -1}
}
