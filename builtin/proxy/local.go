package proxy

import (
	"net/netip"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// localAddrs are where an upstream is connected from: at most one address of each
// family, and one that a placeholder stands for. With an address of one family alone, only
// that family is used; with none, the kernel chooses.
type localAddrs struct {
	v4, v6 netip.Addr
	chosen *host.Template // nil: there is no placeholder
}

// setLocal reads bare addresses and placeholders.
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
	ip, err := netip.ParseAddr(w.Text)
	if err != nil || ip.Zone() != "" {
		return sdk.Errorf(w.Pos, "%q is no address: write local_addr 10.0.0.5, without a port", w.Text)
	}
	of, family := &l.v6, "IPv6"
	if ip = ip.Unmap(); ip.Is4() {
		of, family = &l.v4, "IPv4"
	}
	if of.IsValid() {
		return sdk.Errorf(w.Pos, "%s is a second %s address beside %s: write one of each family", w.Text, family, *of)
	}
	*of = ip
	return nil
}

func (l *localAddrs) addChosen(w sdk.Word) error {
	if l.chosen != nil {
		return sdk.Errorf(w.Pos, "%q is a second placeholder beside %s: write one", w.Text, l.chosen)
	}
	t, err := host.ParseTemplate(w)
	l.chosen = &t
	return err
}

func (l *localAddrs) none() bool { return *l == localAddrs{} }

// String tells addresses apart.
func (l *localAddrs) String() string {
	text := l.v4.String() + " " + l.v6.String()
	if l.chosen != nil {
		text += " " + l.chosen.String()
	}
	return text
}

// of returns where a connection to an address comes from; the zero Addr leaves that to the
// kernel. What a placeholder stands for counts where it is of the address's family.
func (l *localAddrs) of(c host.View, to netip.AddrPort) (netip.Addr, error) {
	if l.chosen != nil && c != nil && to.IsValid() {
		text, err := l.chosen.Expand(c.Get)
		if err != nil {
			return netip.Addr{}, clientErrorf("filling in local_addr %s: %w", l.chosen, err)
		}
		ip, err := addrOf(text)
		if err != nil {
			return netip.Addr{}, clientErrorf("filling in local_addr %s: %q is no address", l.chosen, text)
		}
		if ip.Is4() == to.Addr().Is4() {
			return ip, nil
		}
	}
	switch {
	case !to.IsValid():
		return netip.Addr{}, nil
	case to.Addr().Is4():
		return l.v4, nil
	}
	return l.v6, nil
}

// addrOf reads an address. A port behind it, as {conn.local_addr} has one, is left to the
// kernel all the same.
func addrOf(text string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(text)
	if err != nil {
		both, wrong := netip.ParseAddrPort(text)
		ip, err = both.Addr(), wrong
	}
	return ip.Unmap().WithZone(""), err
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
