// Package builtin is the one list of the matchers and handlers that come with
// dwaar. A program that embeds dwaar registers all of them, or its own choice:
//
//	var r host.Registry
//	builtin.Register(&r)
//	g, err := graph.Build(tree, &r, graph.Options{})
package builtin

import (
	"dwaar.dev/dwaar/builtin/clock"
	"dwaar.dev/dwaar/builtin/closer"
	"dwaar.dev/dwaar/builtin/dns"
	"dwaar.dev/dwaar/builtin/echo"
	"dwaar.dev/dwaar/builtin/http"
	"dwaar.dev/dwaar/builtin/mapfile"
	"dwaar.dev/dwaar/builtin/openvpn"
	"dwaar.dev/dwaar/builtin/postgres"
	"dwaar.dev/dwaar/builtin/proxy"
	"dwaar.dev/dwaar/builtin/proxyheader"
	"dwaar.dev/dwaar/builtin/proxyprotocol"
	"dwaar.dev/dwaar/builtin/quic"
	"dwaar.dev/dwaar/builtin/rdp"
	"dwaar.dev/dwaar/builtin/regexp"
	"dwaar.dev/dwaar/builtin/remoteip"
	"dwaar.dev/dwaar/builtin/remoteiplist"
	"dwaar.dev/dwaar/builtin/setvars"
	"dwaar.dev/dwaar/builtin/socks4"
	"dwaar.dev/dwaar/builtin/socks5"
	"dwaar.dev/dwaar/builtin/ssh"
	"dwaar.dev/dwaar/builtin/subroute"
	"dwaar.dev/dwaar/builtin/tee"
	"dwaar.dev/dwaar/builtin/terminate"
	"dwaar.dev/dwaar/builtin/throttle"
	"dwaar.dev/dwaar/builtin/tls"
	"dwaar.dev/dwaar/builtin/vars"
	"dwaar.dev/dwaar/builtin/winbox"
	"dwaar.dev/dwaar/builtin/wireguard"
	"dwaar.dev/dwaar/builtin/xmpp"
	"dwaar.dev/dwaar/host"
)

// Register adds everything to r, in the order in which help lists it.
func Register(r *host.Registry) {
	r.Matcher(tls.Spec(), tls.New)
	r.Matcher(quic.Spec(), quic.New)
	r.Matcher(http.Spec(), http.New)
	r.Matcher(ssh.Spec(), ssh.New)
	r.Matcher(postgres.Spec(), postgres.New)
	r.Matcher(openvpn.Spec(), openvpn.New)
	r.Matcher(wireguard.Spec(), wireguard.New)
	r.Matcher(winbox.Spec(), winbox.New)
	r.Matcher(dns.Spec(), dns.New)
	r.Matcher(proxyheader.Spec(), proxyheader.New)
	r.Matcher(rdp.Spec(), rdp.New)
	r.Matcher(socks4.Spec(), socks4.New)
	r.Matcher(socks5.Spec(), socks5.New)
	r.Matcher(xmpp.Spec(), xmpp.New)
	r.Matcher(remoteip.RemoteSpec(), remoteip.NewRemote)
	r.Matcher(remoteip.LocalSpec(), remoteip.NewLocal)
	r.Matcher(remoteiplist.Spec(), remoteiplist.New)
	r.Matcher(clock.Spec(), clock.New)
	r.Matcher(regexp.Spec(), regexp.New)
	r.Matcher(vars.Spec(), vars.New)
	r.Matcher(vars.RegexpSpec(), vars.NewRegexp)
	r.BuiltMatcher(mapfile.MatcherSpec(), mapfile.NewMatcher)

	r.Handler(proxy.Spec(), proxy.New)
	r.Handler(terminate.Spec(), terminate.New)
	r.Handler(subroute.Spec(), subroute.New)
	r.Handler(proxyprotocol.Spec(), proxyprotocol.New)
	r.Handler(throttle.Spec(), throttle.New)
	r.Handler(tee.Spec(), tee.New)
	r.Handler(setvars.Spec(), setvars.New)
	r.Handler(mapfile.HandlerSpec(), mapfile.NewHandler)
	r.Handler(echo.Spec(), echo.New)
	r.Handler(closer.Spec(), closer.New)

	r.Global(mapfile.GlobalSpec(), mapfile.Check)
	for _, g := range terminate.Globals() {
		r.Global(g.Spec, g.Check)
	}
}
