package proxy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// localAddrs are where an upstream is connected from: at most one address of each
// family, and one that a placeholder stands for. With an address of one family alone, only
// that family is used; with none, the kernel chooses. It also chooses ports that are 0.
type localAddrs struct {
	v4, v6 netip.AddrPort
	chosen *host.Template // the address in front of port; nil: there is no placeholder
	port   uint16
	ported sdk.Word // the first word with a port
}

// setLocal reads addresses and placeholders, with or without a port.
func (u *entry) setLocal(n *sdk.Node) error {
	var errs sdk.Errors
	for _, w := range n.Args {
		errs.Add(w.Pos, u.local.add(w))
	}
	return errs.Err()
}

func (l *localAddrs) add(w sdk.Word) error {
	if strings.Contains(w.Text, "{") {
		return l.addChosen(w)
	}
	from, err := localOf(w.Text)
	if ip := from.Addr(); err != nil || ip.Zone() != "" || ip.IsMulticast() {
		return sdk.Errorf(w.Pos, "%q is no address to connect from: write 10.0.0.5 or 2001:db8::5, with a port 10.0.0.5:12345 or [2001:db8::5]:12345", w.Text)
	}
	of, family := &l.v6, "IPv6"
	if from.Addr().Is4() {
		of, family = &l.v4, "IPv4"
	}
	if of.IsValid() {
		return sdk.Errorf(w.Pos, "%s is a second %s address beside %s: write one of each family", w.Text, family, of.Addr())
	}
	*of = from
	l.note(w, from.Port())
	return nil
}

func (l *localAddrs) addChosen(w sdk.Word) error {
	if l.chosen != nil {
		return sdk.Errorf(w.Pos, "%q is a second placeholder beside %s: write one", w.Text, l.chosen)
	}
	ip, port, err := cutLocalPort(w)
	if err != nil {
		return err
	}
	t, err := host.ParseTemplate(ip)
	l.chosen, l.port = &t, port
	l.note(w, port)
	return err
}

// cutLocalPort cuts the port off an address with placeholders, and the brackets that an
// address has in front of a port.
func cutLocalPort(w sdk.Word) (ip sdk.Word, port uint16, err error) {
	text, digits, found := w.Text, "0", false
	if last := strings.LastIndexByte(text, '}'); strings.Contains(text[last+1:], ":") {
		at := strings.LastIndexByte(text, ':')
		text, digits, found = text[:at], text[at+1:], true
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	enclosed := found && text == "["+bare+"]"
	n, err := strconv.ParseUint(digits, 10, 16)
	switch {
	case err != nil, strings.Contains(bare, "}:{"), strings.ContainsAny(bare, "[]"),
		text != bare && !enclosed, found && !enclosed && strings.Contains(bare, ":"):
		return w, 0, sdk.Errorf(w.Pos, "%q is no address to connect from: write a placeholder, and a port as a number: {conn.local_ip}:12345", w.Text)
	}
	return sdk.Word{Text: bare, Pos: w.Pos, Quoted: w.Quoted}, uint16(n), nil
}

// note keeps the first word with a port.
func (l *localAddrs) note(w sdk.Word, port uint16) {
	if port != 0 && l.ported.Text == "" {
		l.ported = w
	}
}

func (l *localAddrs) none() bool { return *l == localAddrs{} }

// String tells addresses apart.
func (l *localAddrs) String() string {
	text := l.v4.String() + " " + l.v6.String()
	if l.chosen != nil {
		text += " " + l.chosen.String() + ":" + strconv.Itoa(int(l.port))
	}
	return text
}

// of returns where a connection to an address comes from; the zero AddrPort leaves that to
// the kernel. What a placeholder stands for counts where it is of the address's family. c
// is nil for checks, which leave the port to connections.
func (l *localAddrs) of(c host.View, to netip.AddrPort) (netip.AddrPort, error) {
	if !to.IsValid() {
		return netip.AddrPort{}, nil
	}
	from := l.v6
	if to.Addr().Is4() {
		from = l.v4
	}
	if c == nil {
		return netip.AddrPortFrom(from.Addr(), 0), nil
	}
	if l.chosen != nil {
		ip, err := l.expand(c)
		if err != nil {
			return netip.AddrPort{}, err
		}
		if ip.Is4() == to.Addr().Is4() {
			from = netip.AddrPortFrom(ip, l.port)
		}
	}
	if from.Port() != 0 && from == to {
		return netip.AddrPort{}, fmt.Errorf("local_addr %s is the upstream's own address", from)
	}
	return from, nil
}

// expand returns the address that the placeholder stands for. A port behind it, as
// {conn.local_addr} has one, is that of another socket.
func (l *localAddrs) expand(c host.View) (netip.Addr, error) {
	text, err := l.chosen.Expand(c.Get)
	if err != nil {
		return netip.Addr{}, clientErrorf("filling in local_addr %s: %w", l.chosen, err)
	}
	from, err := localOf(text)
	if err != nil {
		return netip.Addr{}, clientErrorf("filling in local_addr %s: %q is no address", l.chosen, text)
	}
	return from.Addr().WithZone(""), nil
}

// localOf reads an address with or without a port.
func localOf(text string) (netip.AddrPort, error) {
	from, err := netip.ParseAddrPort(text)
	if ip, wrong := netip.ParseAddr(text); wrong == nil {
		from, err = netip.AddrPortFrom(ip, 0), nil
	}
	return netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), err
}

// family is what local_addr, resolver_preference and tcp4/ or tcp6/ leave of the
// families.
func (u *entry) family(a address) (preference, error) {
	family := u.prefer
	for _, only := range [...]preference{a.family, u.localFamily()} {
		switch {
		case only == anyFamily || only == family:
		case family == v4Only || family == v6Only:
			return family, sdk.Errorf(a.word.Pos, "%q: resolver_preference, local_addr and the network name different families", a.word.Text)
		default:
			family = only
		}
	}
	if ip, err := netip.ParseAddr(a.host); err == nil && !family.takes(ip.Unmap()) {
		return family, sdk.Errorf(a.word.Pos, "%q: local_addr or resolver_preference is of the other family", a.word.Text)
	}
	return family, nil
}

func (u *entry) localFamily() preference {
	switch {
	case u.local.chosen != nil || u.local.v4.IsValid() == u.local.v6.IsValid():
		return anyFamily
	case u.local.v4.IsValid():
		return v4Only
	}
	return v6Only
}
