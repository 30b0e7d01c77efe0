package proxy

import (
	"net/netip"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// localAddrs are where an upstream is connected from: at most one address of each
// family. With one alone, only its family is used; with none, the kernel chooses.
type localAddrs struct{ v4, v6 netip.Addr }

// setLocal reads bare addresses.
func (u *entry) setLocal(n *sdk.Node) error {
	var errs sdk.Errors
	for _, w := range n.Args {
		errs.Add(w.Pos, u.local.add(w))
	}
	return errs.Err()
}

func (l *localAddrs) add(w sdk.Word) error {
	ip, err := netip.ParseAddr(w.Text)
	switch {
	case strings.Contains(w.Text, "{"):
		return sdk.Errorf(w.Pos, "%q has a placeholder, and local_addr is the same for all connections: write the address itself", w.Text)
	case err != nil || ip.Zone() != "":
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

func (l localAddrs) none() bool { return l == localAddrs{} }

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
	case u.local.v4.IsValid() == u.local.v6.IsValid():
		return anyFamily
	case u.local.v4.IsValid():
		return v4Only
	}
	return v6Only
}

// from returns where connections to the addresses come from; the zero Addr leaves that
// to the kernel. Faults that family finds are not told again.
func (u *entry) from(addrs []address) (netip.Addr, error) {
	var from netip.Addr
	if u.local.none() {
		return from, nil
	}
	for i, a := range addrs {
		local := u.localFor(a)
		switch {
		case !local.IsValid():
			return from, sdk.Errorf(a.word.Pos, "%q can be of either family and local_addr has an address of each: write resolver_preference ipv4_only or ipv6_only beside it", a.word.Text)
		case i > 0 && local != from:
			return from, sdk.Errorf(a.word.Pos, "%q and %q are of two families and get the same bytes: write local_addr for one family, or none", addrs[0].word.Text, a.word.Text)
		}
		from = local
	}
	return from, nil
}

// localFor returns the local address of the family that connections to a have, or none
// if they may have either.
func (u *entry) localFor(a address) netip.Addr {
	family, _ := u.family(a)
	if ip, err := netip.ParseAddr(a.host); err == nil {
		family = v6Only
		if ip.Unmap().Is4() {
			family = v4Only
		}
	}
	switch family {
	case v4Only:
		return u.local.v4
	case v6Only:
		return u.local.v6
	}
	return netip.Addr{}
}
